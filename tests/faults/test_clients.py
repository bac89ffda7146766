"""Clients that die, hang, crowd or change their mind (catalogue 1-3, 26, 27, 36)."""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from bsrgan_wire import limits
from bsrgan_wire.messages import (
    Accepted,
    Attach,
    Cancel,
    Cancelled,
    Chunk,
    Error,
    Fetch,
    Ping,
    Pong,
    Put,
    Release,
    Released,
    State,
)
from support.daemons import HERE, REPOSITORY, Peer, environment, order, pixels, running, wait_for
from support.health import check_well


@pytest.fixture
def client(request):
    """Starts client processes that are killed at the end."""
    processes = []

    def begin(daemon, stage):
        process = subprocess.Popen(
            [sys.executable, str(HERE / "run_client.py"), str(daemon.root), stage],
            env=environment(),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        return process, *process.stdout.readline().decode().split()

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("stage", ["uploading", "running", "downloading"])
def test_a_killed_clients_job_is_cleaned_up(start, client, stage):
    """Kill -9 at any stage: the loss is noticed at once, the job ends after the grace, others never notice."""
    daemon = start(orphan_grace_s=0.5, result_ttl_s=0.5, cancel_grace_s=5)
    other = daemon.connect()
    process, _job, _session = client(daemon, stage)
    assert other.status()["sessions"] == 2
    worker = other.status()["worker_pid"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: other.status()["sessions"] == 1)
    wait_for(lambda: (r := other.status())["spool_bytes"] == 0 and r["running"] == r["queue"] == 0)
    assert other.status()["worker_pid"] == worker
    other.close()
    check_well(daemon)


def test_a_killed_clients_job_waits_for_its_return(start, client):
    """Within the grace another connection with the session's token takes the job over and gets its result."""
    daemon = start()
    process, job, session = client(daemon, "downloading")
    process.kill()
    process.wait()
    peer = daemon.connect()
    state = peer.ask(Attach(job, session), State)
    assert (state.state, state.received) == ("ready", 6_000_000)
    assert len(peer.fetch(job, state.total)) == state.total
    peer.ask(Release(job), Released)
    peer.bye()
    check_well(daemon)


def test_an_upload_goes_on_where_it_stopped(daemon):
    """After a lost connection ATTACH tells how much has arrived, and the rest is enough."""
    first = daemon.connect()
    asked = order(1500, 1000, 4, out_width=10, out_height=10)
    data = pixels(asked)
    first.ask(asked, Accepted)
    piece = data[: limits.CHUNK_BYTES]
    first.send(Put(asked.job, 0, len(piece), zlib.crc32(piece)), piece)
    first.ping()
    first.close()
    second = daemon.connect()
    state = second.ask(Attach(asked.job, first.session), State)
    assert (state.state, state.received) == ("uploading", limits.CHUNK_BYTES)
    assert second.ask(Attach(asked.job, first.session), State) == state
    second.upload(data, asked.job, state.received, limits.CREDIT)
    assert second.final(asked.job).state == "ready"
    second.bye()


def test_a_lost_submit_can_be_sent_again(daemon):
    """A client that never saw ACCEPTED starts over under the same id."""
    first, second = daemon.connect(), daemon.connect()
    asked = order()
    first.ask(asked, Accepted)
    first.close()
    wait_for(lambda: second.status()["sessions"] == 1)
    data = pixels(asked)
    second.upscale(data, asked)
    second.bye()


def test_a_client_that_does_not_read_costs_its_credit_only(daemon):
    """Twelve FETCHes without reading: at most the credit is in memory, the surplus is an error, others go on."""
    lazy, other = Peer(daemon, receives_ahead=1), daemon.connect()
    lazy.greet()
    asked = order(1000, 1000, 4, out_width=4000, out_height=4000)
    lazy.submit(pixels(asked), asked)
    lazy.final(asked.job, 60)
    before = other.status()["rss_bytes"]
    count = 12
    for _ in range(count):
        lazy.send(Fetch(asked.job, 0, limits.CHUNK_BYTES))
    for _ in range(20):
        other.ping()
    assert other.status()["rss_bytes"] - before < 2 * limits.CREDIT * limits.CHUNK_BYTES
    answers = []
    while len(answers) < count:
        message = lazy.receive().message
        if isinstance(message, Chunk | Error):
            answers.append(message)
    codes = [a.code for a in answers if isinstance(a, Error)]
    assert codes == ["FLOW"] * len(codes)
    assert 1 <= len(codes) <= count - limits.CREDIT
    lazy.bye()
    other.bye()


def test_puts_beyond_the_credit_cost_no_memory(start):
    """A client that sends without waiting for CREDIT is slowed by its own connection, not kept in memory."""
    daemon = start()
    peer, other = daemon.connect(), daemon.connect()
    asked = order(4000, 4000, 4, out_width=1, out_height=1)
    peer.ask(asked, Accepted)
    piece = bytes(limits.CHUNK_BYTES)
    crc = zlib.crc32(piece)
    refs = {peer.send(Put(asked.job, i * len(piece), len(piece), crc), piece) for i in range(12)}
    most = 0
    while refs:
        most = max(most, other.status()["rss_bytes"])
        while refs and peer.socket.poll(0):
            refs.discard(peer.receive().ref)
    assert most < 150e6
    state = peer.ask(Attach(asked.job, peer.session), State)
    assert (state.state, state.received) == ("uploading", 12 * len(piece))
    peer.bye()
    other.bye()
    check_well(daemon)


def test_a_storm_of_clients_is_served_in_turn(tmp_path):
    """Forty clients submit at once: some are refused at once, every accepted job ends well, PONG stays quick."""
    with running(tmp_path, queue_jobs=16) as daemon:
        watcher = daemon.connect()
        peers = [daemon.connect() for _ in range(40)]
        orders = [order(20, 20) for _ in peers]
        for peer, asked in zip(peers, orders, strict=True):
            peer.send(asked)
        accepted = []
        for peer, asked in zip(peers, orders, strict=True):
            answer = peer.receive().message
            if isinstance(answer, Accepted):
                accepted.append((peer, asked))
            else:
                assert answer.code == "QUEUE_FULL"
        assert len(accepted) == 16
        waits = []
        for peer, asked in accepted:
            peer.upload(pixels(asked), asked.job, 0, limits.CREDIT)
            begun = time.monotonic()
            watcher.expect(Pong, watcher.send(Ping()))
            waits.append(time.monotonic() - begun)
        assert {peer.final(asked.job).state for peer, asked in accepted} == {"ready"}
        assert statistics.median(waits) < 0.1
        for peer in peers:
            peer.bye()
        watcher.bye()
        check_well(daemon)


def test_cancel_at_any_moment_ends_once(daemon):
    """Fifty jobs cancelled after random times: one final state each, told once, and nothing left."""
    dice = random.Random(20261122)
    peer = daemon.connect()
    finals = {"cancelled": 0, "ready": 0}
    for _ in range(50):
        asked = order(40, 40, params={"sleep_s": dice.choice([0.0, 0.02]), "steps": 3})
        data = pixels(asked)
        if dice.random() < 0.2:
            peer.ask(asked, Accepted)
        else:
            peer.submit(data, asked)
        time.sleep(dice.random() * 0.05)
        number = peer.send(Cancel(asked.job))
        told = []
        answer = None
        while answer is None or not told or told[-1] not in finals:
            envelope = peer.receive()
            if envelope.ref == number:
                answer = envelope.message
            elif isinstance(envelope.message, State) and envelope.message.job == asked.job:
                told.append(envelope.message.state)
        assert isinstance(answer, Cancelled) is (told[-1] == "cancelled")
        assert len(told) == len(set(told))
        finals[told[-1]] += 1
        peer.ask(Release(asked.job), Released)
    assert finals["cancelled"] > 5
    peer.bye()
    check_well(daemon)


def test_a_stubborn_worker_is_replaced_after_a_cancel(start):
    """A worker that ignores a cancel is killed after the grace; that is no crash, and another one is ready."""
    daemon = start(cancel_grace_s=0.2)
    peer = daemon.connect()
    for count in range(1, 6):
        asked = order(params={"sleep_s": 60.0, "stubborn": True})
        peer.submit(pixels(asked), asked)
        peer.expect(State, job=asked.job, state="running")
        peer.ask(Cancel(asked.job), Cancelled)
        assert peer.final(asked.job).state == "cancelled"
        wait_for(lambda expected=count + 1: len(daemon.starts()) == expected)
    assert peer.status()["worker_restarts"] == 0
    peer.bye()
    check_well(daemon)
    assert zombies(daemon.process.pid) == 0


def zombies(parent):
    """Dead children that nobody has waited for."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        count += fields[0] == "Z" and int(fields[1]) == parent
    return count
