"""GIMP reads procedures from its own cache after the first start, and empty defaults come back as no value."""

from __future__ import annotations

from support import gimp_checks
from support.gimp_session import GimpSession, short_folder


def test_a_second_start_runs_with_defaults(suite, daemon_root):
    """Both filters work with their default arguments in the GIMP that learns of it and in the next one."""
    with short_folder(suite) as base:
        session = GimpSession(suite, base, prefix=daemon_root)
        session.install_plugin()
        for _start in range(2):
            session.checks(gimp_checks.path("degrade"), ["check_last_values"])["check_last_values"].unwrap()
