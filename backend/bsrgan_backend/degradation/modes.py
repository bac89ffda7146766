"""The random modes: which steps, in which order.

Source: K. Zhang et al., ICCV 2021, section 3.4 (random shuffle), and the released code for *bsrgan-plus*.
"""

from __future__ import annotations

from bsrgan_backend.degradation.drawing import (
    ANISOTROPIC,
    ISOTROPIC,
    chance,
    draw_blur,
    draw_camera,
    draw_halving,
    draw_joined_sizes,
    draw_jpeg,
    draw_normal,
    draw_plus_resize,
    draw_poisson,
    draw_reduction,
    draw_to_target,
)
from bsrgan_backend.degradation.profiles import Profile
from bsrgan_backend.degradation.steps import Gaussian, Sharpen, Speckle, Step
from bsrgan_backend.degradation.streams import (
    FINAL_JPEG,
    FINAL_SIZE,
    ORDER,
    PREHALVING,
    Streams,
)

FIRST_BLUR, SECOND_BLUR, REDUCTION, TO_TARGET, NOISE, JPEG, CAMERA = range(7)
"""The seven steps of `bsrgan` by number."""

_HALVED = 0.25
_CAMERA = 0.25
_PLUS_RARE = 0.1
_PLUS_FIRST = (2, 3, 4, 5)
_PLUS_SECOND = (9, 10, 11, 12)
PLUS_STEPS = 13


def bsrgan(scale: int, profile: Profile, streams: Streams) -> list[Step]:
    """The seven shuffled steps and the final JPEG.

    For scale 4 the picture is halved in advance with probability 0.25; what follows is then drawn for scale 2. The
    reduction always comes before the change to the final size.

    Args:
        scale: 2, 3 or 4.
        profile: the ranges.
        streams: where the numbers come from.

    Returns:
        The steps in order, all sizes included.
    """
    halving: list[Step] = []
    rng = streams.child(PREHALVING)
    if scale == 4 and chance(rng, _HALVED):
        halving, scale = [draw_halving(rng)], 2
    drawn = _seven(scale, profile, streams)
    order = bsrgan_order(streams, joined=profile.joined_sizes)
    return [*halving, *(step for number in order for step in drawn[number]), draw_jpeg(streams.child(FINAL_JPEG))]


def bsrgan_order(streams: Streams, joined: bool = False) -> list[int]:
    """A permutation of the seven steps: uniform, then both changes of size swapped if they stand the wrong way round.

    Args:
        streams: where the order comes from.
        joined: whether the second change of size follows the first at once.
    """
    order = [int(number) for number in streams.child(ORDER).permutation(7)]
    if joined:
        order.remove(TO_TARGET)
        order.insert(order.index(REDUCTION) + 1, TO_TARGET)
    first, last = order.index(REDUCTION), order.index(TO_TARGET)
    if last < first:
        order[first], order[last] = order[last], order[first]
    return order


def _seven(scale: int, profile: Profile, streams: Streams) -> dict[int, list[Step]]:
    kinds = (ISOTROPIC, ANISOTROPIC) if profile.one_of_each else (None, None)
    jpeg, camera = streams.step(JPEG), streams.step(CAMERA)
    drawn: dict[int, list[Step]] = {
        FIRST_BLUR: [draw_blur(streams.step(FIRST_BLUR), scale, profile, kinds[0])],
        SECOND_BLUR: [draw_blur(streams.step(SECOND_BLUR), scale, profile, kinds[1])],
        NOISE: [draw_normal(streams.step(NOISE), Gaussian, profile)],
        JPEG: [draw_jpeg(jpeg)] if chance(jpeg, profile.middle_jpeg) else [],
        CAMERA: [draw_camera(camera, profile)] if chance(camera, _CAMERA) else [],
    }
    if profile.joined_sizes:
        drawn |= {REDUCTION: draw_joined_sizes(streams.step(REDUCTION), scale), TO_TARGET: []}
    else:
        drawn[REDUCTION] = [draw_reduction(streams.step(REDUCTION), scale)]
        drawn[TO_TARGET] = [draw_to_target(streams.step(TO_TARGET))]
    return drawn


def bsrgan_plus(scale: int, profile: Profile, streams: Streams, shuffle: float) -> list[Step]:
    """The sharpened source, the thirteen steps, the final size and the final JPEG.

    Args:
        scale: 2, 3 or 4.
        profile: the ranges.
        streams: where the numbers come from.
        shuffle: probability that all thirteen are shuffled.

    Returns:
        The steps in order, all sizes included.
    """
    drawn = [_plus_step(number, scale, profile, streams) for number in range(PLUS_STEPS)]
    shuffled = (drawn[number] for number in plus_order(streams, shuffle))
    return [
        Sharpen(),
        *(step for step in shuffled if step is not None),
        draw_to_target(streams.child(FINAL_SIZE)),
        draw_jpeg(streams.child(FINAL_JPEG)),
    ]


def plus_order(streams: Streams, shuffle: float) -> list[int]:
    """The order of the thirteen steps: any with probability `shuffle`, else only noise and JPEG among themselves.

    Args:
        streams: where the order comes from.
        shuffle: 0..1.
    """
    rng = streams.child(ORDER)
    if chance(rng, shuffle):
        return [int(number) for number in rng.permutation(PLUS_STEPS)]
    first, second = rng.permutation(_PLUS_FIRST), rng.permutation(_PLUS_SECOND)
    return [0, 1, *map(int, first), 6, 7, 8, *map(int, second)]


def _plus_step(number: int, scale: int, profile: Profile, streams: Streams) -> Step | None:
    """Blur, resize, Gaussian, Poisson, speckle, camera, JPEG, and the first six again."""
    rng = streams.step(number)
    place = number % 7
    if place in (3, 4, 5) and not chance(rng, _PLUS_RARE):
        return None
    draws = (
        lambda: draw_blur(rng, scale, profile),
        lambda: draw_plus_resize(rng, scale),
        lambda: draw_normal(rng, Gaussian, profile),
        lambda: draw_poisson(rng),
        lambda: draw_normal(rng, Speckle, profile),
        lambda: draw_camera(rng, profile),
        lambda: draw_jpeg(rng),
    )
    return draws[place]()
