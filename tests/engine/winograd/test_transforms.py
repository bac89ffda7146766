"""The matrices of F(4x4, 3x3)."""

from __future__ import annotations

import numpy as np
import pytest

from bsrgan_backend.engine.winograd.transforms import CONSTANT, DATA, RESULT, SEEN, TILE, kernel
from support.plain_network import convolved
from support.winograd_units import noise


def by_factors(patch, one):
    """A patch (C, 6, 6) through the three steps: (O, 4, 4)."""
    samples = np.einsum("ij,cjk,lk->lic", DATA, patch, DATA).reshape(SEEN * SEEN, -1, 1)
    products = (one.factors @ samples)[..., 0]
    products[CONSTANT] += one.bias[:, 0]
    return np.einsum("ij,ljo,kl->oik", RESULT, products.reshape(SEEN, SEEN, -1), RESULT)


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 5), (64, 32)])
def test_a_tile_by_factors_is_the_convolution(inputs, outputs):
    """Samples to factors, products and back give what nine multiplications give, bias included."""
    weight, bias, patch = noise(outputs, inputs, 3, 3), noise(outputs), noise(inputs, SEEN, SEEN)
    wanted = convolved(patch, weight, bias)[:, 1 : 1 + TILE, 1 : 1 + TILE]
    found = by_factors(patch, kernel(weight, bias))
    assert np.abs(found - wanted).max() < 2e-5 * np.abs(wanted).max() + 1e-5


def test_a_gain_multiplies_weights_and_bias():
    """A factor on the result can be multiplied into the kernel beforehand."""
    weight, bias, patch = noise(4, 3, 3, 3), noise(4), noise(3, SEEN, SEEN)
    plain, fifth = (by_factors(patch, kernel(weight, bias, gain)) for gain in (1.0, 0.2))
    assert np.abs(fifth - 0.2 * plain).max() < 1e-5


def test_a_kernel_says_what_it_takes_and_gives():
    """Channels and memory are those of the factors."""
    one = kernel(noise(7, 5, 3, 3), noise(7))
    assert (one.inputs, one.outputs) == (5, 7)
    assert one.nbytes == 4 * (36 * 35 + 7)
    assert one.factors.dtype == one.bias.dtype == np.float32


def test_the_first_and_last_sample_reach_one_factor_each():
    """A tile's neighbours are added to one factor as they are, which saves a product."""
    assert np.array_equal(DATA[:, 0], [1, 0, 0, 0, 0, 0])
    assert np.array_equal(DATA[:, -1], [0, 0, 0, 0, 0, 1])
