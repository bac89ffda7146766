"""The thirteen numbers by which results are compared with those of the released code."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.degradation.resizing import antialiased
from support.degradation_pictures import psnr

Array = npt.NDArray[np.float32]
Plane = npt.NDArray[np.float64]

_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
_LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float64)


def bicubic(hq: Array, scale: int) -> Array:
    """The clean low-resolution picture."""
    return np.clip(antialiased(hq, (hq.shape[0] // scale, hq.shape[1] // scale)), 0, 1)


def metrics(lq: Array, hq: Array, clean: Array) -> dict[str, float]:
    """Every metric of one result; `clean` is `bicubic` of `hq`."""
    red, blue = (255.0 * lq[..., channel].astype(np.float64) for channel in (0, 2))
    y, clean_y = _luma(lq), _luma(clean)
    enlarged = np.clip(cv2.resize(lq, hq.shape[1::-1], interpolation=cv2.INTER_CUBIC), 0, 1)
    shift = _shift(clean_y, y)
    return {
        "psnr_lq_vs_bicubic": psnr(lq, clean),
        "psnr_up_vs_hq": psnr(enlarged, hq),
        "ssim_lq_vs_bicubic": _ssim(255.0 * lq.astype(np.float64), 255.0 * clean.astype(np.float64)),
        "noise_sigma_luma": _noise(y),
        "noise_sigma_cb": _noise(0.564 * (blue - y)),
        "noise_sigma_cr": _noise(0.713 * (red - y)),
        "laplacian_var": float(_inner(y, _LAPLACIAN).var()),
        "blockiness": _blockiness(y),
        "mean_shift": float(255 * (lq.mean(dtype=np.float64) - hq.mean(dtype=np.float64))),
        "std_ratio": float(y.std() / clean_y.std()),
        "hf_energy_ratio": _high_frequencies(y),
        "shift_x": shift[0],
        "shift_y": shift[1],
    }


def _luma(image: Array) -> Plane:
    return 255.0 * (image.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))


def _inner(plane: Plane, kernel: Plane) -> Plane:
    return cv2.filter2D(plane, -1, kernel)[1:-1, 1:-1]


def _noise(plane: Plane) -> float:
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(_inner(plane, _IMMERKAER)).mean())


def _blockiness(y: Plane) -> float:
    ratios = []
    for plane in (y, y.T):
        steps = np.abs(np.diff(plane, axis=1)).mean(axis=0)
        border = np.arange(len(steps)) % 8 == 7
        ratios.append(steps[border].mean() / steps[~border].mean())
    return float(np.mean(ratios))


def _ssim(first: Plane, second: Plane) -> float:
    def mean(plane: Plane) -> Plane:
        return cv2.GaussianBlur(plane, (11, 11), 1.5)[5:-5, 5:-5]

    ours, theirs = mean(first), mean(second)
    ours_var = mean(first * first) - ours * ours
    theirs_var = mean(second * second) - theirs * theirs
    both = mean(first * second) - ours * theirs
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    upper = (2 * ours * theirs + one) * (2 * both + two)
    return float((upper / ((ours**2 + theirs**2 + one) * (ours_var + theirs_var + two))).mean())


def _high_frequencies(y: Plane) -> float:
    window = np.outer(np.hanning(y.shape[0]), np.hanning(y.shape[1]))
    power = np.abs(np.fft.fft2((y - y.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(y.shape[0])[:, None], np.fft.fftfreq(y.shape[1])[None, :])
    return float(power[radius > 0.25].sum() / power.sum())


def _shift(first: Plane, second: Plane) -> tuple[float, float]:
    window = cv2.createHanningWindow(first.shape[1::-1], cv2.CV_64F)
    # OpenCV multiplies the window into what it is given.
    (x, y), _ = cv2.phaseCorrelate(first.copy(), second.copy(), window)
    return float(x), float(y)
