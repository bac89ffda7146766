"""Weights written the way that training code and converters write them; only for tests."""

from __future__ import annotations

import re
from collections.abc import Mapping

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt

from bsrgan_backend.models.weights import Architecture, Weights

LAYOUTS = ("esrgan", "bsrgan", "realesrgan")
Arrays = dict[str, npt.NDArray[np.float32]]


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Small networks of every scale, unshuffle factor and channel count."""
    scale = draw(st.sampled_from((1, 2, 4, 8)))
    unshuffle = draw(st.sampled_from((1, 2, 4)))
    out_channels = draw(st.sampled_from((1, 3)))
    in_channels = out_channels if unshuffle > 1 else draw(st.sampled_from((1, 3)))
    features, growth = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    return Architecture(features, draw(st.integers(1, 3)), growth, in_channels, out_channels, scale, unshuffle)


def renamed(weights: Weights, layout: str) -> Arrays:
    """The tensors under the names of one of the three layouts."""
    arch = weights.architecture
    return {_name(name, layout, arch): array for name, array in weights.tensors.items()}


def _name(name: str, layout: str, arch: Architecture) -> str:
    stem, _, kind = name.rpartition(".")
    if layout == "realesrgan":
        return name
    if layout == "bsrgan":
        stem = re.sub(r"^body\.(\d+)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2", stem)
        stem = {"conv_body": "trunk_conv", "conv_hr": "HRconv"}.get(stem, stem)
        return f"{stem.replace('conv_up', 'upconv')}.{kind}"
    ups = arch.doublings
    old: Mapping[str, str] = {
        "conv_first": "model.0",
        "conv_body": f"model.1.sub.{arch.blocks}",
        "conv_hr": f"model.{3 * ups + 2}",
        "conv_last": f"model.{3 * ups + 4}",
        **{f"conv_up{k}": f"model.{3 * k}" for k in range(1, ups + 1)},
    }
    stem = re.sub(r"^body\.(\d+)\.rdb(\d)\.conv(\d)$", r"model.1.sub.\1.RDB\2.conv\3.0", stem)
    return f"{old.get(stem, stem)}.{kind}"
