"""The real runtime on tiny networks: the right numbers, the same in pieces, on every engine there is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import paddle_engine, planning, predictors, rrdbnet, saving, trials
from bsrgan_backend.engine.engine import Stopped, trunk, unshuffled
from bsrgan_backend.engine.runtime import paddle
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights
from support import plain_network
from support.architectures import ARCHITECTURES

Array = npt.NDArray[np.float32]

CLOSE = 2e-5
"""Largest difference between engines on values of about one: they add in another order."""


def noise(height: int, width: int, channels: int = 3) -> Array:
    """A picture of random values."""
    return np.random.default_rng(height * 1000 + width).random((height, width, channels), dtype=np.float32)


def run(loaded: paddle_engine.PaddleEngine, image: Array, tile: int | None = None) -> Array:
    """The whole result."""
    strips: list[Array] = []
    loaded.upscale(image, lambda _, strip: strips.append(strip), lambda *_: None, lambda: False, tile=tile)
    return np.concatenate(strips)


def eager(image: Array, weights: Weights) -> Array:
    """One pass of Paddle's plain layers over the whole image."""
    tensors = {name: paddle.to_tensor(array) for name, array in rrdbnet.prepared(weights.tensors).items()}
    with paddle.no_grad():
        batch = paddle.to_tensor(np.ascontiguousarray(image.transpose(2, 0, 1)[np.newaxis]))
        result = rrdbnet.forward(batch, tensors, weights.architecture).numpy()
    return np.asarray(result[0].transpose(1, 2, 0), dtype=np.float32)


@pytest.fixture(scope="module")
def loaded(tiny: Weights, cache: Path) -> paddle_engine.PaddleEngine:
    """The tiny network on the best engine of this machine."""
    return paddle_engine.load(tiny, cache, threads=2)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_eager_network_equals_plain_arithmetic(architecture: Architecture) -> None:
    """Paddle's layers, put together here, compute what the papers say, for every scale, unshuffling and channels."""
    weights = synthetic.random_weights(architecture, 3)
    image = noise(8, 12, architecture.in_channels)
    expected = plain_network.forward(image, weights)
    assert expected.shape == (8 * architecture.scale, 12 * architecture.scale, architecture.out_channels)
    assert np.abs(eager(image, weights) - expected).max() < CLOSE


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_trunk_and_tail_equal_one_pass(architecture: Architecture, cache: Path) -> None:
    """Stages in one piece or in tiles, then tail strips: the same numbers as one eager pass."""
    weights = synthetic.random_weights(architecture, 4)
    engine = paddle_engine.load(weights, cache, threads=2)
    image = noise(16, 36, architecture.in_channels)
    expected = eager(image, weights)
    assert np.abs(run(engine, image) - expected).max() < CLOSE
    assert np.abs(run(engine, image, tile=16) - expected).max() < CLOSE
    features = trunk(engine, unshuffled(image, architecture.unshuffle))
    assert np.abs(engine.tail(features)[0].transpose(1, 2, 0) - expected).max() < CLOSE


@pytest.mark.parametrize("name", ["openvino", "onednn", "native"])
def test_every_engine_agrees_with_plain_arithmetic(name: str, tiny: Weights, cache: Path) -> None:
    """Each engine of this wheel loads alone, passes its trial, and gives the right numbers at changing sizes."""
    engine = paddle_engine.load(tiny, cache, threads=2, engines=(name,))
    assert engine.facts.engine == name
    assert engine.notes == ()
    for size in ((9, 14), (1, 1), (20, 7), (9, 14)):
        image = noise(*size)
        expected = plain_network.forward(image, tiny)
        assert np.abs(run(engine, image) - expected).max() < CLOSE
        assert np.abs(run(engine, image, tile=max(size)) - expected).max() < CLOSE


def test_blocks_do_not_share_weights(cache: Path) -> None:
    """One predictor serves all blocks, and each call uses the weights given to it, on every engine."""
    weights = synthetic.random_weights(Architecture(6, 3, 4, 3, 3, 2), 8)
    image = np.ascontiguousarray(noise(17, 19, 6).transpose(2, 0, 1)[np.newaxis])
    for name in predictors.ENGINES:
        engine = paddle_engine.load(weights, cache, threads=1, engines=(name,))
        single = engine.methods("exact")[-1]
        for index in (0, 1, 2, 0):
            tensors = {key: paddle.to_tensor(value) for key, value in rrdbnet.prepared(weights.tensors).items()}
            expected = rrdbnet.block(paddle.to_tensor(image), tensors, f"body.{index}.").numpy()
            assert np.abs(engine.blocks(single, index, image, "exact") - expected).max() < CLOSE, (name, index)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_the_block_programs_inputs_are_the_prepared_weights(architecture: Architecture) -> None:
    """Every block has the tensors that the program asks for, in its shapes, and all of the net's are used."""
    weights = synthetic.random_weights(architecture, 6)
    prepared = rrdbnet.prepared(weights.tensors)
    asked = dict(rrdbnet.block_inputs(architecture))
    for index in range(architecture.blocks):
        found = {name.removeprefix(f"body.{index}."): list(value.shape) for name, value in prepared.items()}
        assert asked == {name: shape for name, shape in found.items() if name.startswith("rdb")}
    assert sum(value.size for value in prepared.values()) == sum(value.size for value in weights.tensors.values())


def test_groups_that_fail_are_left_out(
    tiny: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the program with blocks inside gives wrong numbers, or crashed before, blocks run one at a time."""
    image = noise(9, 14)
    expected = plain_network.forward(image, tiny)
    saved = saving.grouped
    other = synthetic.random_weights(synthetic.TINY, 99)
    monkeypatch.setattr(saving, "grouped", lambda _weights, folder, name: saved(other, folder, name))
    engine = paddle_engine.load(tiny, tmp_path, threads=2, engines=("openvino",))
    assert [method.name for method in engine.methods("exact")] == ["block"]
    assert "trunk in groups" in caplog.text
    assert np.abs(run(engine, image) - expected).max() < CLOSE
    monkeypatch.setattr(saving, "grouped", saved)
    folder = saving.prepare(tiny, tmp_path)
    predictors.marker_of(folder, "threes").write_text("Fatal Python error: Segmentation fault")
    engine = paddle_engine.load(tiny, tmp_path, threads=2, engines=("openvino",))
    assert [method.name for method in engine.methods("exact")] == ["block"]


@pytest.mark.parametrize("tile", [16, 23, 32, 40])
def test_tiles_equal_stages_in_one_piece_exactly(loaded: paddle_engine.PaddleEngine, tile: int) -> None:
    """Stages in tiles of any size give bit for bit what stages over the whole image give."""
    image = noise(61, 83)
    assert np.array_equal(run(loaded, image, tile=tile), run(loaded, image, tile=200))


def test_strips_equal_one_tail_exactly(loaded: paddle_engine.PaddleEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tail in strips and columns gives bit for bit what it gives in one call."""
    image = noise(90, 71)
    features = trunk(loaded, unshuffled(image, 1))
    monkeypatch.setattr(planning, "TAIL_TILE_MACS", 40 * 50 * planning.tail_macs(loaded.architecture))
    assert np.array_equal(run(loaded, image), loaded.tail(features)[0].transpose(1, 2, 0))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 4097), (4097, 1), (5, 1000)])
def test_odd_sizes(loaded: paddle_engine.PaddleEngine, tiny: Weights, size: tuple[int, int]) -> None:
    """Single pixels and lines come out as plain arithmetic has them, in one piece and in tiles."""
    image = noise(*size)
    expected = plain_network.forward(image, tiny)
    assert np.abs(run(loaded, image) - expected).max() < CLOSE
    assert np.abs(run(loaded, image, tile=64) - expected).max() < CLOSE


@pytest.mark.parametrize("size", [(7, 9), (1, 2), (2, 1), (5, 4), (3, 11)])
def test_sides_that_are_no_multiple(size: tuple[int, int], cache: Path) -> None:
    """With pixel-unshuffle any size gives exactly scale times that size, computed from the mirrored picture."""
    weights = synthetic.random_weights(ARCHITECTURES[4], 4)
    image = noise(*size)
    pads = [(0, -size[0] % 2), (0, -size[1] % 2), (0, 0)]
    expected = plain_network.forward(np.pad(image, pads, mode="reflect" if min(size) > 1 else "edge"), weights)
    got = run(paddle_engine.load(weights, cache), image)
    assert got.shape == (2 * size[0], 2 * size[1], 3)
    assert np.abs(got - expected[: got.shape[0], : got.shape[1]]).max() < CLOSE


def test_a_stop_ends_the_run(loaded: paddle_engine.PaddleEngine) -> None:
    """A stop in the middle raises Stopped, and the engine is ready for the next picture."""
    answers = iter([False] * 6 + [True])
    with pytest.raises(Stopped):
        loaded.upscale(noise(80, 80), lambda *_: None, lambda *_: None, lambda: next(answers), tile=32)
    assert run(loaded, noise(4, 4)).shape == (16, 16, 3)


def test_another_thread_is_refused(loaded: paddle_engine.PaddleEngine) -> None:
    """Predictors run in the thread that made them and say so anywhere else."""
    errors: list[Exception] = []

    def elsewhere() -> None:
        try:
            run(loaded, noise(4, 4))
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "another thread" in str(errors[0])


def test_facts_name_what_runs(loaded: paddle_engine.PaddleEngine) -> None:
    """Facts tell device, engine, version, precision and threads."""
    facts = loaded.facts
    assert (facts.device, facts.precision, facts.threads) == ("cpu", "fp32", 2)
    assert facts.engine in predictors.ENGINES
    assert "3.2.2" in facts.engine_version
    assert facts.device_name


def test_weights_that_give_no_numbers_are_refused(tmp_path: Path, tiny: Weights) -> None:
    """A net with a NaN inside is MODEL_LOAD at loading, and nothing of it stays in the cache."""
    tensors = dict(tiny.tensors) | {"conv_body.bias": np.full(8, np.nan, np.float32)}
    with pytest.raises(BackendError) as failed:
        paddle_engine.load(Weights(tiny.architecture, tensors, "0" * 64), tmp_path)
    assert failed.value.code == "MODEL_LOAD"
    assert list(tmp_path.iterdir()) == []


def test_programs_are_those_of_the_weights(tmp_path: Path, tiny: Weights) -> None:
    """Two nets of one shape do not mix, though they are saved side by side."""
    other = synthetic.random_weights(tiny.architecture, 99)
    image = noise(6, 6)
    for weights in (tiny, other, tiny):
        got = run(paddle_engine.load(weights, tmp_path), image)
        assert np.abs(got - plain_network.forward(image, weights)).max() < CLOSE
    assert len(list(tmp_path.iterdir())) == 2


def test_a_missing_openvino_is_noticed(tiny: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Paddle silently goes on without OpenVINO, the engine is not called so: oneDNN is named, with the reason."""
    monkeypatch.setattr(predictors, "_openvino_is_loaded", lambda: False)
    engine = paddle_engine.load(tiny, cache)
    assert engine.facts.engine == "onednn"
    assert "openvino" in engine.notes[0]
    assert "does not carry it" in engine.notes[0]


def test_an_engine_that_refuses_is_left_out(tiny: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first engines raise, the next one is used and each reason is told."""

    def refuse(*_: object) -> None:
        raise RuntimeError("C++ Traceback\n---\nError Message Summary:\n(Unavailable) Not compiled with it.")

    monkeypatch.setitem(predictors.ENGINES, "openvino", refuse)
    monkeypatch.setitem(predictors.ENGINES, "onednn", refuse)
    engine = paddle_engine.load(tiny, cache)
    assert engine.facts.engine == "native"
    assert [note.split(":")[0] for note in engine.notes] == [
        "The engine openvino is left out",
        "The engine onednn is left out",
    ]
    assert "(Unavailable) Not compiled with it." in engine.notes[0]
    monkeypatch.setitem(predictors.ENGINES, "native", refuse)
    with pytest.raises(BackendError) as failed:
        paddle_engine.load(tiny, cache)
    assert failed.value.code == "INTERNAL"


def test_a_real_engine_with_wrong_numbers_is_left_out(
    tiny: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OneDNN with the pass that makes it keep its first weights fails its trial by its numbers."""

    def caching(config: object, _blobs: Path, _precision: str) -> None:
        config.enable_mkldnn()  # type: ignore[attr-defined]
        config.enable_new_ir(True)  # type: ignore[attr-defined]
        config.enable_new_executor(True)  # type: ignore[attr-defined]

    weights = synthetic.random_weights(Architecture(8, 3, 4, 3, 3, 2), 2)
    monkeypatch.setitem(predictors.ENGINES, "onednn", caching)
    engine = paddle_engine.load(weights, cache, engines=("onednn", "native"))
    assert engine.facts.engine == "native"
    assert "wrong numbers" in engine.notes[0]


def test_a_crash_is_remembered(tmp_path: Path, tiny: Weights) -> None:
    """An engine that takes the process down is left out by the next process, and tried again a day later."""
    script = """
import faulthandler, os, signal, sys
faulthandler.enable()
from pathlib import Path
from bsrgan_backend.engine import paddle_engine, predictors
from bsrgan_backend.models import synthetic
predictors.ENGINES["openvino"] = lambda *_: os.kill(os.getpid(), signal.SIGSEGV)
paddle_engine.load(synthetic.random_weights(synthetic.TINY, 5), Path(sys.argv[1]))
"""
    died = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=120,
    )
    assert died.returncode == -signal.SIGSEGV
    engine = paddle_engine.load(tiny, tmp_path)
    assert engine.facts.engine == "onednn"
    assert "stopped the worker" in engine.notes[0]
    marker = predictors.marker_of(saving.prepare(tiny, tmp_path), "openvino")
    os.utime(marker, (0, 0))
    assert not trials.crashed(marker)
    assert paddle_engine.load(tiny, tmp_path).facts.engine == "openvino"
    assert not marker.exists()


def test_nothing_is_left_in_the_working_directory(
    tmp_path: Path, tiny: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading and running write to the cache only, wherever the process stands."""
    monkeypatch.chdir(tmp_path)
    run(paddle_engine.load(tiny, cache), noise(5, 5))
    assert list(tmp_path.iterdir()) == []
