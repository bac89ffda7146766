"""Previews in a real worker process: inside a long job, killed, and with trained weights the same as the whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bsrgan_backend.engine import processor
from bsrgan_backend.imaging import pixels
from bsrgan_backend.imaging.pixels import PixelFormat
from bsrgan_backend.link import LinkClosed
from bsrgan_wire.preview import Place, Rectangle
from support.preview_runs import previewed
from support.trained_weights import shared_cache, trained
from support.worker_process import WorkerProcess

LONG, SMALL = "1" * 32, "2" * 32
SIDE = 600
PLACE = Place.around((SIDE, SIDE), (4 * SIDE, 4 * SIDE), Rectangle(1100, 1300, 128, 96))


@pytest.fixture
def picture():
    """A picture that keeps a small network busy for a while."""
    return np.random.default_rng(5).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def begin_long(worker, picture, target):
    """A job in many small tiles that is at work now."""
    worker.submit(LONG, picture, (4 * SIDE, 4 * SIDE), target, model="tiny", params={"tile": 64})
    while worker.wait_for("progress", job=LONG)["phase"] != "running":
        pass


def submit_preview(worker, picture, target, place=PLACE, **changes):
    """The preview of a place."""
    part, rectangle = place.part, place.rectangle
    sent = np.ascontiguousarray(picture[part.top : part.bottom, part.left : part.right])
    size = (3 * rectangle.height, rectangle.width)
    changes = {"model": "tiny", **changes}
    worker.submit(SMALL, sent, size, target, task="preview", params=place.params(), **changes)


def test_a_long_job_pauses_for_a_preview_and_goes_on(worker, picture):
    """The preview is done first; it and the job's result show the same pixels, and the job's progress only rises."""
    with tempfile.TemporaryFile() as long, tempfile.TemporaryFile() as small:
        begin_long(worker, picture, long.fileno())
        submit_preview(worker, picture, small.fileno())
        seen = len(worker.seen)
        first = worker.wait_for("done")
        second = worker.wait_for("done")
        assert (first["job"], second["job"]) == (SMALL, LONG)
        whole = np.frombuffer(long.read(), np.uint8).reshape(4 * SIDE, 4 * SIDE, 3)
        shown = np.frombuffer(small.read(), np.uint8).reshape(3, 96, 128, 3)
    rectangle = PLACE.rectangle
    expected = whole[rectangle.top : rectangle.bottom, rectangle.left : rectangle.right]
    assert np.abs(shown[0].astype(int) - expected).max() <= 1
    told = [
        m["done"] for m in worker.seen[seen:] if m["t"] == "progress" and (m["job"], m["phase"]) == (LONG, "running")
    ]
    assert told == sorted(told)


def test_a_worker_killed_during_a_preview_says_nothing_more(root, picture):
    """Neither of the two jobs gets an answer from a killed worker: the supervisor ends both."""
    with WorkerProcess(root) as worker, tempfile.TemporaryFile() as target:
        begin_long(worker, picture, target.fileno())
        submit_preview(worker, picture, target.fileno())
        worker.process.kill()
        with pytest.raises((LinkClosed, ConnectionError)):
            worker.wait_for("nothing")
        assert not [message for message in worker.seen if message["t"] == "done" and message["job"] == LONG]


PHOTO = Path(__file__).resolve().parents[3] / "shared" / "reference" / "realsrset" / "lr" / "building.png"
SMALL_SIDE = 208


def photo():
    """A photo with its mirror image, large enough to leave most of it out."""
    if not PHOTO.is_file():
        pytest.skip(f"the published photos are not there: {PHOTO.parent} is missing")
    values = np.asarray(Image.open(PHOTO).convert("RGB"))
    beyond = [(0, SMALL_SIDE - side) for side in values.shape[:2]]
    return np.pad(values, (*beyond, (0, 0)), mode="reflect")


@pytest.fixture(scope="module")
def trained_engine():
    """A published network that reaches further than others, in exact arithmetic."""
    return processor.load(trained("realesrgan-x4plus"), shared_cache() / "programs", precision="exact")


@pytest.mark.weights
def test_a_preview_is_the_whole_result_with_trained_weights(trained_engine):
    """With the margin that is sent, a rectangle differs from the whole result by one level of 255 at most."""
    picture = photo()
    size = (SMALL_SIDE, SMALL_SIDE)
    out = (4 * SMALL_SIDE, 4 * SMALL_SIDE)
    place = Place.around(size, out, Rectangle(352, 320, 128, 128))
    shown, _ = previewed(picture, place, trained_engine)
    strips = []
    image = picture.astype(np.float32) / np.float32(255)
    trained_engine.upscale(image, lambda _, strip: strips.append(strip), lambda *_: None, lambda: False)
    whole = pixels.join(np.concatenate(strips), None, PixelFormat("u8", 3))
    difference = np.abs(shown[0].astype(int) - whole[320:448, 352:480])
    assert difference.max() <= 1
