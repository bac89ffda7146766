"""Convolutions and doublings of pictures that arrive unit by unit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bsrgan_backend.engine.winograd.convolution import Convolution, Workspace
from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.tail import Range, doubled
from bsrgan_backend.engine.winograd.transforms import EXACT, FAST, kernel
from support.plain_network import convolved
from support.winograd_units import noise, unpacked

heights = st.integers(1, 50)
widths = st.one_of(st.integers(1, 150), st.integers(300, 700))
schemes = st.sampled_from([EXACT, FAST])


def in_units(layout, image):
    """A picture (C, H, W) as units."""
    return [layout.pack(image, number, image.shape[0]) for number in range(layout.units)]


def streamed(layout, image, weight, bias, times=1):
    """The convolution, unit by unit; the last of several pictures through the same room."""
    workspace = Workspace(layout.scheme, layout.columns, weight.shape[0])
    one = Convolution(layout, kernel(layout.scheme, weight, bias), workspace)
    for _time in range(times):
        one.restart()
        units = [np.full(layout.shape(weight.shape[0]), np.nan, np.float32) for _ in range(layout.units)]
        for number, source in enumerate([*in_units(layout, image), None]):
            one.feed(source, is_first=number == 0)
            if number:
                one.give(units[number - 1])
    return unpacked(layout, units)


@given(heights, widths, schemes, st.integers(1, 2))
def test_units_give_the_convolution_of_the_whole_picture(height, width, scheme, times):
    """Whatever the size and the panels, every pixel sees its eight neighbours, and zero beyond the edges."""
    layout = Layout.of(height, width, scheme)
    image, weight, bias = noise(4, height, width), noise(5, 4, 3, 3), noise(5)
    wanted = convolved(image, weight, bias)
    found = streamed(layout, image, weight, bias, times)
    assert np.abs(found - wanted).max() < 3e-5 * max(10, np.abs(wanted).max())


@given(heights, widths, schemes)
def test_the_rectifier_keeps_a_fifth_of_what_is_negative(height, width, scheme):
    """Positive values stay, negative ones are multiplied with 0.2."""
    layout = Layout.of(height, width, scheme)
    values = noise(*layout.shape(3))
    wanted = np.where(values < 0, np.float32(0.2) * values, values)
    Workspace(scheme, layout.columns, 3).rectify(values)
    assert np.array_equal(values, wanted)


@given(heights, widths, schemes, st.data())
def test_a_doubled_picture_has_every_pixel_twice(height, width, scheme, data):
    """Any range of units of the doubled picture is nearest-neighbour enlargement."""
    layout = Layout.of(height, width, scheme)
    image = noise(2, height, width)
    wide = layout.doubled()
    first = data.draw(st.integers(0, wide.units - 1))
    wanted = Range(first, data.draw(st.integers(first + 1, wide.units)))
    given_units = wanted.halved()
    units = iter(in_units(layout, image)[given_units.first : given_units.stop])
    large = image.repeat(2, axis=1).repeat(2, axis=2)
    count = 0
    for number, unit in enumerate(doubled(units, given_units, wanted), wanted.first):
        rows = wide.unpack(unit, number).transpose(2, 0, 1)
        assert np.array_equal(rows, large[:, scheme.tile * number : scheme.tile * (number + 1)])
        count += 1
    assert count == wanted.stop - wanted.first
