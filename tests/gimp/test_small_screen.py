"""Both dialogs on a screen of 1024 x 600: all of them is seen, with a long line about the daemon.

GIMP_BSRGAN_SCREENSHOTS=folder python3 tests/run.py tests/gimp/test_small_screen.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from support import gimp_checks
from support.gimp_screen import full_gimp
from support.gimp_session import GIMPRC, GimpSession, short_folder

INSIDE = "dialog_widgets"
ROOM = [1024, 600]
TITLE_PX = 37
"""Height of a window's title in GNOME, where it is higher than elsewhere."""
LEAST_PX = 240
PHOTO = Path(__file__).resolve().parents[2] / "installer" / "photo" / "astronaut.jpg"
LOCALE = "de_DE.UTF-8"
"""That of the longest words."""
LOADED = "ist geladen"
"""The end of the daemon's line, where it is longest."""

LOAD_S = 120
"""Time for the model to be loaded on a busy machine."""


@pytest.fixture(scope="module")
def installation():
    """None: these dialogs are looked at without a daemon."""
    return


def fits(size):
    """Whether a window of this width and height is on the screen with its title."""
    width, height = size
    return width <= ROOM[0] and height + TITLE_PX <= ROOM[1]


@pytest.mark.parametrize("check", gimp_checks.cases(INSIDE, "check_small"))
def test_all_is_seen(outcome):
    """The window with its title is no larger than the screen, unfolded neither, and its preview can be used."""
    told = outcome.unwrap()
    assert told["room"] == ROOM
    assert told["state_lines"] == [1]
    assert (fits(told["folded"]), fits(told["unfolded"])) == (True, True), told
    assert min(told["view"]) >= LEAST_PX


def test_all_is_seen_in_gimp(suite, daemon_root, tmp_path):
    """So it is in all of GIMP, whose own theme has higher buttons."""
    environ = {"LANG": LOCALE, "LANGUAGE": "de"}
    names = ["check_upscale", "check_degrade"]
    with short_folder(suite) as base:
        session = GimpSession(suite, base, prefix=daemon_root, environ=environ)
        gimprc = GIMPRC.format(version=session.version).replace("C.UTF-8", LOCALE)
        (session.profile / "gimprc").write_text(gimprc, "utf-8")
        session.install_plugin()
        batch = session.batch(gimp_checks.path("dialog_shots"), names, {"photo": str(PHOTO)})
        with full_gimp(session, shots=tmp_path, batch=batch, size="x".join(map(str, ROOM))) as screen:
            for name in names:
                dialog = screen.wait_window("BSRGAN")
                screen.wait(lambda dialog=dialog: LOADED in screen.read(dialog), "the daemon's line", LOAD_S)
                screen.shot(f"small-{name}")
                size = screen.size(dialog)
                screen.keys("Escape")
                screen.wait_gone(dialog)
                assert fits(size), (name, size)
