"""One picture: file to rows, rows to the daemon and back, rows to file."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bsrgan_backend.cli.batch import Item, require_file
from bsrgan_backend.cli.language import _
from bsrgan_backend.cli.progress import bar, duration_text
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import Picture, enlarged, read_picture, write_picture, writing
from bsrgan_backend.worker import sizes
from bsrgan_wire import limits, places
from bsrgan_wire.client import Client, JobCancelled, JobRequest
from bsrgan_wire.download import Sink
from bsrgan_wire.messages import Message, Progress, State
from bsrgan_wire.upload import Source

USUAL_SCALE = 4
_DTYPES = {"uint8": "u8", "uint16": "u16", "float32": "f32"}


@dataclass(frozen=True)
class Wanted:
    """The size of a result, as asked for.

    Attributes:
        scale: factor from picture to result; None for the model's own, or a size.
        width: of the result in pixels; None for what keeps the proportions.
        height: of the result in pixels; None for what keeps the proportions.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None

    def size_of(self, height: int, width: int, model: str) -> tuple[int, int]:
        """(height, width) of the result for a picture, at least one pixel.

        Args:
            height: of the picture.
            width: of the picture.
            model: id, empty for the default; its scale counts when nothing else was asked.
        """
        if self.width is None and self.height is None:
            factor = self.scale or model_scale(model)
            return _rounded(height * factor), _rounded(width * factor)
        return (
            self.height or _rounded(height * (self.width or 0) / width),
            self.width or _rounded(width * (self.height or 0) / height),
        )


def _rounded(side: float) -> int:
    return max(1, int(side + 0.5))


def check_size(size: tuple[int, int], out_size: tuple[int, int]) -> None:
    """Refuse a result that the daemon would refuse, before the picture is sent.

    Args:
        size: (height, width) of the picture.
        out_size: of the result.

    Raises:
        BackendError: TOO_MANY_PIXELS or BAD_PARAM.
    """
    height, width = out_size
    if max(height, width) > limits.SIDE_PX or width * height > limits.OUTPUT_PX:
        raise BackendError(
            "TOO_MANY_PIXELS", f"The result would be {width} x {height}; choose a smaller scale or picture."
        )
    sizes.check_factors(size, out_size)


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


def prepare(
    item: Item, model: str, wanted: Wanted | float | None, device: str, params: dict[str, Any] | None = None
) -> Prepared:
    """Read a picture and say what is wanted of the daemon.

    Args:
        item: which file becomes which.
        model: id, empty for the daemon's default.
        wanted: size of the result; a number is a scale, None the model's own.
        device: "auto", "cpu" or "gpu:N".
        params: the task's options.

    Raises:
        BackendError: the file cannot be read, or the result would be too small or too large or cannot be written.
    """
    require_file(item.source)
    picture = read_picture(item.source)
    height, width, channels = picture.pixels.shape
    asked = wanted if isinstance(wanted, Wanted) else Wanted(wanted)
    out_height, out_width = asked.size_of(height, width, model)
    check_size((height, width), (out_height, out_width))
    target = item.target
    if picture.pixels.dtype == np.float32 and not item.is_named:
        target = target.with_suffix(".tif")
    writing.require_writable(target, picture, (out_height, out_width))
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
        params=params or {},
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
        show(f"{bar(first_row, request.height)}  {_('sending')}")
        return source[first_row : first_row + count].data.cast("B")

    def take(first_row: int, count: int, data: memoryview) -> None:
        show(f"{bar(first_row, request.out_height)}  {_('receiving')}")
        rows[first_row : first_row + count] = np.frombuffer(data, np.uint8).reshape(count, -1)

    def on_event(message: Message) -> None:
        if isinstance(message, Progress):
            show(progress_text(message))

    with interrupts() as is_interrupted:
        state = _exchange(client, request, send, take, on_event, is_interrupted)
    show(_("writing"))
    write_picture(prepared.target, enlarged(prepared.picture, result))
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
    phases = {"queued": _("waiting"), "loading": _("loading the model"), "finishing": _("finishing")}
    if message.phase in phases:
        return phases[message.phase]
    left = "  " + _("{time} left").format(time=duration_text(message.eta_s)) if message.eta_s >= 0 else ""
    return f"{bar(message.done, message.total)}{left}"
