"""The installer's command line."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        trial: upscale the bundled photo at the end and say where the pictures are.
        prefix: the folder for everything; None for the usual one.
        gimp: put the plug-in into GIMP's profiles.
        service: set up a systemd user unit where that is possible.
        model: id of the model to install; empty for the authors' default or what can be had instead.
        torch: what pip is to install as PyTorch, for graphics cards; empty for nothing.
        paddle_gpu: the same for Paddle's build for NVIDIA cards.
        uninstall: remove the installation.
        purge: with `uninstall`, remove models and settings too.
        venv: an environment that holds the package already; for tests.
    """

    trial: bool = False
    prefix: Path | None = None
    gimp: bool = True
    service: bool = True
    model: str = ""
    torch: str = ""
    paddle_gpu: str = ""
    uninstall: bool = False
    purge: bool = False
    venv: Path | None = None


def _folder(text: str) -> Path:
    if not text:  # a shell's variable that is not set; as a path it would mean the current folder
        raise argparse.ArgumentTypeError("the folder's name is empty")
    return Path(text)


def parse(arguments: list[str]) -> Options:
    """Read the command line; wrong usage exits with status 2.

    Args:
        arguments: without the program's name.
    """
    parser = argparse.ArgumentParser(
        prog="install.py",
        description="Installs gimp-bsrgan for the current user: the backend, a model, and the plug-in in every GIMP 3 "
        "profile. Running it again upgrades; nothing outside the user's own folders is touched.",
    )
    parser.add_argument("--try", dest="trial", action="store_true", help="also upscale the bundled photo")
    parser.add_argument("--prefix", type=_folder, metavar="DIR", help="put everything below DIR (command: DIR/bin)")
    parser.add_argument("--no-gimp", dest="gimp", action="store_false", help="leave GIMP's profiles alone")
    parser.add_argument("--no-service", dest="service", action="store_false", help="set up no systemd user unit")
    parser.add_argument("--model", default="", metavar="ID", help="install this model and make it the default")
    parser.add_argument(
        *("--torch",), nargs="?", const="torch>=2.4", default="", metavar="SPEC",
        help="also install PyTorch, for graphics cards: what pip is to install, such as a wheel for your card",
    )  # fmt: skip
    parser.add_argument(
        *("--paddle-gpu",), default="", metavar="SPEC",
        help="install Paddle's build for NVIDIA cards instead of the processor's: a wheel of paddlepaddle-gpu 3.2.2",
    )  # fmt: skip
    parser.add_argument("--uninstall", action="store_true", help="remove everything but models and settings")
    parser.add_argument("--purge", action="store_true", help="with --uninstall: remove models and settings too")
    parser.add_argument("--venv", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args(arguments)
    if told.purge and not told.uninstall:
        parser.error("--purge goes with --uninstall")
    if told.uninstall and (told.trial or told.model or told.torch or told.paddle_gpu):
        parser.error("--uninstall goes with --prefix and --purge only")
    return Options(**vars(told))
