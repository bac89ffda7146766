"""One picture: file to rows, rows to the daemon and back, rows to file."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bsrgan_backend.cli.batch import Item
from bsrgan_backend.cli.progress import bar, duration_text
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import Picture, read_picture, write_picture
from bsrgan_wire import limits, places
from bsrgan_wire.client import Client, JobCancelled, JobRequest
from bsrgan_wire.download import Sink
from bsrgan_wire.messages import Message, Progress, State
from bsrgan_wire.upload import Source

USUAL_SCALE = 4
_DTYPES = {"uint8": "u8", "uint16": "u16", "float32": "f32"}
_PHASES = {"queued": "waiting", "loading": "loading the model", "running": "", "finishing": "finishing"}


@dataclass(frozen=True)
class Prepared:
    """A picture that is ready to be sent.

    Attributes:
        picture: as read.
        target: the file to write.
        request: for the daemon.
    """

    picture: Picture
    target: Path
    request: JobRequest


@dataclass(frozen=True)
class Done:
    """A picture that is written.

    Attributes:
        target: the file.
        size: (height, width) of the result.
        seconds: from sending to written.
        model: id of the model that was used.
        notes: sentences about what could not be kept or was done differently.
    """

    target: Path
    size: tuple[int, int]
    seconds: float
    model: str
    notes: tuple[str, ...]


def prepare(item: Item, model: str, scale: int | None, device: str) -> Prepared:
    """Read a picture and say what is wanted of the daemon.

    Args:
        item: which file becomes which.
        model: id, empty for the daemon's default.
        scale: factor from picture to result; None for the model's own.
        device: "auto", "cpu" or "gpu:N".

    Raises:
        BackendError: the file cannot be read, or the result would be too large.
    """
    picture = read_picture(item.source)
    height, width, channels = picture.pixels.shape
    factor = scale or model_scale(model)
    out_width, out_height = width * factor, height * factor
    if max(out_width, out_height) > limits.SIDE_PX or out_width * out_height > limits.OUTPUT_PX:
        raise BackendError(
            "TOO_MANY_PIXELS", f"The result would be {out_width} x {out_height}; choose a smaller scale or picture."
        )
    target = item.target
    if picture.pixels.dtype == np.float32 and not item.is_named:
        target = target.with_suffix(".tif")
    dtype = _DTYPES[picture.pixels.dtype.name]
    request = JobRequest(
        width=width,
        height=height,
        channels=channels,
        dtype=dtype,
        out_width=out_width,
        out_height=out_height,
        model=model,
        device=device,
    )
    return Prepared(picture, target, request)


def model_scale(model: str) -> int:
    """The scale of an installed model; the usual one when it is not installed, which the daemon will say."""
    from bsrgan_backend import settings
    from bsrgan_backend.models.store import ModelStore

    wanted = model or settings.load({}).settings.model
    installed = ModelStore(places.prefix() / "models").installed()
    return next((known.scale for known in installed if known.id == wanted), USUAL_SCALE)


def run(prepared: Prepared, client: Client, show: Callable[[str], None]) -> Done:
    """Have the daemon upscale a picture, and write the result whole or not at all.

    Args:
        prepared: of `prepare`.
        client: connected; Ctrl-C cancels the job before KeyboardInterrupt goes on.
        show: given one line of progress now and then.

    Raises:
        WireError: the daemon refused or failed.
        ConnectionLost: it is gone.
        BackendError: the result cannot be written.
    """
    began = time.monotonic()
    source = prepared.picture.pixels
    request = prepared.request
    result = np.empty((request.out_height, request.out_width, source.shape[2]), source.dtype)
    rows = result.view(np.uint8).reshape(request.out_height, -1)

    def send(first_row: int, count: int) -> memoryview:
        show(f"{bar(first_row, request.height)}  sending")
        return source[first_row : first_row + count].data.cast("B")

    def take(first_row: int, count: int, data: memoryview) -> None:
        show(f"{bar(first_row, request.out_height)}  receiving")
        rows[first_row : first_row + count] = np.frombuffer(data, np.uint8).reshape(count, -1)

    def on_event(message: Message) -> None:
        if isinstance(message, Progress):
            show(progress_text(message))

    with interrupts() as is_interrupted:
        state = _exchange(client, request, send, take, on_event, is_interrupted)
    show("writing")
    write_picture(prepared.target, replace(prepared.picture, pixels=result))
    notes = (*prepared.picture.notes, *state.notes)
    return Done(prepared.target, result.shape[:2], time.monotonic() - began, state.model, notes)


def _exchange(
    client: Client,
    request: JobRequest,
    send: Source,
    take: Sink,
    on_event: Callable[[Message], None],
    is_interrupted: Callable[[], bool],
) -> State:
    try:
        return client.run(request, send, take, on_event=on_event, is_cancelled=is_interrupted)
    except JobCancelled:
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a wish that can be asked for, so that the daemon is told; the second one ends."""
    seen = False

    def note(_number: int, _frame: object) -> None:
        nonlocal seen
        if seen:
            raise KeyboardInterrupt
        seen = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: seen
    finally:
        signal.signal(signal.SIGINT, before)


def progress_text(message: Progress) -> str:
    """A PROGRESS message as a line."""
    phase = _PHASES[message.phase]
    if message.phase != "running":
        return phase
    left = f"  {duration_text(message.eta_s)} left" if message.eta_s >= 0 else ""
    return f"{bar(message.done, message.total)}{left}"
