"""The two sets of ranges: what the released code draws, and what the paper says.

"official" is the default: the trained networks of the authors go with it, and its statistics are known. "paper" is
K. Zhang et al., ICCV 2021, sections 3.1 to 3.4. The camera step exists in the paper only; in the released code it is an
empty place, filled here with the same model under both profiles.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Where the two differ.

    Attributes:
        kernel_sizes: taps of a blur, equally likely.
        least_sigma: least deviation of an isotropic blur, px.
        least_variance: least variance of an anisotropic blur, px².
        one_of_each: whether the first blur is isotropic and the second anisotropic, or each is either by chance.
        least_level: least noise, 8-bit levels.
        correlated_level: level of correlated noise; None takes the drawn one.
        middle_jpeg: probability of the JPEG step among the shuffled ones.
        joined_sizes: whether both changes of size stay together in the order (one of four kinds) or are shuffled.
        illuminant: white of the camera's matrices.
        red_gain: bounds of the white balance of red.
        blue_gain: bounds of the white balance of blue.
        own_curves: whether the camera puts another tone curve on than it takes off.
    """

    kernel_sizes: tuple[int, ...]
    least_sigma: float
    least_variance: float
    one_of_each: bool
    least_level: int
    correlated_level: float | None
    middle_jpeg: float
    joined_sizes: bool
    illuminant: str
    red_gain: tuple[float, float]
    blue_gain: tuple[float, float]
    own_curves: bool


PROFILES = {
    "official": Profile(
        kernel_sizes=tuple(range(7, 26, 2)),
        least_sigma=0.0,
        least_variance=0.0,
        one_of_each=False,
        least_level=2,
        correlated_level=25.0,
        middle_jpeg=0.9,
        joined_sizes=False,
        illuminant="D65",
        red_gain=(1.9, 2.4),
        blue_gain=(1.5, 1.9),
        own_curves=False,
    ),
    "paper": Profile(
        kernel_sizes=tuple(range(7, 22, 2)),
        least_sigma=0.1,
        least_variance=0.5,
        one_of_each=True,
        least_level=1,
        correlated_level=None,
        middle_jpeg=0.75,
        joined_sizes=True,
        illuminant="D50",
        red_gain=(1.2, 2.4),
        blue_gain=(1.2, 2.4),
        own_curves=True,
    ),
}
