"""The messages of protocol 1 as frozen dataclasses, each field with its key on the wire and its check.

The tables here are the protocol: `codec` packs and unpacks whatever they say, `shared/PROTOCOL.md` tells it
in words. New fields must have defaults; a field is never retyped and a kind never reused.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from bsrgan_wire import checks, limits


def _wire(key: str, check: checks.Check, default: Any = MISSING) -> Any:
    """A dataclass field that travels under `key` and must pass `check`."""
    metadata = {"key": key, "check": check}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


_JOB = checks.hex_id
_COUNT = checks.integer(0, 2**53)
_CRC = checks.integer(0, 2**32 - 1)
_SIDE = checks.integer(-(2**53), 2**53)  # the daemon answers ZERO_SIZE or TOO_MANY_PIXELS, not BAD_HEADER
_DTYPE = checks.text(16)
_STATES = ("uploading", "queued", "running", "ready", "failed", "cancelled", "released")
_TRANSFER_PHASES = ("none", "running", "done", "failed", "cancelled")


@dataclass(frozen=True)
class Message:
    """What every message shares; `seq` counts per sender from 1, `ref` is the `seq` that is answered."""

    KIND: ClassVar[str] = ""
    HAS_PAYLOAD: ClassVar[bool] = False


# --- client to daemon ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello(Message):
    """First message of a connection: the protocols that the client speaks and its challenge."""

    KIND: ClassVar[str] = "HELLO"
    protocols: tuple[int, ...] = _wire("protos", checks.integers(0, 2**31 - 1, 64))
    client: str = _wire("client", checks.text(64))
    version: str = _wire("ver", checks.text(64))
    nonce: bytes = _wire("nonce", checks.blob(16, 32))
    mac: bytes = _wire("mac", checks.blob(0, 32), b"")


@dataclass(frozen=True)
class Submit(Message):
    """Announce a job; the pixels follow as PUT. The same id again gets the same answer."""

    KIND: ClassVar[str] = "SUBMIT"
    job: str = _wire("j", _JOB)
    width: int = _wire("w", _SIDE)
    height: int = _wire("h", _SIDE)
    channels: int = _wire("c", checks.integer(-(2**31), 2**31))
    dtype: str = _wire("dtype", _DTYPE)
    out_width: int = _wire("ow", _SIDE)
    out_height: int = _wire("oh", _SIDE)
    model: str = _wire("model", checks.text(128), "")
    task: str = _wire("task", checks.text(32), "upscale")
    space: str = _wire("space", checks.text(32), "nonlinear")
    device: str = _wire("device", checks.text(32), "auto")
    params: dict[str, Any] = _wire("params", checks.scalars(64, limits.TEXT_BYTES), None)


@dataclass(frozen=True)
class Put(Message):
    """A piece of the input, in order; its payload is `length` raw bytes."""

    KIND: ClassVar[str] = "PUT"
    HAS_PAYLOAD: ClassVar[bool] = True
    job: str = _wire("j", _JOB)
    offset: int = _wire("off", _COUNT)
    length: int = _wire("len", checks.integer(1, limits.CHUNK_BYTES))
    crc: int = _wire("crc", _CRC)


@dataclass(frozen=True)
class Commit(Message):
    """The input is complete: its length and the CRC-32 of the whole."""

    KIND: ClassVar[str] = "COMMIT"
    job: str = _wire("j", _JOB)
    total: int = _wire("total", _COUNT)
    crc: int = _wire("crc", _CRC)


@dataclass(frozen=True)
class Fetch(Message):
    """Ask for a piece of the result; at most `credit` may be unanswered."""

    KIND: ClassVar[str] = "FETCH"
    job: str = _wire("j", _JOB)
    offset: int = _wire("off", _COUNT)
    length: int = _wire("len", checks.integer(1, limits.CHUNK_BYTES))


@dataclass(frozen=True)
class Release(Message):
    """The client has the result or does not want it any more; the daemon frees it."""

    KIND: ClassVar[str] = "RELEASE"
    job: str = _wire("j", _JOB)


@dataclass(frozen=True)
class Cancel(Message):
    """Stop a job in whatever state it is; may be repeated."""

    KIND: ClassVar[str] = "CANCEL"
    job: str = _wire("j", _JOB)


@dataclass(frozen=True)
class Attach(Message):
    """Take over a job of an earlier session after a reconnect."""

    KIND: ClassVar[str] = "ATTACH"
    job: str = _wire("j", _JOB)
    session: str = _wire("session", checks.hex_id)


@dataclass(frozen=True)
class Ping(Message):
    """Are you there?"""

    KIND: ClassVar[str] = "PING"


@dataclass(frozen=True)
class Status(Message):
    """Ask for the daemon's state."""

    KIND: ClassVar[str] = "STATUS"


@dataclass(frozen=True)
class Models(Message):
    """Ask for the installed and the published models, and for the latest transfer of one."""

    KIND: ClassVar[str] = "MODELS"


@dataclass(frozen=True)
class ModelGet(Message):
    """Fetch a published model and install it."""

    KIND: ClassVar[str] = "MODEL_GET"
    model: str = _wire("model", checks.text(64))


@dataclass(frozen=True)
class ModelAdd(Message):
    """Install the weights in a file of this machine."""

    KIND: ClassVar[str] = "MODEL_ADD"
    path: str = _wire("path", checks.text(4096))


@dataclass(frozen=True)
class ModelStop(Message):
    """End the transfer that is under way; may be repeated."""

    KIND: ClassVar[str] = "MODEL_STOP"


@dataclass(frozen=True)
class Shutdown(Message):
    """Ask the daemon to stop (where there are no signals, and for the uninstaller)."""

    KIND: ClassVar[str] = "SHUTDOWN"


@dataclass(frozen=True)
class Bye(Message):
    """Either side is leaving, and why."""

    KIND: ClassVar[str] = "BYE"
    reason: str = _wire("reason", checks.text(256), "")


# --- daemon to client ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Welcome(Message):
    """The answer to HELLO: the chosen protocol, this run of the daemon, the session, and the limits."""

    KIND: ClassVar[str] = "WELCOME"
    protocol: int = _wire("proto", checks.integer(1, 2**31 - 1))
    version: str = _wire("ver", checks.text(64))
    instance: str = _wire("instance", checks.hex_id)
    session: str = _wire("session", checks.hex_id)
    chunk: int = _wire("chunk", checks.integer(4096, limits.CHUNK_BYTES))
    credit: int = _wire("credit", checks.integer(1, 64))
    nonce: bytes = _wire("nonce", checks.blob(16, 32))
    mac: bytes = _wire("mac", checks.blob(0, 32), b"")
    knows: tuple[str, ...] = _wire("knows", checks.texts(32, 32), ())


@dataclass(frozen=True)
class Reject(Message):
    """The answer to a HELLO that cannot be served."""

    KIND: ClassVar[str] = "REJECT"
    code: str = _wire("code", checks.text(32))
    text: str = _wire("text", checks.text(512))
    supported: tuple[int, ...] = _wire("supported", checks.integers(0, 2**31 - 1, 64), ())


@dataclass(frozen=True)
class Accepted(Message):
    """The answer to SUBMIT: how to send the pixels."""

    KIND: ClassVar[str] = "ACCEPTED"
    job: str = _wire("j", _JOB)
    chunk: int = _wire("chunk", checks.integer(4096, limits.CHUNK_BYTES))
    credit: int = _wire("credit", checks.integer(1, 64))
    position: int = _wire("pos", _COUNT, 0)


@dataclass(frozen=True)
class Credit(Message):
    """The client may send `count` more PUTs."""

    KIND: ClassVar[str] = "CREDIT"
    job: str = _wire("j", _JOB)
    count: int = _wire("n_put", checks.integer(1, 64))


@dataclass(frozen=True)
class State(Message):
    """A job's state; every change is sent exactly once, and once more in answer to ATTACH.

    With `ready` come the result's shape, dtype and size in bytes, and the recipe of a task that draws one; with
    `failed` the error's code and sentence.
    """

    KIND: ClassVar[str] = "STATE"
    job: str = _wire("j", _JOB)
    state: str = _wire("state", checks.choice(*_STATES))
    width: int = _wire("w", _COUNT, 0)
    height: int = _wire("h", _COUNT, 0)
    channels: int = _wire("c", _COUNT, 0)
    dtype: str = _wire("dtype", _DTYPE, "")
    total: int = _wire("total", _COUNT, 0)
    model: str = _wire("model", checks.text(128), "")
    notes: tuple[str, ...] = _wire("notes", checks.texts(512, 16), ())
    code: str = _wire("code", checks.text(32), "")
    text: str = _wire("text", checks.text(1024), "")
    received: int = _wire("received", _COUNT, 0)
    seconds: float = _wire("seconds", checks.number(0.0, 1e9), 0.0)
    engine_s: float = _wire("engine_s", checks.number(0.0, 1e9), 0.0)
    recipe: str = _wire("recipe", checks.text(limits.TEXT_BYTES), "")


@dataclass(frozen=True)
class Progress(Message):
    """How far a running job is; at most ten a second, the latest only, never backwards.

    `done` of `total` is in proportion to time; tiles are what a person can count.
    """

    KIND: ClassVar[str] = "PROGRESS"
    job: str = _wire("j", _JOB)
    phase: str = _wire("phase", checks.choice("queued", "loading", "running", "finishing"))
    done: int = _wire("done", _COUNT)
    total: int = _wire("total", _COUNT)
    unit: str = _wire("unit", checks.text(16), "tiles")
    eta_s: float = _wire("eta", checks.number(-1.0, 1e9), -1.0)
    tile: int = _wire("tile", _COUNT, 0)
    tiles: int = _wire("tiles", _COUNT, 0)


@dataclass(frozen=True)
class Chunk(Message):
    """A piece of the result, as asked by FETCH; its payload is `length` raw bytes."""

    KIND: ClassVar[str] = "CHUNK"
    HAS_PAYLOAD: ClassVar[bool] = True
    job: str = _wire("j", _JOB)
    offset: int = _wire("off", _COUNT)
    length: int = _wire("len", checks.integer(1, limits.CHUNK_BYTES))
    crc: int = _wire("crc", _CRC)


@dataclass(frozen=True)
class Released(Message):
    """The result is freed."""

    KIND: ClassVar[str] = "RELEASED"
    job: str = _wire("j", _JOB)


@dataclass(frozen=True)
class Cancelled(Message):
    """The cancel is accepted; the job's final STATE follows or has been sent."""

    KIND: ClassVar[str] = "CANCELLED"
    job: str = _wire("j", _JOB)


@dataclass(frozen=True)
class Pong(Message):
    """Yes."""

    KIND: ClassVar[str] = "PONG"


@dataclass(frozen=True)
class StatusReport(Message):
    """The daemon's state as a flat map of scalars and short lists; its keys are listed in PROTOCOL.md."""

    KIND: ClassVar[str] = "STATUS_REPORT"
    report: dict[str, Any] = _wire("report", checks.report(64))


@dataclass(frozen=True)
class ModelsReport(Message):
    """What models there are, and the latest transfer of one: its number, state, bytes, and how it ended.

    A model is the map of a `model_facts.ModelFacts`.
    """

    KIND: ClassVar[str] = "MODELS_REPORT"
    models: tuple[dict[str, Any], ...] = _wire("models", checks.records(limits.MODELS, limits.MODEL_TEXT_BYTES), ())
    number: int = _wire("number", _COUNT, 0)
    phase: str = _wire("phase", checks.choice(*_TRANSFER_PHASES), "none")
    what: str = _wire("what", checks.text(256), "")
    done: int = _wire("done", _COUNT, 0)
    total: int = _wire("total", _COUNT, 0)
    made: str = _wire("made", checks.text(64), "")
    code: str = _wire("code", checks.text(32), "")
    text: str = _wire("text", checks.text(1024), "")


@dataclass(frozen=True)
class Error(Message):
    """A request failed; `ref` in the envelope names it."""

    KIND: ClassVar[str] = "ERROR"
    code: str = _wire("code", checks.text(32))
    klass: str = _wire("class", checks.text(16))
    retry: str = _wire("retry", checks.text(16))
    text: str = _wire("text", checks.text(1024))
    detail: str = _wire("detail", checks.text(1024), "")
    job: str = _wire("j", checks.hex_id_or_empty, "")


FROM_CLIENT: tuple[type[Message], ...] = (
    Hello, Submit, Put, Commit, Fetch, Release, Cancel, Attach, Ping, Status, Models, ModelGet, ModelAdd,
    ModelStop, Shutdown, Bye,
)  # fmt: skip
FROM_DAEMON: tuple[type[Message], ...] = (
    Welcome, Reject, Accepted, Credit, State, Progress, Chunk, Released, Cancelled, Pong, StatusReport,
    ModelsReport, Bye, Error,
)  # fmt: skip
LATER_KINDS = ("MODELS", "MODEL_GET", "MODEL_ADD", "MODEL_STOP")
"""Kinds from clients that the first daemons of this protocol do not know: WELCOME's `knows` says who does."""
KINDS: dict[str, type[Message]] = {kind.KIND: kind for kind in (*FROM_CLIENT, *FROM_DAEMON)}


@dataclass(frozen=True)
class FieldRule:
    """How one field travels: attribute, key, check and default (`MISSING` when required)."""

    name: str
    key: str
    check: checks.Check
    default: Any


RULES: dict[str, tuple[FieldRule, ...]] = {
    name: tuple(FieldRule(f.name, f.metadata["key"], f.metadata["check"], f.default) for f in fields(kind))
    for name, kind in KINDS.items()
}
