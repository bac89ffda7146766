"""The task "preview": each of its three pictures is what the whole job gives there."""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import texture
from bsrgan_backend.imaging.resampling import covered
from bsrgan_backend.models.weights import Architecture
from bsrgan_backend.worker import jobs, preview
from bsrgan_backend.worker.reports import Progress
from bsrgan_backend.worker.residency import Resident
from bsrgan_backend.worker.work import Cancelled, Work
from bsrgan_wire import limits
from bsrgan_wire.preview import ALIGN_PX, Place, Rectangle
from support import job_runs
from support.preview_runs import previewed
from support.repeating_network import JOB, Repeater, message, noise


class Network(Repeater):
    """The repeating network as a worker holds it."""

    notes = ()


def run(block, place, network=None, should_stop=lambda: False, **params):
    """Do a preview of a picture; returns its three pictures and what the task says."""
    return previewed(block, place, network or Network(), should_stop, **params)


def whole(block, out_size, rectangle, network=None, **params):
    """The same rectangle of the whole job's result."""
    spec = jobs.JobSpec.of(message(block, out_size, params=params))
    _, pixels = job_runs.run(block, out_size, network or Network(), spec=spec)
    return pixels[rectangle.top : rectangle.bottom, rectangle.left : rectangle.right]


def check(block, out_size, rectangle, network=None, **params):
    """All three pictures against whole jobs."""
    size = block.shape[1::-1]
    place = Place.around(size, out_size[::-1], rectangle)
    (enlarged, textured, base), _ = run(block, place, network, **params)
    np.testing.assert_array_equal(enlarged, whole(block, out_size, rectangle, network, **params))
    np.testing.assert_array_equal(base, whole(block, out_size, rectangle, network, **params, strength=0))
    np.testing.assert_array_equal(textured, whole(block, out_size, rectangle, network, **params, texture=100))


@st.composite
def cases(draw):
    """A picture's size, a result's and a rectangle of it."""
    size = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    out = tuple(draw(st.integers(-(-side // 4), 5 * side)) for side in size)
    top, left = draw(st.integers(0, out[0] - 1)), draw(st.integers(0, out[1] - 1))
    height, width = draw(st.integers(1, out[0] - top)), draw(st.integers(1, out[1] - left))
    return size, out, Rectangle(left, top, width, height)


@given(cases(), st.integers(1, 4), st.sampled_from(["u1", "u2", "f2", "f4"]))
@settings(max_examples=40, deadline=None)
def test_any_rectangle_is_that_of_the_whole_result(case, channels, dtype):
    """For any size, factor, rectangle and format, the part being the whole picture, not one bit differs."""
    size, out_size, rectangle = case
    check(noise(*size, channels, dtype), out_size, rectangle)


@pytest.mark.parametrize(
    ("out_size", "rectangle"),
    [
        ((1000, 1000), Rectangle(450, 440, 128, 128)),
        ((1000, 1000), Rectangle(980, 991, 20, 9)),
        ((577, 694), Rectangle(317, 251, 33, 41)),
        ((250, 250), Rectangle(120, 110, 32, 32)),
        ((82, 63), Rectangle(25, 30, 16, 16)),
    ],
)
@pytest.mark.parametrize("channels", [3, 4])
def test_a_part_is_enough(monkeypatch, out_size, rectangle, channels):
    """Where only a part of a large picture is sent, nothing differs either, once the noise floor is the same."""
    monkeypatch.setattr(texture, "noise_floor", lambda *_: 1e-4)
    block = noise(250, 250, channels)
    if channels == 4:
        block[..., 3] = np.maximum(block[..., 3], 1)  # holes are filled from further away
    check(block, out_size, rectangle, alpha="kernel")


def test_hard_edges_of_alpha_go_through_the_network():
    """The first two pictures have the network's alpha, the third the kernel's, as whole jobs have them."""
    block = noise(220, 230, 4, seed=3)
    block[..., 3] = 255
    block[90:130, 100:140, 3] = 1
    check(block, (440, 460), Rectangle(180, 170, 60, 50))


def test_a_transparent_part_has_nothing_to_show():
    """A preview inside of a hole is transparent in all three pictures."""
    block = noise(400, 400, 4)
    block[..., 3] = 0
    pictures, _ = run(block, Place.around((400, 400), (1600, 1600), Rectangle(700, 700, 32, 32)))
    assert not pictures[..., 3].any()


def test_two_passes_are_the_whole_jobs_two():
    """A result of more than the network's scale is made in the same steps as the job's."""
    check(noise(150, 150, 3), (1200, 1200), Rectangle(612, 500, 30, 40))


def ordered(size, out_size, margin=None):
    """A preview of the middle of a result, from the part that `Place.around` gives."""
    sides = [min(side, 300) for side in out_size]
    top, left = ((out - side) // 2 for out, side in zip(out_size, sides, strict=True))
    place = Place.around(size[::-1], out_size[::-1], Rectangle(left, top, *sides[::-1]), margin)
    message_ = message(noise(place.part.height, place.part.width, 1), (3 * sides[0], sides[1]), params=place.params())
    return preview.Order.of({**message_, "task": "preview"})


@given(st.integers(100, 3000), st.integers(100, 3000), st.floats(0.25, 16), st.floats(0.25, 16))
@settings(max_examples=100, deadline=None)
def test_other_proportions_see_all_that_counts(height, width, down, across):
    """One side may shrink while the other takes a second pass: the last one still sees its whole margin."""
    size, out_size = (height, width), (round(height * down), round(width * across))
    order = ordered(size, out_size)
    last = preview.plan(order, Architecture(8, 1, 4, 3, 3, 4))[-1]
    near = last.wanted.at(last.target, last.source).grown(limits.PREVIEW_MARGIN_PX, last.source)
    assert near.within(last.seen) == near


def test_a_side_shrinks_beside_two_passes(monkeypatch):
    """Of a picture made high and narrow the preview is that of the whole job, once the noise floor is the same."""
    monkeypatch.setattr(texture, "noise_floor", lambda *_: 1e-4)
    check(noise(330, 1000, 3), (1700, 300), Rectangle(130, 900, 30, 40))


@given(st.floats(0.25, 16), st.floats(0.25, 16), st.sampled_from([(4, 1), (2, 1), (2, 2), (1, 4)]))
@settings(max_examples=100, deadline=None)
def test_what_the_older_clients_send_is_enough(down, across, network):
    """With the same margin for all proportions and models a preview is made, of parts that fold as the whole does."""
    scale, unshuffle = network
    order = ordered((1500, 1400), (round(1500 * down), round(1400 * across)), 2 * limits.PREVIEW_MARGIN_PX)
    steps = preview.plan(order, Architecture(8, 1, 4, 3, 3, scale, unshuffle))
    assert steps[0].seen.within(order.seen) == steps[0].seen
    for step, following in itertools.pairwise(steps):
        assert step.wanted == following.seen
    for step in steps:
        assert step.seen.top % ALIGN_PX == step.seen.left % ALIGN_PX == 0
        reached = covered(step.seen.times(scale), tuple(side * scale for side in step.source), step.target)
        assert step.wanted.within(reached) == step.wanted


class Listening(Network):
    """Notes what it sees and is told."""

    def __init__(self, architecture):
        super().__init__(architecture.scale)
        self.architecture = architecture
        self.told = []

    def upscale(self, image, sink, *, on_progress, should_stop, **options):
        """As the engine's."""
        self.told.append(options)
        super().upscale(image, sink, on_progress=on_progress, should_stop=should_stop)


@pytest.mark.parametrize(("scale", "unshuffle"), [(4, 1), (2, 2)])
def test_the_network_sees_its_reach_and_no_more(scale, unshuffle):
    """The network gets the rectangle with its margin, however much more was sent: time goes with its pixels."""
    network = Listening(Architecture(16, 1, 4, 3, 3, scale, unshuffle))
    out = 1600 * scale
    place = Place.around((1600, 1600), (out, out), Rectangle(800 * scale, 800 * scale, 32 * scale, 32 * scale), 300)
    run(noise(1600, 1600, 3), place, network, precision="fast", tile=64)
    side = 32 + 2 * limits.PREVIEW_MARGIN_PX * unshuffle
    assert [image.shape[:2] for image in network.images] == [(side, side)]
    assert network.told == [{"precision": "fast", "tile": 64}]


def test_two_passes_are_two_small_ones():
    """Of a sixteenfold result each of the two passes sees only what the next one needs."""
    network = Network()
    place = Place.around((1000, 1000), (16000, 16000), Rectangle(8000, 8000, 128, 128))
    run(noise(1000, 1000, 3), place, network)
    assert [max(image.shape[:2]) <= 256 for image in network.images] == [True, True]


def test_the_mix_of_the_three_is_the_job(monkeypatch):
    """At any position of the sliders the mix that a client makes is the whole job's result within one level."""
    monkeypatch.setattr(texture, "_LEAST", 1e-9)
    rng = np.random.default_rng(2)
    block = (rng.random((40, 40, 3)) * 60 + 90).astype("u1")
    rectangle = Rectangle(30, 20, 64, 64)
    (enlarged, textured, base), _ = run(block, Place.around((40, 40), (160, 160), rectangle))
    pictures = [values.astype(np.float64) for values in (enlarged, textured, base)]
    for strength, keep in ((0.3, 0.7), (1.0, 0.5), (0.5, 0.0)):
        mixed = (1 - strength) * pictures[2] + strength * ((1 - keep) * pictures[0] + keep * pictures[1])
        job = whole(block, (160, 160), rectangle, strength=100 * strength, texture=100 * keep)
        assert np.abs(mixed - job).max() <= 1.0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"params": {}}, "BAD_PARAM"),
        ({"params": None}, "BAD_PARAM"),
        ({"width": 7}, "BAD_PARAM"),
        ({"out_height": 95}, "BAD_PARAM"),
        ({"dtype": "f64"}, "BAD_DTYPE"),
        ({"channels": 0}, "BAD_SHAPE"),
    ],
)
def test_impossible_orders_are_refused(changes, code):
    """Each is one sentence with its code, before a model is loaded for it."""
    place = Place.around((90, 90), (360, 360), Rectangle(100, 100, 32, 32))
    block = noise(place.part.height, place.part.width, 3)
    told = message(block, (96, 32), task="preview", params=place.params())
    preview.Order.of(told)
    with pytest.raises(BackendError) as caught:
        preview.Order.of({**told, **changes})
    assert caught.value.code == code
    assert caught.value.text.endswith(".")


def test_too_large_a_factor_is_refused():
    """A preview of a result that no job may make is refused like the job."""
    place = Place.around((90, 90), (9000, 9000), Rectangle(100, 100, 32, 32))
    told = message(noise(place.part.height, place.part.width, 3), (96, 32), task="preview", params=place.params())
    with pytest.raises(BackendError, match="16 times"):
        preview.Order.of(told)


def test_a_part_without_its_margin_still_works_or_is_refused():
    """A client may send less than the network reaches, but not less than the resize mixes."""
    block = noise(200, 200, 3)
    rectangle = Rectangle(160, 160, 16, 16)
    thin = Place.around((200, 200), (400, 400), rectangle, 8)
    assert run(block, thin)[0].shape == (3, 16, 16, 3)
    bare = replace(thin, part=Rectangle(80, 80, 8, 8))
    with pytest.raises(BackendError) as caught:
        run(block, bare)
    assert (caught.value.code, "too small" in caught.value.text) == ("BAD_PARAM", True)


@pytest.mark.parametrize("factor", [4, 16])
def test_a_part_that_the_resized_source_reaches_beyond_is_refused(factor):
    """At whole multiples of its scale the network needs no resize, but the third picture is one always."""
    out, rectangle = 200 * factor, Rectangle(400, 400, 16, 16)
    with pytest.raises(BackendError, match="too small"):
        run(noise(200, 200, 3), Place.around((200, 200), (out, out), rectangle, 0))


def test_pixels_of_another_length_are_refused():
    """Input that does not fit the part's size is BAD_SHAPE, as for every task."""
    place = Place.around((90, 90), (360, 360), Rectangle(0, 0, 32, 32))
    told = message(noise(90, 90, 3), (96, 32), task="preview", params=place.params())
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(bytes(90 * 90 * 3 - 1))
        source.flush()
        work = Work(
            *(source.fileno(), target.fileno(), Progress(JOB, lambda _: None), lambda: False),
            Resident("a model", Network(), 0.0),
        )
        with pytest.raises(BackendError) as caught:
            preview.preview(preview.Order.of(told), work)
    assert caught.value.code == "BAD_SHAPE"


def test_rows_are_written_while_the_network_works(monkeypatch):
    """Rows that the network has given are in the answer before it gives the next ones."""
    seen, write = threading.Event(), preview.spool.write_rows

    def noted(target, block, first_row):
        written = write(target, block, first_row)
        if first_row < 32:
            seen.set()
        return written

    class Waiting(Network):
        """Gives no more rows of the rectangle until the first are written."""

        def upscale(self, image, sink, **options):
            """As the engine's."""
            last = image.shape[0] * self.architecture.scale

            def take(row, strip):
                assert row + strip.shape[0] < last or seen.wait(20)
                sink(row, strip)

            super().upscale(image, take, **options)

    monkeypatch.setattr(preview.spool, "write_rows", noted)
    check(noise(90, 90, 3), (360, 360), Rectangle(20, 300, 64, 32), Waiting())


def test_what_the_network_does_not_see_is_not_looked_at():
    """Values far from the rectangle, sent with a wide margin, neither fail the preview nor change it."""
    block = noise(900, 900, 3, "f4")
    place = Place.around((900, 900), (1800, 1800), Rectangle(900, 900, 32, 32), 300)
    expected, _ = run(block, place)
    block[place.part.top, place.part.left] = np.nan
    np.testing.assert_array_equal(run(block, place)[0], expected)


def test_nothing_is_written_after_the_end(monkeypatch):
    """When the network fails, what was begun beside it is over before the files may be closed."""
    writing, write = [], preview.spool.write_rows

    def slow(*args):
        writing.append(True)
        time.sleep(0.1)
        write(*args)
        writing.pop()
        return 0

    class Failing(Network):
        """Gives its rows and fails then."""

        def upscale(self, image, sink, **options):
            """As the engine's."""
            super().upscale(image, sink, **options)
            raise BackendError("DEVICE", "The card is gone.")

    monkeypatch.setattr(preview.spool, "write_rows", slow)
    with pytest.raises(BackendError, match="card"):
        run(noise(90, 90, 3), Place.around((90, 90), (360, 360), Rectangle(0, 0, 64, 64)), Failing())
    assert not writing


def test_a_cancel_is_obeyed():
    """The network asks between its pieces, and the preview ends as cancelled."""
    with pytest.raises(Cancelled):
        run(noise(90, 90, 3), Place.around((90, 90), (360, 360), Rectangle(0, 0, 32, 32)), should_stop=lambda: True)
