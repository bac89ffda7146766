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


def executable(layout: Layout) -> Path:
    """The command inside the environment."""
    return pythons.script_in(layout.venv, COMMAND, layout.platform)


def start_command(layout: Layout) -> list[str]:
    """How the plug-in starts the daemon: by Python itself, which needs no script and no shell."""
    python = pythons.python_in(layout.venv, layout.platform)
    return [str(python), "-I", "-m", "bsrgan_backend.cli.main", "serve"]


def run(layout: Layout, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Call the installed command and return its output."""
    command = [str(executable(layout)), *arguments]
    return commands.run(command, timeout_s=timeout_s, extra={PREFIX_VARIABLE: str(layout.root)})


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
        [str(executable(layout)), *arguments],
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
    if not layout.rendezvous.exists() or not executable(layout).exists():
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
        text = f'@set "{PREFIX_VARIABLE}={layout.root}"\r\n@"{executable(layout)}" %*\r\n'
    else:
        root, program = shlex.quote(str(layout.root)), shlex.quote(str(executable(layout)))
        text = f'#!/bin/sh\n{PREFIX_VARIABLE}={root} exec {program} "$@"\n'
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
