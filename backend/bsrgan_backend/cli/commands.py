"""Which family of commands was asked for, and how a failure is told."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from bsrgan_backend.cli import bench, degrade, language, models, serve, settings, status, upscale
from bsrgan_backend.cli.failure import Failure, sentence_of
from bsrgan_backend.cli.language import _, printable
from bsrgan_wire import __version__
from bsrgan_wire.language import translated

COMMANDS = (upscale, degrade, serve, status, models, settings, bench)
DEBUG_VARIABLE = "GIMP_BSRGAN_DEBUG"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong usage; the words of the command line may be in it."""
        super().error(printable(message))

    def _print_message(self, message: str, file: Any = None) -> None:
        # Help and version: argparse ends with success although they could not be written.
        if file is not sys.stdout:
            super()._print_message(message, file)
            return
        sys.stdout.write(message)
        sys.stdout.flush()


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = _Parser(
        prog="gimp-bsrgan",
        description=_("Enlarge pictures with a trained network, in the daemon that the GIMP plug-in uses."),
    )
    whole.add_argument("--version", action="version", version=f"gimp-bsrgan {__version__}")
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for family in COMMANDS:
        family.add_parsers(commands)
    return whole


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; default those of the process.

    Returns:
        The exit status.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _failed(_("Stopped."), 130)
    except BrokenPipeError:
        # The reader of a pipe has left, and wants to hear nothing more.
        return 1
    except Failure as error:
        return _failed(str(error), error.status)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        return _failed(sentence_of(error), 1)
    finally:
        _let_go_of_output()


def _run(arguments: Sequence[str] | None) -> int:
    language.use_everywhere()
    asked = parser().parse_args(arguments)
    status_: int = asked.run(asked)
    sys.stdout.flush()
    return status_


def _let_go_of_output() -> None:
    """Drop what cannot be written: Python would complain at its end, with a status of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(sentence: str, status_: int) -> int:
    print(f"gimp-bsrgan: {printable(translated(sentence))}", file=sys.stderr)
    return status_
