"""Fixtures of the tests in real GIMPs.

A test that needs code inside GIMP names a function of a file in `inside/` and asks for `outcome`:

    INSIDE = "upscale_layers"

    @pytest.mark.parametrize("check", ["check_offsets", "check_precision[rgb-u16]"])
    def test_something(outcome):
        assert outcome.unwrap() == ...

All selected checks of one file run in one GIMP per version, since each start costs seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from gimp import chroots
from support import gimp_checks, gimp_daemon
from support.gimp_session import GimpSession, Outcome, missing, short_folder

REQUIRE_VARIABLE = "GIMP_BSRGAN_REQUIRE_GIMP"
OUTCOMES: pytest.StashKey[dict[tuple[str, str], dict[str, Outcome]]] = pytest.StashKey()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything that uses a GIMP carries the marker `gimp`."""
    for item in items:
        if "suite" in getattr(item, "fixturenames", ()):
            item.add_marker("gimp")


@pytest.fixture(scope="session", params=chroots.SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """The Debian suite of a GIMP that can be started here; skips (or fails, when GIMP is required) otherwise."""
    if reason := missing(request.param):
        _give_up(reason)
    return str(request.param)


@pytest.fixture
def gimp(suite: str) -> Iterator[GimpSession]:
    """A GIMP with an empty profile and prefix, for one test."""
    with short_folder(suite) as base:
        yield GimpSession(suite, base)


@pytest.fixture(scope="module")
def module_gimp(suite: str, daemon_root: Path) -> Iterator[GimpSession]:
    """The GIMP that serves the checks of one test module, with the running daemon; modules may override it."""
    with short_folder(suite) as base:
        session = GimpSession(suite, base, prefix=daemon_root)
        session.install_plugin()
        yield session


@pytest.fixture(scope="session")
def daemon_root() -> Iterator[Path]:
    """The root folder of a real daemon that runs on the host with the fast model, for all tests that only use it."""
    with short_folder("daemon") as root:
        gimp_daemon.prepare(root, gimp_daemon.FAST)
        with gimp_daemon.served(root):
            yield root


@pytest.fixture
def outcome(request: pytest.FixtureRequest, module_gimp: GimpSession, check: str) -> Outcome:
    """What became of `check` in GIMP; the first test of a module runs all of them."""
    known = request.config.stash.setdefault(OUTCOMES, {})
    key = (request.module.__name__, module_gimp.suite)
    if check not in known.get(key, {}):
        names = _selected(request, module_gimp.suite)
        known.setdefault(key, {}).update(module_gimp.checks(gimp_checks.path(request.module.INSIDE), names or [check]))
    return known[key][check]


def _selected(request: pytest.FixtureRequest, suite: str) -> list[str]:
    """The checks of the running tests of this module and GIMP, each once."""
    calls = [
        item.callspec.params
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]
    return list(dict.fromkeys(call["check"] for call in calls if "check" in call and call.get("suite") == suite))


def _give_up(reason: str) -> NoReturn:
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
