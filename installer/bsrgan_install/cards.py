"""Graphics cards: which there are, the library for them, and whether it really computes on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bsrgan_install import backend_command, commands, environment
from bsrgan_install.places import PHOTO, Layout
from bsrgan_install.report import Report

PADDLE = "paddlepaddle==3.2.2"
"""The processor's build, put back when the card's one does not work; the same release as in pyproject.toml."""

_QUERY_S = 20
_TRIAL_S = 900


@dataclass(frozen=True)
class Card:
    """An NVIDIA card as its driver's tool describes it.

    Attributes:
        name: as its maker calls it.
        driver: version of the driver, as numbers.
        capability: (major, minor) of its instruction set.
    """

    name: str
    driver: tuple[int, ...]
    capability: tuple[int, int]


def found() -> list[Card]:
    """The NVIDIA cards of this machine; none where their tool is missing."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    done = commands.run(query, timeout_s=_QUERY_S)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    told = (re.match(r"(.+), (\d+(?:\.\d+)*), (\d+)\.(\d+)$", line.strip()) for line in lines)
    return [
        Card(one.group(1), tuple(map(int, one.group(2).split("."))), (int(one.group(3)), int(one.group(4))))
        for one in told
        if one
    ]


def paddle_build(card: Card) -> str:
    """The build of Paddle that serves a card: "cu126", "cu129", or empty where none does with its driver.

    Builds for CUDA 12.6 hold code for capabilities 7.5 to 9.0 and need a driver of 550.54 or later; newer cards need
    the one for 12.9 and its driver 575. The self-test has the last word.
    """
    if card.capability >= (10, 0):
        return "cu129" if card.driver >= (575,) else ""
    return "cu126" if card.capability >= (7, 5) and card.driver >= (550, 54) else ""


def advice(cards: list[Card]) -> str:
    """What to tell of cards that no library was asked for; empty where there are none."""
    if not cards:
        return ""
    build = paddle_build(cards[0])
    by_paddle = f" or '--paddle-gpu WHEEL' with a wheel of paddlepaddle-gpu 3.2.2 for {build}" if build else ""
    return f"{cards[0].name} is not used yet; run this again with '--torch'{by_paddle} to let it compute"


def install(layout: Layout, torch: str, paddle_gpu: str, report: Report) -> None:
    """Install a library for cards and try it; one that does not work is said, and taken out again if it is Paddle's.

    Args:
        layout: the installation.
        torch: what pip is to install for PyTorch: a requirement, a file or an address; empty for nothing.
        paddle_gpu: the same for Paddle's build for cards.
        report: told how it went.

    Raises:
        InstallError: pip failed, and what was there before is there again.
    """
    if torch:
        environment.add(layout, [torch], report)
    if paddle_gpu:
        # Both builds are one Python package: the second would overwrite half of the first.
        environment.remove(layout, ["paddlepaddle"])
        try:
            environment.add(layout, [paddle_gpu], report)
        except BaseException:
            _back_to_processor(layout, report)
            raise
    if not torch and not paddle_gpu:
        return
    # Each library by name: with both, the daemon would take Paddle.
    problem = tried(layout, "paddle" if paddle_gpu else "torch", report)
    if not problem:
        report.done("the graphics card gives the processor's numbers and will be used")
        return
    report.note(f"the graphics card cannot be used ({problem}); the processor computes")
    if paddle_gpu:
        _back_to_processor(layout, report)


def tried(layout: Layout, library: str, report: Report) -> str:
    """Upscale the bundled photo on the card, which starts with the self-test; why it failed, or nothing."""
    report.start("testing the graphics card (this takes a while the first time)")
    target = layout.root / "card-trial.png"
    arguments = ["upscale", str(PHOTO), "-o", str(target), "--device", "gpu", "--engine", library]
    done = backend_command.run(layout, *arguments, timeout_s=_TRIAL_S)
    was_written = target.is_file()
    _remove(target)
    backend_command.stop_daemon(layout)
    if done.returncode == 0 and was_written:
        return ""
    return backend_command.sentence(done.stderr).rstrip(".") or "no result came"


def _back_to_processor(layout: Layout, report: Report) -> None:
    environment.remove(layout, ["paddlepaddle-gpu", "paddlepaddle"])
    environment.add(layout, [PADDLE], report)


def _remove(path: Path) -> None:
    if path.exists():
        path.unlink()
