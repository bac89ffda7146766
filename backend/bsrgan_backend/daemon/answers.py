"""What a worker's messages say, checked: a worker may be of another version, or ill."""

from __future__ import annotations

from typing import Any

from bsrgan_backend.daemon.jobs import Job
from bsrgan_backend.errors import BackendError
from bsrgan_wire.errors import CODES
from bsrgan_wire.messages import Progress

_PHASES = ("loading", "running", "finishing")


def texts(value: Any) -> list[str]:
    """A list of sentences; whatever else stands there is left out."""
    return [note for note in value if isinstance(note, str)] if isinstance(value, list) else []


def failure(message: dict[str, Any]) -> BackendError:
    """Why a job failed, as an error with a code of the wire."""
    code, text, detail = message.get("code"), message.get("text"), message.get("detail")
    known = code if isinstance(code, str) and code in CODES else "INTERNAL"
    return BackendError(known, text if isinstance(text, str) else "", str(detail or "")[:500])


def duration(value: Any) -> float:
    """Seconds, 0 for what is no duration."""
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1e9 else 0.0


def progress(job: Job, message: dict[str, Any]) -> Progress | None:
    """The progress of a job, or None for what is none."""
    done, total, eta = message.get("done"), message.get("total"), message.get("eta", -1.0)
    phase, unit = message.get("phase"), message.get("unit")
    if phase not in _PHASES or type(done) is not int or type(total) is not int or not 0 <= done <= total <= 2**53:
        return None
    if not isinstance(eta, int | float) or not 0 <= eta <= 1e9:
        eta = -1.0
    tile, tiles = message.get("tile", 0), message.get("tiles", 0)
    if type(tile) is not int or type(tiles) is not int or not 0 <= tile <= tiles <= 2**53:
        tile = tiles = 0
    unit = unit[:16] if isinstance(unit, str) else "tiles"
    return Progress(job.id, phase, done, total, unit, float(eta), tile, tiles)
