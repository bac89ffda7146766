"""The fast precision against the exact one on a folder of photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bsrgan_backend.cli import batch
from bsrgan_backend.cli.benching import arithmetic, contestants, pictures
from bsrgan_backend.cli.benching.child import ContestantFailed
from bsrgan_backend.cli.failure import Failure

Show = Callable[[str], None]


@dataclass(frozen=True)
class Fidelity:
    """One photo.

    Attributes:
        name: of the file.
        size: (height, width).
        psnr_db: of fast against exact, both clamped to 0..1.
        largest_levels: largest difference in levels of 255.
    """

    name: str
    size: tuple[int, int]
    psnr_db: float
    largest_levels: float


def compare(course: contestants.Course, photos: Path, folder: Path, show: Show) -> list[Fidelity]:
    """Run every photo of a folder in both precisions.

    Args:
        course: model, cache and threads.
        photos: folder of picture files.
        folder: for intermediate files.
        show: given a line of progress.

    Raises:
        Failure: there are no photos, or a run failed.
    """
    found = (
        sorted(path for path in photos.iterdir() if path.suffix.lower() in batch.SUFFIXES) if photos.is_dir() else []
    )
    if not found:
        raise Failure(f"There are no pictures in {photos}.")
    told = []
    for number, path in enumerate(found):
        show(f"comparing fast with exact: {number} of {len(found)}")
        ground = pictures.prepare(pictures.rgb(path), course.architecture, folder / f"photo{number}")
        told.append(_compared(course, ground, path.name))
    return told


def worst(photos: Sequence[Fidelity]) -> Fidelity:
    """The photo with the lowest PSNR."""
    return min(photos, key=lambda photo: photo.psnr_db)


def _compared(course: contestants.Course, ground: pictures.Ground, name: str) -> Fidelity:
    exact, fast = (_result(course, ground, precision) for precision in ("exact", "fast"))
    psnr = arithmetic.psnr_db(fast, exact)
    return Fidelity(name, ground.size, psnr, arithmetic.largest_levels(fast, exact))


def _result(course: contestants.Course, ground: pictures.Ground, precision: str) -> arithmetic.Array:
    contestant = contestants.engine(course, precision)
    target = contestant.result_file(ground)
    try:
        with contestant.start(ground, target) as runner:
            runner.run()
    except ContestantFailed as error:
        raise Failure(f"The comparison of photos failed: {error}.") from error
    result: arithmetic.Array = np.load(target)
    return result


def texts(photos: Sequence[Fidelity]) -> list[tuple[str, str, str, str]]:
    """Rows of a table, with its heading."""
    heading = ("photo, fast against exact", "size", "PSNR dB", "largest of 255")
    return [
        heading,
        *(
            (
                photo.name,
                f"{photo.size[0]} x {photo.size[1]}",
                f"{photo.psnr_db:.1f}",
                f"{photo.largest_levels:.1f}",
            )
            for photo in photos
        ),
    ]
