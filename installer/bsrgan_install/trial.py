"""`--try`: the bundled photo through the daemon, and through GIMP where there is one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from bsrgan_install import backend_command, gimp_batch
from bsrgan_install.places import PHOTO, Layout
from bsrgan_install.report import InstallError, Report

_TIMEOUT_S = 600


def run(layout: Layout, console: Path | None, profile: Path | None, report: Report) -> None:
    """Upscale the photo and say where the pictures are.

    Args:
        layout: the installation.
        console: a gimp-console to go through as well, or None.
        profile: the GIMP profile that holds the plug-in, for that console; None for GIMP's own choice.
        report: told how it went.

    Raises:
        InstallError: the photo could not be upscaled.
    """
    layout.try_folder.mkdir(parents=True, exist_ok=True)
    before, after = layout.try_folder / f"before{PHOTO.suffix}", layout.try_folder / "after.png"
    shutil.copyfile(PHOTO, before)
    after.unlink(missing_ok=True)
    report.start("upscaling the bundled photo")
    started = time.monotonic()
    done = backend_command.run(layout, "upscale", str(before), "-o", str(after), timeout_s=_TIMEOUT_S)
    if done.returncode != 0 or not after.is_file():
        raise InstallError(f"The photo could not be upscaled: {backend_command.sentence(done.stderr)}")
    report.done(f"photo upscaled through the daemon in {time.monotonic() - started:.0f} s, starting it included")
    by_gimp = layout.try_folder / "after-gimp.png"
    if console is not None:
        _through_gimp(console, profile, before, by_gimp, report)
    report.say()
    report.say(f"  before: {before}")
    report.say(f"  after:  {after}")
    if by_gimp.is_file():
        report.say(f"  GIMP:   {by_gimp}")


def _through_gimp(console: Path, profile: Path | None, before: Path, target: Path, report: Report) -> None:
    target.unlink(missing_ok=True)
    report.start("upscaling it once more, through GIMP")
    answer = gimp_batch.upscale(console, before, target, profile)
    if not answer.ok or not target.is_file():
        raise InstallError(f"GIMP could not upscale the photo: {answer.text}")
    report.done("photo upscaled through GIMP's own procedure")
