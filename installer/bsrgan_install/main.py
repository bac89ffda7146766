"""The steps of the installer, in order."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from bsrgan_install import (
    backend_command,
    cards,
    environment,
    gimp_batch,
    options,
    ownership,
    places,
    plugin_files,
    profiles,
    record,
    removal,
    service,
    trial,
    weights,
)
from bsrgan_install.options import Options
from bsrgan_install.places import REPOSITORY, Layout
from bsrgan_install.profiles import Profile
from bsrgan_install.record import Record
from bsrgan_install.report import InstallError, Report, open_closed_streams


def main(arguments: list[str]) -> int:
    """Install or uninstall.

    Args:
        arguments: the command line without the program's name.

    Returns:
        0, 1 after a failure (one sentence on stderr), 2 for wrong usage, 130 after Ctrl-C.
    """
    open_closed_streams()
    asked = options.parse(arguments)
    layout = places.layout(asked.prefix)
    report = Report()
    try:
        if asked.uninstall:
            removal.run(layout, purge=asked.purge, report=report)
        else:
            install(layout, asked, report)
    except InstallError as error:
        report.failed(str(error))
        return 1
    except OSError as error:
        # Of a copy the second name is the target; the first one, perhaps in the checkout, can be read.
        name = error.filename2 or error.filename or layout.root
        report.failed(f"{name} cannot be used: {error.strerror or error}.")
        return 1
    except KeyboardInterrupt:
        report.failed("Stopped; run this again to finish, or with --uninstall to remove what is there.")
        return 130
    return 0


def install(layout: Layout, asked: Options, report: Report) -> None:
    """Do every step; each may be repeated.

    Raises:
        InstallError: a step failed.
        OSError: a file or folder cannot be read or written.
    """
    ownership.check_name(layout)
    ownership.check_free(layout)
    kept = record.read(layout.record)
    _start_record(layout, kept)
    try:
        _install_backend(layout, asked, kept, report)
        weights.install(layout, asked.model, kept, report)
        _install_for_cards(layout, asked, report)
        found = _install_plugins(layout, kept, report) if asked.gimp else []
        _install_service(layout, asked, kept, report)
        console = profiles.console() if asked.gimp else None
        profile = _profile_of_console(found)
        if console is not None:
            _verify(console, profile, report)
    finally:
        # Whatever was done is known to the uninstaller, also after a failure.
        record.write(layout.record, kept)
    if asked.trial:
        trial.run(layout, console, profile, report)
    _say_what_next(layout, found, console, report)


def _start_record(layout: Layout, kept: Record) -> None:
    """Make the root and its record, before anything else: by it a run that was stopped is known again."""
    made = record.make_folder(layout.root)
    kept.made(made)
    # Paddle makes these when it is imported, and leaves them empty.
    kept.made([folder for folder in layout.runtime_caches if not folder.exists()])
    try:
        record.write(layout.record, kept)
    except BaseException:
        # Without its record the folder would count as somebody else's.
        record.remove_empty([str(folder) for folder in made])
        raise


def _install_backend(layout: Layout, asked: Options, kept: Record, report: Report) -> None:
    backend_command.stop_daemon(layout)
    if asked.venv is not None:
        kept.python = environment.adopt(layout, asked.venv)
    else:
        report.say("Installing the backend (about 200 MB to fetch the first time) …")
        kept.python = environment.install(layout, report)
    kept.version = _version()
    report.done(f"gimp-bsrgan {kept.version} with Python {kept.python} in {layout.root}")
    backend_command.write_launcher(layout)
    problem = backend_command.link_launcher(layout, kept)
    if problem:
        report.note(problem)
    report.done(f"command {kept.link or layout.command}")


def _install_for_cards(layout: Layout, asked: Options, report: Report) -> None:
    if asked.torch or asked.paddle_gpu:
        cards.install(layout, asked.torch, asked.paddle_gpu, report)
    elif asked.venv is None:
        told = cards.advice(cards.found())
        if told:
            report.note(told)


def _version() -> str:
    text = (REPOSITORY / "shared" / "bsrgan_wire" / "__init__.py").read_text(encoding="utf-8")
    told = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if told is None:
        raise InstallError("This checkout is damaged (no version in it); get it again.")
    return told.group(1)


def _install_plugins(layout: Layout, kept: Record, report: Report) -> list[Profile]:
    found = profiles.find()
    msgpack = _msgpack(layout)
    for profile in found:
        folder = str(profile.plug_ins / plugin_files.NAME)
        kept.made(record.missing(profile.plug_ins))
        if folder not in kept.plugin_folders:
            kept.plugin_folders.append(folder)
        # Before the copy, which a full disk may stop, or a closed window without a word.
        record.write(layout.record, kept)
        plugin_files.install_plugin(
            profile.folder,
            prefix=layout.root,
            command=backend_command.start_command(layout),
            msgpack=msgpack,
            version=kept.version,
        )
        report.done(f"plug-in for {profile.title}: {folder}")
    return found


def _msgpack(layout: Layout) -> Path:
    found = [path.parent for path in layout.venv.glob("lib*/**/site-packages/msgpack/fallback.py")]
    found += [path.parent for path in layout.venv.glob("Lib/site-packages/msgpack/fallback.py")]
    if not found:
        raise InstallError(f"The environment {layout.venv} is incomplete; delete it and run this again.")
    return found[0]


def _install_service(layout: Layout, asked: Options, kept: Record, report: Report) -> None:
    if not asked.service or not service.is_available(layout):
        if kept.unit and not asked.service:
            service.remove(Path(kept.unit))
            kept.unit = ""
        report.done("no service needed: GIMP and the command start the daemon themselves")
        return
    problem = service.install(layout, backend_command.start_command(layout), kept)
    if problem:
        service.remove(Path(kept.unit))
        kept.unit = ""
        report.note(f"systemd did not start the daemon ({problem}); GIMP and the command start it themselves")
    else:
        report.done(f"systemd user unit {places.UNIT}: the daemon runs")


def _profile_of_console(found: list[Profile]) -> Path | None:
    """A console takes GIMP3_DIRECTORY from the environment by itself; else it knows its own profile."""
    named = [profile.folder for profile in found if profile.kind == profiles.DIRECTORY_VARIABLE]
    return named[0] if named else None


def _verify(console: Path, profile: Path | None, report: Report) -> None:
    report.start("asking GIMP for the new filter (its first start takes a while)")
    answer = gimp_batch.has_procedure(console, profile)
    if answer.ok:
        report.done(f"GIMP {answer.text} knows the filter")
    elif answer.text[:1].isdigit():
        raise InstallError(
            f"GIMP {answer.text} does not list the plug-in; start '{console.name} --verbose' to see why, and check "
            "that GIMP has Python ('python3-gi' and 'gir1.2-gimp-3.0' on Debian)."
        )
    else:
        report.note(f"GIMP could not be asked whether it knows the filter ({answer.text})")


def _say_what_next(layout: Layout, found: list[Profile], console: Path | None, report: Report) -> None:
    command = layout.link.name if layout.link and _is_on_path(layout.link.parent) else str(layout.command)
    report.say()
    if found:
        report.say("Next: (re)start GIMP, open a photo and choose Filters > Enhance > BSRGAN Upscale…")
        if console is None and not any(profile.exists for profile in found):
            report.say("No GIMP 3 was found here; the plug-in waits for it.")
    report.say(f"      {command} upscale PHOTO -o RESULT.png")
    report.say(f"      {command} --help")
    if any(profile.kind.startswith("Flatpak") for profile in found) and not _has_unit(layout):
        report.say(f"A GIMP from Flatpak cannot start programs: run '{command} serve' before you use the filter.")
    if sys.platform.startswith("linux") and profiles.snap_profiles(os.environ):
        report.say("A GIMP from the Snap store loads no plug-ins from your home; use GIMP of your system or Flathub.")


def _has_unit(layout: Layout) -> bool:
    return bool(record.read(layout.record).unit)


def _is_on_path(folder: Path) -> bool:
    return str(folder) in os.environ.get("PATH", "").split(os.pathsep)
