"""The matrices of fast convolutions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from bsrgan_backend.engine.winograd.transforms import EXACT, FAST, kernel, scheme
from support.plain_network import convolved
from support.winograd_units import noise

SCHEMES = pytest.mark.parametrize("one", [EXACT, FAST], ids=["exact", "fast"])


def by_factors(patch, made):
    """A patch (C, m + 2, m + 2) through the three steps: (O, m, m)."""
    one = made.scheme
    samples = np.einsum("ij,cjk,lk->lic", one.data, patch, one.data).reshape(one.seen**2, -1, 1)
    products = (made.factors @ samples)[..., 0]
    products[one.constant] += made.bias[:, 0]
    return np.einsum("ij,ljo,kl->oik", one.result, products.reshape(one.seen, one.seen, -1), one.result)


@SCHEMES
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 5), (64, 32)])
def test_a_tile_by_factors_is_the_convolution(inputs, outputs, one):
    """Samples to factors, products and back give what nine multiplications give, bias included."""
    weight, bias, patch = noise(outputs, inputs, 3, 3), noise(outputs), noise(inputs, one.seen, one.seen)
    wanted = convolved(patch, weight, bias)[:, 1:-1, 1:-1]
    found = by_factors(patch, kernel(one, weight, bias))
    assert found.shape == (outputs, one.tile, one.tile)
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max() + 1e-5


@SCHEMES
def test_a_gain_multiplies_weights_and_bias(one):
    """A factor on the result can be multiplied into the kernel beforehand."""
    weight, bias, patch = noise(4, 3, 3, 3), noise(4), noise(3, one.seen, one.seen)
    plain, fifth = (by_factors(patch, kernel(one, weight, bias, gain)) for gain in (1.0, 0.2))
    assert np.abs(fifth - 0.2 * plain).max() < 1e-4


@SCHEMES
def test_a_kernel_says_what_it_takes_and_gives(one):
    """Channels and memory are those of the factors."""
    made = kernel(one, noise(7, 5, 3, 3), noise(7))
    assert (made.inputs, made.outputs) == (5, 7)
    assert made.factors.dtype == made.bias.dtype == np.float32


@SCHEMES
def test_the_first_and_last_sample_reach_one_factor_each(one):
    """A tile's neighbours are added to one factor as they are, which saves a product."""
    alone = np.eye(one.seen)
    assert np.array_equal(one.data[:, 0], alone[0])
    assert np.array_equal(one.data[:, -1], alone[-1])


def test_the_matrices_are_the_published_ones():
    """Lavin & Gray §4.3, but for a quarter of their first row of samples, which the weights get fourfold."""
    assert EXACT.data[:3].tolist() == [[1, 0, -1.25, 0, 0.25, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]]
    assert EXACT.result.tolist()[3] == [0, 1, -1, 8, -8, 1]
    assert np.allclose(EXACT.filter[1:4] * [[-6], [-6], [24]], [[1, 1, 1], [1, -1, 1], [1, 2, 4]])
    assert (EXACT.tile, EXACT.seen, FAST.tile, FAST.seen) == (4, 6, 6, 8)


def test_any_points_make_a_scheme():
    """Four points give tiles of 3 pixels, and they convolve too."""
    three = scheme([Fraction(point) for point in (0, 1, -1, 2)], 1, 1)
    weight, bias, patch = noise(2, 3, 3, 3), noise(2), noise(3, 5, 5)
    wanted = convolved(patch, weight, bias)[:, 1:-1, 1:-1]
    assert np.abs(by_factors(patch, kernel(three, weight, bias)) - wanted).max() < 1e-4
