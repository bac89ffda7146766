"""Where the daemon listens, and what it refuses to listen at."""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from pathlib import Path

import pytest
import zmq

from bsrgan_backend.daemon import endpoint
from bsrgan_backend.errors import BackendError


@pytest.fixture
def router():
    """An unbound ROUTER."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as sock:
        sock.linger = 0
        yield sock


def test_the_socket_is_private(router, tmp_path):
    """Folder 0700, socket 0600, address as clients need it."""
    bound = endpoint.bind(router, tmp_path, "auto")
    assert bound.address == f"ipc://{tmp_path}/run/daemon.sock"
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE(bound.path.stat().st_mode) == 0o600
    assert (bound.secret, bound.port) == (b"", 0)
    assert bound.is_alive()
    bound.remove()
    assert not bound.is_alive()
    bound.remove()


def test_tcp_is_this_host_only_and_has_a_secret(router, tmp_path):
    """The port is chosen by the system, the address is fixed, and each start has another secret."""
    bound = endpoint.bind(router, tmp_path, "tcp")
    assert bound.address.startswith("tcp://127.0.0.1:")
    assert bound.port > 1023
    assert len(bound.secret) == 32
    assert bound.is_alive()
    bound.remove()


@pytest.mark.skipif(sys.platform == "win32", reason="ipc is not there on Windows")
@pytest.mark.parametrize(("transport", "expected"), [("auto", False), ("ipc", False), ("tcp", True)])
def test_transport_decides(transport, expected):
    """POSIX uses ipc unless told otherwise."""
    assert endpoint.uses_tcp(transport) is expected


def test_anothers_socket_is_left_alone(router, tmp_path):
    """What was bound in its place by another is not taken for the own one, and not removed."""
    bound = endpoint.bind(router, tmp_path, "ipc")
    bound.path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(bound.path))
        assert not bound.is_alive()
        bound.remove()
        assert bound.path.exists()


def test_a_stale_socket_is_replaced(router, tmp_path):
    """What a killed daemon left is no obstacle."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(folder / "daemon.sock"))
    assert endpoint.bind(router, tmp_path, "ipc").is_alive()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_anything_else_in_the_sockets_place_is_refused(router, tmp_path, kind):
    """A file, a folder or a link is named and left alone."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    path = folder / "daemon.sock"
    target = tmp_path / "precious"
    target.write_text("x")
    {"file": lambda: path.write_text("x"), "folder": path.mkdir, "link": lambda: path.symlink_to(target)}[kind]()
    with pytest.raises(BackendError, match="in the way") as caught:
        endpoint.bind(router, tmp_path, "ipc")
    assert caught.value.code == "DENIED"
    assert os.path.lexists(path)
    assert target.read_text() == "x"


def test_a_link_in_the_folders_place_is_refused(tmp_path):
    """The run folder may not lead elsewhere."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BackendError, match="not a plain folder"):
        endpoint.socket_path(tmp_path)


def test_an_open_folder_is_refused(tmp_path):
    """A folder that others may enter is refused with what to do."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)
    with pytest.raises(BackendError, match="chmod 700"):
        endpoint.socket_path(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_refused(tmp_path):
    """A folder of another user is refused."""
    (tmp_path / "run").mkdir(mode=0o700)
    os.chown(tmp_path / "run", 65534, 65534)
    with pytest.raises(BackendError, match="another user"):
        endpoint.socket_path(tmp_path)


@pytest.mark.parametrize("name", ["x" * 100, "\u4e16" * 40])
def test_a_long_root_gets_a_short_private_folder(router, tmp_path, name):
    """A path too long for a socket moves to a private folder that is the same at the next start."""
    root = tmp_path / name
    path = endpoint.socket_path(root)
    assert len(os.fsencode(path)) <= endpoint.LONGEST_PATH_BYTES
    assert path == endpoint.socket_path(root)
    other = endpoint.socket_path(tmp_path / (name[:-1] + "y")).parent
    assert path.parent != other
    other.rmdir()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    bound = endpoint.bind(router, root, "ipc")
    assert bound.is_alive()
    bound.remove()
    assert not path.parent.exists()


def test_a_squatted_short_folder_is_not_used(tmp_path):
    """Somebody sitting on the predictable name costs nothing but another name."""
    root = tmp_path / ("x" * 100)
    squatted = endpoint.socket_path(root).parent
    squatted.chmod(0o777)
    path = endpoint.socket_path(root)
    assert path.parent != squatted
    assert path.parent.parent == Path(tempfile.gettempdir())
    squatted.rmdir()
    path.parent.rmdir()


def test_a_short_non_ascii_root_is_used_as_it_is(router, tmp_path):
    """Names in any script work."""
    root = tmp_path / "Jürgen 世界"
    bound = endpoint.bind(router, root, "ipc")
    assert bound.path.is_relative_to(root)
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.linger = 0
        client.connect(bound.address)
        client.send(b"x")
        assert router.poll(5000)
