"""Keep texture: fine detail comes back, noise and JPEG blocks do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.imaging import texture
from bsrgan_backend.imaging.boxes import Box, Part

SIDE = 256
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
GRADIENT = 0.1 + 0.5 * COLUMNS / SIDE + 0.3 * ROWS / SIDE


def eight_bit(plane):
    """A plane as an 8-bit picture would hold it, (H, W, 1)."""
    return (np.round(np.clip(plane, 0, 1) * 255) / 255).astype(np.float32)[..., None]


def noise(deviation, seed=0):
    """White noise; the deviation in steps of 8 bit."""
    return np.random.default_rng(seed).normal(0, deviation / 255, (SIDE, SIDE))


def jpeg(plane, quality):
    """A plane after a JPEG."""
    image = np.round(np.clip(plane, 0, 1) * 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return (cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255)[..., None]


def weave(period):
    """Threads in both directions, contrast of 20 steps of 8 bit."""
    turn = 2 * np.pi / period
    return 0.04 * (np.sin(turn * COLUMNS) + np.sin(turn * ROWS))


def returned(image, columns=slice(None)):
    """Energy of the texture as a share of the fine band's, both in some columns."""
    fine = texture.fine_rows(image, 0, image.shape[0])[:, columns]
    kept = texture.texture_rows(image, texture.noise_floor(image), 0, image.shape[0])[:, columns]
    return float((kept**2).sum() / (fine**2).sum())


@pytest.mark.parametrize("deviation", [2, 5, 10, 25])
@pytest.mark.parametrize("ground", [0.5, GRADIENT], ids=["flat", "gradient"])
def test_noise_does_not_come_back(ground, deviation):
    """Of white noise on a calm ground less than a hundredth of the energy returns; a tenth would be too much."""
    assert returned(eight_bit(ground + noise(deviation))) < 0.01


@pytest.mark.parametrize("quality", [10, 20, 30, 50, 75, 90])
def test_jpeg_blocks_do_not_come_back(quality):
    """A gradient with the blocks of a JPEG returns less than half a step of 8 bit, at the worst a tenth of it."""
    image = jpeg(GRADIENT, quality)
    kept = texture.texture_rows(image, texture.noise_floor(image), 0, SIDE)
    assert np.sqrt((kept**2).mean()) < 0.5 / 255
    assert returned(image) < 0.1


@pytest.mark.parametrize("quality", [30, 50, 75])
@pytest.mark.parametrize("deviation", [5, 10])
def test_noise_that_went_through_a_jpeg_does_not_come_back(deviation, quality):
    """Noise that a JPEG has coloured, which the finest band no longer shows, returns less than a sixth."""
    assert returned(jpeg(GRADIENT + noise(deviation), quality)) < 1 / 6


@pytest.mark.parametrize("period", [3, 4, 5, 6])
def test_texture_comes_back(period):
    """A fine weave returns nearly all of its band, also when it fills the picture."""
    assert returned(eight_bit(GRADIENT + weave(period))) > 0.9


@pytest.mark.parametrize("period", [3.3, 4.3, 5.7])
def test_texture_beside_noise_comes_back_and_the_noise_does_not(period):
    """Of a weave with noise on one half most of the band returns there, and nothing from the calm half."""
    plane = GRADIENT + weave(period) * (COLUMNS >= SIDE // 2)
    image = eight_bit(plane + noise(4))
    assert returned(image, slice(SIDE // 2 + 16, None)) > 0.5
    assert returned(image, slice(0, SIDE // 2 - 16)) < 0.01


def test_texture_of_a_jpeg_comes_back():
    """A weave next to calm ground survives a JPEG of quality 75."""
    image = jpeg(GRADIENT + weave(4.3) * (COLUMNS >= SIDE // 2), 75)
    assert returned(image, slice(SIDE // 2 + 16, None)) > 0.8


@pytest.mark.parametrize("turn", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_edges_are_no_texture(turn, blur):
    """A strong edge in any direction returns next to nothing, or it would be sharpened twice."""
    plane = np.where(np.cos(turn) * COLUMNS + np.sin(turn) * ROWS < 130, 0.1, 0.9)
    image = eight_bit(cv2.GaussianBlur(plane, (0, 0), blur) if blur else plane)
    assert returned(image, slice(8, -8)) < 0.01


@pytest.mark.parametrize("quality", [30, 60])
def test_ringing_beside_edges_is_no_texture(quality):
    """Of the edge of a disc and what a JPEG leaves beside it less than a sixth comes back."""
    distance = np.hypot(ROWS - SIDE / 2, COLUMNS - SIDE / 2)
    image = jpeg(np.where(distance < 80, 0.2, 0.7), quality)
    assert returned(image) < 1 / 6


def test_lines_are_texture():
    """Thin lines, such as hair, come back: brightness goes up and down again."""
    lines = 0.08 * (np.abs((COLUMNS + 0.5 * ROWS) % 24 - 12) < 1)
    assert returned(eight_bit(GRADIENT + lines)) > 0.8


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 200), (33, 31)])
def test_flat_pictures_have_none(size):
    """A picture of one colour has no texture at any size, and its floor is above 0."""
    image = np.full((*size, 3), 0.3, np.float32)
    floor = texture.noise_floor(image)
    assert floor > 0
    assert not texture.texture_rows(image, floor, 0, size[0]).any()


def test_invisible_tiles_do_not_count():
    """Smooth colour filled in under alpha 0 does not lower the floor of the noise beside it."""
    image = eight_bit(0.5 + noise(8))
    image[:, : SIDE // 2] = eight_bit(GRADIENT)[:, : SIDE // 2] + 1e-4 * noise(1)[:, : SIDE // 2, None]
    alpha = np.ones((SIDE, SIDE), np.float32)
    alpha[:, : SIDE // 2] = 0.0
    assert texture.noise_floor(image) < 0.2 * texture.noise_floor(image, alpha)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_rows_equal_the_whole_exactly(data):
    """However rows and columns of the result are cut, they are bit for bit those of the whole."""
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 30))
    size = (data.draw(st.integers(1, 90)), data.draw(st.integers(1, 60)))
    channels = data.draw(st.sampled_from([1, 3]))
    image = np.random.default_rng(1).random((height, width, channels), dtype=np.float32)
    whole = texture.texture_box(Part.whole(image), 1e-3, size, Box.whole(size))
    assert whole.shape == (*size, 1)
    top, left = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    bottom, right = data.draw(st.integers(top + 1, size[0])), data.draw(st.integers(left + 1, size[1]))
    wanted = Box(top, left, bottom, right)
    np.testing.assert_array_equal(texture.texture_box(Part.whole(image), 1e-3, size, wanted), whole[wanted.slices])
