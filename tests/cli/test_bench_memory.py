"""Memory against the plan, and degradations against their bounds, in `gimp-bsrgan bench`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bsrgan_backend.cli.benching import degradations, memories
from bsrgan_backend.cli.benching.contestants import Course
from bsrgan_backend.cli.degrade_bench import Timing
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.store import ModelStore

MB = 1_000_000
NEAR = memories.Use(memories.Case(256, "exact"), 110 * MB, 100 * MB, "rows", 1.0, "fp32", 2.0)


@pytest.fixture
def course(tmp_path):
    """A tiny network on one thread."""
    store = ModelStore(tmp_path / "models")
    store.put("tiny", synthetic.random_weights(synthetic.TINY, 1), "", None, "bench")
    return Course(synthetic.TINY, store.path("tiny"), tmp_path / "cache", 1)


def test_a_job_is_measured_in_a_process_of_its_own(course):
    """Plan and peak of a real job are there with how it was cut; a job that fails says why and the others go on."""
    shown: list[str] = []
    cases = [memories.Case(200, "exact", channels=4, dtype="f32"), memories.Case(200, "exact", memory=1)]
    done, failed = memories.measure(course, cases, shown.append)
    assert done.reason == ""
    assert done.expected > 200 * 200 * 4 * 4
    assert done.taken > 0
    assert (done.way, done.arithmetic) == ("3 blocks, tiles of 200 px", 1.0)
    assert failed.taken == 0
    assert failed.reason
    assert len(shown) == 2


def test_the_worst_job_is_the_claim():
    """The plan is judged by the job that it met worst, above and below alike."""
    far = replace(NEAR, expected=80 * MB)
    (claim,) = memories.claims([NEAR, far])
    assert claim.value == pytest.approx(20.0)
    assert claim.reached is False
    (claim,) = memories.claims([NEAR])
    assert claim.reached is True
    assert memories.claims([]) == []


def test_large_jobs_have_claims_of_their_own():
    """A result of 8192 x 8192 is held to its budget and arithmetic, one with alpha in float to the plan."""
    large = memories.Use(memories.BUDGETED, 3_800 * MB, 3_900 * MB, "tiles", 1.07, "bf16", 400.0)
    floating = memories.Use(memories.FLOATING, 900 * MB, 1_000 * MB, "tiles", 1.07, "bf16", 400.0)
    claims = memories.claims([NEAR, large, floating])
    assert [round(claim.value, 2) for claim in claims] == [10.0, 3.9, 1.07, 10.0]
    assert all(claim.reached for claim in claims)
    failed = replace(large, taken=0, arithmetic=0.0, reason="out of memory")
    assert all(claim.reached is None for claim in memories.claims([NEAR, failed])[:3])


def test_the_table_names_each_job():
    """Sizes in megabytes stand beside the job, and a reason where a job failed."""
    heading, row, failed = memories.texts([NEAR, replace(NEAR, taken=0, reason="no memory")])
    assert len(heading) == len(row) == len(failed)
    assert row[0] == "256 x 256 RGB 8 bit"
    assert row[4:7] == ("110", "100", "1.10")
    assert failed[-1] == "no memory"


def test_degradations_are_held_to_their_bounds():
    """Milliseconds of one core and the rate against the released code are judged."""
    plain, drawn = degradations.claims([Timing("plain", 0.050, ""), Timing("drawn", 0.300, "")])
    assert (plain.value, plain.reached) == (pytest.approx(50.0), True)
    assert drawn.reached is False
    assert degradations.times_claim(Timing("many", 2.0, ""), 500).value == pytest.approx(17.5)
