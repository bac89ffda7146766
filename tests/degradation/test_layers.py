"""Whole layers: sample types, alpha, and where a result lies on its source."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.degradation import Request, Step, degrade, degrade_layer, plan, reference_layer
from bsrgan_backend.degradation.layers import enlarged, enlarged_size, is_eight_bit, memory_bytes
from bsrgan_backend.degradation.patches import patch_corner
from bsrgan_backend.degradation.steps import Camera, Gaussian, Jpeg, Resize
from bsrgan_backend.errors import BackendError

DTYPES = ("u1", "<u2", "<f2", "<f4")
CLEAN = Request(mode="preset", preset="clean-bicubic", variation=0.0)


def layer(height: int, width: int, channels: int, dtype: str = "u1", seed: int = 0) -> np.ndarray:
    """Noise, of whole 8-bit levels in every type."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return {"u1": levels, "<u2": levels * 257, "<f2": levels / 255, "<f4": levels / 255}[dtype].astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_type_and_channels_stay(dtype, channels):
    """A result has the sample type and the channels of its source, which is not modified."""
    source = layer(9, 14, channels, dtype)
    before = source.copy()
    result = degrade_layer(source, Request(seed=3)).pixels
    np.testing.assert_array_equal(source, before)
    assert (result.dtype, result.shape) == (source.dtype, (3, 4, channels))


def test_types_agree():
    """The same levels in any type give the same result, up to the rounding of the type."""
    request = Request(seed=5, scale=2, off=("jpeg",))
    first, *others = (degrade_layer(layer(20, 22, 3, dtype), request).pixels for dtype in ("u1", "<u2", "<f4"))
    for other in others:
        top = 65535 if other.dtype.kind == "u" else 1
        assert np.abs(other / top - first / 255).max() <= 0.5 / 255 + 1e-4


def test_colour_is_what_the_model_makes():
    """An opaque layer's colour is that of the pure function."""
    source = layer(16, 16, 3, "<f4")
    expected = degrade(source, Request(seed=1)).image
    np.testing.assert_array_equal(degrade_layer(source, Request(seed=1)).pixels, expected)


def test_a_recipe_is_run_again():
    """A result's recipe gives the same layer."""
    source = layer(15, 18, 4)
    first = degrade_layer(source, Request(mode="bsrgan-plus", seed=4))
    np.testing.assert_array_equal(degrade_layer(source, first.recipe).pixels, first.pixels)


@pytest.mark.parametrize("dtype", DTYPES)
def test_alpha_stays_at_the_same_size(dtype):
    """Where the result has the source's size by request, alpha is untouched to the bit."""
    source = layer(13, 11, 2, dtype)
    result = degrade_layer(source, Request(seed=2, same_size="area")).pixels
    np.testing.assert_array_equal(result[..., 1], source[..., 1])


@pytest.mark.parametrize("size", [(8, 12), (7, 13)])
def test_alpha_follows_the_size(size):
    """A reduction averages alpha, whatever was done to the colour; the padding is mirrored as the colour's is."""
    source = layer(*size, 4)
    alpha = source[..., 3].astype(np.float64)
    below, right = -size[0] % 4, -size[1] % 4
    padded = np.pad(alpha, ((0, below), (0, right)), mode="reflect")
    expected = padded.reshape(padded.shape[0] // 4, 4, -1, 4).mean(axis=(1, 3))
    result = degrade_layer(source, Request(seed=6)).pixels[..., 3]
    assert np.abs(result - expected).max() <= 0.51


def test_opaque_and_empty_stay_so():
    """Areas of alpha 0 and 255 stay exactly that after an odd reduction."""
    source = layer(40, 40, 4)
    source[:, :20, 3], source[:, 20:, 3] = 0, 255
    steps: tuple[Step, ...] = (Resize("ratio", 1.7, "linear"),)
    result = degrade_layer(source, Request(mode="manual", steps=steps)).pixels[..., 3]
    assert set(np.unique(np.delete(result, [11, 12], axis=1))) == {0, 255}


def test_colour_below_alpha_0_does_not_matter():
    """Whatever lies below alpha 0, NaN too, the result is the same, and visible neighbours are not tinted by it."""
    source = np.full((24, 24, 4), 0.5, np.float32)
    source[..., 3] = 1.0
    source[8:16, 8:16, 3] = 0.0
    request = Request(mode="bsrgan", seed=8, off=("noise", "camera"))
    results = []
    for wild in (0.0, 7.0, np.nan):
        source[8:16, 8:16, :3] = wild
        results.append(degrade_layer(source, request).pixels)
        np.testing.assert_array_equal(results[-1], results[0])
    assert np.abs(results[0][..., :3] - 0.5).max() < 0.01


def test_a_layer_that_is_not_there():
    """A wholly transparent layer has a result, wholly transparent."""
    source = layer(9, 9, 4)
    source[..., 3] = 0
    assert not degrade_layer(source, Request(seed=1)).pixels[..., 3].any()


def test_the_clean_half_of_a_pair():
    """The reference of a layer is its visible self, in its own type."""
    source = layer(12, 12, 4)
    result = reference_layer(source, degrade_layer(source, Request()).recipe)
    visible = source[..., 3] > 0
    np.testing.assert_array_equal(result[visible], source[visible])
    assert result.dtype == source.dtype


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(2, 4), st.integers(1, 4))
def test_an_enlarged_result_covers_its_source(height, width, scale, channels):
    """Each source pixel finds the result's pixel of its own block, also where the picture was padded."""
    request = Request(mode="preset", preset="clean-bicubic", scale=scale, variation=0.0)
    recipe = plan(request, (height, width))
    result = layer(*recipe.result, channels)
    rows, columns = np.arange(height) // scale, np.arange(width) // scale
    np.testing.assert_array_equal(enlarged(result, recipe), result[rows][:, columns])
    assert min(np.subtract(enlarged_size(recipe), recipe.source)) >= 0


def test_results_that_come_in_other_sizes_fit_too():
    """A result that a ratio made, and one of the source's size, are enlarged to the source."""
    for request in (
        Request(mode="preset", preset="web-jpeg", seed=3),
        Request(mode="preset", preset="thumbnail-enlarged"),
        Request(mode="manual", steps=(Resize("ratio", 0.5, "linear"),)),
        Request(same_size="nearest"),
    ):
        done = degrade_layer(layer(21, 30, 3), request)
        assert enlarged(done.pixels, done.recipe).shape == (21, 30, 3)


@pytest.mark.parametrize(
    ("steps", "same_size", "expected"),
    [
        ((Jpeg(40),), "none", True),
        ((Jpeg(40), Resize("ratio", 0.5, "nearest")), "nearest", True),
        ((Jpeg(40),), "bicubic", True),
        ((Resize("ratio", 2.0, "linear"), Jpeg(40)), "bicubic", False),
        ((Jpeg(40), Gaussian()), "none", False),
        ((Jpeg(40, 0.5),), "none", False),
        ((Gaussian(),), "none", False),
    ],
)
def test_what_jpeg_leaves(steps, same_size, expected):
    """`is_eight_bit` says whether every value of a result is a whole 8-bit level."""
    request = Request(mode="manual", steps=steps, same_size=same_size)
    done = degrade(layer(24, 24, 3, "<f4"), request)
    assert is_eight_bit(done.recipe) is expected
    levels = done.image * np.float32(255)
    assert bool(np.abs(levels - np.rint(levels)).max() < 1e-3) is expected


def test_memory_grows_with_the_picture_and_the_camera():
    """The peak is three pictures of floats, seven with a camera, at the largest size on the way."""
    plain = plan(Request(mode="manual", steps=(Resize("ratio", 0.5, "linear"),)), (100, 50))
    camera = plan(Request(mode="manual", steps=(Camera(),)), (100, 50))
    assert memory_bytes(plain) == 3 * 12 * 200 * 100
    assert memory_bytes(camera) == 7 * 12 * 100 * 50


def test_patches_lie_anywhere_inside():
    """Every place of a patch occurs, no other one, and a patch that does not fit is refused."""
    corners = {patch_corner((5, 4), 3, seed) for seed in range(200)}
    assert corners == {(top, left) for top in range(3) for left in range(2)}
    assert patch_corner((5, 4), 4, 1)[1] == 0
    with pytest.raises(BackendError, match="4 x 5"):
        patch_corner((5, 4), 5, 1)
