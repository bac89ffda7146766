"""Pictures that are closed or changed while the daemon works, in both GIMPs."""

from __future__ import annotations

import pytest

from support import gimp_daemon
from support.gimp_checks import cases
from support.gimp_session import short_folder

INSIDE = "upscale_meanwhile"


@pytest.fixture(scope="session")
def installation():
    """A daemon with the slow model too."""
    with short_folder("meanwhile") as root:
        gimp_daemon.prepare(root, gimp_daemon.FAST, gimp_daemon.SLOW)
        with gimp_daemon.served(root):
            yield root


@pytest.mark.parametrize("check", [*cases(INSIDE, "check_closed"), *cases(INSIDE, "check_removed")])
def test_closed(outcome):
    """A picture that is closed, or a layer that is removed, ends the run with the sentence that says so."""
    ended = outcome.unwrap()
    assert ended["status"] == "EXECUTION_ERROR"
    assert ended["text"].startswith("The layer or its picture was closed meanwhile")


@pytest.mark.parametrize("check", ["check_closed_while_network_runs"])
def test_nobody_waits(outcome):
    """The network's work is given up soon after its picture is closed."""
    ended = outcome.unwrap()
    assert ended["status"] == "EXECUTION_ERROR"
    assert "closed meanwhile" in ended["text"]
    assert not ended["placed"]


@pytest.mark.parametrize("check", cases(INSIDE, "check_converted"))
def test_converted(outcome):
    """A picture that is converted meanwhile does not get a result of its old kind, and stays as it is."""
    ended = outcome.unwrap()
    assert ended["status"] == "EXECUTION_ERROR"
    assert "converted" in ended["text"]


@pytest.mark.parametrize("check", cases(INSIDE, "check_new_image"))
def test_new_image(outcome, check):
    """A result that goes into a new picture comes although the old one is closed."""
    assert outcome.unwrap().startswith("photo #1 (degraded" if "degrade" in check else "photo #1 (BSRGAN")
