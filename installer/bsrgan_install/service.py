"""The systemd user unit: where systemd runs for the user, the daemon starts with the session."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bsrgan_install import commands, files, record
from bsrgan_install.places import PREFIX_VARIABLE, UNIT, Layout

_TIMEOUT_S = 40

_TEMPLATE = """\
[Unit]
Description=Upscaling daemon of the GIMP plug-in BSRGAN
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
Environment={environment}
ExecStart={command}
Restart=on-failure
RestartSec=1
WatchdogSec=30
TimeoutStopSec=15
KillMode=mixed
LimitNOFILE=65536
LimitCORE=0
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""
# What is left out, and why: mount-based options (ProtectSystem, ProtectHome, PrivateTmp) need a user namespace in a
# user unit, which some systems forbid, and PrivateTmp would hide a socket in /tmp; MemoryDenyWriteExecute breaks the
# just-in-time compilers of the engine; PrivateDevices hides the graphics card. AF_INET stays for `transport = tcp`,
# which binds 127.0.0.1 only.


def unit_text(layout: Layout, command: list[str]) -> str:
    """The unit's text.

    Args:
        layout: the installation.
        command: what starts its daemon, without a shell, which would not pass signals on.
    """
    return _TEMPLATE.format(
        environment=_quoted(f"{PREFIX_VARIABLE}={layout.root}"),
        command=" ".join(_quoted(word).replace("$", "$$") for word in command),
    )


def _quoted(text: str) -> str:
    """A word of a unit file: percent signs are specifiers there, and blanks divide words."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def is_available(layout: Layout) -> bool:
    """Whether this user has a running systemd that takes units."""
    if layout.unit is None or shutil.which("systemctl") is None:
        return False
    return _systemctl("show-environment").returncode == 0


def install(layout: Layout, command: list[str], kept: record.Record) -> str:
    """Write, enable and start the unit.

    Returns:
        An empty string, or why the daemon does not run by the unit, in words that end a sentence.
    """
    assert layout.unit is not None  # is_available() was asked
    kept.made(record.make_folder(layout.unit.parent))
    kept.unit = str(layout.unit)
    files.write(layout.unit, unit_text(layout, command).encode())
    for arguments in (("daemon-reload",), ("enable", UNIT), ("restart", UNIT)):
        done = _systemctl(*arguments)
        if done.returncode != 0:
            return commands.last_line(done.stderr) or f"systemctl {arguments[0]} failed"
    return ""


def remove(unit: Path) -> None:
    """Stop, disable and delete the unit; nothing happens when there is none."""
    files.drop_draft(unit)
    if not unit.exists():
        return
    if shutil.which("systemctl") is not None:
        _systemctl("disable", "--now", UNIT)
    # `disable` removes the link itself, but not where no systemd runs any more.
    for path in (unit.parent / "default.target.wants" / UNIT, unit):
        path.unlink(missing_ok=True)
    record.remove_empty([str(unit.parent / "default.target.wants")])
    if shutil.which("systemctl") is not None:
        _systemctl("daemon-reload")
        _systemctl("reset-failed", UNIT)


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.run(["systemctl", "--user", "--no-pager", *arguments], timeout_s=_TIMEOUT_S)
