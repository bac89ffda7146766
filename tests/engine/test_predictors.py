"""Paddle's predictors: what they borrow from their callers, and give back."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import predictors, saving
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]

SHAPE = (1, 3, 320, 300)
FEATURES = 5
RESULT = (1, FEATURES, *SHAPE[2:])


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> predictors.Predictor:
    """The first convolution of a small net by OpenVINO."""
    weights = synthetic.random_weights(Architecture(FEATURES, 1, 3, 3, 3, 2), 4)
    folder: Path = saving.prepare(weights, tmp_path_factory.mktemp("cache"))
    return predictors.Predictor(folder, "head", "openvino", 2)


def picture(seed: int) -> Array:
    """Large enough to be lent instead of copied."""
    return np.random.default_rng(seed).random(SHAPE, dtype=np.float32)


def test_a_result_is_the_callers_own(head: predictors.Predictor) -> None:
    """Later runs change neither an earlier result nor an input, and told of the shape or not it is the same."""
    image = picture(1)
    before = image.copy()
    first = head.run({"image": image}, RESULT)
    kept = first.copy()
    second = head.run({"image": picture(2)}, RESULT)
    copied = head.run({"image": image})
    assert np.array_equal(first, kept)
    assert np.array_equal(image, before)
    assert np.array_equal(first, copied)
    assert not np.array_equal(first, second)


def test_arrays_are_let_go_after_a_run(head: predictors.Predictor) -> None:
    """Neither what was lent nor what was returned stays in memory longer than its owner wants it."""
    image = picture(3)
    result = head.run({"image": image}, RESULT)
    alive = [weakref.ref(image), weakref.ref(result)]
    del image, result
    assert [one() for one in alive] == [None, None]


def test_an_array_that_must_not_be_written_is_copied(head: predictors.Predictor) -> None:
    """A picture that is read-only, or lies in a file, gives the same result."""
    image = picture(5)
    wanted = head.run({"image": image}, RESULT)
    image.flags.writeable = False
    assert np.array_equal(head.run({"image": image}, RESULT), wanted)


def test_a_wrong_shape_is_no_result(head: predictors.Predictor) -> None:
    """What would be left of an earlier run is never given out."""
    with pytest.raises(MemoryError):
        head.run({"image": picture(6)}, (1, FEATURES, SHAPE[2] + 1, SHAPE[3]))
    assert head.run({"image": picture(6)}, RESULT).shape == RESULT
