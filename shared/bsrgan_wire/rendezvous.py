"""The file in which a running daemon says how to reach it: `state/daemon.json`, readable by its user only.

Whoever can write this file can lead the client to a false daemon, so a file of another user, one that others may
change, and a symbolic link are refused; a file that is missing or damaged means that no daemon can be reached.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bsrgan_wire import PROTOCOL, checks
from bsrgan_wire.errors import DaemonUnreachable

_LONGEST_BYTES = 64 * 1024
_SHARING_RETRIES = 20

_CHECKS: dict[str, checks.Check] = {
    "protocol": checks.integer(0, 2**31 - 1),
    "version": checks.text(64),
    "instance": checks.hex_id,
    "pid": checks.integer(0, 2**31 - 1),
    "endpoints": checks.texts(1024, 8),
    "secret": checks.text(128),
    "log": checks.text(4096),
}


@dataclass(frozen=True)
class Rendezvous:
    """How to reach one run of the daemon.

    Attributes:
        protocol: the protocol's major version that it speaks.
        version: version of its package.
        instance: random id of this run, 32 hexadecimal digits.
        pid: its process id, for people; never used to decide whether it lives.
        endpoints: `ipc://PATH` and `tcp://127.0.0.1:PORT`, to be tried in this order.
        secret: hexadecimal key that both sides prove over tcp; empty when there is no tcp endpoint.
        log: path of its log, for messages to people.
    """

    protocol: int
    version: str
    instance: str
    pid: int
    endpoints: tuple[str, ...]
    secret: str = ""
    log: str = ""


def read(path: Path) -> Rendezvous:
    """Return what the file says.

    Args:
        path: usually `places.rendezvous_file(root)`.

    Raises:
        DaemonUnreachable: the file is missing, unreadable, damaged, another user's, open to changes by others, or
            of a daemon that speaks another protocol; its text is one sentence for the user.
    """
    fields = _parse(_content(path), path)
    if fields["protocol"] != PROTOCOL:
        raise DaemonUnreachable(
            f"The running daemon speaks protocol {fields['protocol']}, this program {PROTOCOL}; run the installer "
            "again, then restart the daemon."
        )
    return Rendezvous(**fields)


def write(path: Path, rendezvous: Rendezvous) -> None:
    """Replace the file atomically, with mode 0600 in a folder of mode 0700 (both made when missing).

    Raises:
        OSError: the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name == "posix":
        path.parent.chmod(0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(rendezvous), stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        _replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def remove(path: Path, instance: str) -> None:
    """Remove the file if it is the one of this run of the daemon; a newer daemon's file stays."""
    try:
        fields = _parse(_content(path), path)
    except DaemonUnreachable:
        return
    if fields["instance"] == instance:
        with contextlib.suppress(OSError):
            path.unlink()


def _content(path: Path) -> bytes:
    # Non-blocking, so that a FIFO in the file's place cannot hang the reader; on a regular file it changes nothing.
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise DaemonUnreachable("No daemon is running; start it with 'gimp-bsrgan serve'.") from None
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from None
    try:
        _check_owner(path, os.fstat(descriptor))
        return os.read(descriptor, _LONGEST_BYTES + 1)
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from None
    finally:
        os.close(descriptor)


def _check_owner(path: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise _unusable(path, "is no regular file")
    if sys.platform == "win32":
        return
    if facts.st_uid != os.geteuid():
        raise _unusable(path, "belongs to another user")
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _unusable(path, "can be changed by other users")


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    if len(content) > _LONGEST_BYTES:
        raise _unusable(path, "is too long")
    try:
        fields = _checked(json.loads(content.decode("utf-8")))
    except (ValueError, RecursionError):
        raise _unusable(path, "is damaged") from None
    required = {"protocol", "version", "instance", "pid", "endpoints"}
    if not required <= fields.keys() or not fields["endpoints"]:
        raise _unusable(path, "is incomplete")
    return fields


def _checked(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise ValueError("no object")
    fields = {name: check(value[name]) for name, check in _CHECKS.items() if name in value}
    bytes.fromhex(fields.get("secret", ""))
    return fields


def _unusable(path: Path, why: str) -> DaemonUnreachable:
    return DaemonUnreachable(f"The daemon's address file {path} {why}; stop the daemon, delete the file and try again.")


def _replace(source: Path, target: Path) -> None:
    for _ in range(_SHARING_RETRIES if sys.platform == "win32" else 0):
        try:
            source.replace(target)
        except PermissionError:
            # Windows refuses while a reader has the old file open; readers hold it for milliseconds.
            time.sleep(0.05)
        else:
            return
    source.replace(target)


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
