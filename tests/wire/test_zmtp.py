from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from bsrgan_wire import framing, limits
from bsrgan_wire.errors import ConnectionLost
from bsrgan_wire.zmtp import Connection, Timing

PAYLOAD = bytes(range(256)) * (limits.CHUNK_BYTES // 256)
QUICK = Timing(heartbeat_s=0.1, silence_s=0.4, stall_s=0.4)
posix = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="ipc")


class Sockets:
    """Sockets of one libzmq context, closed together at the end of a test."""

    def __init__(self):
        self._context = zmq.Context()
        self._made = []

    def socket(self, kind):
        """A new socket."""
        made = self._context.socket(kind)
        made.linger = 0
        self._made.append(made)
        return made

    def close(self):
        """Close all, without waiting."""
        for made in self._made:
            made.close(0)
        self._context.destroy(0)


@pytest.fixture
def context():
    """A libzmq context that goes away without waiting."""
    made = Sockets()
    yield made
    made.close()


@pytest.fixture(params=[pytest.param("ipc", marks=posix), "tcp"])
def endpoint(request, tmp_path):
    """An address to bind to."""
    if request.param == "ipc":
        return f"ipc://{tmp_path}/s"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def router(context, endpoint, **options):
    """A bound libzmq ROUTER."""
    sock = context.socket(zmq.ROUTER)
    sock.rcvtimeo = sock.sndtimeo = 10_000
    for name, value in options.items():
        setattr(sock, name, value)
    sock.bind(endpoint)
    return sock


def received(connection, timeout_s=10.0):
    """The next message with its frames as bytes."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        frames = connection.receive(0.2)
        if frames is not None:
            return [bytes(frame) for frame in frames]
    pytest.fail("no message came")


@contextlib.contextmanager
def opened(endpoint, **options):
    """An open connection."""
    connection = Connection.open(endpoint, timeout_s=10, **options)
    try:
        yield connection
    finally:
        connection.close()


def sent(connection, frames):
    """Send a message to its end, reading nothing."""
    connection.send(frames)
    assert connection.flush(10)


# --- with libzmq ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        [b""],
        [b"SRP1", b"h"],
        [b"SRP1", b"h" * 255],
        [b"SRP1", b"h" * 256],
        [b"", b"h" * 65_536],
        [b"SRP1", b"h" * 100, b""],
        [b"SRP1", b"h" * 100, b"p" * 65_537],
        [b"SRP1", b"h" * 65_536, PAYLOAD],
    ],
    ids=lambda message: "+".join(str(len(frame)) for frame in message),
)
def test_messages_go_both_ways(context, endpoint, message):
    """Messages of all frame lengths and numbers arrive at a real ROUTER and come back the same."""
    peer = router(context, endpoint)
    with opened(endpoint) as connection:
        connection.send(message)
        connection.flush(0.05)
        pump = threading.Thread(target=connection.flush, args=(10,))
        pump.start()
        identity, *frames = peer.recv_multipart()
        pump.join()
        assert frames == message
        peer.send_multipart([identity, *frames])
        assert received(connection) == message


def test_many_messages_keep_their_order(context, endpoint):
    """Small and large messages in a row arrive complete and in order."""
    peer = router(context, endpoint)
    with opened(endpoint) as connection:
        sent(connection, [b"hello"])
        identity = peer.recv_multipart()[0]
        sizes = [0, 1, 70_000, 3, 1_000_000, 255, 256, 65_536, 65_537] * 3
        for number, size in enumerate(sizes):
            peer.send_multipart([identity, b"%d" % number, b"", b"x" * size])
        for number, size in enumerate(sizes):
            head, _, body = received(connection)
            assert (int(head), len(body)) == (number, size)


def test_receive_comes_back_when_nothing_comes(context, endpoint):
    """Without a message `receive` returns None after its time, and at once when it has none."""
    _peer = router(context, endpoint)
    with opened(endpoint) as connection:
        start = time.monotonic()
        assert connection.receive(0) is None
        assert connection.receive(0.1) is None
        assert 0.1 <= time.monotonic() - start < 5
        assert 0.05 < connection.waited_s < 5


def test_heartbeats_of_libzmq_are_answered(context, endpoint):
    """A ROUTER with short heartbeats keeps the connection as long as we listen."""
    peer = router(context, endpoint, heartbeat_ivl=50, heartbeat_timeout=400)
    with opened(endpoint) as connection:
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            assert connection.receive(0.05) is None
        sent(connection, [b"still here"])
        assert peer.recv_multipart()[1] == b"still here"


def test_our_heartbeats_are_answered_by_libzmq(context, endpoint):
    """PINGs of ours keep a connection alive on which libzmq says nothing of itself."""
    _peer = router(context, endpoint)
    with opened(endpoint, timing=Timing(heartbeat_s=0.1, silence_s=1.0, stall_s=5)) as connection:
        while connection.waited_s < 1.5:
            assert connection.receive(0.05) is None
        assert not connection.is_closed


def test_end_of_the_server_is_noticed(context, endpoint):
    """When the ROUTER goes away the connection is lost, closed, and says so in one sentence."""
    peer = router(context, endpoint)
    with opened(endpoint) as connection:
        peer.close(0)
        with pytest.raises(ConnectionLost, match="closed the connection"):
            received(connection)
        assert connection.is_closed
        with pytest.raises(ConnectionLost):
            connection.send([b"x"])
        with pytest.raises(ConnectionLost):
            connection.receive(0)


def test_server_can_be_found_again_after_its_restart(context, endpoint):
    """A new connection to a restarted ROUTER at the same address works."""
    peer = router(context, endpoint)
    with opened(endpoint) as connection:
        peer.unbind(peer.last_endpoint)
        peer.close(0)
        with pytest.raises(ConnectionLost):
            received(connection)
    for _ in range(100):
        try:
            peer = router(context, endpoint)
            break
        except zmq.ZMQError:
            time.sleep(0.05)
    with opened(endpoint) as connection:
        sent(connection, [b"again"])
        assert peer.recv_multipart()[1] == b"again"


def test_message_beyond_the_limit_ends_the_connection(context, endpoint):
    """A payload longer than a chunk is refused from its header and the connection closed."""
    peer = router(context, endpoint)
    with opened(endpoint) as connection:
        sent(connection, [b"hello"])
        identity = peer.recv_multipart()[0]
        peer.send_multipart([identity, b"SRP1", b"h", PAYLOAD + b"x"])
        with pytest.raises(ConnectionLost, match="a frame of 4194305 bytes"):
            received(connection)


def test_message_of_too_many_frames_ends_the_connection(context, endpoint):
    """A message of more frames than the protocol has is refused."""
    peer = router(context, endpoint)
    with opened(endpoint) as connection:
        sent(connection, [b"hello"])
        identity = peer.recv_multipart()[0]
        peer.send_multipart([identity, b"1", b"2", b"3", b"4"])
        with pytest.raises(ConnectionLost, match="too many frames"):
            received(connection)


def test_socket_of_another_type_is_refused(context, endpoint):
    """A DEALER at the daemon's address is no daemon."""
    other = context.socket(zmq.DEALER)
    other.bind(endpoint)
    with pytest.raises(ConnectionLost, match="no ROUTER"):
        Connection.open(endpoint, timeout_s=10)


@posix
def test_refusal_by_zap_is_a_sentence(context, tmp_path):
    """A ROUTER whose authentication denies us is reported as a refusal, not as silence."""
    endpoint = f"ipc://{tmp_path}/s"
    handler = context.socket(zmq.REP)
    handler.bind("inproc://zeromq.zap.01")
    _peer = router(context, endpoint, zap_domain=b"test")

    def deny():
        version, request, *_ = handler.recv_multipart()
        handler.send_multipart([version, request, b"400", b"no", b"", b""])

    answer = threading.Thread(target=deny)
    answer.start()
    with pytest.raises(ConnectionLost, match=r"refuses this connection \(400\)|closed the connection"):
        Connection.open(endpoint, timeout_s=10)
    answer.join()


def test_libzmq_accepts_our_handshake_as_complete(context, endpoint):
    """The ROUTER's own monitor reports a successful handshake and no failed one."""
    peer = context.socket(zmq.ROUTER)
    monitor = peer.get_monitor_socket()
    peer.bind(endpoint)
    with opened(endpoint):
        events = []
        while zmq.EVENT_HANDSHAKE_SUCCEEDED not in events:
            assert monitor.poll(10_000), events
            events.append(recv_monitor_message(monitor)["event"])
    assert not {zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL} & set(events)
    peer.disable_monitor()
    monitor.close(0)


# --- with peers of our own making ----------------------------------------------------------------------------

ROUTER_READY = framing.command(b"READY", b"\x0bSocket-Type" + (6).to_bytes(4, "big") + b"ROUTER")


class RawPeer:
    """A listening socket whose one connection a function serves, in a thread."""

    def __init__(self, serve):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.done = threading.Event()
        self._serve = serve
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        sock, _ = self.listener.accept()
        with sock, contextlib.suppress(OSError):
            sock.settimeout(20)
            self._serve(sock, self.done)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        with contextlib.suppress(OSError):
            socket.create_connection(self.listener.getsockname(), 1).close()
        self._thread.join(30)
        self.listener.close()


def saying(data, *, step=None, then=None):
    """A peer that sends bytes, in pieces of `step`, and then stays silent (or does `then`)."""

    def serve(sock, done):
        pieces = [data] if step is None else [data[at : at + step] for at in range(0, len(data), step)]
        for piece in pieces:
            sock.sendall(piece)
            if step is not None:
                time.sleep(0.001)
        if then is not None:
            then(sock)
        done.wait(20)

    return serve


def frame(body, **options):
    """A whole frame."""
    return framing.frame_header(len(body), **options) + body


HELLO = framing.GREETING + ROUTER_READY


@pytest.mark.parametrize("step", [1, 7, 64])
def test_slow_peer_is_understood(step):
    """A peer whose bytes come one by one is understood like any other."""
    message = frame(b"a", is_last=False) + frame(b"b" * 300)
    with RawPeer(saying(HELLO + message, step=step)) as peer, opened(peer.endpoint) as connection:
        assert received(connection) == [b"a", b"b" * 300]


def test_ping_is_answered_between_the_frames_of_a_message():
    """A PING in the middle of a message is answered with its context while the message goes on."""
    answers = []

    def serve(sock, _done):
        sock.sendall(HELLO + frame(b"a", is_last=False) + framing.command(b"PING", b"\x00\x05ctx"))
        heard = b""
        while b"PONGctx" not in heard:
            heard += sock.recv(4096)
        answers.append(heard)
        sock.sendall(frame(b"b"))
        _done.wait(20)

    with RawPeer(serve) as peer, opened(peer.endpoint) as connection:
        assert received(connection) == [b"a", b"b"]
    assert answers[0].endswith(framing.command(b"PONG", b"ctx"))


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\nServer: x\r\nConnection: close\r\n\r\n<html></html>\r\n\r\n",
        b"\x16\x03\x01" + b"\x00" * 100,
        b"\x00" * 200,
        os.urandom(200).replace(b"\xff", b"\x00"),
        framing.GREETING[:10] + b"\x01\x00" + bytes(52),
        framing.GREETING.replace(b"NULL", b"PLAI") + ROUTER_READY,
        framing.GREETING + b"\xff" * 20,
        framing.GREETING + frame(b"no command"),
        framing.GREETING + framing.command(b"HELLO", b""),
        framing.GREETING + framing.command(b"ERROR", b"\x03go away"),
        framing.GREETING + b"\x04\x00",
        framing.GREETING + framing.command(b"READY", b"\xff"),
        framing.GREETING + framing.ready(),
    ],
    ids=[
        "http",
        "tls",
        "zeros",
        "random",
        "zmtp 2",
        "plain",
        "flags",
        "message",
        "hello",
        "error",
        "empty",
        "cut",
        "dealer",
    ],
)
def test_garbage_server_is_refused(data):
    """Whatever answers that is no ROUTER of ZMTP 3 is refused with one sentence."""
    with RawPeer(saying(data)) as peer, pytest.raises(ConnectionLost) as caught:
        Connection.open(peer.endpoint, timeout_s=10)
    assert str(caught.value).endswith((".", "again."))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", framing.GREETING[:30], framing.GREETING, HELLO[:-3]], ids=len)
def test_silent_server_is_given_up_in_time(data):
    """A server that stops during the handshake is given up when the time is over, and `idle` is called until then."""
    ticks = []
    start = time.monotonic()
    with RawPeer(saying(data)) as peer, pytest.raises(ConnectionLost, match="does not answer"):
        Connection.open(peer.endpoint, timeout_s=0.4, idle=lambda: ticks.append(time.monotonic()))
    assert len(ticks) >= 4
    assert ticks[-1] - start >= 0.3


@pytest.mark.parametrize(
    "data",
    [
        framing.command(b"READY", b""),
        framing.command(b"SUBSCRIBE", b""),
        framing.command(b"PING", b"\x00"),
        framing.command(b"PING", b"x" * 19),
        framing.command(b"ERROR", b"\x04gone"),
        b"\x04\x05\x09PING",
        b"\x08\x00",
        b"\x02" + b"\xff" * 8,
        b"\x01\x00" * 3,
    ],
    ids=lambda data: data[:12].hex(),
)
def test_violation_after_the_handshake_closes(data):
    """A command or frame that has no place in the protocol ends the connection at once."""
    with RawPeer(saying(HELLO + data)) as peer, opened(peer.endpoint) as connection:
        with pytest.raises(ConnectionLost):
            received(connection)
        assert connection.is_closed


def test_silence_is_noticed():
    """A peer that says nothing, not even to our PINGs, is lost after the time of waiting given."""
    heard = []

    def listen(sock):
        while data := sock.recv(4096):
            heard.append(data)

    with RawPeer(saying(HELLO, then=listen)) as peer, opened(peer.endpoint, timing=QUICK) as connection:
        with pytest.raises(ConnectionLost, match="silent"):
            received(connection)
        assert connection.waited_s >= QUICK.silence_s
    assert b"".join(heard).count(framing.ping()) >= 2


def test_message_that_stops_is_noticed():
    """A message whose end never comes is given up although the peer still answers PINGs."""

    def answer(sock):
        while True:
            sock.sendall(framing.command(b"PONG", b""))
            time.sleep(0.02)

    data = HELLO + frame(b"a", is_last=False)
    with (
        RawPeer(saying(data, then=answer)) as peer,
        opened(peer.endpoint, timing=QUICK) as connection,
        pytest.raises(ConnectionLost, match="middle of a message"),
    ):
        received(connection)


def test_peer_that_takes_nothing_is_noticed():
    """When a peer takes none of our bytes the connection is given up although it still talks."""

    def talk(sock):
        while True:
            sock.sendall(framing.command(b"PONG", b""))
            time.sleep(0.02)

    with RawPeer(saying(HELLO, then=talk)) as peer, opened(peer.endpoint, timing=QUICK) as connection:
        for _ in range(20):
            connection.send([b"SRP1", b"h", PAYLOAD])
        assert connection.unsent_bytes
        with pytest.raises(ConnectionLost, match="does not take"):
            received(connection)


def test_time_spent_elsewhere_is_not_the_peers():
    """A program that was busy for longer than the silence allowed still reads what has come meanwhile."""
    with RawPeer(saying(HELLO + frame(b"early"))) as peer, opened(peer.endpoint, timing=QUICK) as connection:
        time.sleep(2 * QUICK.silence_s)
        assert received(connection) == [b"early"]


def test_flood_of_pings_does_not_fill_the_memory():
    """A peer that PINGs without end and reads nothing gets a bounded number of answers queued."""

    def flood(sock):
        while True:
            sock.sendall(framing.command(b"PING", b"\x00\x00" + b"x" * 16) * 1000)

    with RawPeer(saying(HELLO, then=flood)) as peer, opened(peer.endpoint) as connection:
        for _ in itertools.repeat(None, 20):
            connection.receive(0.05)
        assert connection.unsent_bytes < 10_000


def test_what_was_said_before_the_end_is_still_read():
    """A message that the peer sent before it closed is received even after our own sending failed."""

    def leave(sock):
        sock.shutdown(socket.SHUT_RDWR)

    with RawPeer(saying(HELLO + frame(b"bye"), then=leave)) as peer, opened(peer.endpoint) as connection:
        time.sleep(0.1)
        for _ in range(3):
            connection.send([b"x"])
            time.sleep(0.05)
        assert received(connection) == [b"bye"]
        with pytest.raises(ConnectionLost):
            received(connection)


# --- addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://0.0.0.0:5555",
        "tcp://localhost:5555",
        "tcp://192.168.0.1:5555",
        "tcp://[::1]:5555",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:٣",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:80:90",
        "ipc://relative",
        "ipc://@abstract",
        "ipc://",
        "ipc:///a\x00b",
        "inproc://x",
        "udp://127.0.0.1:1",
        "",
        "x" * 5000,
    ],
    ids=lambda endpoint: endpoint[:24].replace("\x00", "0"),
)
def test_only_addresses_on_this_computer_are_used(endpoint):
    """Every other host, scheme or form of address is refused without any connection."""
    with pytest.raises(ConnectionLost, match="not one on this computer"):
        Connection.open(endpoint, timeout_s=1)


@posix
def test_missing_and_impossible_sockets_are_sentences(tmp_path):
    """No socket, no listener, a plain file and a too long path are one sentence each."""
    (tmp_path / "file").write_text("", "utf-8")
    deaf = socket.socket(socket.AF_UNIX)
    deaf.bind(str(tmp_path / "deaf"))
    for name in ("none", "file", "deaf", "long" * 60):
        with pytest.raises(ConnectionLost, match="Nothing answers"):
            Connection.open(f"ipc://{tmp_path}/{name}", timeout_s=1)
    deaf.close()


@posix
def test_full_queue_of_connections_is_waited_for(tmp_path):
    """A Unix listener that accepts nobody keeps us trying, with `idle`, until the time is over."""
    path = str(tmp_path / "s")
    ticks = []
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            waiting.connect_ex(path)
        with pytest.raises(ConnectionLost, match="does not answer"):
            Connection.open(f"ipc://{path}", timeout_s=0.3, idle=lambda: ticks.append(1))
    assert len(ticks) >= 3


@posix
def test_socket_in_a_folder_with_any_name_is_reached(context, tmp_path):
    """A path with spaces and letters beyond ASCII works."""
    folder = tmp_path / "Ünï côdé 画"
    folder.mkdir()
    peer = router(context, f"ipc://{folder}/s")
    with opened(f"ipc://{folder}/s") as connection:
        sent(connection, [b"x"])
        assert peer.recv_multipart()[1] == b"x"


@posix
def test_socket_of_another_user_is_refused(context, tmp_path, monkeypatch):
    """A daemon that runs as somebody else is refused right after connecting."""
    _peer = router(context, f"ipc://{tmp_path}/s")
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(ConnectionLost, match="another user"):
        Connection.open(f"ipc://{tmp_path}/s", timeout_s=5)
