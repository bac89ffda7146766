"""`gimp-bsrgan bench`: what daemon, wire and plug-in cost, each beside what is wanted of it."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from typing import Any

from bsrgan_backend.cli.progress import ProgressBar
from bsrgan_backend.cli.table import aligned

RUNS = 15
GIMPS = ("gimp-console", "gimp-console-3", "gimp-console-3.2", "gimp-console-3.0")


def add_parsers(commands: Any) -> None:
    """Add `bench`."""
    parser = commands.add_parser(
        "bench",
        help="measure speed and memory",
        description="Measure a daemon of its own, beside one that runs, and the plug-in where a GIMP has it.",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--model", default="", metavar="ID", help="installed model to measure with")
    parser.add_argument("--runs", type=_count, default=RUNS, metavar="N", help=f"repetitions (default {RUNS})")
    parser.add_argument("--gimp", metavar="CMD", help="how to call gimp-console (default: the one on the PATH)")
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("a number from 1 to 1000 is needed")
    return int(text)


def run(asked: argparse.Namespace) -> int:
    """Measure and print one table; what is not met does not fail, it is marked."""
    from bsrgan_backend.cli import machine, measuring

    gimp = (
        shlex.split(asked.gimp)
        if asked.gimp
        else next(([found] for name in GIMPS if (found := shutil.which(name))), [])
    )
    with ProgressBar(sys.stderr) as shown:
        head = machine.facts()
        measures = measuring.all_measures(asked.model, asked.runs, gimp, shown.show)
    if asked.json:
        told = [
            {"name": m.name, "value": m.value, "unit": m.unit, "wanted": m.wanted, "ratio": m.ratio, "note": m.note}
            for m in measures
        ]
        print(json.dumps({"machine": head, "measures": told}, indent=1))
        return 0
    print(aligned(list(head.items())))
    print()
    print(aligned([("measure", "value", "wanted", "ratio", ""), *(m.cells() for m in measures)], frozenset({1, 2, 3})))
    print("\nratio = value / wanted: below 1.00 is better than wanted")
    return 0
