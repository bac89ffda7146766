"""Previews in the queue and inside long jobs: a real supervisor, a scripted worker."""

from __future__ import annotations

import os
import signal
import time

import pytest

from bsrgan_wire import places
from bsrgan_wire.client import Client
from bsrgan_wire.messages import Accepted, Cancel, Cancelled, Error, Progress, Release, Released, State
from bsrgan_wire.preview import Place, Rectangle
from support.daemons import add_model, order, pixels, running, wait_for
from support.fake_worker import upscale

PLACE = Place.around((60, 40), (240, 160), Rectangle(17, 9, 16, 12))


def preview(**params):
    """A SUBMIT of a preview; `params` are for the scripted worker, but for model and the place's own."""
    fields = {name: params.pop(name) for name in ("model", "device") if name in params}
    part = PLACE.part
    return order(
        *(part.width, part.height),
        out_width=16,
        out_height=36,
        task="preview",
        params={**PLACE.params(), **params},
        **fields,
    )


def begin(peer, asked):
    """Submit a job and wait until it is at work; returns it."""
    peer.submit(pixels(asked), asked)
    peer.expect(State, job=asked.job, state="running")
    return asked


def states(peer, asked):
    """The states that were told of a job."""
    return [e.message.state for e in peer.seen if isinstance(e.message, State) and e.message.job == asked.job]


def long_job(seconds=60.0, **params):
    """A job that lets previews pass."""
    return order(params={"sleep_s": seconds, "steps": int(seconds * 50), **params})


def test_a_preview_comes_back_while_a_long_job_is_at_work(daemon, peer):
    """Another client's preview is ready at once; the long job goes on, tells its progress, and is as it should be."""
    asked = long_job(1.5)
    data = pixels(asked)
    peer.submit(data, asked)
    peer.expect(State, job=asked.job, state="running")
    other = daemon.connect()
    small = preview()
    sent = pixels(small)
    assert other.upscale(sent, small) == upscale(sent, small.width, small.height, 16, 36, 3)
    assert states(peer, asked) == ["queued", "running"]
    before = len(peer.seen)
    assert peer.final(asked.job).state == "ready"
    assert any(isinstance(e.message, Progress) for e in peer.seen[before:])
    assert peer.fetch(asked.job, 12 * 16 * 3) == upscale(data, 4, 3, 16, 12, 3)
    peer.ask(Release(asked.job), Released)
    assert states(peer, asked) == ["queued", "running", "ready"]
    other.bye()


def test_both_are_counted_while_they_run(daemon, peer):
    """STATUS tells two running jobs, and each can be cancelled."""
    asked, small = begin(peer, long_job()), begin(peer, preview(sleep_s=60.0))
    assert peer.status()["running"] == 2
    for job in (small, asked):
        peer.ask(Cancel(job.job), Cancelled)
        assert peer.final(job.job).state == "cancelled"
    assert peer.status()["running"] == 0


def test_a_preview_goes_before_waiting_jobs(daemon, peer):
    """Of three jobs and a preview that wait behind another preview, the preview runs first, whoever asked."""
    other, third = daemon.connect(), daemon.connect()
    begin(other, preview(sleep_s=0.6))
    waiting = [order(), order()]
    for asked in waiting:
        peer.submit(pixels(asked), asked)
    small = preview()
    third.submit(pixels(small), small)
    third.final(small.job)
    assert all(states(peer, asked) == ["queued"] for asked in waiting)
    for asked in waiting:
        assert peer.final(asked.job).state == "ready"
    other.bye()
    third.bye()


def test_a_new_preview_replaces_one_that_waits(daemon, peer):
    """A client's older preview ends as cancelled when it still waits, and not when it runs; others' stay."""
    other = daemon.connect()
    at_work = begin(peer, preview(sleep_s=0.8))
    of_other = preview()
    other.submit(pixels(of_other), of_other)
    stale, uploading, fresh = preview(), preview(), preview()
    peer.submit(pixels(stale), stale)
    peer.ask(uploading, Accepted)
    assert peer.final(stale.job).code == "CANCELLED"
    peer.submit(pixels(fresh), fresh)
    assert peer.final(uploading.job).state == "cancelled"
    assert peer.final(at_work.job).state == "ready"
    assert peer.final(fresh.job).state == "ready"
    assert other.final(of_other.job).state == "ready"
    assert states(peer, stale) == ["queued", "cancelled"]
    other.bye()


def test_previews_need_no_place_in_the_queue(daemon, peer):
    """A full queue refuses jobs and takes previews, which cannot fill it."""
    jobs = [order() for _ in range(4)]
    for asked in jobs:
        peer.ask(asked, Accepted)
    assert peer.error(order()) == "QUEUE_FULL"
    small = preview()
    peer.submit(pixels(small), small)
    assert peer.final(small.job).state == "ready"
    for asked in jobs:
        peer.ask(Cancel(asked.job), Cancelled)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"x": 225}, "outside of the result"),
        ({"left": -1}, "outside of the picture"),
        ({"full_w": "60"}, "whole numbers"),
        ({"full_h": 30}, "outside of the picture"),
        ({"full_oh": 70_000}, "longer than"),
    ],
)
def test_bad_rectangles_are_refused_at_once(peer, changes, word):
    """A place that cannot be is BAD_PARAM with a sentence, and no space is taken for it."""
    ref = peer.send(preview(**changes))
    error = peer.expect(Error, code="BAD_PARAM")
    assert peer.seen[-1].ref == ref
    assert word in error.text
    assert peer.status()["spool_bytes"] == 0


def test_large_previews_are_refused(peer):
    """What is sent for a preview has four megapixels at most."""
    place = Place((2100, 2100), (8400, 8400), Rectangle(0, 0, 2100, 2100), Rectangle(0, 0, 16, 12))
    asked = order(2100, 2100, out_width=16, out_height=36, task="preview", params=place.params())
    assert peer.error(asked) == "BAD_PARAM"


def test_a_long_order_costs_no_worker(daemon, peer):
    """A preview whose order is longer than the line takes at once joins a job at work, and both get done."""
    text = "\x01" * 49_000
    for _ in range(2):
        restarts = peer.status()["worker_restarts"]
        asked = begin(peer, long_job(1.0))
        other = daemon.connect()
        small = preview(text=text)
        other.upscale(pixels(small), small)
        assert states(peer, asked) == ["queued", "running"]
        assert peer.final(asked.job).state == "ready"
        other.bye()
        assert peer.status()["worker_restarts"] == restarts
    asked = order(params={"text": text})
    peer.upscale(pixels(asked), asked)


def test_a_preview_with_another_model_waits_for_its_worker(daemon, peer):
    """The long job keeps its worker; the preview is next, before older jobs, with a worker of its own model."""
    add_model(daemon.root, "other")
    asked = begin(peer, long_job(0.8, steps=4))
    behind, small = order(), preview(model="other")
    for job in (behind, small):
        peer.submit(pixels(job), job)
    assert peer.final(small.job).model == "other"
    assert states(peer, asked)[-1] == "ready"
    assert states(peer, behind) == ["queued"]
    assert peer.final(behind.job).state == "ready"


def test_a_cancelled_preview_leaves_the_long_job_alone(daemon, peer):
    """The preview stops, the job around it is done."""
    asked, small = begin(peer, long_job(1.0)), begin(peer, preview(sleep_s=60.0))
    peer.ask(Cancel(small.job), Cancelled)
    assert peer.final(small.job).state == "cancelled"
    assert peer.final(asked.job).state == "ready"


def test_a_preview_that_stops_late_does_not_cost_the_long_job(tmp_path):
    """A worker is not killed for a preview that ignores its cancel while a job waits behind it."""
    with running(tmp_path, cancel_grace_s=0.1) as daemon:
        peer = daemon.connect()
        asked, small = begin(peer, long_job(2.0)), begin(peer, preview(sleep_s=1.0, stubborn=1))
        peer.ask(Cancel(small.job), Cancelled)
        assert peer.final(small.job).state == "cancelled"
        assert peer.final(asked.job).state == "ready"
        assert peer.status()["worker_restarts"] == 0
        assert len(daemon.starts()) == 1
        peer.bye()


def test_both_are_stopped_when_neither_obeys(tmp_path):
    """When the job and the preview inside it are cancelled and neither stops, the worker is replaced."""
    with running(tmp_path, cancel_grace_s=0.2) as daemon:
        peer = daemon.connect()
        asked, small = begin(peer, long_job()), begin(peer, preview(sleep_s=60.0, stubborn=1))
        for job in (asked, small):
            peer.ask(Cancel(job.job), Cancelled)
        assert {peer.final(job.job).state for job in (asked, small)} == {"cancelled"}
        after = order()
        peer.upscale(pixels(after), after)
        assert peer.status()["worker_restarts"] == 0
        peer.bye()


def test_a_worker_killed_during_a_preview_fails_both_and_blames_the_preview(tmp_path):
    """Both end as failed, once; the input of the job that waited may be tried again, the preview's not for ever."""
    with running(tmp_path) as daemon:
        peer = daemon.connect()
        asked, small = long_job(), preview(sleep_s=60.0)
        data, sent = pixels(asked), pixels(small)
        codes = []
        for _ in range(2):
            asked, small = long_job(), preview(sleep_s=60.0)
            for job, content in ((asked, data), (small, sent)):
                peer.submit(content, job)
                peer.expect(State, job=job.job, state="running")
            os.kill(peer.status()["worker_pid"], signal.SIGKILL)
            codes.append(tuple(peer.final(job.job).code for job in (asked, small)))
            assert states(peer, asked) == states(peer, small) == ["queued", "running", "failed"]
        assert codes == [("WORKER_CRASHED", "WORKER_CRASHED"), ("WORKER_CRASHED", "POISONED_INPUT")]
        again = order()
        peer.submit(data, again)
        assert peer.final(again.job).state == "ready"
        peer.bye()


def test_a_stop_ends_both(tmp_path):
    """SIGTERM while both run: they get their time, are cancelled, and the daemon is gone."""
    with running(tmp_path) as daemon:
        peer = daemon.connect()
        asked, small = begin(peer, long_job()), begin(peer, preview(sleep_s=60.0))
        peer.close()
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 15
        assert "Traceback" not in daemon.log()
        for job in (asked, small):
            assert daemon.log().count(f"job {job.job[:8]} cancelled") == 1


def test_the_products_client_gets_a_preview(daemon):
    """A request made from a place goes through the client as any other job."""
    request = PLACE.request(3, "u8")
    sent = os.urandom(request.total_bytes)
    result = bytearray()
    with Client.connect_at(places.rendezvous_file(daemon.root), name="test") as client:
        state = client.run(
            request,
            lambda first, rows: sent[first * request.row_bytes : (first + rows) * request.row_bytes],
            lambda _first, _rows, data: result.extend(data),
        )
        wait_for(lambda: client.status()["spool_bytes"] == 0)
    assert (state.width, state.height) == (16, 36)
    assert bytes(result) == upscale(sent, request.width, request.height, 16, 36, 3)
