"""A real supervisor process and a pyzmq client for it, for tests of the daemon."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import zmq

from bsrgan_backend.models.facts import InstalledModel
from bsrgan_wire import codec, limits, places, proof, rendezvous
from bsrgan_wire.codec import Envelope
from bsrgan_wire.messages import (
    Accepted,
    Bye,
    Chunk,
    Commit,
    Credit,
    Error,
    Fetch,
    Hello,
    Message,
    Ping,
    Pong,
    Put,
    Release,
    Released,
    State,
    Status,
    StatusReport,
    Submit,
    Welcome,
)

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
PATIENCE_S = float(os.environ.get("PATIENCE_S", 20.0))
"""How long a test waits for what must happen; generous, because the machine may be busy."""


def environment(**extra: str) -> dict[str, str]:
    """This process's environment with the packages on the path."""
    paths = [str(REPOSITORY / folder) for folder in ("shared", "backend", "tests")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **extra}


def add_model(root: Path, name: str = "bsrgan-x4", **facts: Any) -> None:
    """Make a model look installed; with some facts its file can be read, and holds the others too."""
    (root / "models").mkdir(parents=True, exist_ok=True)
    if facts:
        values = {field.name: "x" if field.type == "str" else 1 for field in fields(InstalledModel)}
        facts = {**values, "id": name, **facts}
    (root / "models" / f"{name}.json").write_text(json.dumps(facts))


def wait_for(condition: Any, patience_s: float = PATIENCE_S) -> Any:
    """Call `condition` until it returns something true, and return that."""
    end = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


class Daemon:
    """A supervisor with the fake worker below its own root."""

    def __init__(
        self, root: Path, *, env: dict[str, str] | None = None, command: list[str] | None = None, **settings: Any
    ) -> None:
        self.root = root
        self.peers: list[Peer] = []
        add_model(root)
        words = [f"{name}={value}" for name, value in settings.items()]
        self.process = subprocess.Popen(
            [sys.executable, *(command or [str(HERE / "run_daemon.py"), str(root), *words])],
            env=environment(**(env or {})),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        self.file = places.rendezvous_file(root)
        wait_for(lambda: self._is_announced() or self.process.poll() is not None)
        assert self.process.poll() is None, self.errors()
        self.address = self.facts().endpoints[0]

    def _is_announced(self) -> bool:
        with contextlib.suppress(Exception):
            return self.facts().pid == self.process.pid
        return False

    def facts(self) -> rendezvous.Rendezvous:
        """What the rendezvous file says."""
        return rendezvous.read(self.file)

    def errors(self) -> str:
        """What it printed; call it when the process is over."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def log(self) -> str:
        """Its log file."""
        return (self.root / "logs" / "daemon.log").read_text()

    def starts(self) -> list[list[Any]]:
        """Workers started so far: process id, device, threads."""
        file = self.root / "worker-starts.log"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def connect(self) -> Peer:
        """A client that has been welcomed."""
        peer = Peer(self)
        peer.greet()
        return peer

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            for peer in self.peers:
                peer.close()
            self.process.kill()
            self.process.wait()
            if self.process.stderr is not None:
                self.process.stderr.close()


class Peer:
    """A client on a pyzmq DEALER: sends what it is told to, right or wrong."""

    def __init__(self, daemon: Daemon, receives_ahead: int = 1000) -> None:
        self.daemon = daemon
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.rcvhwm = receives_ahead
        daemon.peers.append(self)
        self.socket.connect(daemon.address)
        self.session = ""
        self.seq = 0
        self.inbox: list[Envelope] = []
        self.seen: list[Envelope] = []

    def close(self) -> None:
        """Close the connection without a word."""
        self.socket.close()

    def send(self, message: Message, payload: bytes = b"", session: str | None = None) -> int:
        """Send a message and return its number."""
        self.seq += 1
        frames = codec.encode(
            message, seq=self.seq, session=self.session if session is None else session, payload=payload
        )
        self.socket.send_multipart(frames)
        return self.seq

    def send_raw(self, *frames: bytes) -> None:
        """Send frames as they are."""
        self.socket.send_multipart(frames)

    def receive(self, patience_s: float = PATIENCE_S) -> Envelope:
        """The next message, whatever it is; AssertionError when none comes."""
        if self.inbox:
            return self.inbox.pop(0)
        assert self.socket.poll(patience_s * 1000), "no answer"
        envelope = codec.decode(self.socket.recv_multipart(), codec.DAEMON_KINDS)
        self.seen.append(envelope)
        return envelope

    def expect(self, kind: type[Message], ref: int = 0, patience_s: float = PATIENCE_S, **fields: Any) -> Any:
        """The next message of a kind (answering `ref`, with these field values); others are kept for later."""
        kept: list[Envelope] = []
        end = time.monotonic() + patience_s
        while True:
            envelope = self.receive(max(end - time.monotonic(), 0.001))
            message = envelope.message
            wanted = isinstance(message, kind) and (not ref or envelope.ref == ref)
            if wanted and all(getattr(message, name) == value for name, value in fields.items()):
                self.inbox = kept + self.inbox
                return message
            if isinstance(message, Error) and ref and envelope.ref == ref:
                self.inbox = kept + self.inbox
                raise AssertionError(f"{message}")
            kept.append(envelope)

    def ask(self, message: Message, kind: type[Message], payload: bytes = b"") -> Any:
        """Send and return the answer of that kind."""
        return self.expect(kind, self.send(message, payload))

    def greet(self) -> Welcome:
        """HELLO and WELCOME, with proof on tcp."""
        facts = self.daemon.facts()
        nonce, secret = proof.nonce(), bytes.fromhex(facts.secret)
        mac = proof.client_mac(secret, nonce, facts.instance) if secret else b""
        welcome: Welcome = self.ask(Hello((1,), "test", "0", nonce, mac), Welcome)
        if secret:
            assert proof.is_equal(welcome.mac, proof.daemon_mac(secret, nonce, welcome.nonce, facts.instance))
        self.session = welcome.session
        return welcome

    def error(self, message: Message, payload: bytes = b"") -> str:
        """Send and return the code of the ERROR that answers."""
        ref = self.send(message, payload)
        kept: list[Envelope] = []
        while True:
            envelope = self.receive()
            if envelope.ref == ref:
                self.inbox = kept + self.inbox
                assert isinstance(envelope.message, Error), envelope.message
                return envelope.message.code
            kept.append(envelope)

    def ping(self, patience_s: float = PATIENCE_S) -> Pong:
        """PING and PONG."""
        return self.expect(Pong, self.send(Ping()), patience_s)

    def status(self) -> dict[str, Any]:
        """The daemon's state."""
        report: StatusReport = self.ask(Status(), StatusReport)
        return report.report

    def submit(self, data: bytes, order: Submit) -> None:
        """SUBMIT, PUT within the credit, COMMIT; returns when the job is queued."""
        accepted: Accepted = self.ask(order, Accepted)
        self.upload(data, order.job, 0, accepted.credit)

    def upload(self, data: bytes, job: str, offset: int, credit: int) -> None:
        """PUT from `offset` on within the credit, then COMMIT."""
        while offset < len(data):
            if credit == 0:
                credit += self.expect(Credit, job=job).count
            piece = data[offset : offset + limits.CHUNK_BYTES]
            self.send(Put(job, offset, len(piece), zlib.crc32(piece)), piece)
            offset += len(piece)
            credit -= 1
        self.expect(State, self.send(Commit(job, len(data), zlib.crc32(data))), state="queued")

    def fetch(self, job: str, total: int, piece: int = limits.CHUNK_BYTES) -> bytes:
        """The whole result, up to the credit at a time."""
        result = bytearray(total)
        offsets = list(range(0, total, piece))
        flying: list[int] = []
        received = 0
        while received < total:
            while offsets and len(flying) < limits.CREDIT:
                offset = offsets.pop(0)
                flying.append(self.send(Fetch(job, offset, min(piece, total - offset))))
            envelope = self.receive()
            assert not (isinstance(envelope.message, Error) and envelope.ref in flying), envelope.message
            if isinstance(envelope.message, Chunk):
                chunk = envelope.message
                assert zlib.crc32(envelope.payload) == chunk.crc
                result[chunk.offset : chunk.offset + chunk.length] = envelope.payload
                received += chunk.length
                flying.remove(envelope.ref)
        return bytes(result)

    def final(self, job: str, patience_s: float = PATIENCE_S) -> State:
        """The job's last STATE."""
        while True:
            state: State = self.expect(State, patience_s=patience_s, job=job)
            if state.state in ("ready", "failed", "cancelled", "released"):
                return state

    def upscale(self, data: bytes, order: Submit) -> bytes:
        """A whole job, from SUBMIT to RELEASE."""
        self.submit(data, order)
        state = self.final(order.job)
        assert state.state == "ready", state
        result = self.fetch(order.job, state.total)
        self.ask(Release(order.job), Released)
        return result

    def bye(self) -> None:
        """Leave in order."""
        self.expect(Bye, self.send(Bye()))
        self.close()


def order(width: int = 4, height: int = 3, channels: int = 3, dtype: str = "u8", **fields: Any) -> Submit:
    """A SUBMIT of a new job, four times as large by default."""
    values: dict[str, Any] = {"out_width": width * 4, "out_height": height * 4, "params": {}, **fields}
    return Submit(values.pop("job", secrets.token_hex(16)), width, height, channels, dtype, **values)


def pixels(order: Submit) -> bytes:
    """Random input for an order."""
    return os.urandom(order.width * order.height * order.channels * limits.ITEM_BYTES[order.dtype])


@contextlib.contextmanager
def running(root: Path, *, env: dict[str, str] | None = None, **settings: Any) -> Iterator[Daemon]:
    """A daemon for the duration of a block; it must stop cleanly."""
    daemon = Daemon(root, env=env, **settings)
    try:
        yield daemon
    finally:
        daemon.stop()
