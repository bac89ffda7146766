"""T18: whole runs against those of the released code, by thirteen numbers of each result."""

from __future__ import annotations

import functools
import json

import pytest

from bsrgan_backend.degradation import Request, degrade
from support.degradation_metrics import bicubic, metrics
from support.degradation_pictures import REFERENCE, SHA256, digest, levels_of, picture
from support.degradation_statistics import two_sample_p

RUNS = 500
LEAST_P = 0.01 / 52
"""A hundredth over the number of comparisons."""


@functools.cache
def reference_samples(name: str) -> dict[str, list[float]]:
    """Sorted metrics of the released code; skips where the file is not there."""
    if not REFERENCE.is_file():
        pytest.skip(f"the reference statistics are not there: {REFERENCE.name} is missing")
    return json.loads(REFERENCE.read_text(encoding="utf-8"))["runs"][name]["samples"]


def p_values(name: str, wanted: dict[str, list[float]], count: int, **options) -> dict[str, float]:
    """How well `count` runs agree with the wanted samples, for each metric."""
    source = picture(name)
    clean = bicubic(source, options["scale"])
    # The released code has no camera model, and its plus runs of the reference were made without sharpening.
    requests = (Request(seed=seed, off=("camera", "sharpen"), **options) for seed in range(count))
    ours = [metrics(degrade(source, request).image, source, clean) for request in requests]
    return {metric: two_sample_p([one[metric] for one in ours], values) for metric, values in wanted.items()}


@pytest.mark.parametrize("name", list(SHA256))
def test_t18_pictures_are_those_of_the_reference(name):
    """Both pictures have the bytes that the released code was run on."""
    assert digest(levels_of(name)) == SHA256[name]


@pytest.mark.parametrize("scale", [4, 2])
@pytest.mark.parametrize("name", list(SHA256))
def test_t18_results_are_distributed_as_those_of_the_released_code(name, scale):
    """None of 13 metrics of 500 runs differs from the released code's beyond chance."""
    found = p_values(name, reference_samples(f"bsrgan_sf{scale}_{name}"), RUNS, scale=scale)
    assert len(found) == 13
    assert min(found.values()) >= LEAST_P, found


@pytest.mark.parametrize("scale", [4, 2])
def test_t18_plus_results_are_distributed_as_those_of_the_released_code(scale):
    """None of 13 metrics of 250 runs of the plus variant differs from the released code's beyond chance."""
    name = "skimage_astronaut_area256"
    wanted = reference_samples(f"bsrgan_plus_sf{scale}_{name}")
    found = p_values(name, wanted, 250, scale=scale, mode="bsrgan-plus")
    assert min(found.values()) >= LEAST_P, found
