"""The mistakes that others made: each is planted here, and the tests must notice it.

Every mistake is planted twice: under the conformance test of its step, and under the statistics of whole runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from bsrgan_backend.degradation import blur, drawing, jpeg, resizing
from degradation import test_conformance_blur as blur_tests
from degradation import test_conformance_jpeg as jpeg_tests
from degradation import test_conformance_noise as noise_tests
from degradation import test_conformance_sizes as size_tests
from degradation.test_conformance_statistics import LEAST_P, p_values, reference_samples
from support.degradation_pictures import SHA256

CORRECT_KERNEL, CORRECT_FLIP, CORRECT_JPEG = blur.gaussian_kernel, blur._flipped, jpeg.compress


@dataclass(frozen=True)
class Mistake:
    """One mistake, the conformance test that must fail for it, and how many runs show it."""

    owner: object
    name: str
    wrong: object
    test: Callable[[], None]
    runs: int


MISTAKES = {
    "the kernel is not flipped": Mistake(
        blur,
        "_flipped",
        lambda taps: CORRECT_FLIP(taps)[::-1],
        lambda: size_tests.test_t05_reductions_are_aligned_by_centres("classical", 4),
        250,
    ),
    "the classical kernel is not shifted": Mistake(
        resizing,
        "shifted_taps",
        lambda _, sigma: blur.gaussian_taps(25, sigma**2),
        lambda: blur_tests.test_t04_shifted_kernels_move_by_half_of_the_scale(4, -1.5, 0.25),
        400,
    ),
    "variances are taken as deviations": Mistake(
        blur,
        "gaussian_kernel",
        lambda size, along, across, theta=0.0: CORRECT_KERNEL(size, along**2, across**2, theta),
        lambda: blur_tests.test_t02_anisotropic_kernels_follow_the_formula(6.0, 0.7, 0.4),
        250,
    ),
    "JPEG is never worse than 50": Mistake(
        drawing,
        "_QUALITIES",
        (50, 95),
        jpeg_tests.test_t08_one_jpeg_always_and_a_second_with_nine_in_ten,
        250,
    ),
    "JPEG takes red for blue": Mistake(
        jpeg,
        "compress",
        lambda image, quality: CORRECT_JPEG(np.ascontiguousarray(image[..., ::-1]), quality)[..., ::-1],
        jpeg_tests.test_t08_blue_loses_more_than_red,
        500,
    ),
    "noise ends at 15 levels": Mistake(
        drawing,
        "_MOST_LEVEL",
        15,
        lambda: noise_tests.test_t09_t11_branches_and_levels_are_drawn_as_stated(drawing.Gaussian),
        400,
    ),
}


@pytest.fixture
def planted(monkeypatch, request):
    """The mistake of the test, in place."""
    mistake = MISTAKES[request.param]
    monkeypatch.setattr(mistake.owner, mistake.name, mistake.wrong)
    noise_tests.drawn.cache_clear()
    yield mistake
    noise_tests.drawn.cache_clear()


@pytest.mark.parametrize("planted", list(MISTAKES), indirect=True)
def test_the_test_of_the_step_notices(planted):
    """The conformance test of the step fails with the mistake."""
    with pytest.raises(AssertionError):
        planted.test()


@pytest.mark.parametrize("name", list(MISTAKES))
def test_the_test_of_the_step_passes_without(name):
    """The same conformance test passes without the mistake."""
    noise_tests.drawn.cache_clear()
    MISTAKES[name].test()


@pytest.mark.parametrize("planted", list(MISTAKES), indirect=True)
def test_whole_runs_notice(planted):
    """The statistics of whole runs reject the mistake at the level at which they accept the product."""
    picture = list(SHA256)[1]
    found = p_values(picture, reference_samples(f"bsrgan_sf4_{picture}"), planted.runs, scale=4)
    assert min(found.values()) < LEAST_P, found
