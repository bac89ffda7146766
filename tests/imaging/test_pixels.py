"""Outside pixels to the network's numbers and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import pixels
from bsrgan_backend.imaging.pixels import PixelFormat

DTYPES = ("u8", "u16", "f16", "f32")


def random_block(layout, height=5, width=7, seed=0):
    """A block with opaque, clear and partly transparent pixels of every value range."""
    rng = np.random.default_rng(seed)
    if layout.dtype in ("u8", "u16"):
        block = rng.integers(0, np.iinfo(layout.numpy_dtype).max, (height, width, layout.channels), endpoint=True)
    else:
        block = rng.random((height, width, layout.channels))
    block = block.astype(layout.numpy_dtype)
    if layout.has_alpha:
        block[0, :, -1] = 0
        block[1, :, -1] = np.iinfo(layout.numpy_dtype).max if layout.dtype in ("u8", "u16") else 1
    return block


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_visible_pixels_survive_the_round_trip(dtype, channels):
    """Splitting and joining again gives every visible pixel back exactly, in every type."""
    layout = PixelFormat(dtype, channels)
    block = random_block(layout)
    colour, alpha = pixels.split(pixels.unpack(block.tobytes(), block.shape[1], layout))
    again = pixels.join(colour, alpha, layout)
    expected = block.copy()
    if layout.has_alpha:
        expected[block[..., -1] == 0] = 0
    assert again.dtype == layout.numpy_dtype
    assert again.flags.c_contiguous
    np.testing.assert_array_equal(again, expected)


@pytest.mark.parametrize("dtype", ["u8", "u16"])
def test_every_integer_value_survives(dtype):
    """Each of the 256 or 65536 values comes back as itself."""
    layout = PixelFormat(dtype, 1)
    values = np.arange(np.iinfo(layout.numpy_dtype).max + 1).astype(layout.numpy_dtype).reshape(1, -1, 1)
    np.testing.assert_array_equal(pixels.join(*pixels.split(values), layout), values)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-2, 3, width=32), min_size=1, max_size=40), st.sampled_from(["u8", "u16"]))
def test_rounding_is_to_the_nearest_integer_of_the_clamped_value(values, dtype):
    """The result is never more than half a step away from the clamped value: nothing is rounded twice."""
    layout = PixelFormat(dtype, 1)
    top = float(np.iinfo(layout.numpy_dtype).max)
    colour = np.array(values, np.float32).reshape(1, -1, 1)
    exact = np.clip(colour.astype(np.float64), 0, 1) * top
    assert np.abs(pixels.join(colour, None, layout) - exact).max() <= 0.5 + top * 1e-7


def test_halves_are_rounded_up():
    """A value exactly between two integers goes to the upper one, for even and odd neighbours."""
    colour = (np.array([[[0.5], [1.5], [2.5]]]) / 255).astype(np.float32)
    colour = np.nextafter(colour, np.float32(1))
    assert pixels.join(colour, None, PixelFormat("u8", 1)).ravel().tolist() == [1, 2, 3]


def test_half_floats_are_rounded_to_nearest():
    """Results for half-float layers are the nearest half, as IEEE 754 rounds."""
    colour = np.random.default_rng(1).random((3, 4, 3), dtype=np.float32)
    np.testing.assert_array_equal(pixels.join(colour, None, PixelFormat("f16", 3)), colour.astype(np.float16))


def test_results_are_clamped():
    """What the network gives beyond 0..1, and NaN, never reaches a picture."""
    colour = np.array([[[-0.5, 1.5, np.nan]]], np.float32)
    for dtype, top in (("u8", 255), ("u16", 65535), ("f16", 1), ("f32", 1)):
        assert pixels.join(colour, None, PixelFormat(dtype, 3)).ravel().tolist() == [0, top, 0]


@pytest.mark.parametrize("dtype", ["f16", "f32"])
def test_float_values_outside_the_unit_range_are_clamped_for_the_network(dtype):
    """Highlights above 1 and negative values enter the network as 1 and 0."""
    block = np.array([[[-3.0, 0.25, 1000.0, 7.0]]], dtype=PixelFormat(dtype, 4).numpy_dtype)
    colour, alpha = pixels.split(block)
    assert colour.ravel().tolist() == [0.0, 0.25, 1.0]
    assert alpha.tolist() == [[1.0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 2, 3])
def test_nonfinite_values_are_refused(bad, channel):
    """NaN and infinities in colour or alpha are refused with a sentence and its code."""
    block = np.full((3, 3, 4), 0.5, np.float32)
    block[1, 2, channel] = bad
    with pytest.raises(BackendError) as caught:
        pixels.split(block)
    assert caught.value.code == "NONFINITE"


def test_infinities_that_cancel_are_found():
    """Positive and negative infinities together do not hide each other."""
    block = np.array([[[np.inf], [-np.inf]]], np.float32)
    with pytest.raises(BackendError):
        pixels.split(block)


def test_nan_under_alpha_zero_is_harmless():
    """A NaN that nobody can see (float layers hold such after unpremultiplying) is erased like any colour there."""
    block = np.array([[[np.nan, np.inf, 1.0, 0.0], [0.1, 0.2, 0.3, 1.0]]], np.float32)
    colour, alpha = pixels.split(block)
    assert colour[0, 0].tolist() == [0, 0, 0]
    assert alpha.tolist() == [[0, 1]]


def test_colour_under_negative_alpha_is_erased():
    """Alpha below 0, which float layers may hold, is as clear as 0: its colour cannot leak either."""
    block = np.array([[[0.9, 0.8, 0.7, -0.25], [0.1, 0.2, 0.3, 1.0]]], np.float32)
    colour, alpha = pixels.split(block)
    assert colour[0, 0].tolist() == [0, 0, 0]
    assert alpha.tolist() == [[0, 1]]


def test_large_finite_floats_are_no_infinities():
    """A sum that overflows is looked at again before a picture is refused."""
    block = np.full((64, 64, 1), 3e38, np.float32)
    assert pixels.split(block)[0].max() == 1.0


def test_gray_stays_gray():
    """Gray is given to a colour network as three equal channels and comes back as their mean in one channel."""
    gray = np.random.default_rng(2).random((4, 5, 1), dtype=np.float32)
    wide = pixels.widen(gray, 3)
    assert wide.shape == (4, 5, 3)
    np.testing.assert_array_equal(pixels.narrow(wide, 1), gray)
    tinted = np.array([[[0.2, 0.5, 0.8]]], np.float32)
    assert pixels.narrow(tinted, 1).ravel().tolist() == pytest.approx([0.5])


def test_gray_integers_survive_the_mean():
    """The mean of three equal channels is the same 16-bit value again."""
    layout = PixelFormat("u16", 1)
    values = np.arange(65536).astype("<u2").reshape(256, 256, 1)
    colour, _ = pixels.split(values)
    np.testing.assert_array_equal(pixels.join(pixels.narrow(pixels.widen(colour, 3), 1), None, layout), values)


def test_colour_cannot_go_through_a_gray_network():
    """A colour picture with a gray-only model is refused with what to do."""
    with pytest.raises(BackendError) as caught:
        pixels.widen(np.zeros((2, 2, 3), np.float32), 1)
    assert caught.value.code == "BAD_SHAPE"


@pytest.mark.parametrize(("dtype", "channels", "code"), [("f64", 3, "BAD_DTYPE"), ("u8", 5, "BAD_SHAPE")])
def test_unknown_formats_are_refused(dtype, channels, code):
    """Types and channel counts that are not part of the contract raise the code that the wire knows."""
    with pytest.raises(BackendError) as caught:
        PixelFormat(dtype, channels)
    assert caught.value.code == code


def test_wire_bytes_are_little_endian():
    """The spool's byte order does not depend on the machine."""
    layout = PixelFormat("u16", 1)
    assert pixels.unpack(b"\x01\x02", 1, layout).item() == 0x0201
    assert pixels.join(np.full((1, 1, 1), 0x0201 / 65535, np.float32), None, layout).tobytes() == b"\x01\x02"


@pytest.mark.parametrize("dtype", DTYPES)
def test_missing_alpha_is_opaque(dtype):
    """A result without an alpha plane in a format that has one is opaque in that type's own terms."""
    layout = PixelFormat(dtype, 4)
    assert pixels.join(np.zeros((1, 1, 3), np.float32), None, layout)[0, 0, 3] == layout.top
