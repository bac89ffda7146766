"""A person at the screen: the menu, the dialog, the result, Cancel, undo. Screenshots are kept on request.

GIMP_BSRGAN_SCREENSHOTS=folder python3 tests/run.py tests/gimp/test_screen.py
"""

from __future__ import annotations

import pytest
from PIL import Image

from support import gimp_checks, gimp_daemon
from support.gimp_checks import cases
from support.gimp_screen import full_gimp
from support.gimp_session import REPOSITORY, GimpSession, short_folder

PHOTO = REPOSITORY / "installer" / "photo" / "astronaut.jpg"
MENU = ("alt+r", "h", "b")
"""Filters > Enhance > BSRGAN Upscale, by their mnemonics."""


@pytest.fixture
def gimp(suite, daemon_root):
    """A GIMP with the plug-in and the running daemon."""
    with short_folder(suite) as base:
        session = GimpSession(suite, base, prefix=daemon_root)
        session.install_plugin()
        yield session


def photo(session, size=120):
    """A small photo below the session's folder."""
    path = session.base / "photo.png"
    with Image.open(PHOTO) as image:
        image.resize((size, size)).save(path)
    return path


def test_dialog_and_result(gimp, tmp_path):
    """The dialog says how the daemon is and how large the result becomes, and Upscale makes the layer."""
    with full_gimp(gimp, photo(gimp), shots=tmp_path) as screen:
        screen.shot("1-before")
        screen.keys(*MENU[:2])
        screen.shot("2-menu")
        screen.keys(*MENU[2:])
        dialog = screen.wait_window("^BSRGAN Upscale$")
        screen.wait(lambda: "ready" in screen.read(dialog), "the word ready in the dialog")
        screen.shot("3-dialog")
        told = screen.read(dialog)
        assert "480" in told, told
        screen.keys("alt+u")
        screen.wait_gone(dialog)
        screen.wait_window(r"480x480")
        screen.shot("4-result")
        assert not [window for window in screen.windows() if "Message" in window.title]
        assert "Traceback" not in screen.log()


def test_cancel(suite, tmp_path):
    """Cancel in the progress window stops the job, frees the daemon and changes nothing."""
    with short_folder("slow") as root, short_folder(suite) as base:
        gimp_daemon.prepare(root, gimp_daemon.SLOW)
        session = GimpSession(suite, base, prefix=root)
        session.install_plugin()
        with gimp_daemon.served(root), full_gimp(session, photo(session, 400), shots=tmp_path) as screen:
            screen.keys(*MENU)
            screen.wait_window("^BSRGAN Upscale$")
            screen.keys("alt+u")
            # The model is loaded when its name is told: from then on the network runs.
            screen.wait(lambda: bool(gimp_daemon.status(root)["model"]), "the network")
            screen.wait_text("^BSRGAN Upscale$", "Upscaling")
            screen.shot("5-progress")
            screen.keys("Escape")
            screen.wait(lambda: not gimp_daemon.status(root)["running"], "the end of the job")
            screen.wait_window("400x400")
            screen.shot("6-cancelled")
            assert gimp_daemon.status(root)["spool_bytes"] == 0
            assert not [
                window for window in screen.windows() if "GIMP$" not in window.title and "Message" in window.title
            ]
            assert "Traceback" not in screen.log()


def test_undo(gimp, tmp_path):
    """One undo after each output brings back bytes, sizes, places, selection and guides; one redo the result."""
    names = cases("undo", "check_undo")
    batch = gimp.batch(gimp_checks.path("undo"), names)
    with full_gimp(gimp, shots=tmp_path, batch=batch) as screen:
        outcomes = screen.finish(batch, {"undo": ["ctrl+z"], "redo": ["ctrl+y"]}, deadline_s=150)
        screen.shot("7-undo")
    for name in names:
        outcomes[name].unwrap()
