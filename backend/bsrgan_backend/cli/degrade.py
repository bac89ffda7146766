"""`gimp-bsrgan degrade`: bad pictures from good ones by the BSRGAN model, without a daemon."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from bsrgan_backend.cli.arguments import path
from bsrgan_backend.cli.language import _
from bsrgan_backend.cli.progress import ProgressBar

# Spelt out here, so that no other command waits for numpy; a test holds them against the model.
MODES = ("bsrgan", "bsrgan-plus", "manual", "preset")
PRESETS = (
    "bsrgan-x4", "bsrgan-x2", "old-phone-camera", "web-jpeg", "re-shared-image", "scanned-print", "low-light",
    "thumbnail-enlarged", "old-dvd-frame", "clean-bicubic",
)  # fmt: skip
FAMILIES = ("blur", "resize", "noise", "jpeg", "camera", "sharpen")


def add_parsers(commands: Any) -> None:
    """Add `degrade`."""
    parser = commands.add_parser(
        "degrade",
        help=_("make bad pictures from good ones"),
        description=_(
            "Degrade pictures as BSRGAN's training data are degraded: blur, reduction, noise, JPEG and a "
            "camera's sensor, drawn from a seed. NAME becomes NAME_LQ.png with its recipe inside, and recipes.jsonl "
            "lists every number. The same picture, options and seed give the same file."
        ),
        epilog=_("presets: {names}").format(names=", ".join(PRESETS)),
    )
    parser.add_argument("inputs", nargs="+", type=path, metavar="INPUT", help=_("a picture, or a folder of pictures"))
    parser.add_argument(
        "-d", "--directory", type=path, metavar="DIR", required=True, help=_("a folder for results; made when missing")
    )
    _add_wishes(parser)
    _add_outputs(parser)
    parser.set_defaults(run=run)


def _add_wishes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(_("what is drawn")).add_argument
    add("--mode", choices=MODES, help=_("bsrgan: seven steps in any order (default); bsrgan-plus: thirteen and more"))
    add("--preset", choices=PRESETS, metavar="NAME", help=_("ready-made steps, see below"))
    add("--steps", type=path, metavar="FILE", help=_("steps of your own: a JSON list, for the mode manual"))
    add("--recipe", type=path, metavar="FILE", help=_("do the same again: a PNG of ours, a recipe, or a recipes.jsonl"))
    add("--scale", type=int, choices=(1, 2, 3, 4), help=_("reduction (default: 4, or the preset's own)"))
    add("--seed", type=int, metavar="N", help=_("item k is drawn from N + k (default 0)"))
    add("--profile", choices=("official", "paper"), help=_("ranges of the released code (default) or of the paper"))
    add("--strength", type=float, metavar="T", help=_("0 a plain change of size, 1 as drawn (default)"))
    add(
        "--variation",
        type=float,
        metavar="V",
        help=_("how far a seed moves a preset's numbers, 0 to 0.5 (default 0.2)"),
    )
    add("--same-size", choices=("nearest", "bicubic", "area"), help=_("bring results back to the size of the picture"))
    add(
        "--off",
        nargs="+",
        action="extend",
        choices=FAMILIES,
        metavar="FAMILY",
        help=_("leave out some of {names}").format(names=", ".join(FAMILIES)),
    )
    add("--count", type=_count, metavar="N", help=_("so many results of each picture (default 1)"))
    add(
        "--patch",
        type=_count,
        default=0,
        metavar="N",
        help=_("cut a random N x N patch first, also kept as NAME_HQ.png"),
    )


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(_("what else is written")).add_argument
    add("--pairs", action="store_true", help=_("degraded and clean side by side, as NAME_pair.png"))
    add("--sheet", action="store_true", help=_("all results on one page, as sheet.png"))
    add("--then-upscale", action="store_true", help=_("upscale each result again and compare, as NAME_trip.png"))
    add("--model", default="", metavar="ID", help=_("model for --then-upscale (default: the setting)"))
    add("--processes", type=_count, default=0, metavar="N", help=_("processes at work (default: as many as pay)"))
    add("--json", action="store_true", help=_("for programs"))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(_("a number from 1 to 100000 is needed"))
    return int(text)


def run(asked: argparse.Namespace) -> int:
    """Degrade all pictures.

    Returns:
        0, or 1 when some of them failed; the others are done then.

    Raises:
        Failure: wrong usage, or nothing could be done at all.
        BackendError: an option is out of bounds, or the recipe cannot be used.
    """
    from bsrgan_backend.cli import degrade_run

    items = degrade_run.items(asked)
    items[0].folder.mkdir(parents=True, exist_ok=True)
    with ProgressBar(sys.stderr) as shown:
        return degrade_run.Run(asked, items, shown).run()
