"""`gimp-bsrgan serve`: the daemon in the foreground."""

from __future__ import annotations

import argparse
from typing import Any

from bsrgan_backend.cli.language import _
from bsrgan_wire import places


def add_parsers(commands: Any) -> None:
    """Add `serve`, with a flag for every setting."""
    from bsrgan_backend import settings

    parser = commands.add_parser(
        "serve",
        help=_("run the daemon in the foreground"),
        description=_("Run the daemon until it is stopped. GIMP, 'upscale' or systemd start it when it is needed."),
    )
    for name, rule in settings.RULES.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, dest=f"setting_{name}", metavar=name.rsplit("_", 1)[-1].upper(), help=_(rule.help))
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Serve until the daemon is stopped."""
    from bsrgan_backend import settings
    from bsrgan_backend.daemon import server

    flags = {name: value for name in settings.RULES if (value := getattr(asked, f"setting_{name}")) is not None}
    return server.serve(settings.load(flags), places.prefix())
