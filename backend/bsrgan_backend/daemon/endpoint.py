"""Where the daemon listens: a Unix socket in a private folder, or 127.0.0.1 with a secret where there is none."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import zmq

from bsrgan_backend.errors import BackendError

LONGEST_PATH_BYTES = 100
"""Linux takes 107 bytes of socket path, macOS 103; some room stays for the kernel's terminator."""

SOCKET_NAME = "daemon.sock"
_TCP_ANY_PORT = "tcp://127.0.0.1:*"


@dataclass(frozen=True)
class Endpoint:
    """A bound endpoint.

    Attributes:
        address: what clients connect to, for example `ipc:///home/a/.../daemon.sock`.
        path: the socket file, None on tcp.
        secret: 32 bytes that both sides must prove on tcp, empty on ipc.
        file: device and inode of the socket file, None on tcp; no other file gets them while the socket is bound.
    """

    address: str
    path: Path | None
    secret: bytes
    file: tuple[int, int] | None = None

    @property
    def port(self) -> int:
        """The tcp port, 0 on ipc."""
        return int(self.address.rpartition(":")[2]) if self.path is None else 0

    def is_alive(self) -> bool:
        """Whether its socket is still at its path; always true on tcp."""
        try:
            return self.path is None or _identity(self.path) == self.file
        except OSError:
            return False

    def remove(self) -> None:
        """Remove the socket file unless it is another's, and the folder when it is a short one elsewhere and empty."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                if self.is_alive():
                    self.path.unlink()
            if self.path.parent.name != "run":
                with contextlib.suppress(OSError):
                    self.path.parent.rmdir()


def uses_tcp(transport: str) -> bool:
    """Whether the setting `transport` means tcp on this system."""
    return transport == "tcp" or (transport == "auto" and sys.platform == "win32")


def bind(router: zmq.Socket[bytes], root: Path, transport: str) -> Endpoint:
    """Bind the ROUTER; the caller holds the installation's lock, so whatever socket lies there is stale.

    Args:
        router: the unbound socket.
        root: the installation's folder.
        transport: the setting: "auto", "ipc" or "tcp".

    Returns:
        The endpoint to write into the rendezvous file.

    Raises:
        BackendError: DENIED when the folder or the path is not ours alone, INTERNAL when the bind fails.
    """
    if uses_tcp(transport):
        port = _bind(router, _TCP_ANY_PORT)
        return Endpoint(port, None, secrets.token_bytes(32))
    path = socket_path(root)
    _clear(path)
    address = f"ipc://{path}"
    _bind(router, address)
    path.chmod(0o600)
    return Endpoint(address, path, b"", _identity(path))


def _identity(path: Path) -> tuple[int, int]:
    facts = path.lstat()
    return facts.st_dev, facts.st_ino


def _bind(router: zmq.Socket[bytes], address: str) -> str:
    try:
        router.bind(address)
    except zmq.ZMQError as error:
        raise BackendError(
            "INTERNAL", f"The daemon cannot listen at {address}; check the folder and try again.", str(error)
        ) from error
    return router.get_string(zmq.LAST_ENDPOINT)


def socket_path(root: Path) -> Path:
    """The socket's path: below `root`, or in a short private folder when that path is too long for a socket.

    Raises:
        BackendError: DENIED, when a folder on the way belongs to another user or is open to others.
    """
    path = root / "run" / SOCKET_NAME
    if _fits(path):
        make_private(path.parent)
        return path
    name = f"bsrgan-{_uid()}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    base = Path(tempfile.gettempdir())
    folder = (base if _fits(base / name / SOCKET_NAME) else Path("/tmp")) / name  # noqa: S108 - checked private below
    try:
        make_private(folder)
    except BackendError:
        # Somebody sits on the predictable name; a random one costs only a folder left behind after a crash.
        folder = Path(tempfile.mkdtemp(prefix="bsrgan-", dir=folder.parent))
    return folder / SOCKET_NAME


def _fits(path: Path) -> bool:
    try:
        return len(str(path).encode()) <= LONGEST_PATH_BYTES
    except UnicodeEncodeError:
        return False  # a name that is no text could not be written into the rendezvous file


def _uid() -> int:
    return os.getuid() if sys.platform != "win32" else 0


def make_private(folder: Path) -> None:
    """Create `folder` with mode 0700, or check that what is there is ours, private and no link.

    Raises:
        BackendError: DENIED, with a sentence that names what is wrong.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        facts = folder.lstat()
    except OSError as error:
        raise BackendError("DENIED", f"The folder {folder} cannot be created; check its parent.", str(error)) from error
    if stat.S_ISLNK(facts.st_mode) or not stat.S_ISDIR(facts.st_mode):
        raise BackendError("DENIED", f"{folder} is not a plain folder; remove it and try again.")
    if sys.platform == "win32":
        return
    if facts.st_uid != os.getuid():
        raise BackendError("DENIED", f"The folder {folder} belongs to another user; remove it and try again.")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise BackendError("DENIED", f"The folder {folder} is open to other users; run 'chmod 700' on it.")


def _clear(path: Path) -> None:
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(facts.st_mode):
        raise BackendError("DENIED", f"{path} is in the way and is no socket; remove it and try again.")
    path.unlink()
