"""`gimp-bsrgan bench`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bsrgan_backend.cli import machine
from bsrgan_backend.cli.measuring import Measure


def without_gimp(command):
    """The same command where no GIMP is on the PATH."""
    return replace(command, environ={**command.environ, "PATH": "/nonexistent"})


def test_bench_measures_a_daemon_of_its_own(bare):
    """Even with nothing installed every figure is there with its bound, and no daemon of the user is started."""
    done = without_gimp(bare)("bench", "--json", "--runs", "2")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    overhead, memory, plugin = told["measures"]
    assert overhead["value"] > 0
    assert overhead["ratio"] == pytest.approx(overhead["value"] / overhead["wanted"])
    assert 5 < memory["value"] < memory["wanted"] == 60
    assert plugin["value"] is None
    assert "gimp-console" in plugin["note"]
    assert told["machine"]["gimp-bsrgan"]
    assert not (bare.root / "state").exists()


def test_bench_prints_one_table(installation):
    """The text form has the machine in its head and a line with a ratio for each measure."""
    done = without_gimp(installation)("bench", "--runs", "1")
    assert done.returncode == 0, done.stderr
    head, table = done.stdout.split("\n\n")[:2]
    assert "cores" in head
    assert len(table.splitlines()) == 4


def test_bench_with_a_missing_gimp_says_so(installation):
    """A GIMP that cannot be started is a note in the table, not a failure of the rest."""
    done = installation("bench", "--json", "--runs", "1", "--gimp", "/nonexistent/gimp-console")
    assert "cannot be started" in json.loads(done.stdout)["measures"][2]["note"]


def test_bench_with_an_unknown_model_is_one_sentence(bare):
    """A model that is not installed is named."""
    assert "not installed" in bare.fails("bench", "--model", "frob")


@pytest.mark.parametrize("runs", ["0", "-1", "x", "1001"])
def test_odd_repetitions_are_wrong_usage(bare, runs):
    """Repetitions are a number from 1 to 1000."""
    assert bare("bench", "--runs", runs).returncode == 2


def test_measures_show_value_bound_and_ratio():
    """A line has value, bound and ratio, and dashes where nothing could be measured."""
    assert Measure("x", 15.0, "ms", 30.0, "n").cells() == ("x", "15.0 ms", "< 30 ms", "0.50", "n")
    assert Measure("x", None, "ms", 30.0, "n").cells() == ("x", "-", "< 30 ms", "-", "n")


def test_machine_facts_name_what_numbers_depend_on():
    """System, processor, Python and packages are told."""
    told = machine.facts()
    assert {"system", "processor", "Python", "packages"} <= set(told)
    assert "numpy" in told["packages"]
