"""The scripts of the other runtimes: alone, and where their environment is installed against a plain network."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend.cli.benching import child, contestants, peer_environment, pictures, race
from bsrgan_backend.cli.benching.peers import runner
from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.store import ModelStore
from bsrgan_wire import places
from support import plain_network

FOLDER = Path(runner.__file__).parent
PEERS = peer_environment.python_of(places.prefix())
needs_peers = pytest.mark.skipif(
    not peer_environment.is_complete(places.prefix()),
    reason="the other runtimes are not installed (gimp-bsrgan bench --peers)",
)

ARCHITECTURES = [
    synthetic.TINY,
    replace(synthetic.TINY, blocks=2, scale=2),
    replace(synthetic.TINY, scale=2, unshuffle=2),
]


@pytest.fixture(params=ARCHITECTURES, ids=str)
def course(request, tmp_path):
    """A tiny network as an installed model."""
    store = ModelStore(tmp_path / "models")
    store.put("tiny", synthetic.random_weights(request.param, 3), "", None, "test")
    return contestants.Course(request.param, store.path("tiny"), tmp_path / "cache", 1)


@pytest.fixture
def ground(course, tmp_path):
    """A picture of noise, taller than wide."""
    pixels = np.random.default_rng(5).integers(0, 256, (20, 12, 3), np.uint8)
    return pictures.prepare(pixels, course.architecture, tmp_path / "ground")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_the_scripts_stand_alone(path):
    """They import the standard library and numpy, and nothing of the project, which their Python does not have."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "numpy"}


def test_tensors_are_read_as_they_were_written(course):
    """The short reader of safetensors gives names, shapes and values of an installed model."""
    read = runner.read_tensors(course.model)
    kept = ModelStore(course.model.parent).load("tiny").tensors
    assert set(read) == set(kept)
    assert all(np.array_equal(read[name], kept[name]) for name in kept)


def test_a_contestant_answers_until_its_stdin_ends(tmp_path):
    """The protocol: ready with memory and versions, then seconds and peak for every line."""
    with child.Child(child.script_command(sys.executable, "numpy_product"), {"side": 64}, 1) as running:
        assert running.ready.versions == {"numpy": np.__version__}
        first, second = running.run(), running.run()
    assert min(first.seconds, second.seconds) > 0
    if sys.platform.startswith("linux"):
        assert first.peak_bytes >= running.ready.base_bytes // 2 > 0


def test_this_engine_alone_gives_the_networks_result(course, ground):
    """The process of its own puts the strips together in place."""
    entrant = contestants.engine(course, "exact")
    with entrant.start(ground, entrant.result_file(ground)) as running:
        running.run()
    assert_equals_plain(course, ground, np.load(entrant.result_file(ground)), 1e-5)


@needs_peers
def test_every_runtime_gives_the_networks_result(course, ground):
    """PyTorch, OpenVINO and ONNX Runtime agree with the plain network, each within its precision."""
    rows = race.run(contestants.peers(course, PEERS), ground, 1, race.Memory(), lambda _text: None)
    assert {row.reason for row in rows} == {""}
    for entrant, row in zip(contestants.peers(course, PEERS), rows, strict=True):
        bound = 1e-5 if row.precision == "fp32" else 0.03
        assert_equals_plain(course, ground, np.load(entrant.result_file(ground)), bound)


@needs_peers
def test_every_product_runs():
    """Both libraries multiply in both precisions."""
    for name in ("torch_product", "openvino_product"):
        for precision in ("fp32", "bf16"):
            request = {"side": 96, "precision": precision}
            with child.Child(child.script_command(PEERS, name), request, 1) as running:
                assert running.run().seconds > 0


def assert_equals_plain(course, ground, result, bound):
    """Compare with the network as plain numpy."""
    weights = ModelStore(course.model.parent).load("tiny")
    wanted = plain_network.forward(np.load(ground.image), weights)
    assert np.abs(result[0].transpose(1, 2, 0) - wanted).max() < bound


def pip_that_says(root, text, status):
    """An environment whose Python finds no library, and whose pip writes a text and ends."""
    python = peer_environment.python_of(root)
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ncase $1 in -c) exit 1;; esac\necho '{text}' >&2\nexit {status}\n")
    python.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Python is a shell script")
def test_a_pip_that_fails_is_one_sentence(tmp_path, monkeypatch):
    """What pip said last is told, and nothing is measured."""
    pip_that_says(tmp_path, "ERROR: no matching distribution", 1)
    monkeypatch.setattr(peer_environment.venv, "create", lambda *_args, **_options: None)
    with pytest.raises(Failure, match="no matching distribution"):
        peer_environment.ensure(tmp_path, lambda _text: None)


def test_an_environment_that_is_not_there_is_not_complete(tmp_path):
    """Nothing is installed and nothing is made by asking."""
    assert not peer_environment.is_complete(tmp_path)
    assert list(tmp_path.iterdir()) == []
