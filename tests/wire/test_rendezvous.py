from __future__ import annotations

import dataclasses
import json
import os
import stat

import pytest

from bsrgan_wire import PROTOCOL, rendezvous
from bsrgan_wire.errors import DaemonUnreachable
from bsrgan_wire.rendezvous import Rendezvous

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")


@pytest.fixture
def path(tmp_path):
    """Where a rendezvous file is to be."""
    return tmp_path / "state" / "daemon.json"


@pytest.fixture
def entry():
    """A complete entry."""
    return Rendezvous(
        protocol=PROTOCOL,
        version="0.1.0",
        instance="0123456789abcdef" * 2,
        pid=4711,
        endpoints=("ipc:///run/x/daemon.sock", "tcp://127.0.0.1:4711"),
        secret="ab" * 32,
        log="/x/logs/daemon.log",
    )


def changed(path, **fields):
    """Overwrite the file with its own content but for some fields (None removes one)."""
    content = json.loads(path.read_text("utf-8")) | fields
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), "utf-8")


def test_what_is_written_is_read(path, entry):
    """A written entry is read back equal."""
    rendezvous.write(path, entry)
    assert rendezvous.read(path) == entry


def test_unknown_keys_are_ignored(path, entry):
    """A file of a later minor version with more keys can still be read."""
    rendezvous.write(path, entry)
    changed(path, later="x")
    assert rendezvous.read(path) == entry


def test_secret_and_log_may_be_missing(path, entry):
    """The optional keys have defaults."""
    rendezvous.write(path, entry)
    changed(path, secret=None, log=None)
    assert rendezvous.read(path) == dataclasses.replace(entry, secret="", log="")


@posix
def test_only_the_user_can_read_it(path, entry):
    """The file has mode 0600 in a folder of mode 0700, whatever the umask and an older folder say."""
    path.parent.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        rendezvous.write(path, entry)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_writing_replaces_and_leaves_no_other_file(path, entry):
    """A second write replaces the first and leaves no temporary file."""
    rendezvous.write(path, entry)
    rendezvous.write(path, dataclasses.replace(entry, pid=1))
    assert rendezvous.read(path).pid == 1
    assert [item.name for item in path.parent.iterdir()] == ["daemon.json"]


def test_failed_write_keeps_the_old_file(path, entry, monkeypatch):
    """When the disk fails during a write, the old file stays and no temporary file is left."""
    rendezvous.write(path, entry)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        rendezvous.write(path, dataclasses.replace(entry, pid=1))
    assert rendezvous.read(path) == entry
    assert [item.name for item in path.parent.iterdir()] == ["daemon.json"]


def test_missing_file_says_how_to_start(path):
    """Without a file the sentence names the command that starts the daemon."""
    with pytest.raises(DaemonUnreachable, match="gimp-bsrgan serve"):
        rendezvous.read(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"text"', b"[" * 60_000, b"{}", b" " * 70_000],
    ids=["empty", "cut", "no utf-8", "list", "null", "text", "nested", "no keys", "long"],
)
def test_damaged_file_is_one_sentence(path, content):
    """Content that is no rendezvous is refused with one sentence and no other exception."""
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(DaemonUnreachable) as caught:
        rendezvous.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"protocol": "1"},
        {"protocol": True},
        {"instance": "xyz"},
        {"instance": None},
        {"pid": -1},
        {"endpoints": []},
        {"endpoints": "ipc:///x"},
        {"endpoints": [1]},
        {"endpoints": ["ipc:///x"] * 9},
        {"secret": "no hex"},
        {"secret": 5},
        {"log": ["x"]},
        {"version": None},
    ],
    ids=str,
)
def test_each_wrong_field_is_refused(path, entry, fields):
    """A field of a wrong type or range makes the whole file unusable."""
    rendezvous.write(path, entry)
    changed(path, **fields)
    with pytest.raises(DaemonUnreachable, match=r"damaged|incomplete"):
        rendezvous.read(path)


def test_other_protocol_asks_for_the_installer(path, entry):
    """A daemon of another protocol version is refused with the way out."""
    rendezvous.write(path, dataclasses.replace(entry, protocol=PROTOCOL + 1))
    with pytest.raises(DaemonUnreachable, match="run the installer"):
        rendezvous.read(path)


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_file_that_others_can_change_is_refused(path, entry, mode):
    """A file that other users may write is refused: they could name a false daemon."""
    rendezvous.write(path, entry)
    path.chmod(mode)
    with pytest.raises(DaemonUnreachable, match="changed by other users"):
        rendezvous.read(path)


@posix
def test_file_of_another_user_is_refused(path, entry, monkeypatch):
    """A file that belongs to somebody else is refused."""
    rendezvous.write(path, entry)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(DaemonUnreachable, match="another user"):
        rendezvous.read(path)


@posix
def test_symbolic_link_is_refused(path, entry, tmp_path):
    """A symbolic link in the file's place is not followed."""
    rendezvous.write(tmp_path / "elsewhere.json", entry)
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(DaemonUnreachable, match="cannot be read"):
        rendezvous.read(path)


@posix
@pytest.mark.timeout(20)
def test_fifo_does_not_hang(path):
    """A FIFO in the file's place is refused at once instead of blocking the reader."""
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(DaemonUnreachable, match="no regular file"):
        rendezvous.read(path)


def test_folder_in_its_place_is_refused(path):
    """A folder in the file's place is refused with a sentence."""
    path.mkdir(parents=True)
    with pytest.raises(DaemonUnreachable):
        rendezvous.read(path)


def test_remove_takes_only_our_own(path, entry):
    """A daemon removes its own file but not one that a newer daemon has written."""
    rendezvous.write(path, entry)
    rendezvous.remove(path, "f" * 32)
    assert path.exists()
    rendezvous.remove(path, entry.instance)
    assert not path.exists()
    rendezvous.remove(path, entry.instance)
