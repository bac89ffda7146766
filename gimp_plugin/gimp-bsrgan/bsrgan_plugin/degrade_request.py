"""The daemon's job for a degradation. Without gi."""

from __future__ import annotations

from collections.abc import Mapping

from bsrgan_plugin.degrade_options import TASK
from bsrgan_plugin.outputs import Size
from bsrgan_wire.client import JobRequest


def degrade_request(
    size: Size, channels: int, dtype: str, result: Size | None, parameters: Mapping[str, str]
) -> JobRequest:
    """The daemon's job for a degradation.

    Args:
        size: of the picture.
        channels: of the picture, 1 to 4.
        dtype: `u8` or `f32`.
        result: the size that is asked for; None when the degradation decides.
        parameters: from `degrade_options.parameters`.
    """
    asked = result or Size(0, 0)
    return JobRequest(
        width=size.width,
        height=size.height,
        channels=channels,
        dtype=dtype,
        out_width=asked.width,
        out_height=asked.height,
        task=TASK,
        params=dict(parameters),
    )
