"""A host of files on this machine that misbehaves on demand."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Host(ThreadingHTTPServer):
    """Serves one body; each request takes the next behaviour, then "good".

    Behaviours: good, no-range, wrong-range, cut (half of the body, then closed), hang (headers, then silence),
    mute (no answer), a status such as "404", "longer", "redirect-file", "no-length".
    """

    daemon_threads = True

    def __init__(self, body: bytes, behaviours: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.behaviours = body, behaviours
        self.requests: list[str] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        """Where the file is."""
        return f"http://127.0.0.1:{self.server_port}/model.pth"


class _Handler(BaseHTTPRequestHandler):
    server: Host

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass

    def do_GET(self) -> None:
        wish = self.headers.get("Range", "")
        self.server.requests.append(wish)
        behaviour = self.server.behaviours.pop(0) if self.server.behaviours else "good"
        if behaviour.isdecimal():
            self.send_error(int(behaviour))
            return
        if behaviour == "mute":
            self.server.released.wait(30)
            return
        if behaviour == "redirect-file":
            self.send_response(302)
            self.send_header("Location", "http://example.invalid/model.pth")
            self.end_headers()
            return
        self._send(behaviour, wish)

    def _send(self, behaviour: str, wish: str) -> None:
        body = self.server.body
        start = int(wish.removeprefix("bytes=").rstrip("-")) if wish and behaviour != "no-range" else 0
        if start > len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            first = start - 1 if behaviour == "wrong-range" else start
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        rest = body[start:] + (b"more" if behaviour == "longer" else b"")
        if behaviour != "no-length":
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            if behaviour in ("cut", "hang"):
                self.wfile.write(rest[: len(rest) // 2])
                self.wfile.flush()
                if behaviour == "hang":
                    self.server.released.wait(30)
                return
            self.wfile.write(rest)


@contextlib.contextmanager
def serving(body: bytes, *behaviours: str) -> Iterator[Host]:
    """A running host."""
    host = Host(body, list(behaviours))
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield host
    finally:
        host.released.set()
        host.shutdown()
        host.server_close()
        thread.join()
