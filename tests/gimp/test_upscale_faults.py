"""Runs that fail: the image is as it was, and the user gets one sentence."""

from __future__ import annotations

import pytest

from support import gimp_checks, gimp_daemon
from support.gimp_checks import cases
from support.gimp_session import short_folder

INSIDE = "upscale_faults"


@pytest.fixture(scope="session")
def installation():
    """An installation with both models and a program, which nobody runs; each check copies it."""
    with short_folder("faults") as root:
        gimp_daemon.prepare(root, gimp_daemon.FAST, gimp_daemon.SLOW)
        gimp_daemon.install_program(root)
        yield root


def one_sentence(ended):
    """Hold a failure to its form and return its text."""
    assert ended["text"].endswith("."), ended
    assert "\n" not in ended["text"]
    assert "Traceback" not in ended["text"]
    return ended["text"]


@pytest.mark.parametrize("check", cases(INSIDE, "check_killed"))
def test_killed(outcome, check):
    """A daemon or worker that dies in the middle leaves the image alone and ends in one sentence."""
    ended = outcome.unwrap()
    assert ended["status"] == "EXECUTION_ERROR"
    assert ("worker" if "worker" in check else "daemon") in one_sentence(ended)


@pytest.mark.parametrize("check", ["check_plugin_killed"])
def test_cancelled_by_kill(outcome):
    """A killed plug-in changes nothing, and the daemon stops its job, frees its pixels and serves the next."""
    ended = outcome.unwrap()
    assert ended["status"] != "SUCCESS"
    assert ended["spool"] == 0


@pytest.mark.parametrize(
    ("check", "word"),
    [
        ("check_double[version]", "installer"),
        ("check_double[silent]", "daemon"),
        ("check_double[junk]", "installer"),
        ("check_double[leaving]", "daemon"),
        ("check_double[full]", "too many jobs"),
        ("check_other_protocol", "installer"),
        ("check_nobody_there", "daemon"),
        ("check_damaged_address", "damaged"),
    ],
)
def test_wrong_daemon(outcome, word):
    """A daemon of another version, silent, babbling, leaving, full or absent is one clear sentence."""
    ended = outcome.unwrap()
    assert ended["status"] == "EXECUTION_ERROR"
    assert word in one_sentence(ended)


def test_not_installed(gimp):
    """Without an installation the sentence says so and names the installer."""
    gimp.install_plugin()
    outcome = gimp.checks(gimp_checks.path(INSIDE), ["check_not_installed"])["check_not_installed"]
    ended = outcome.unwrap()
    assert ended["status"] == "EXECUTION_ERROR"
    assert "not installed" in one_sentence(ended)
    assert "installer" in ended["text"]


@pytest.mark.parametrize("by", ["prefix", "command"])
def test_started(gimp, by):
    """The plug-in starts an installed daemon in a session of its own, found by prefix or by install.json."""
    gimp_daemon.prepare(gimp.prefix, gimp_daemon.FAST)
    command = gimp_daemon.install_program(gimp.prefix)
    if by == "command":
        gimp.environ["GIMP_BSRGAN_PREFIX"] = ""
    gimp.install_plugin(command if by == "command" else ())
    gimp.checks(gimp_checks.path(INSIDE), ["check_started"])["check_started"].unwrap()
