"""`gimp-bsrgan settings`: every setting with its value and where it comes from; setting one in the file."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from typing import Any

from bsrgan_backend import settings
from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.cli.language import _
from bsrgan_backend.cli.table import aligned
from bsrgan_wire import places
from bsrgan_wire.language import translated


def add_parsers(commands: Any) -> None:
    """Add `settings`, `settings get` and `settings set`."""
    parser = commands.add_parser(
        "settings",
        help=_("show or change settings"),
        description=_(
            "Show every setting with its source: default, file (settings.toml) or environment "
            "(GIMP_BSRGAN_NAME). A running daemon has read them at its start."
        ),
    )
    parser.add_argument("--json", action="store_true", help=_("for programs"))
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(metavar="ACTION")
    get = actions.add_parser("get", help=_("print one setting's value"))
    get.add_argument("name", choices=settings.RULES, metavar="NAME")
    get.set_defaults(run=run_get)
    change = actions.add_parser("set", help=_("write one setting to settings.toml"))
    change.add_argument("name", choices=settings.RULES, metavar="NAME")
    change.add_argument("value", metavar="VALUE")
    change.set_defaults(run=run_set)


def run(asked: argparse.Namespace) -> int:
    """Print all settings."""
    loaded = _loaded()
    values = dataclasses.asdict(loaded.settings)
    if asked.json:
        told = {name: {"value": value, "source": loaded.sources[name]} for name, value in values.items()}
        print(json.dumps(told, indent=1))
        return 0
    print(_("file: {path}").format(path=settings.settings_file(places.prefix())))
    rows = [(name, str(value), loaded.sources[name], _(settings.RULES[name].help)) for name, value in values.items()]
    print(aligned([(_("setting"), _("value"), _("source"), _("what it is")), *rows]))
    return 0


def run_get(asked: argparse.Namespace) -> int:
    """Print one value."""
    print(getattr(_loaded().settings, asked.name))
    return 0


def run_set(asked: argparse.Namespace) -> int:
    """Write one value to the file.

    Raises:
        Failure: the value is not valid.
    """
    try:
        settings.write_setting(places.prefix(), asked.name, asked.value)
    except ValueError as error:
        raise Failure(str(error)) from None
    return 0


def _loaded() -> settings.LoadedSettings:
    loaded = settings.load({})
    for warning in loaded.warnings:
        print(f"gimp-bsrgan: {translated(warning)}", file=sys.stderr)
    return loaded
