"""`--uninstall`: everything that the record names, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bsrgan_install import backend_command, plugin_files, profiles, record, service
from bsrgan_install.ownership import FOLDERS, PERSONAL, is_ours, is_shared
from bsrgan_install.places import Layout
from bsrgan_install.report import InstallError, Report


def run(layout: Layout, *, purge: bool, report: Report) -> None:
    """Remove the installation; doing it twice is no error.

    Args:
        layout: the installation.
        purge: also remove models and settings.
        report: told what was removed and what stays.

    Raises:
        InstallError: something cannot be removed.
    """
    try:
        if is_ours(layout):
            _remove_all(layout, purge=purge, report=report)
        else:
            report.note(f"nothing is installed in {layout.root}")
            # They say themselves that they belong to this root, which may have been deleted by hand.
            _remove_plugins(layout, record.Record(), report)
    except OSError as error:
        name = error.filename or layout.root
        raise InstallError(f"{name} could not be removed ({error.strerror}); run this again.") from None


def _remove_all(layout: Layout, *, purge: bool, report: Report) -> None:
    kept = record.read(layout.record)
    if kept.unit:
        service.remove(Path(kept.unit))
        report.done("systemd unit removed")
    backend_command.stop_daemon(layout)
    _remove_plugins(layout, kept, report)
    _remove_link(layout, kept)
    _remove_root(layout, kept, purge=purge, report=report)


def _remove_plugins(layout: Layout, kept: record.Record, report: Report) -> None:
    for folder in _plugin_folders(layout, kept):
        if not folder.is_dir():
            continue
        left = plugin_files.remove_plugin(folder)
        report.done(f"plug-in removed from {folder.parent.parent}")
        if left:
            report.note(f"{len(left)} files in {folder} were changed or added by you and stay")


def _plugin_folders(layout: Layout, kept: record.Record) -> Iterator[Path]:
    """The recorded ones, and any other that says it belongs to this root."""
    recorded = [Path(name) for name in kept.plugin_folders]
    yield from recorded
    for profile in profiles.find():
        folder = profile.plug_ins / plugin_files.NAME
        if folder not in recorded and plugin_files.prefix_of(folder) == str(layout.root):
            yield folder


def _remove_link(layout: Layout, kept: record.Record) -> None:
    if not kept.link:
        return
    link = Path(kept.link)
    if link.is_symlink() and os.readlink(link) == str(layout.command):
        link.unlink()


def _remove_root(layout: Layout, kept: record.Record, *, purge: bool, report: Report) -> None:
    shared = is_shared(layout)
    for name in ("venv",) if shared else (*FOLDERS, *(PERSONAL if purge else ())):
        _remove(layout.root / name)
    _remove_command(layout)
    if shared:
        layout.record.unlink()
        report.done("gimp-bsrgan removed")
        left = [name for name in (*FOLDERS, *PERSONAL) if (layout.root / name).exists()]
        if left:
            report.note(f"{layout.root} holds other things, so {', '.join(left)} stay; delete what is gimp-bsrgan's")
        return
    stays = [name for name in PERSONAL if (layout.root / name).exists()]
    if stays:
        # The record of what was made stays too, so that --purge can finish the work later.
        report.done(
            f"gimp-bsrgan removed; {' and '.join(stays)} stay in {layout.root} (--uninstall --purge removes them)"
        )
        rest = record.Record(made_folders=kept.made_folders, fallback_model=kept.fallback_model)
        record.write(layout.record, rest)
        record.remove_empty(
            [name for name in kept.made_folders if Path(name) not in (layout.root, *layout.root.parents)]
        )
        return
    layout.record.unlink()
    record.remove_empty([*kept.made_folders, str(layout.root)])
    record.remove_empty(kept.made_folders)
    report.done("gimp-bsrgan removed")


def _remove_command(layout: Layout) -> None:
    if backend_command.is_launcher(layout.command):
        layout.command.unlink()
    record.remove_empty([str(layout.command.parent)])


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
