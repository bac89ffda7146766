"""Progress in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_plugin.progress_text import DEGRADING, UPSCALING, ProgressText, previewing, time_left

counts = st.integers(0, 2**53)
steps = st.one_of(
    st.tuples(st.just("sending"), st.tuples(counts, counts)),
    st.tuples(st.just("receiving"), st.tuples(counts, counts)),
    st.tuples(st.sampled_from(["starting", "queued", "placing", "cancelling"]), st.just(())),
    st.tuples(
        st.just("working"),
        st.tuples(
            st.sampled_from(["queued", "loading", "running", "finishing"]),
            counts,
            counts,
            st.floats(-1.0, 1e9),
            counts,
            counts,
        ),
    ),
)


@settings(deadline=None, max_examples=100)
@given(told=st.lists(steps, max_size=12))
def test_the_bar_never_goes_back_and_the_line_never_goes_silent(told):
    """Whatever arrives in whatever order, the fraction grows within 0..1 and there is one line of text."""
    progress = ProgressText()
    before = 0.0
    for name, values in told:
        getattr(progress, name)(*values)
        assert before <= progress.fraction <= 1.0
        assert progress.text
        assert "\n" not in progress.text
        assert "{" not in progress.text
        before = progress.fraction


def test_a_running_job_names_the_tile_and_the_time_left():
    """The line counts the tile that is being worked on, not those that are done."""
    progress = ProgressText()
    progress.working("running", 20, 100, 130.0, 2, 12)
    assert progress.text == "Upscaling: tile 3 of 12, about 2 min left"
    progress.working("running", 100, 100, 0.0, 12, 12)
    assert progress.text == "Upscaling: tile 12 of 12, a few seconds left"


def test_without_tiles_the_line_tells_the_percentage():
    """A daemon that does not count tiles is told in percent of the time."""
    progress = ProgressText()
    progress.working("running", 24, 100, 180.0)
    assert progress.text == "Upscaling: 24 %, about 3 min left"


def test_unknown_totals_show_no_numbers():
    """With no total there is neither a count nor a time."""
    progress = ProgressText()
    progress.working("running", 0, 0, -1.0)
    assert progress.text == "Upscaling…"


@pytest.mark.parametrize(
    ("eta_s", "text"),
    [
        (-1.0, ""),
        (0.0, "a few seconds left"),
        (4.9, "a few seconds left"),
        (5.0, "about 5 s left"),
        (43.0, "about 45 s left"),
        (60.0, "about 1 min left"),
        (89.0, "about 1 min left"),
        (3570.0, "about 1 h 0 min left"),
        (3900.0, "about 1 h 5 min left"),
    ],
)
def test_times_are_rough_words(eta_s, text):
    """Seconds left become a time that does not pretend to be exact."""
    assert time_left(eta_s) == text


def test_the_rate_is_measured_in_pixels_of_the_result():
    """After a second the line says how many pixels of the result are made in a second, from the first report on."""
    now = [10.0]
    progress = ProgressText(clock=lambda: now[0])
    progress.begin(UPSCALING, pixels=4_000_000)
    progress.working("running", 20, 100, 130.0, 2, 12)
    assert progress.text == "Upscaling: tile 3 of 12, about 2 min left"
    now[0] += 2.0
    progress.working("running", 30, 100, 120.0, 3, 12)
    assert progress.text == "Upscaling: tile 4 of 12, 0.2 megapixels/s, about 2 min left"


@pytest.mark.parametrize(
    ("phase", "eta_s", "text"),
    [
        ("loading", -1.0, "Loading the model…"),
        ("queued", -1.0, "Waiting for another job to end…"),
        ("running", -1.0, "Working on the preview…"),
        ("running", 20.0, "Working on the preview, about 20 s left"),
    ],
)
def test_a_preview_says_what_it_waits_for(phase, eta_s, text):
    """The line under the preview tells the phase, and the time left once it is known."""
    assert previewing(phase, eta_s) == text


def test_jobs_of_one_run_share_the_bar_and_name_their_work():
    """Each job has its part of the bar, and the line says what the daemon does now."""
    progress = ProgressText()
    progress.begin(DEGRADING, 0.0, 0.2)
    progress.working("running", 50, 100, -1.0, 2, 7)
    assert progress.text == "Degrading: step 3 of 7"
    assert 0.05 < progress.fraction < 0.15
    progress.receiving(10, 10)
    assert progress.fraction <= 0.2
    progress.begin(UPSCALING, 0.2, 1.0)
    assert progress.fraction <= 0.2
    progress.working("running", 50, 100, -1.0, 2, 7)
    assert progress.text == "Upscaling: tile 3 of 7"
    assert 0.5 < progress.fraction < 0.7
