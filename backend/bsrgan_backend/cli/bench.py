"""`gimp-bsrgan bench`: this engine beside other runtimes, daemon and wire beside the engine, each claim judged."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from typing import Any

from bsrgan_backend.cli.arguments import path
from bsrgan_backend.cli.language import _
from bsrgan_backend.cli.progress import ProgressBar

RUNS = 3
SIZES = (128, 512)
QUICK = (128,)
SIDE_PX_MAX = 4096
GIMPS = ("gimp-console", "gimp-console-3", "gimp-console-3.2", "gimp-console-3.0")


def add_parsers(commands: Any) -> None:
    """Add `bench`."""
    parser = commands.add_parser(
        "bench",
        help=_("measure speed and memory"),
        description=_(
            "Measure this engine, a daemon of its own beside one that runs, and the plug-in where a GIMP has "
            "it. With --peers the same network runs in PyTorch, OpenVINO and ONNX Runtime too, in turns."
        ),
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=_("for programs"))
    form.add_argument("--markdown", action="store_true", help=_("to be kept in docs/benchmarks.md"))
    parser.add_argument("--model", default="", metavar="ID", help=_("installed model to measure with"))
    parser.add_argument(
        "--runs", type=_count, default=RUNS, metavar="N", help=_("repetitions (default {count})").format(count=RUNS)
    )
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument(
        "--sizes", type=_sizes, default=SIZES, metavar="PX,...", help=_("sides of the pictures (default 128,512)")
    )
    sizes.add_argument("--quick", action="store_const", dest="sizes", const=QUICK, help=_("128 x 128 only"))
    parser.add_argument(
        "--peers", action="store_true", help=_("compare with other runtimes; installs them apart when they are missing")
    )
    parser.add_argument("--photo", type=path, metavar="FILE", help=_("photo to cut from (default: the bundled one)"))
    parser.add_argument("--photos", type=path, metavar="DIR", help=_("also compare fast with exact on these photos"))
    parser.add_argument(
        "--memory", action="store_true", help=_("also compare memory with the plan: half an hour or more")
    )
    parser.add_argument("--degradation", action="store_true", help=_("also time the degradation model"))
    parser.add_argument("--gimp", metavar="CMD", help=_("how to call gimp-console (default: the one on the PATH)"))
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(_("a number from 1 to 1000 is needed"))
    return int(text)


def _sizes(text: str) -> tuple[int, ...]:
    words = text.split(",")
    if not all(word.isdigit() and 16 <= int(word) <= SIDE_PX_MAX and int(word) % 4 == 0 for word in words):
        raise argparse.ArgumentTypeError(
            _("sides are multiples of 4 from 16 to {most}, such as 128,512").format(most=SIDE_PX_MAX)
        )
    return tuple(sorted({int(word) for word in words}))


def run(asked: argparse.Namespace) -> int:
    """Measure and print; what is not reached does not fail, it is marked."""
    from bsrgan_backend.cli import machine
    from bsrgan_backend.cli.benching import comparison, memories, report

    options = comparison.Options(
        model=asked.model,
        sizes=asked.sizes,
        runs=asked.runs,
        with_peers=asked.peers,
        photo=asked.photo,
        photos=asked.photos,
        memory=memories.CASES if asked.memory else (),
        with_degradation=asked.degradation,
        gimp=_gimp(asked.gimp),
    )
    with ProgressBar(sys.stderr) as shown:
        measured = comparison.measure(options, shown.show)
    head = machine.facts()
    if asked.json:
        print(json.dumps(report.as_facts(head, measured), indent=1))
    else:
        print((report.as_markdown if asked.markdown else report.as_text)(head, measured))
    return 0


def _gimp(asked: str | None) -> list[str]:
    if asked:
        return shlex.split(asked)
    return next(([found] for name in GIMPS if (found := shutil.which(name))), [])
