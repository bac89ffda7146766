"""Rows of a picture in a file."""

from __future__ import annotations

import random

import pytest

from bsrgan_plugin.outputs import Area, Size
from bsrgan_plugin.pixel_file import PixelFile

WIDTH, HEIGHT, PIXEL = 7, 5, 3
DATA = random.Random(1).randbytes(WIDTH * HEIGHT * PIXEL)


@pytest.fixture
def pixels():
    """A picture of random bytes, written in two pieces and out of order."""
    file = PixelFile(Size(WIDTH, HEIGHT), PIXEL)
    row = WIDTH * PIXEL
    file.write(2, memoryview(DATA)[2 * row :])
    file.write(0, DATA[: 2 * row])
    yield file
    file.close()


@pytest.mark.parametrize("area", [Area(0, 0, 7, 5), Area(0, 1, 7, 2), Area(2, 1, 3, 4), Area(6, 4, 1, 1)])
def test_windows_hold_the_pixels_of_the_picture(pixels, area):
    """Any rectangle comes back as it was written."""
    rows = [DATA[y * WIDTH * PIXEL :][area.x * PIXEL : (area.x + area.width) * PIXEL] for y in range(HEIGHT)]
    assert pixels.window(area) == b"".join(rows[area.y : area.y + area.height])


@pytest.mark.parametrize(("first", "length"), [(0, 20), (4, 42), (-1, 21)])
def test_what_does_not_fit_is_refused(pixels, first, length):
    """Parts of rows and rows beyond the picture are a mistake of the caller."""
    with pytest.raises(RuntimeError, match="do not fit"):
        pixels.write(first, bytes(length))


def test_rows_that_never_came_are_missed():
    """A picture that is not complete does not pass for one."""
    file = PixelFile(Size(2, 2), 1)
    file.write(0, b"ab")
    with pytest.raises(RuntimeError, match="expected"):
        file.rows(0, 2)
    file.close()
    file.close()
