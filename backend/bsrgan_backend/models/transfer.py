"""One file over https into a `.part`, resumed where it broke off, its length and digest checked."""

from __future__ import annotations

import hashlib
import http.client
import re
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bsrgan_backend.errors import BackendError

CONNECT_S = 5.0
"""A host that has not accepted a connection by then is given up."""

ANSWER_S = 10.0
"""The first byte must have come by then, names looked up and redirections followed."""

STALL_S = 30.0
"""A transfer that brings nothing for so long is broken off and tried again."""

TRIES = 3
_BLOCK_BYTES = 256 * 1024
_REPORT_S = 0.1
_RETRY_STATUS = (408, 425, 429, 500, 502, 503, 504)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Wanted:
    """The file to fetch.

    Attributes:
        url: https (http on this machine only).
        size_bytes: its length, 0 when it is not known.
        sha256: hex digest, "" when it is not known.
        limit_bytes: no more than this is ever taken.
    """

    url: str
    size_bytes: int
    sha256: str
    limit_bytes: int

    @property
    def host(self) -> str:
        """The host's name, for sentences."""
        return urlsplit(self.url).hostname or "the host"


class _BrokenOff(Exception):
    """The transfer ended early; trying again may help. `str()` is the reason in words."""


class _NoAnswer(_BrokenOff):
    """The host was never reached: at the first try that is final, so that nobody waits in silence."""


def fetch(
    wanted: Wanted,
    part: Path,
    on_progress: Callable[[int, int], None],
    *,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """Fetch a file into `part` and return its SHA-256 (hex).

    Args:
        wanted: what and from where.
        part: where it goes; what is there from an earlier call is continued when the digest is known, as only then a
            mixture of two files would be noticed.
        on_progress: called with (bytes done, bytes in all or 0).
        wait: sleeps between tries, in seconds.

    Raises:
        BackendError: MODEL_MISSING when the host refuses, is silent or breaks off in every try; MODEL_HASH when the
            file is not the published one.
        OSError: the disk's own errors.
    """
    if not wanted.sha256:
        part.unlink(missing_ok=True)
    reason = ""
    is_fresh = False
    for attempt in range(TRIES):
        if attempt:
            wait(float(2**attempt))
        is_fresh = not part.exists()
        try:
            _transfer(wanted, part, on_progress)
        except _BrokenOff as error:
            reason = str(error)
            if isinstance(error, _NoAnswer) and not attempt:
                raise _unreachable(wanted, reason) from error
            continue
        sha256 = _digest(part)
        if not wanted.sha256 or sha256 == wanted.sha256:
            return sha256
        part.unlink(missing_ok=True)
        if is_fresh:  # a whole file in one go that is another one: the host's, not the line's fault
            break
        reason = "the continued file was damaged"
    else:
        raise _unreachable(wanted, reason)
    raise BackendError(
        "MODEL_HASH",
        f"The file from {wanted.host} is not the published one and was not used; try again later or add the model "
        "from a file.",
        f"expected {wanted.sha256}, got {sha256}",
    )


def _unreachable(wanted: Wanted, reason: str) -> BackendError:
    return BackendError(
        "MODEL_MISSING",
        f"{wanted.host} could not be reached ({reason}); check the network, or choose another model or add one from "
        "a file.",
        wanted.url,
    )


def _transfer(wanted: Wanted, part: Path, on_progress: Callable[[int, int], None]) -> None:
    """Bring `part` to its full length; raises _BrokenOff when that did not work this time."""
    have = part.stat().st_size if part.exists() else 0
    if wanted.size_bytes and have >= wanted.size_bytes:
        if have == wanted.size_bytes:
            return
        part.unlink()
        have = 0
    response = _open_in_time(wanted, have)
    try:
        start = _start(response, have)
        total = _total(wanted, response, start)
        done = _copy(wanted, response, part, start, total, on_progress)
    finally:
        response.close()
    if total and done != total:
        raise _BrokenOff(f"the transfer broke off after {done // 10**6} of {total // 10**6} MB")


def _copy(
    wanted: Wanted,
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    total: int,
    on_progress: Callable[[int, int], None],
) -> int:
    """Write the body from byte `start` on; the number of bytes then in `part`."""
    done, reported = start, 0.0
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        file.truncate()
        while block := _block(response):
            done += len(block)
            if done > (total or wanted.limit_bytes):
                part.unlink(missing_ok=True)
                raise _longer(wanted)
            file.write(block)
            if time.monotonic() - reported >= _REPORT_S:
                on_progress(done, total)
                reported = time.monotonic()
    on_progress(done, total)
    return done


def _block(response: http.client.HTTPResponse) -> bytes:
    """The next bytes of the body, b"" at its end; the line's errors are told apart from the disk's here."""
    try:
        return response.read(_BLOCK_BYTES)
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise _BrokenOff(_words(error)) from error


def _longer(wanted: Wanted) -> BackendError:
    return BackendError("MODEL_HASH", f"The file from {wanted.host} is longer than the published one; try again later.")


def _start(response: http.client.HTTPResponse, have: int) -> int:
    """The byte at which the body begins: a host may ignore the wish to continue and send everything."""
    if response.status != 206:
        return 0
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != have:
        raise _BrokenOff("the host continued at another place")
    return have


def _total(wanted: Wanted, response: http.client.HTTPResponse, start: int) -> int:
    """The whole file's length, 0 when neither the catalog nor the host says it."""
    text = response.headers.get("Content-Length", "")
    declared = start + int(text) if text.isdecimal() and len(text) < 16 else 0
    if wanted.size_bytes and declared and declared != wanted.size_bytes:
        raise BackendError(
            "MODEL_HASH",
            f"The file from {wanted.host} has another size than the published one; try again later or add the model "
            "from a file.",
            f"{declared} bytes, expected {wanted.size_bytes}",
        )
    if declared > wanted.limit_bytes:
        raise _longer(wanted)
    return wanted.size_bytes or declared


def _open_in_time(wanted: Wanted, have: int) -> http.client.HTTPResponse:
    """The host's answer. A thread opens it, because looking up a name can outlast every socket timeout."""
    box: list[http.client.HTTPResponse | _BrokenOff | BackendError] = []
    gate = threading.Lock()
    given_up = False

    def work() -> None:
        result = _open(wanted, have)
        with gate:
            if not given_up:
                box.append(result)
            elif isinstance(result, http.client.HTTPResponse):
                result.close()

    thread = threading.Thread(target=work, name="open", daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    with gate:
        given_up = True
    if not box:
        raise _NoAnswer(f"no answer within {ANSWER_S:.0f} s")
    if isinstance(box[0], Exception):
        raise box[0]
    return box[0]


def _open(wanted: Wanted, have: int) -> http.client.HTTPResponse | _BrokenOff | BackendError:
    """The answer, or the error as a value, for it crosses a thread."""
    headers = {"User-Agent": "gimp-bsrgan", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    if not _is_allowed(wanted.url):
        return _unreachable(wanted, "its address is not https")
    request = urllib.request.Request(wanted.url, headers=headers)  # noqa: S310 - the scheme was checked above
    opener = urllib.request.build_opener(_Https, _Http, _Redirects)
    try:
        answer: http.client.HTTPResponse = opener.open(request, timeout=CONNECT_S)
    except urllib.error.HTTPError as error:
        error.close()
        return _refused(wanted, error.code, have)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        return _NoAnswer(_words(error))
    return answer


def _refused(wanted: Wanted, status: int, have: int) -> _BrokenOff | BackendError:
    if status in _RETRY_STATUS:
        return _BrokenOff(f"it answers with status {status}")
    if status == 416 and have:
        return _BrokenOff("the host has a shorter file")
    return BackendError(
        "MODEL_MISSING",
        f"{wanted.host} refuses the file with status {status}; choose another model or add this one from a file.",
        wanted.url,
    )


def _words(error: BaseException) -> str:
    """Why a connection failed, in a few words."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "its certificate is not valid here"
    if isinstance(reason, TimeoutError):
        return "it does not answer"
    if isinstance(reason, ConnectionRefusedError):
        return "it refuses connections"
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(text).rstrip(".")[:120]


def _is_allowed(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            total.update(block)
    return total.hexdigest()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to https only; nothing may lead to a file or to clear text."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not _is_allowed(newurl):
            raise urllib.error.URLError("it leads to an address that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _HttpsConnection(http.client.HTTPSConnection):
    """Short patience for connecting, longer for the bytes."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(STALL_S)


class _HttpConnection(http.client.HTTPConnection):
    """Short patience for connecting, longer for the bytes."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(STALL_S)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_HttpsConnection, req, context=ssl.create_default_context())


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_HttpConnection, req)
