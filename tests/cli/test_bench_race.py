"""The order of a comparison, its memory guard and its processes, with small contestants made here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

from bsrgan_backend.cli.benching import contestants, pictures, race
from bsrgan_backend.cli.benching.child import Child, ContestantFailed, Ran, Ready
from bsrgan_backend.models import synthetic


@pytest.fixture
def ground(tmp_path):
    """A small picture."""
    return pictures.prepare(np.full((16, 16, 3), 99, np.uint8), synthetic.TINY, tmp_path / "ground")


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch):
    monkeypatch.setattr(race, "REST_S", 0.0)


@dataclass
class Double:
    """A contestant that writes down when it runs, and fails when it is told to."""

    name: str
    log: list[str]
    fails_at: int = -1
    peak: int = 300
    ready: Ready = field(default_factory=lambda: Ready(0.5, 100, {}, "a note", ""))
    runs: int = 0

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def run(self):
        """Write down and answer."""
        if self.runs == self.fails_at:
            raise ContestantFailed("no strength left")
        self.runs += 1
        self.log.append(self.name)
        return Ran(float(self.runs), self.peak)

    def close(self):
        """Write down."""
        self.log.append(f"{self.name} closed")


def entrant(double, asked="fp32", **options):
    """A contestant that is played by a double."""
    return contestants.Contestant(double.name, asked, lambda _ground, _result: double, lambda pixels: pixels, **options)


def test_contestants_run_in_turns_and_nobody_is_there_in_another_ones(ground):
    """A B, A B: each has a first run that does not count and is closed; a product runs several times in its turn."""
    log = []
    entrants = [entrant(Double("a", log)), entrant(Double("b", log), repeats=2)]
    rows = race.run(entrants, ground, 2, race.Memory(), lambda _text: None)
    assert log == ["a", "a", "a closed", "b", "b", "b", "b closed"] * 2
    assert [row.seconds for row in rows] == [(2.0, 4.0), (2.0, 3.0, 5.0, 6.0)]
    assert (rows[0].precision, rows[0].note, rows[0].over_base_bytes) == ("fp32", "a note", 200)
    assert rows[0].pixels == rows[0].operations == 256


@pytest.mark.parametrize("turn", [0, 1, 3])
def test_a_contestant_that_fails_leaves_the_others_alone(ground, turn):
    """Its row has the reason and no seconds, even those of earlier rounds; the other's row is whole."""
    log = []
    rows = race.run([entrant(Double("a", log, turn)), entrant(Double("b", log))], ground, 3, race.Memory(), print)
    assert (rows[0].seconds, rows[0].reason) == ((), "no strength left")
    assert len(rows[1].seconds) == 3


def test_a_picture_that_will_not_fit_is_not_tried(ground):
    """What a smaller picture took tells what a larger one needs; the reason has all numbers."""
    memory = race.Memory(free=lambda: 10_000)
    memory.seen["a", "fp32"] = (64, 3_000)
    log = []
    (row,) = race.run([entrant(Double("a", log))], ground, 1, memory, print)
    assert log == []
    assert row.reason == "needs about 12 kB (3 kB for 64 pixels); 10 kB are free"


def test_memory_that_suffices_is_no_objection(ground):
    """Somebody whose need fits runs, and what is seen then is remembered for larger pictures."""
    memory = race.Memory(free=lambda: 10_000)
    memory.seen["a", "fp32"] = (64, 1_000)
    (row,) = race.run([entrant(Double("a", [], peak=3_100))], ground, 1, memory, print)
    assert row.seconds
    assert memory.seen["a", "fp32"] == (256, 3_000)


def test_results_are_compared_with_pytorch_and_rounded_for_those_that_round(ground):
    """The reference has no difference of its own; a result of 8 bit is held to the rounded reference."""
    value = np.float32(100.3 / 255)
    made = {contestants.PYTORCH: value, contestants.DAEMON: np.float32(100 / 255), "off": value + np.float32(1 / 255)}
    entrants = []
    for name in made:
        each = entrant(Double(name, []), rounds_to=255 if name == contestants.DAEMON else 0)
        np.save(each.result_file(ground), np.full((1, 3, 4, 4), made[name], np.float32))
        entrants.append(each)
    torch, daemon, off = race.run(entrants, ground, 1, race.Memory(), print)
    assert torch.psnr_db is None
    assert daemon.largest_levels == pytest.approx(0, abs=1e-4)
    assert off.largest_levels == pytest.approx(1, rel=1e-3)


def script(tmp_path, body):
    """The command of a contestant with this body."""
    path = tmp_path / "contestant.py"
    path.write_text(body)
    return [sys.executable, str(path)]


def test_a_process_that_ends_early_gives_its_last_words(tmp_path):
    """The reason in the table is the last line that it wrote to stderr."""
    with pytest.raises(ContestantFailed, match="no such thing"):
        Child(script(tmp_path, "raise SystemExit('first line\\nno such thing')"), {}, 1)


def test_a_killed_process_is_told_as_such(tmp_path):
    """A system that runs out of memory kills; the table says so instead of nothing."""
    with pytest.raises(ContestantFailed, match="memory"):
        Child(script(tmp_path, "import os; os.kill(os.getpid(), 9)"), {}, 1)


def test_a_python_that_is_not_there_is_a_reason():
    """A broken environment is a reason in the table, not a traceback."""
    with pytest.raises(ContestantFailed, match="cannot be started"):
        Child(["/nonexistent/python"], {}, 1)
