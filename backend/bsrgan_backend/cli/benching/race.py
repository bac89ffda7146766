"""All contestants on one picture, in turns: A B C, A B C; a disturbance of the machine then meets every one of them.

Each is started for its turn and ended after it: all of them together would need several times the memory of one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bsrgan_backend.cli.benching import arithmetic
from bsrgan_backend.cli.benching.child import ContestantFailed, Ran, Ready
from bsrgan_backend.cli.benching.contestants import ENGINE, PYTORCH, Contestant, result_of
from bsrgan_backend.cli.benching.pictures import Ground
from bsrgan_backend.cli.benching.rows import Row
from bsrgan_backend.cli.table import size_text
from bsrgan_backend.engine import host

MEMORY_SHARE = 0.9
"""Part of the free memory that a contestant's run may need, as far as that can be told."""

REST_S = 0.3
"""Between two runs: threads of the one before may spin for a while after their work."""

Show = Callable[[str], None]


@dataclass
class Memory:
    """What contestants took so far, to tell beforehand whether a larger picture fits.

    Attributes:
        seen: contestant (name, asked) to its pixels and bytes over base, of the largest picture so far.
        free: bytes that can be had now.
    """

    seen: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    free: Callable[[], int] = host.available_memory_bytes

    def note(self, row: Row) -> None:
        """Remember a row that ran."""
        if row.over_base_bytes and row.pixels:
            self.seen[row.name, row.asked] = row.pixels, row.over_base_bytes

    def objection(self, contestant: Contestant, pixels: int) -> str:
        """Why a picture will not fit, by what a smaller one took; empty when it will or nothing is known."""
        if contestant.is_product or (contestant.name, contestant.asked) not in self.seen:
            return ""
        before, taken = self.seen[contestant.name, contestant.asked]
        need, free = taken * pixels / before, self.free()
        if need <= free * MEMORY_SHARE:
            return ""
        return f"needs about {size_text(need)} ({size_text(taken)} for {before} pixels); {size_text(free)} are free"


def run(contestants: Sequence[Contestant], ground: Ground, rounds: int, memory: Memory, show: Show) -> list[Row]:
    """Let all run in turns; nobody holds memory in another one's turn.

    Args:
        contestants: in the order of the table.
        ground: the picture.
        rounds: turns of each; 0 for one turn with its first run only, which tells its memory.
        memory: of smaller pictures; what is seen here is added.
        show: given a line of progress.

    Returns:
        A row for each contestant, with a reason where it did not run.
    """
    rows = [_row(each, ground) for each in contestants]
    for number in range(1, max(rounds, 1) + 1):
        for index, contestant in enumerate(contestants):
            show(f"{_size(ground)}  round {number} of {max(rounds, 1)}  {contestant.name} {contestant.asked}")
            repeats = contestant.repeats if rounds else 0
            rows[index] = _turn(contestant, rows[index], ground, repeats, memory)
    return _compared(contestants, rows, ground)


def _size(ground: Ground) -> str:
    return f"{ground.size[0]} x {ground.size[1]}"


def _row(contestant: Contestant, ground: Ground) -> Row:
    """The row of somebody who has not run yet."""
    pixels = 0 if contestant.is_product else ground.pixels
    return Row(contestant.name, contestant.asked, pixels=pixels, operations=contestant.operations(ground.pixels))


def _turn(contestant: Contestant, row: Row, ground: Ground, repeats: int, memory: Memory) -> Row:
    """The row after one turn: started, run once to warm up, run so many times, ended."""
    if row.reason:
        return row
    if objection := memory.objection(contestant, ground.pixels):
        return replace(row, reason=objection)
    try:
        with contestant.start(ground, contestant.result_file(ground)) as runner:
            row = _told(row, runner.ready, runner.run(), contestant.asked)
            memory.note(row)
            time.sleep(REST_S)
            seconds = tuple(runner.run().seconds for _ in range(repeats))
    except ContestantFailed as error:
        return replace(row, seconds=(), reason=str(error))
    return replace(row, seconds=(*row.seconds, *seconds))


def _told(row: Row, ready: Ready, first: Ran, asked: str) -> Row:
    """The row with what the first of its turns says beside the time."""
    if row.seconds:
        return row
    return replace(
        row,
        precision=ready.precision or asked,
        load_s=ready.load_s,
        base_bytes=ready.base_bytes,
        peak_bytes=first.peak_bytes,
        note=ready.note,
    )


def _compared(contestants: Sequence[Contestant], rows: list[Row], ground: Ground) -> list[Row]:
    """The rows with their differences from the fp32 result: PyTorch's, or this engine's exact one without it."""
    results = {
        (each.name, each.asked): result for each in contestants if (result := result_of(each, ground)) is not None
    }
    key = next((key for key in ((PYTORCH, "fp32"), (ENGINE, "exact")) if key in results), None)
    if key is None:
        return rows
    return [
        _with_difference(row, results.get((row.name, row.asked)), results[key], contestant.rounds_to)
        if (row.name, row.asked) != key
        else row
        for row, contestant in zip(rows, contestants, strict=True)
    ]


def _with_difference(row: Row, result: arithmetic.Array | None, reference: arithmetic.Array, levels: int) -> Row:
    if result is None:
        return row
    if levels:
        reference = np.rint(np.clip(reference, 0, 1) * levels) / np.float32(levels)
    return replace(
        row,
        psnr_db=arithmetic.psnr_db(result, reference),
        largest_levels=arithmetic.largest_levels(result, reference),
    )
