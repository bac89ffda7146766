"""`gimp-bsrgan upscale`: picture files through the daemon, which is started when none runs."""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bsrgan_backend.cli import batch
from bsrgan_backend.cli.arguments import path
from bsrgan_backend.cli.batch import Item
from bsrgan_backend.cli.failure import Failure, code_of, sentence_of
from bsrgan_backend.cli.language import _, printable
from bsrgan_backend.cli.progress import ProgressBar, duration_text
from bsrgan_wire import limits
from bsrgan_wire.errors import WireError
from bsrgan_wire.language import translated

if TYPE_CHECKING:
    from bsrgan_backend.cli.job import Done, Wanted
    from bsrgan_wire.client import Client

LEAST_SCALE, MOST_SCALE = 0.25, 16.0
LEAST_MEMORY = 1 << 20
_SIZE = re.compile(r"(\d{1,5})?x(\d{1,5})?")
_BYTES = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([KMGT]?)", re.IGNORECASE)
_DEVICE = re.compile(r"auto|cpu|gpu(:\d{1,2})?")

OPTIONS = ("strength", "texture", "alpha", "precision", "tile", "memory")
"""What goes to the daemon under the same names."""

_GENERAL = {"MODEL_MISSING", "MODEL_LOAD", "MODEL_HASH", "DEVICE", "SHUTTING_DOWN", "DISK_FULL", "AUTH", "VERSION"}
"""Failures that the next picture would meet as well, so a batch ends with them."""


def add_parsers(commands: Any) -> None:
    """Add `upscale`."""
    parser = commands.add_parser(
        "upscale",
        help=_("enlarge pictures"),
        description=_(
            "Enlarge PNG, JPEG, TIFF and WebP files of 8 and 16 bit. Colour profile, Exif and transparency "
            "are kept. With -d results are named NAME_BSRGAN.png (.tif for floating-point TIFFs)."
        ),
    )
    parser.add_argument("inputs", nargs="+", type=path, metavar="INPUT", help=_("a picture, or a folder of pictures"))
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", type=path, metavar="FILE", help=_("the result of one picture"))
    where.add_argument("-d", "--directory", type=path, metavar="DIR", help=_("a folder for results; made when missing"))
    parser.add_argument("--model", default="", metavar="ID", help=_("a model of 'models list' (default: the setting)"))
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--scale", type=_scale, metavar="F", help=_("how many times as large, 0.25 to 16 (default: the model's own)")
    )
    size.add_argument("--size", type=_size, metavar="WxH", help=_("size of the result; Wx or xH keeps the proportions"))
    _add_looks(parser)
    parser.add_argument("--device", type=_device, default="auto", metavar="auto|cpu|gpu:N", help=_("where to compute"))
    parser.add_argument(
        "--engine",
        choices=("auto", "paddle", "torch"),
        default="auto",
        help=_("library that computes (torch is an extra)"),
    )
    _add_engine(parser)
    parser.set_defaults(run=run)


def _add_looks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strength", type=_percent, metavar="0-100", help=_("share of the network's result; 0 is a plain resize")
    )
    parser.add_argument(
        "--keep-texture",
        dest="texture",
        type=_percent,
        metavar="0-100",
        help=_("how much of the picture's fine texture to add, without its noise"),
    )
    parser.add_argument(
        "--alpha", choices=("network", "kernel"), help=_("how transparency is enlarged (default: by the network)")
    )


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision", choices=("auto", "exact", "fast"), help=_("exact numbers or speed (default: the setting)")
    )
    parser.add_argument(
        "--tile", type=_tile, metavar="PX", help=_("longest side of the network's tiles; 0 for what fits the memory")
    )
    parser.add_argument("--memory", type=_memory, metavar="SIZE", help=_("memory for one picture, such as 4G"))


def _scale(text: str) -> float:
    return _number(text, LEAST_SCALE, MOST_SCALE)


def _percent(text: str) -> float:
    return _number(text, 0.0, 100.0)


def _number(text: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(
            _("{text!r} is no number from {least:g} to {most:g}").format(text=text, least=least, most=most)
        )
    return value


def _size(text: str) -> tuple[int | None, int | None]:
    """(width, height), one of which may be left out."""
    match = _SIZE.fullmatch(text)
    sides = [None if side is None else int(side) for side in match.groups()] if match else [None, None]
    if not any(sides) or 0 in sides:
        raise argparse.ArgumentTypeError(_("{text!r} is no size such as 1920x1080, 1920x or x1080").format(text=text))
    return sides[0], sides[1]


def _tile(text: str) -> int:
    if not text.isdecimal() or int(text) > limits.SIDE_PX:
        raise argparse.ArgumentTypeError(
            _("{text!r} is no whole number from 0 to {most}").format(text=text, most=limits.SIDE_PX)
        )
    return int(text)


def _memory(text: str) -> int:
    match = _BYTES.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(_("{text!r} is no amount of memory such as 800M or 4G").format(text=text))
    amount = float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")
    # 0 takes what is free. A small number lacks its unit, and would blame the machine for too little memory.
    if 0 < amount < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(
            _("{text!r} is less than 1M; write an amount such as 800M or 4G").format(text=text)
        )
    return int(amount)


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(_("{text!r} is none of auto, cpu, gpu and gpu:N").format(text=text))
    return text


def _place(asked: argparse.Namespace) -> str:
    """The device as the wire has it, with the library before it when one was asked for."""
    return str(asked.device) if asked.engine == "auto" else f"{asked.engine}/{asked.device}"


def run(asked: argparse.Namespace) -> int:
    """Upscale all pictures.

    Returns:
        0, or 1 when some of the pictures failed; the others are done then.

    Raises:
        Failure: wrong usage, or nothing could be done at all.
    """
    items = batch.plan(asked.inputs, asked.output, asked.directory)
    folder = items[0].target.parent
    if asked.directory is not None:
        folder.mkdir(parents=True, exist_ok=True)
    elif not folder.is_dir():
        raise Failure(f"The folder {folder} does not exist; make it or choose another.")
    with ProgressBar(sys.stderr) as shown:
        return _Batch(asked, shown).run(items)


class _Batch:
    """One run over the pictures, with the connection that they share."""

    def __init__(self, asked: argparse.Namespace, shown: ProgressBar) -> None:
        self._asked = asked
        self._shown = shown
        self._client: Client | None = None
        self._failures = 0

    def run(self, items: list[Item]) -> int:
        """Upscale each; a picture that fails is told about and the next one follows."""
        try:
            for number, item in enumerate(items, 1):
                label = item.source.name if len(items) == 1 else f"{number}/{len(items)} {item.source.name}"
                self._one(item, label)
        finally:
            if self._client is not None:
                self._client.close()
        return 1 if self._failures else 0

    def _one(self, item: Item, label: str) -> None:
        from bsrgan_backend.cli import job
        from bsrgan_backend.errors import BackendError

        try:
            self._shown.show(_("reading"), label)
            request = job.prepare(
                item, self._asked.model, _wanted(self._asked), _place(self._asked), _params(self._asked)
            )
            done = job.run(request, self._connected(), lambda text: self._shown.show(text, label))
        except (BackendError, WireError, OSError, MemoryError) as error:
            # One's own pictures fail alone; what is wrong with the daemon, the model or the disk ends the batch.
            if code_of(error) in _GENERAL:
                raise
            self._failures += 1
            self._tell(_named(item.source, sentence_of(error)))
        else:
            self._say_done(item, done)

    def _connected(self) -> Client:
        if self._client is None:
            from bsrgan_backend.cli import connection

            self._client = connection.connect(lambda: self._shown.show(_("starting the daemon")))
        return self._client

    def _say_done(self, item: Item, done: Done) -> None:
        for note in done.notes:
            self._tell(_named(item.source, note))
        if sys.stderr.isatty():
            height, width = done.size
            self._tell(f"{done.target}  {width} x {height}, {duration_text(done.seconds)}, {done.model}")

    def _tell(self, text: str) -> None:
        self._shown.clear()
        print(printable(translated(text)), file=sys.stderr)


def _wanted(asked: argparse.Namespace) -> Wanted:
    from bsrgan_backend.cli.job import Wanted

    width, height = asked.size or (None, None)
    return Wanted(asked.scale, width, height)


def _params(asked: argparse.Namespace) -> dict[str, Any]:
    """The options that were given; all others are the daemon's to choose."""
    given = {name: getattr(asked, name) for name in OPTIONS}
    return {name: value for name, value in given.items() if value is not None}


def _named(source: Path, sentence: str) -> str:
    """A sentence that says which picture it is about."""
    return sentence if sentence.startswith(source.name) else f"{source.name}: {sentence}"
