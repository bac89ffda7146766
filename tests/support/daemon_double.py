"""A daemon for tests of the client: a pyzmq ROUTER that keeps the protocol strictly and breaks it when told to."""

from __future__ import annotations

import contextlib
import queue
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import zmq

from bsrgan_wire import PROTOCOL, limits, proof, rendezvous
from bsrgan_wire.codec import CLIENT_KINDS, Envelope, decode, encode
from bsrgan_wire.errors import CODES
from bsrgan_wire.messages import (
    Accepted,
    Bye,
    Cancelled,
    Chunk,
    Credit,
    Error,
    Message,
    Pong,
    Progress,
    Reject,
    Released,
    State,
    StatusReport,
    Submit,
    Welcome,
)
from bsrgan_wire.rendezvous import Rendezvous


def upscaled(submit: Submit, pixels: bytes) -> bytes:
    """A deterministic stand-in for the network: as many bytes as the result has, depending on every input byte."""
    item = limits.ITEM_BYTES[submit.dtype]
    total = submit.out_width * submit.out_height * submit.channels * item
    seed = zlib.crc32(pixels).to_bytes(4, "big")
    counter = b"".join(zlib.crc32(seed, row).to_bytes(4, "big") for row in range(1021))
    return (counter * (total // len(counter) + 1))[:total]


@dataclass
class Job:
    """What the double knows of a job."""

    submit: Submit
    session: str
    pixels: bytearray = field(default_factory=bytearray)
    state: str = "uploading"
    credit: int = limits.CREDIT
    result: bytes = b""


Hook = Callable[["DaemonDouble", bytes, Envelope], bool]


class DaemonDouble:
    """A daemon in a thread; a context manager.

    Attributes:
        hooks: for a kind of message, what to do instead; a hook that returns False leaves it to the double.
        received: every message of clients, in order.
        violations: sentences about what clients did wrong.
        jobs: by id.
        path: the rendezvous file.
        is_mute: when set, messages are read and not answered.
        own_size: (width, height) of results that a SUBMIT leaves to the task.
    """

    def __init__(
        self, folder: Path, *, tcp: bool = False, chunk: int = limits.CHUNK_BYTES, credit: int = limits.CREDIT
    ) -> None:
        self.hooks: dict[str, Hook] = {}
        self.received: list[Message] = []
        self.violations: list[str] = []
        self.jobs: dict[str, Job] = {}
        self.path = folder / "state" / "daemon.json"
        self.instance = uuid4().hex
        self.compute: Callable[[Submit, bytes], bytes] = upscaled
        self.is_mute = False
        self.own_size = (0, 0)
        self.connections = 0
        self.chunk, self.credit = chunk, credit
        self.secret = b"k" * 32
        self._tcp = tcp
        self._endpoint = "tcp://127.0.0.1:*" if tcp else f"ipc://{folder}/d.sock"
        self._sessions: dict[bytes, str] = {}
        self._seq = 0
        self._orders: queue.Queue[Callable[[], None]] = queue.Queue()
        self._context = zmq.Context()
        self._is_open = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> DaemonDouble:
        """Start it."""
        self._thread.start()
        assert self._is_open.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it and raise what went wrong in its thread."""
        self._orders.put(self._stop)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self._context.destroy(0)
        if self._failure is not None:
            raise self._failure

    @property
    def rendezvous(self) -> Rendezvous:
        """What its file says."""
        return rendezvous.read(self.path)

    def kinds(self) -> list[str]:
        """The kinds of all messages received, in order."""
        return [message.KIND for message in self.received]

    def send(self, peer: bytes, message: Message, ref: int = 0, payload: Any = b"") -> None:
        """Send a message; for hooks."""
        self._seq += 1
        session = self._sessions.get(peer, "")
        frames = encode(message, seq=self._seq, ref=ref, session=session, payload=payload)
        # A client may be gone before its answer; that is its right.
        with contextlib.suppress(zmq.ZMQError):
            self.socket.send_multipart([peer, *frames])

    def fail(self, peer: bytes, envelope: Envelope, code: str) -> None:
        """Answer with an ERROR; for hooks."""
        facts = CODES[code]
        job = getattr(envelope.message, "job", "")
        error = Error(code=code, klass=facts.klass, retry=facts.retry, text=facts.text, job=job)
        self.send(peer, error, envelope.seq)

    def drop_connections(self) -> None:
        """Close every connection and listen again; jobs and instance stay. For hooks."""
        self._close()
        self._open()

    def restart(self) -> None:
        """Become another run of the daemon that knows no job. For hooks."""
        self._close()
        self.jobs.clear()
        self.instance = uuid4().hex
        self._open()

    def order(self, action: Callable[[], None]) -> None:
        """Run something in the double's thread, soon."""
        self._orders.put(action)

    def finish(self, peer: bytes, job: Job, ref: int = 0) -> None:
        """Compute the job and say so; for hooks."""
        submit = self.sized(job.submit)
        job.result = self.compute(submit, bytes(job.pixels))
        job.state = "ready"
        self.send(peer, self.state_of(job), ref)

    def sized(self, submit: Submit) -> Submit:
        """A SUBMIT with the result's size."""
        if submit.out_width or submit.out_height:
            return submit
        return replace(submit, out_width=self.own_size[0], out_height=self.own_size[1])

    def state_of(self, job: Job) -> State:
        """A job's STATE."""
        submit = self.sized(job.submit)
        if job.state != "ready":
            return State(job=submit.job, state=job.state, received=len(job.pixels))
        return State(
            job=submit.job,
            state="ready",
            width=submit.out_width,
            height=submit.out_height,
            channels=submit.channels,
            dtype=submit.dtype,
            total=len(job.result),
            model="double",
            notes=("a note",),
            seconds=0.5,
        )

    # --- the thread ------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            self._open()
            self._is_serving = True
            while self._is_serving:
                while not self._orders.empty():
                    self._orders.get()()
                if self._is_serving and self.socket.poll(10):
                    self._receive()
        except BaseException as failure:  # noqa: BLE001 (raised again in __exit__)
            self._failure = failure
            self._is_open.set()
        finally:
            self.socket.close(0)

    def _stop(self) -> None:
        self._is_serving = False

    def _open(self) -> None:
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.router_mandatory = 1
        self.socket.maxmsgsize = limits.CHUNK_BYTES + 65536
        self.socket.bind(self._endpoint)
        endpoint = self.socket.last_endpoint.decode()
        entry = Rendezvous(
            protocol=PROTOCOL,
            version="0",
            instance=self.instance,
            pid=1,
            endpoints=(endpoint,),
            secret=self.secret.hex() if self._tcp else "",
            log="daemon.log",
        )
        rendezvous.write(self.path, entry)
        self._is_open.set()

    def _close(self) -> None:
        # Unbinding first: closing a socket happens later, in libzmq's own thread.
        self.socket.unbind(self.socket.last_endpoint)
        self.socket.close(0)

    def _receive(self) -> None:
        peer, *frames = self.socket.recv_multipart()
        envelope = decode(frames, CLIENT_KINDS)
        message = envelope.message
        self.received.append(message)
        if self.is_mute:
            return
        hook = self.hooks.get(message.KIND)
        if hook is not None and hook(self, peer, envelope):
            return
        getattr(self, f"_on_{message.KIND.lower()}")(peer, envelope, message)

    def _complain(self, sentence: str) -> None:
        self.violations.append(sentence)

    def _on_hello(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        if PROTOCOL not in message.protocols:
            self.send(peer, Reject(code="VERSION", text=CODES["VERSION"].text, supported=(PROTOCOL,)), envelope.seq)
            return
        nonce = proof.nonce()
        mac = b""
        if self._tcp:
            if not proof.is_equal(message.mac, proof.client_mac(self.secret, message.nonce, self.instance)):
                self.send(peer, Reject(code="AUTH", text=CODES["AUTH"].text), envelope.seq)
                return
            mac = proof.daemon_mac(self.secret, message.nonce, nonce, self.instance)
        self.connections += 1
        welcome = Welcome(
            protocol=PROTOCOL,
            version="0",
            instance=self.instance,
            session=uuid4().hex,
            chunk=self.chunk,
            credit=self.credit,
            nonce=nonce,
            mac=mac,
        )
        self.send(peer, welcome, envelope.seq)
        self._sessions[peer] = welcome.session

    def _job(self, peer: bytes, envelope: Envelope) -> Job | None:
        job = self.jobs.get(envelope.message.job)  # type: ignore[attr-defined]
        if envelope.session != self._sessions.get(peer):
            self._complain(f"{envelope.message.KIND} without its session")
        if job is None:
            self.fail(peer, envelope, "JOB_UNKNOWN")
        return job

    def _on_submit(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        self.jobs[message.job] = Job(message, self._sessions[peer], credit=self.credit)
        self.send(peer, Accepted(job=message.job, chunk=self.chunk, credit=self.credit), envelope.seq)

    def _on_put(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        job = self._job(peer, envelope)
        if job is None:
            return
        job.credit -= 1
        if job.credit < 0:
            self._complain("PUT beyond credit")
        if message.offset != len(job.pixels):
            self._complain(f"PUT at {message.offset}, expected {len(job.pixels)}")
        if zlib.crc32(envelope.payload) != message.crc:
            self._complain("PUT with a wrong CRC")
        job.pixels += envelope.payload
        job.credit += 1
        self.send(peer, Credit(job=message.job, count=1), envelope.seq)

    def _on_commit(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        job = self._job(peer, envelope)
        if job is None:
            return
        if (message.total, message.crc) != (len(job.pixels), zlib.crc32(job.pixels)):
            self._complain("COMMIT does not fit what was received")
        for state in ("queued", "running"):
            job.state = state
            self.send(peer, self.state_of(job), envelope.seq)
        self.send(peer, Progress(job=message.job, phase="running", done=1, total=2, eta_s=1.0))
        hook = self.hooks.get("compute")
        if hook is None or not hook(self, peer, envelope):
            self.finish(peer, job)

    def _on_fetch(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        job = self._job(peer, envelope)
        if job is None:
            return
        pixels = job.result[message.offset : message.offset + message.length]
        if job.state != "ready" or len(pixels) != message.length:
            self._complain(f"FETCH beyond the result of a job that is {job.state}")
        chunk = Chunk(job=message.job, offset=message.offset, length=message.length, crc=zlib.crc32(pixels))
        self.send(peer, chunk, envelope.seq, pixels)

    def _on_release(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        if self.jobs.pop(message.job, None) is None:
            self.fail(peer, envelope, "JOB_UNKNOWN")
        else:
            self.send(peer, Released(job=message.job), envelope.seq)

    def _on_cancel(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        job = self._job(peer, envelope)
        if job is not None:
            job.state = "cancelled"
            self.send(peer, Cancelled(job=message.job), envelope.seq)
            self.send(peer, self.state_of(job))

    def _on_attach(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        job = self._job(peer, envelope)
        if job is None:
            return
        if job.session != message.session:
            self._complain("ATTACH with another session")
        job.session = self._sessions[peer]
        job.credit = self.credit
        self.send(peer, self.state_of(job), envelope.seq)

    def _on_ping(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        self.send(peer, Pong(), envelope.seq)

    def _on_status(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        self.send(peer, StatusReport(report={"pid": 1, "models": ["a", "b"], "state": "ready"}), envelope.seq)

    def _on_shutdown(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        self.send(peer, Bye(reason="shutdown"), envelope.seq)
        self._close()
        self.socket = self._context.socket(zmq.ROUTER)

    def _on_bye(self, peer: bytes, envelope: Envelope, message: Any) -> None:
        self._sessions.pop(peer, None)
