"""`gimp-bsrgan bench` as a person calls it, without other runtimes."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

import pytest

from bsrgan_backend.cli import bench, machine
from bsrgan_backend.cli.benching import overheads, own_daemon
from support import cli_pictures


def without_gimp(command):
    """The same command where no GIMP is on the PATH."""
    return replace(command, environ={**command.environ, "PATH": "/nonexistent"})


@pytest.fixture(scope="module")
def measured(tmp_path_factory, installation):
    """A root with nothing in it, and what a whole run there tells."""
    folder = tmp_path_factory.mktemp("bench")
    root = folder / "root"
    command = without_gimp(replace(installation, environ={**installation.environ, "GIMP_BSRGAN_PREFIX": str(root)}))
    photo = cli_pictures.picture(folder / "photo.png", 20, 24)
    done = command("bench", "--json", "--runs", "1", "--sizes", "16", "--photo", photo)
    assert done.returncode == 0, done.stderr
    return root, json.loads(done.stdout)


def claims_of(told):
    """Claims by their names."""
    return {claim["name"]: claim for claim in told["claims"]}


def test_bench_measures_a_daemon_of_its_own(measured):
    """Even with nothing installed every figure is there with its bound, and no daemon of the user is started."""
    root, told = measured
    claims = claims_of(told)
    overhead = claims["daemon and wire, warm 64 x 64"]
    assert overhead["ratio"] == pytest.approx(overhead["value"] / overhead["bound"])
    memory = claims["daemon without a model"]
    assert 5 < memory["value"] < memory["bound"] == 60
    assert memory["reached"] is True
    preview = claims["preview of 128 x 128 px of the result, on top of the engine"]
    assert preview["value"] > 0
    assert "320 x 320 px sent" in preview["note"]
    assert claims["first start, nothing saved"]["value"] > 0
    assert claims["start, programs saved"]["value"] > 0
    assert claims["gimp-bsrgan upscale, 16 x 16, all warm"]["value"] > 0
    assert not (root / "state").exists()


def test_what_cannot_be_measured_says_why(measured):
    """Without a GIMP and without other runtimes their lines stay, with the reason; nothing is installed unasked."""
    root, told = measured
    claims = claims_of(told)
    plugin = claims["plug-in, 2048 x 2048 RGBA x4"]
    assert plugin["value"] is plugin["reached"] is None
    assert "gimp-console" in plugin["note"]
    writing = claims["8192 x 8192 RGBA result into a layer, times as long as GIMP's own write"]
    assert writing["value"] is writing["reached"] is None
    assert "gimp-console" in writing["note"]
    assert "--peers" in claims["16 x 16, exact, file to file, times as fast as PyTorch fp32"]["note"]
    assert not (root / "bench-peers").exists()


def test_the_head_tells_what_the_numbers_depend_on(measured):
    """Machine, versions, model and picture stand above the numbers."""
    _root, told = measured
    assert told["schema"] == 2
    assert told["machine"]["gimp-bsrgan"]
    assert told["conditions"]["model"].startswith("bench-tiny")
    assert "photo.png; 16 x 16 cut out" in told["conditions"]["picture"]


def test_bench_runs_this_engine_alone_and_through_the_daemon(measured):
    """Both precisions run both ways near the exact result, and numpy's product is the ceiling."""
    _root, told = measured
    rows = {(row["name"], row["asked"]): row for row in told["rows"]["16"]}
    assert {row["reason"] for row in rows.values()} == {""}
    assert rows["this engine", "exact"]["psnr_db"] is None
    assert rows["this, command and daemon", "exact"]["psnr_db"] > 60
    for way in ("this engine", "this, command and daemon"):
        assert rows[way, "fast"]["psnr_db"] > 40
        assert 0 < rows[way, "exact"]["share_of_product"] < 1
    assert rows["numpy", "fp32"]["giga_per_s"] > 0


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
    assert "cannot be run" in overheads.plugin_writing(["/nonexistent/gimp-console"]).note


def test_a_gimp_that_fails_is_a_note():
    """What GIMP printed last stands in the table."""
    claim = overheads.plugin_writing([sys.executable, "-c", "print('no plug-in here')"])
    assert claim.value is None
    assert claim.note == "GIMP failed: no plug-in here"


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
