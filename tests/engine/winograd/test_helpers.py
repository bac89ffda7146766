"""Processes that share a picture: the same bits as threads, and every way to end."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend import link
from bsrgan_backend.engine.engine import Stopped, unshuffled
from bsrgan_backend.engine.winograd import helper, network, run
from bsrgan_backend.engine.winograd import helpers as processes
from bsrgan_backend.engine.winograd.crew import Abandoned, Threads
from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.transforms import EXACT, FAST
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights
from support.architectures import ARCHITECTURES
from support.winograd_rows import noise, planned, preview_within, upscaled

SMALL = ARCHITECTURES[0]
WIDE = Architecture(features=64, blocks=1, growth=32, in_channels=3, out_channels=3, scale=4)

pytestmark = pytest.mark.skipif(not link.PASSES_FILES, reason="helpers get descriptors")


@pytest.fixture(scope="module")
def helpers():
    """Five processes that all tests of this file share."""
    made = processes.Helpers(5)
    yield made
    made.rest()


def small_net(helpers, scheme=EXACT):
    """Kernels that processes can have."""
    return network.prepare(synthetic.random_weights(SMALL, 3), scheme, helpers.allocate)


def is_alive(pid):
    """Whether a process runs: not if it only waits to be looked at."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def gone(pids, seconds=20.0):
    """Whether all processes end within a while."""
    end = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(is_alive, pids))


@pytest.mark.parametrize("scheme", [EXACT, FAST], ids=["exact", "fast"])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, WIDE], ids=str)
def test_processes_give_the_bits_of_a_thread(architecture, scheme, helpers, tmp_path):
    """Every scale, unshuffling and number of channels, in memory or a file, by two processes or five."""
    weights = synthetic.random_weights(architecture, 4)
    kernels = network.prepare(weights, scheme, helpers.allocate)
    runner = run.Runner(kernels, helpers=helpers)
    for size in [(1, 1), (61, 83), (130, 20)]:
        image = noise(*size, architecture.in_channels)
        whole = upscaled(kernels, image, planned(kernels, image, 1))
        for threads, units in [(2, 16), (5, 4), (3, 1)]:
            plan = replace(planned(kernels, image, threads), band_units=units)
            assert np.array_equal(upscaled(kernels, image, plan, runner), whole), (size, threads)
        spooled = planned(kernels, image, can_spool=True)
        assert np.array_equal(upscaled(kernels, image, spooled, runner, spool=tmp_path), whole)
    assert len(helpers.pids) == 5
    assert list(tmp_path.iterdir()) == []


def test_the_work_is_really_theirs(helpers, monkeypatch):
    """No thread of this process works on the rows."""

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(Threads, "run", refuse)
    kernels = small_net(helpers)
    image = noise(50, 60)
    upscaled(kernels, image, planned(kernels, image), run.Runner(kernels, helpers=helpers))
    few = run.Runner(kernels, helpers=helpers).shortened(1)
    few.features(planned(kernels, image), unshuffled(image, 1))


def test_progress_goes_up_to_its_end(helpers):
    """What is done never becomes less, and the end is told."""
    kernels = small_net(helpers)
    told = []
    image = noise(300, 200)
    runner = run.Runner(kernels, helpers=helpers)
    upscaled(kernels, image, planned(kernels, image), runner, on_progress=lambda *values: told.append(values))
    done, totals, _tiles, _counts = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert (done[0], done[-1]) == (0, totals[0])


def test_a_stop_ends_the_run_and_nothing_else(helpers):
    """Whenever it comes, a stop raises Stopped, and the next picture comes out right, by the same processes."""
    kernels = small_net(helpers)
    image = noise(260, 300)
    runner = run.Runner(kernels, helpers=helpers)
    whole = upscaled(kernels, image, planned(kernels, image), runner)
    before = helpers.pids
    for asked in (1, 2, 4):
        answers = iter([False] * (asked - 1) + [True] * 100)
        with pytest.raises(Stopped):
            upscaled(kernels, image, planned(kernels, image), runner, should_stop=lambda answers=answers: next(answers))
    assert np.array_equal(upscaled(kernels, image, planned(kernels, image), runner), whole)
    assert helpers.pids == before


def test_a_preview_runs_within_another_picture(helpers):
    """A small picture that should_stop lets in between gives what it gives alone, and so does the large one."""
    kernels = small_net(helpers)
    preview_within(kernels, run.Runner(kernels, helpers=helpers))


def test_helpers_stand_still_while_others_have_the_processor(helpers):
    """While a crew is paused no row is written; afterwards the work goes on to its end."""
    kernels = small_net(helpers)
    runner = run.Runner(kernels, helpers=helpers)
    seen = []

    def look(crew):
        marks = [crew.marked(stage) for stage in range(kernels.stages)]
        if max(marks) > 1 and len(seen) < 2:
            with crew.paused():
                # A step may be on its way.
                time.sleep(0.2)
                before = [crew.marked(stage) for stage in range(kernels.stages)]
                time.sleep(0.1)
                seen.append(before == [crew.marked(stage) for stage in range(kernels.stages)])

    image = noise(1200, 300)
    plan = planned(kernels, image)
    with runner._crew(2, look, plan) as crew:
        features, kept = (crew.allocate((plan.layout.units, *plan.layout.shape(6)), None) for _ in range(2))
        crew.run(run.Trunk(kernels, plan.layout, unshuffled(image, 1)[0], features, kept))
    assert seen == [True, True]


@pytest.mark.parametrize(
    ("words", "goes_on"), [("gg", True), ("gh", True), ("hhg", True), ("o", False), ("ho", False), ("go", True)]
)
def test_a_word_that_changes_while_it_is_looked_at(words, goes_on):
    """A helper that is held back just after it was free to go does not take that for the end, and leaves the others."""
    meaning = {"g": processes.GO, "h": processes.HOLD, "o": processes.OVER}
    line, other = link.pair()
    with contextlib.closing(line), other:
        member = helper._Member(2, ChangingBoard([meaning[word] for word in words]), line)
        with contextlib.nullcontext() if goes_on else pytest.raises(Abandoned):
            member.step()


class ChangingBoard:
    """A board on which another word stands at every look."""

    def __init__(self, words):
        self._words = words

    def __getitem__(self, key):
        return self._words.pop(0)


@pytest.mark.parametrize("moment", ["before", "trunk", "tail"])
def test_a_helper_that_is_killed_is_a_lack_of_memory(moment, helpers):
    """In the trunk nothing was given away, in the tail fewer do the rest, and one that idles is replaced unnoticed."""
    kernels = small_net(helpers)
    image = noise(700, 300)
    plan = replace(planned(kernels, image), band_units=4)
    runner = run.Runner(kernels, helpers=helpers)
    whole = upscaled(kernels, image, plan, runner)
    before = helpers.pids
    killed = []

    def kill():
        killed.append(before[0])
        os.kill(before[0], signal.SIGKILL)

    def on_progress(done, total, step, _steps):
        # The first strip has been given away, and the helpers wait for room for most of the others.
        is_in_tail = step > kernels.stages
        if not killed and (is_in_tail if moment == "tail" else done > 0.05 * total):
            kill()

    if moment == "before":
        kill()
        assert gone(killed)
    try:
        assert np.array_equal(upscaled(kernels, image, plan, runner, on_progress=on_progress), whole)
    except MemoryError:
        assert moment == "trunk"
    assert killed
    assert before[0] not in helpers.pids
    assert np.array_equal(upscaled(kernels, image, plan, runner), whole)
    assert len(helpers.pids) == 5


def test_a_preview_does_not_call_back_a_crew_that_has_failed(helpers):
    """A helper dies while a preview waits: the others end all the same, and none waits for rows that never come."""
    kernels = small_net(helpers)
    runner = run.Runner(kernels, helpers=helpers)
    part = noise(40, 50)
    killed, previews = [], []

    def should_stop():
        # Two may look in vain before the lost one is seen.
        if killed and len(previews) < 3:
            previews.append(upscaled(kernels, part, planned(kernels, part), runner))
        return len(previews) == 3 and time.monotonic() - killed[0] > 60

    def on_progress(done, total, *_):
        if not killed and done > 0.05 * total:
            os.kill(helpers.pids[0], signal.SIGKILL)
            assert gone(helpers.pids[:1])
            killed.append(time.monotonic())

    image = noise(700, 300)
    with pytest.raises(MemoryError):
        upscaled(kernels, image, planned(kernels, image), runner, should_stop=should_stop, on_progress=on_progress)
    assert np.array_equal(previews[0], upscaled(kernels, part, planned(kernels, part)))


def test_a_helper_that_a_preview_lost_is_lost_once(helpers):
    """It dies in a preview that ran before the long picture gave out its work: both are a lack of memory."""
    kernels = small_net(helpers)
    runner = run.Runner(kernels, helpers=helpers)
    image = noise(300, 300)
    previews = []

    def kill(done, total, *_):
        if len(previews) == 1 and done > 0.05 * total:
            previews.append(helpers.pids[0])
            os.kill(helpers.pids[0], signal.SIGKILL)

    def should_stop():
        if not previews:
            previews.append(None)
            with pytest.raises(MemoryError):
                upscaled(kernels, image, planned(kernels, image), runner, on_progress=kill)
        return False

    with pytest.raises(MemoryError):
        upscaled(kernels, image, planned(kernels, image), runner, should_stop=should_stop)
    assert previews[1] not in helpers.pids


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
def test_a_failed_picture_leaves_no_memory(helpers):
    """What was shared is gone when the failure is, without Python's collector: the next try needs the room."""
    kernels = small_net(helpers)
    runner = run.Runner(kernels, helpers=helpers)
    image = noise(700, 300)

    def kill(done, total, *_):
        if done > 0.05 * total:
            os.kill(helpers.pids[0], signal.SIGKILL)

    upscaled(kernels, image, planned(kernels, image), runner)
    gc.collect()
    before = shared_files(os.getpid())
    gc.disable()
    try:
        with contextlib.suppress(MemoryError):
            upscaled(kernels, image, planned(kernels, image), runner, on_progress=kill)
        assert shared_files(os.getpid()) == before
    finally:
        gc.enable()


def shared_files(pid):
    """How many descriptors of shared memory a process has."""
    targets = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            targets.append(str(file.readlink()))
    return sum("memfd:" in target for target in targets)


def test_what_finds_no_room_in_a_helper_is_let_go(monkeypatch):
    """Every descriptor that came with a picture is closed, also those behind the one that found no room."""
    arrays = [processes.shared.allocate((1,)) for _ in range(3)]
    files = [os.dup(array.descriptor) for array in arrays]
    room = iter([arrays[0]])

    def receive(*_):
        for array in room:
            return array
        raise MemoryError

    monkeypatch.setattr(helper.shared, "received", receive)
    with pytest.raises(MemoryError):
        helper._arrays({"shapes": [[1]] * 3}, files)
    for descriptor in files:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(descriptor)


def test_a_start_that_fails_once_is_tried_again(monkeypatch):
    """Memory may be short for a moment; threads do that picture, and processes the next."""
    image = noise(61, 83)
    alone = processes.Helpers(2)
    mine = small_net(alone)
    runner = run.Runner(mine, helpers=alone)
    start = processes.Helpers._start
    failures = iter([OSError("no room")])

    def once(self):
        for failure in failures:
            raise failure
        start(self)

    monkeypatch.setattr(processes.Helpers, "_start", once)
    whole = upscaled(mine, image, planned(mine, image), runner)
    assert np.array_equal(upscaled(mine, image, planned(mine, image), runner), whole)
    assert len(alone.pids) == 2
    alone.rest()


def test_what_fails_in_a_helper_is_told(helpers, monkeypatch):
    """The reason comes back from the other process, the others stop, and the next picture comes out right."""
    kernels = small_net(helpers)
    image = noise(300, 80)
    runner = run.Runner(kernels, helpers=helpers)
    order = run.Trunk.order
    with monkeypatch.context() as patch:
        patch.setattr(run.Trunk, "order", lambda task: ({}, order(task)[1]))
        with pytest.raises(RuntimeError, match="KeyError"):
            upscaled(kernels, image, planned(kernels, image), runner)
    upscaled(kernels, image, planned(kernels, image), runner)


def test_a_net_that_gives_no_numbers_is_told(helpers):
    """Values that overflow end in a sentence about the model."""
    weights = synthetic.random_weights(SMALL, 3)
    tensors = {name: values * np.float32(1e12) for name, values in weights.tensors.items()}
    kernels = network.prepare(Weights(SMALL, tensors, "0" * 64), EXACT, helpers.allocate)
    image = noise(20, 20)
    with pytest.raises(BackendError) as failed:
        upscaled(kernels, image, planned(kernels, image), run.Runner(kernels, helpers=helpers))
    assert failed.value.code == "MODEL_LOAD"


def test_where_no_process_can_be_started_threads_do_the_work(monkeypatch):
    """A system that refuses, or a helper that ends at once, costs time and nothing else."""
    image = noise(61, 83)
    kernels = network.prepare(synthetic.random_weights(SMALL, 3))
    whole = upscaled(kernels, image, planned(kernels, image))
    for module in ("no.such.module", None):
        alone = processes.Helpers(2)
        mine = small_net(alone)
        with monkeypatch.context() as patch:
            patch.setattr(processes, "MODULE", module or processes.MODULE)
            if module is None:
                patch.setattr(sys, "executable", "/nowhere/python")
            found = upscaled(mine, image, planned(mine, image), run.Runner(mine, helpers=alone))
        assert np.array_equal(found, whole)
        assert alone.pids == []


def test_where_memory_cannot_be_shared_threads_do_the_work(monkeypatch):
    """A system that does not allow it, such as one with a strict sandbox."""

    def refuse(*_):
        raise MemoryError("not permitted")

    alone = processes.Helpers(2)
    monkeypatch.setattr(processes.shared, "allocate", refuse)
    mine = small_net(alone)
    image = noise(20, 20)
    upscaled(mine, image, planned(mine, image), run.Runner(mine, helpers=alone))
    assert alone.pids == []


def test_helpers_end_with_what_they_belong_to():
    """When nobody has them any more they are gone, and so is their memory."""
    alone = processes.Helpers(2)
    kernels = small_net(alone)
    image = noise(20, 20)
    upscaled(kernels, image, planned(kernels, image), run.Runner(kernels, helpers=alone))
    pids = alone.pids
    assert len(pids) == 2
    del alone
    assert gone(pids, 5)


_EMPLOYER = """
import sys
import numpy as np
from bsrgan_backend.engine.engine import unshuffled
from bsrgan_backend.engine.winograd import helpers, network, run
from bsrgan_backend.models import synthetic

mine = helpers.Helpers(2)
kernels = network.prepare(synthetic.random_weights(synthetic.BSRGAN, 3), allocate=mine.allocate)
image = np.random.default_rng(1).random((2000, 500, 3), np.float32)
plan = run.plans(image.shape[:2], kernels.architecture, 2, kernels.scheme, can_spool=False)[0]

def tell(*_):
    print(*mine.pids, flush=True)

run.Runner(kernels, helpers=mine).run(plan, unshuffled(image, 1), image.shape[:2], tell, tell, lambda: False, None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
def test_helpers_end_when_their_employer_is_killed():
    """A worker that is killed in the middle of a picture leaves no process at work."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "error", "-c", _EMPLOYER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as employer:
        pids = []
        while len(pids) < 2:
            pids = [int(word) for word in employer.stdout.readline().split()]
        time.sleep(0.5)
        assert all(map(is_alive, pids))
        employer.kill()
        assert gone(pids)


def test_a_layout_travels_whole():
    """What tells of a layout makes the same one in another process."""
    layout = Layout.of(123, 457)
    names = ("height", "width", "panels", "columns")
    assert Layout(**{name: getattr(layout, name) for name in names}, scheme=layout.scheme) == layout
