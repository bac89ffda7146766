"""Calling the installed `gimp-bsrgan`, always for this installation's root."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from bsrgan_install import commands, pythons, record
from bsrgan_install.places import COMMAND, PREFIX_VARIABLE, Layout
from bsrgan_install.report import InstallError, Report

_STOP_TIMEOUT_S = 40


def command_line(layout: Layout, *arguments: str) -> list[str]:
    """The command by Python itself: pip's script lets a shell read the folder's name, which may hold a '$'."""
    python = pythons.python_in(layout.venv, layout.platform)
    return [str(python), "-I", "-m", "bsrgan_backend.cli.main", *arguments]


def start_command(layout: Layout) -> list[str]:
    """How plug-in and systemd start the daemon."""
    return command_line(layout, "serve")


def run(layout: Layout, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Call the installed command and return its output."""
    extra = {PREFIX_VARIABLE: str(layout.root)}
    return commands.run(command_line(layout, *arguments), timeout_s=timeout_s, extra=extra)


def watch(layout: Layout, report: Report, what: str, *arguments: str) -> str:
    """Call the installed command and show the lines that it prints on its way.

    Args:
        layout: the installation.
        report: where each line is shown as it comes.
        what: put in front of each line.
        arguments: for the command.

    Returns:
        An empty string on success, else the sentence that the command gave.
    """
    process = subprocess.Popen(
        command_line(layout, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=commands.clean_environment({PREFIX_VARIABLE: str(layout.root)}),
    )
    assert process.stdout is not None  # PIPE above
    assert process.stderr is not None
    with process:
        try:
            for line in process.stdout:
                report.start(f"{what}: {line.strip()}")
            said = process.stderr.read()
        except KeyboardInterrupt:
            process.terminate()
            raise
    if process.returncode == 0:
        return ""
    return sentence(said) or f"gimp-bsrgan ended with status {process.returncode}."


def sentence(said: str) -> str:
    """The command's last line on stderr without its own name in front."""
    line, name = commands.last_line(said), f"{COMMAND}: "
    return line[len(name) :] if line.startswith(name) else line


def stop_daemon(layout: Layout) -> None:
    """Stop the installation's daemon, if one runs.

    Raises:
        InstallError: it goes on running.
    """
    if not layout.rendezvous.exists() or not pythons.python_in(layout.venv, layout.platform).exists():
        return
    done = run(layout, "stop", timeout_s=_STOP_TIMEOUT_S)
    if done.returncode != 0 and layout.rendezvous.exists():
        still = run(layout, "status", timeout_s=_STOP_TIMEOUT_S)
        if still.returncode == 0:
            reason = sentence(done.stderr)
            raise InstallError(f"The running daemon could not be stopped ({reason}); end it and run this again.")


def write_launcher(layout: Layout) -> None:
    """Write `bin/gimp-bsrgan`, which always means this installation."""
    layout.command.parent.mkdir(parents=True, exist_ok=True)
    if layout.platform == "win32":
        program, *words = command_line(layout)
        text = f'@set "{PREFIX_VARIABLE}={layout.root}"\r\n@"{program}" {" ".join(words)} %*\r\n'
    else:
        root, line = shlex.quote(str(layout.root)), shlex.join(command_line(layout))
        text = f'#!/bin/sh\n{PREFIX_VARIABLE}={root} exec {line} "$@"\n'
    layout.command.write_text(text, encoding="utf-8")
    layout.command.chmod(0o755)


def is_launcher(path: Path) -> bool:
    """Whether a file is what `write_launcher` wrote; a link to it, as in `~/.local/bin`, is not."""
    try:
        # The whole file would fill the memory if this were somebody else's program.
        with path.open("rb") as file:
            start = file.read(100).decode("utf-8", "replace")
    except OSError:
        return False
    return not path.is_symlink() and start.startswith((f"#!/bin/sh\n{PREFIX_VARIABLE}=", f'@set "{PREFIX_VARIABLE}='))


def link_launcher(layout: Layout, kept: record.Record) -> str:
    """Link the command into `~/.local/bin`.

    Returns:
        An empty string, or why there is no link, as a sentence.
    """
    link = layout.link
    if link is None:
        return ""
    if link.is_symlink() and Path(link.resolve()) == layout.command.resolve():
        kept.link = str(link)
        return ""
    if link.is_symlink() and not link.exists() and str(layout.root) in os.readlink(link):
        link.unlink()
    if link.exists() or link.is_symlink():
        return f"{link} is something else and was left alone; use {layout.command}."
    kept.made(record.make_folder(link.parent))
    link.symlink_to(layout.command)
    kept.link = str(link)
    return ""
