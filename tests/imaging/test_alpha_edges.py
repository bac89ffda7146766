"""Alpha of a network at hard edges, of the kernel elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.imaging import alpha_edges, transparency
from bsrgan_backend.imaging.boxes import Box


def disc(blur=0.0, side=128):
    """A disc that is drawn fine, blurred by pixels of the small plane, and reduced by 8."""
    rows, columns = np.mgrid[: 8 * side, : 8 * side]
    fine = (np.hypot(rows - 4 * side, columns - 4 * side) < 2 * side).astype(np.float32)
    if blur:
        fine = cv2.GaussianBlur(fine, (0, 0), 8 * blur)
    return cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)


def whole(network, alpha, size):
    """`merge` over a whole result."""
    box = Box.whole(size)
    kernel = transparency.enlarge_box(alpha, size, box)
    return alpha_edges.merge(network.copy(), kernel, alpha, alpha_edges.edge_weights(alpha), size, box), kernel


def test_hard_edges_count_and_soft_ones_do_not():
    """Most of a cut-out's edge has weight; a feather and an even plane have none."""
    plane = disc()
    edge = (plane > 0.02) & (plane < 0.98)
    assert (alpha_edges.edge_weights(plane)[edge] > 128).mean() > 0.6
    for soft in (disc(1.2), disc(3.0), np.full((50, 50), 0.4, np.float32)):
        assert not alpha_edges.edge_weights(soft).any()


@pytest.mark.parametrize("size", [(512, 512), (192, 192), (64, 64), (300, 77)])
def test_a_wild_network_cannot_leave_the_source(size):
    """Whatever the network says, alpha stays within the values nearby, and even areas stay exact."""
    plane = disc()
    wild = np.random.default_rng(0).normal(0.5, 2.0, size).astype(np.float32)
    merged, kernel = whole(wild, plane, size)
    assert merged.min() >= -1e-6
    assert merged.max() <= 1 + 1e-6
    far = transparency.enlarge_box(
        cv2.dilate((plane % 1 != 0).astype(np.float32), np.ones((25, 25))), size, Box.whole(size)
    )
    assert (far == 0).any()
    np.testing.assert_array_equal(merged[far == 0], kernel[far == 0])
    assert np.abs(merged - kernel).max() > 0.1


@pytest.mark.parametrize("size", [(50, 33), (61, 77), (9, 7), (12, 60), (20, 21)])
def test_limits_are_those_around_the_pixel_under_the_middle(size):
    """A result pixel is kept between the smallest and largest alpha around the source pixel under its middle."""
    alpha = np.random.default_rng(2).random((20, 21), dtype=np.float32)
    reach = 1 + max(20 // size[0], 21 // size[1])
    rows, columns = (((np.arange(n) + 0.5) * s / n).astype(int) for n, s in zip(size, alpha.shape, strict=True))
    around = [
        [alpha[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] for x in columns] for y in rows
    ]
    for wild, most in ((9.0, np.max), (-9.0, np.min)):
        network = np.full(size, wild, np.float32)
        alpha_edges._limit(network, alpha, size, Box.whole(size))
        np.testing.assert_array_equal(network, [[most(square) for square in row] for row in around])


def test_boxes_hold_every_edge_and_do_not_overlap():
    """Each pixel of weight lies in exactly one box, with a cell around it."""
    weights = np.zeros((700, 1000), np.uint8)
    for row, column in ((10, 10), (350, 500), (400, 560), (690, 999), (20, 900)):
        weights[row, column] = 9
    boxes = alpha_edges.edge_boxes(weights)
    times = np.zeros(weights.shape, int)
    for box in boxes:
        times[box.slices] += 1
    assert times.max() == 1
    assert (times[cv2.dilate(weights, np.ones((129, 129), np.uint8)) > 0] == 1).all()
    assert times.mean() < 0.4
    assert not alpha_edges.edge_boxes(np.zeros((5, 5), np.uint8))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_rectangles_equal_the_whole_exactly(data):
    """However the result is cut, alpha is bit for bit the same."""
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    alpha = np.round(rng.random((height, width), dtype=np.float32))
    size = (data.draw(st.integers(-(-height // 4), 90)), data.draw(st.integers(-(-width // 4), 90)))
    network = rng.random(size, dtype=np.float32)
    merged, kernel = whole(network, alpha, size)
    top, left = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    box = Box(top, left, data.draw(st.integers(top + 1, size[0])), data.draw(st.integers(left + 1, size[1])))
    weights = alpha_edges.edge_weights(alpha)
    part = alpha_edges.merge(network[box.slices].copy(), kernel[box.slices], alpha, weights, size, box)
    np.testing.assert_array_equal(part, merged[box.slices])


def test_bands_of_weights_meet_without_a_seam(monkeypatch):
    """Weights made in bands are those made at once."""
    plane = np.round(np.random.default_rng(0).random((60, 40), dtype=np.float32) + np.float32(0.2))
    usual = alpha_edges.edge_weights(plane)
    monkeypatch.setattr(alpha_edges, "_BAND_PX", 200)
    np.testing.assert_array_equal(alpha_edges.edge_weights(plane), usual)
