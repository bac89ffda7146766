"""What a client asks the daemon to do with one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bsrgan_wire import limits
from bsrgan_wire.messages import Submit


@dataclass(frozen=True)
class JobRequest:
    """A job without its pixels.

    Pixels are little-endian, row-major, interleaved, alpha last; the result has the input's channels and dtype.

    Attributes:
        width: of the input, pixels.
        height: of the input, pixels.
        channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
        dtype: "u8", "u16", "f16" or "f32".
        out_width: of the result, pixels; both are 0 to leave them to a task that knows them (`tasks.TASKS`).
        out_height: of the result, pixels.
        model: id of an installed model; empty for the daemon's default.
        task: what to do.
        device: "auto", "cpu" or "gpu:N".
        params: the task's options, flat.
    """

    width: int
    height: int
    channels: int
    dtype: str
    out_width: int
    out_height: int
    model: str = ""
    task: str = "upscale"
    device: str = "auto"
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel; an unknown dtype counts as one byte and is the daemon's to refuse."""
        return self.channels * limits.ITEM_BYTES.get(self.dtype, 1)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of the input."""
        return self.width * self.pixel_bytes

    @property
    def total_bytes(self) -> int:
        """Bytes of the input."""
        return self.height * self.row_bytes

    @property
    def out_row_bytes(self) -> int:
        """Bytes of one row of the result."""
        return self.out_width * self.pixel_bytes

    @property
    def out_total_bytes(self) -> int:
        """Bytes of the result."""
        return self.out_height * self.out_row_bytes

    def submit(self, job: str) -> Submit:
        """The SUBMIT message for it."""
        return Submit(
            job=job,
            width=self.width,
            height=self.height,
            channels=self.channels,
            dtype=self.dtype,
            out_width=self.out_width,
            out_height=self.out_height,
            model=self.model,
            task=self.task,
            device=self.device,
            params=dict(self.params),
        )
