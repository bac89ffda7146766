"""Memory of a job besides the engine's, as predicted and as measured."""

from __future__ import annotations

import tracemalloc

import pytest

from bsrgan_backend.worker import footprint, jobs, passes
from support.job_runs import run
from support.repeating_network import Repeater, message, noise


class Streaming(Repeater):
    """Repeats pixels a few rows at a time, so that nearly all memory is the job's."""

    def upscale(self, image, sink, *, on_progress, should_stop, **_options):
        """As the engine's."""
        scale, rows = self.architecture.scale, 4
        for row in range(0, image.shape[0], rows):
            sink(row * scale, image[row : row + rows].repeat(scale, 0).repeat(scale, 1))
        on_progress(1, 1)


@pytest.mark.parametrize(
    ("channels", "dtype", "side", "factor", "params"),
    [
        (3, "u1", 900, 1, {}),
        (3, "u1", 900, 1, {"strength": 50, "texture": 50}),
        (4, "f4", 800, 1, {}),
        (1, "u1", 400, 8, {}),
    ],
)
def test_the_prediction_is_near_the_peak(monkeypatch, channels, dtype, side, factor, params):
    """No more is taken than predicted, and while the engine runs not less by 15 percent and a band and a half."""
    block = noise(side, side, channels, dtype)
    if channels == 4:
        # Alpha varies everywhere: all of it goes through the network.
        block[..., 3] = noise(side, side, 1, dtype)[..., 0]
    out_size = (side * factor, side * factor)
    spec = jobs.JobSpec.of(message(block, out_size, params=params))
    before = 0
    usual = passes.Runner.run

    def spy(*arguments):
        nonlocal before
        before = before or tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        usual(*arguments)

    monkeypatch.setattr(passes.Runner, "run", spy)
    tracemalloc.start()
    try:
        run(block, out_size, Streaming(), spec=spec, read=False)
        during = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    predicted = footprint.held_bytes(spec.size, out_size, spec.layout, spec.options, 4)
    assert during <= predicted <= 1.15 * during + 3 * 6 * passes.BAND_PX
    assert before <= footprint.preparing_bytes(spec.size, spec.layout)


def test_a_file_between_passes_is_no_memory():
    """With a scratch folder large pictures between passes do not count."""
    spec = jobs.JobSpec.of(message(noise(8, 8, 3), (128, 128)))
    arguments = (4000, 4000), (32000, 32000), spec.layout, spec.options, 4
    saved = footprint.held_bytes(*arguments) - footprint.held_bytes(*arguments, spooled=True)
    assert saved == 8000 * 8000 * 12
