"""`gimp-bsrgan bench` as a person calls it, without other runtimes."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

import pytest

from bsrgan_backend.cli import bench, machine
from bsrgan_backend.cli.benching import overheads, own_daemon


def without_gimp(command):
    """The same command where no GIMP is on the PATH."""
    return replace(command, environ={**command.environ, "PATH": "/nonexistent"})


def test_bench_measures_a_daemon_of_its_own(bare):
    """Even with nothing installed every figure is there with its bound, and no daemon of the user is started."""
    done = without_gimp(bare)("bench", "--json", "--runs", "1", "--sizes", "16")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == 2
    assert told["machine"]["gimp-bsrgan"]
    assert "16 x 16" in told["conditions"]["picture"]
    claims = {claim["name"]: claim for claim in told["claims"]}
    overhead = claims["daemon and wire, warm 64 x 64"]
    assert overhead["ratio"] == pytest.approx(overhead["value"] / overhead["bound"])
    memory = claims["daemon without a model"]
    assert 5 < memory["value"] < memory["bound"] == 60
    assert memory["reached"] is True
    plugin = claims["plug-in, 2048 x 2048 RGBA x4"]
    assert plugin["value"] is plugin["reached"] is None
    assert "gimp-console" in plugin["note"]
    assert claims["first start, nothing saved"]["value"] > claims["gimp-bsrgan upscale, 16 x 16, all warm"]["value"] > 0
    assert "--peers" in claims["16 x 16, exact, file to file, times as fast as PyTorch fp32"]["note"]
    assert not (bare.root / "state").exists()
    assert not (bare.root / "bench-peers").exists()


def test_bench_runs_this_engine_alone_and_through_the_daemon(bare, photo):
    """The table has both precisions of both ways, near the exact result, and numpy's product as the ceiling."""
    done = without_gimp(bare)("bench", "--markdown", "--runs", "2", "--sizes", "32", "--photo", photo)
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    rows = {(line[0], line[1].split()[0]): line for line in lines if len(line) == 13}
    for way in ("this engine", "this, command and daemon"):
        assert float(rows[way, "exact"][2]) >= 0
        assert float(rows[way, "fast"][10]) > 40
    assert rows["this engine", "exact"][10] == "-"
    (product,) = (line for line in lines if line[0] == "numpy")
    assert float(product[4]) > 0
    assert done.stdout.startswith("## 20")


@pytest.mark.skipif(sys.platform == "win32", reason="signal 0 asks for a process on POSIX only")
def test_the_measured_daemon_ends_with_the_measurement(tmp_path, monkeypatch):
    """The daemon that answered is the one that is stopped: no second one is started and left behind."""
    monkeypatch.setenv("GIMP_BSRGAN_PREFIX", str(tmp_path))
    with own_daemon.own_root() as root, own_daemon.own_daemon(root) as client:
        pid = client.status()["pid"]
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_missing_gimp_is_a_note(tmp_path):
    """A GIMP that cannot be started is a note in the table, not a failure of the rest."""
    assert "cannot be started" in overheads.plugin(["/nonexistent/gimp-console"], tmp_path).note


def test_bench_with_an_unknown_model_is_one_sentence(bare):
    """A model that is not installed is named."""
    assert "not installed" in bare.fails("bench", "--model", "frob")


def test_bench_with_a_missing_photo_is_one_sentence(bare):
    """A photo that is not there is named before anything is measured."""
    assert "nowhere.png" in bare.fails("bench", "--photo", "/nonexistent/nowhere.png")


@pytest.mark.parametrize(
    "words",
    [("--runs", "0"), ("--runs", "x"), ("--runs", "1001"), ("--sizes", "8"), ("--sizes", "130"), ("--sizes", "x,128")],
)
def test_odd_numbers_are_wrong_usage(bare, words):
    """Repetitions go from 1 to 1000; sides are multiples of 4 from 16."""
    assert bare("bench", *words).returncode == 2


def test_sizes_are_sorted_and_single():
    """Sides asked for twice are measured once, the smallest first."""
    assert bench._sizes("512,128,512") == (128, 512)


def test_machine_facts_name_what_numbers_depend_on():
    """System, processor, Python and packages are told."""
    told = machine.facts()
    assert {"system", "processor", "Python", "packages"} <= set(told)
    assert "numpy" in told["packages"]
