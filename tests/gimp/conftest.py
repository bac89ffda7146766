"""Fixtures of the tests in real GIMPs.

A test that needs code inside GIMP names a function of a file in `inside/` and asks for `outcome`:

    INSIDE = "upscale_layers"

    @pytest.mark.parametrize("check", ["check_offsets", "check_pixels[RGB-U16_LINEAR]"])
    def test_something(outcome):
        assert outcome.unwrap() == ...

All selected checks of one file run in one GIMP per version, since each start costs seconds; the versions run beside
each other.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from gimp import chroots
from support import gimp_checks, gimp_daemon
from support.gimp_session import GimpSession, Outcome, missing, short_folder

REQUIRE_VARIABLE = "GIMP_BSRGAN_REQUIRE_GIMP"


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


@pytest.fixture(scope="session")
def daemon_root() -> Iterator[Path]:
    """The root folder of a real daemon that runs on the host with the fast model, for all tests that only use it."""
    with short_folder("daemon") as root:
        gimp_daemon.prepare(root, gimp_daemon.FAST)
        with gimp_daemon.served(root):
            yield root


@pytest.fixture(scope="session")
def installation(daemon_root: Path) -> Path | None:
    """The installation that the plug-in of a module's checks belongs to; modules may override it (None: none)."""
    return daemon_root


@pytest.fixture
def cancellable(suite: str) -> Iterator[Path]:
    """The root folder of a daemon of one test's own, with the fast model and one slow enough to be cancelled."""
    with short_folder("both") as root:
        gimp_daemon.prepare(root, gimp_daemon.FAST, gimp_daemon.SLOW)
        with gimp_daemon.served(root):
            yield root


@pytest.fixture
def cancellable_gimp(suite: str, cancellable: Path) -> Iterator[GimpSession]:
    """A GIMP with the plug-in, of the same installation."""
    with short_folder(suite) as base:
        session = GimpSession(suite, base, prefix=cancellable)
        session.install_plugin()
        yield session


class Runs:
    """The runs of checks in GIMP: one for each test module and suite, all suites of a module at the same time."""

    def __init__(self, pool: ThreadPoolExecutor, until_end: contextlib.ExitStack) -> None:
        self._pool = pool
        self._until_end = until_end
        self._started: dict[tuple[str, str], Future[dict[str, Outcome]]] = {}

    def outcome(self, request: pytest.FixtureRequest, suite: str, check: str, installation: Path | None) -> Outcome:
        """The outcome of a check of the requesting module; its first caller starts all runs of the module."""
        module = request.module
        if (module.__name__, suite) not in self._started:
            for other, names in _selected(request).items():
                if not missing(other):
                    run = self._pool.submit(self._run, other, module.INSIDE, names, installation)
                    self._started[module.__name__, other] = run
        return self._started[module.__name__, suite].result()[check]

    def _run(self, suite: str, inside: str, names: list[str], installation: Path | None) -> dict[str, Outcome]:
        # Folders stay until the end of all tests: what checks wrote is read by their tests.
        base = self._until_end.enter_context(short_folder(suite))
        session = GimpSession(suite, base, prefix=installation or base / "prefix")
        session.install_plugin()
        return session.checks(gimp_checks.path(inside), names)


@pytest.fixture(scope="session")
def runs() -> Iterator[Runs]:
    """All runs of checks of this test session."""
    with contextlib.ExitStack() as until_end, ThreadPoolExecutor(len(chroots.SUITES)) as pool:
        yield Runs(pool, until_end)


@pytest.fixture
def outcome(request: pytest.FixtureRequest, runs: Runs, suite: str, installation: Path | None, check: str) -> Outcome:
    """What became of `check` in the GIMP of `suite`."""
    return runs.outcome(request, suite, check, installation)


def _selected(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """For each suite the checks of the tests of this module that were selected, each once."""
    found: dict[str, dict[str, None]] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.module is request.module and "outcome" in item.fixturenames:
            found.setdefault(item.callspec.params["suite"], {})[item.callspec.params["check"]] = None
    return {suite: list(names) for suite, names in found.items()}


def _give_up(reason: str) -> NoReturn:
    if os.environ.get(REQUIRE_VARIABLE) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
