"""What the dialog says about a run before it begins."""

from __future__ import annotations

import pytest

from bsrgan_plugin.forecast import Rates, memory, told, told_of_disk
from bsrgan_plugin.outputs import Size


def test_time_follows_the_best_rate_of_the_same_settings():
    """The first preview may have been slow for other reasons; other models say nothing about this one."""
    rates = Rates()
    assert rates.seconds("one", 1000) is None
    rates.add("one", 100, 10.0)
    rates.add("one", 100, 2.0)
    rates.add("one", 100, 5.0)
    rates.add("two", 100, 0.0)
    assert rates.seconds("one", 1000) == 20.0
    assert rates.seconds("two", 1000) is None
    assert rates.seconds("two", 0) == 0.0


def test_a_run_is_told_with_size_memory_and_time():
    """Pixels of the result, its memory in GIMP, and the time in rough words once it has been measured."""
    assert told([Size(4000, 3000)], 48_000_000, 130.0) == (
        "Result: 4000 × 3000 px, 48 MB in GIMP\nTime on this device: about 2 min"  # noqa: RUF001
    )
    assert told([Size(8, 6)], 192, None).endswith("Time on this device: not measured yet")
    assert told([Size(8, 6), Size(4, 4)], 256, None).startswith("2 results, the first 8 × 6 px, 0.256 kB in GIMP")  # noqa: RUF001


def test_the_disk_is_told():
    """What a job keeps on disk is told in the same units."""
    assert "also needs 16.8 MB of disk" in told_of_disk(16_777_216)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0.001 kB"),
        (999, "0.999 kB"),
        (123_456, "123 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (16_777_216, "16.8 MB"),
        (2**32, "4.29 GB"),
        (10**16, "1e+04 TB"),
    ],
)
def test_memory_has_three_digits(count, text):
    """Bytes become the unit in which the number is short."""
    assert memory(count) == text
