"""The transport under the sockets: the traps of the stock stack, each shown to be closed."""

import importlib.metadata
import resource
import socket
import struct
import threading
import time
import uuid
from pathlib import Path

import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st
from socketio.manager import Manager
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from backend import feed, socket_transport
from backend.socket_rooms import Rooms
from backend.socket_server import VERSIONS
from backend.socket_transport import MAX_BACKLOG_BYTES, MAX_MESSAGE_BYTES, Budget, Link, frame
from tests.sockets import QUICK, LiveServer, eventually

MASK = b"\x01\x02\x03\x04"


@pytest.fixture(scope="module")
def live(sqlite_copies):
    from tests.fakes import FakeClock
    from tests.migrated import HEAD

    with LiveServer(sqlite_copies.copy(HEAD), FakeClock()).running() as server:
        yield server


@pytest.fixture
def quick(sqlite_copies, clock):
    from tests.migrated import HEAD

    with LiveServer(sqlite_copies.copy(HEAD), clock, QUICK).running() as server:
        yield server


@pytest.fixture
def pair():
    """(our end as a Link, the peer's bare socket)."""
    links = []

    def connect() -> tuple[Link, socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        link = Link(ours, b"")
        links.append((link, ours, peer))
        return link, peer

    yield connect
    for link, ours, peer in links:
        link.cut("over")
        peer.close()
        ours.close()


def masked(payload: bytes, opcode: int = 1, *, fin: bool = True) -> bytes:
    """A client's frame."""
    head = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += struct.pack("!BH", 0x80 | 126, size)
    else:
        head += struct.pack("!BQ", 0x80 | 127, size)
    return head + MASK + bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


def messages_in(data: bytes) -> list[str]:
    """What a client reads from the server's bytes; fails on anything that is not whole frames."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    found: list[str] = []
    part = ""
    for event in client.events():
        assert isinstance(event, TextMessage), event
        part += event.data
        if event.message_finished:
            found.append(part)
            part = ""
    assert not part
    return found


def test_the_private_methods_that_are_overridden_belong_to_these_versions():
    assert {name: importlib.metadata.version(name) for name in VERSIONS} == VERSIONS


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_frames_are_what_rfc_6455_says(size):
    assert messages_in(frame("x" * size)) == (["x" * size])
    assert messages_in(frame("é" * 100)) == ["é" * 100]


def in_pieces(peer: socket.socket, data: bytes, step: int) -> None:
    """Sends so many bytes at a time."""
    for start in range(0, len(data), step):
        peer.sendall(data[start : start + step])


@given(texts=st.lists(st.text(max_size=300), min_size=1, max_size=6), data=st.data())
@settings(max_examples=40, deadline=None)
def test_messages_survive_any_fragments_and_any_packets(texts, data):
    sent = b""
    for text in texts:
        payload = text.encode()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        for number, part in enumerate(parts):
            sent += masked(part, 1 if number == 0 else 0, fin=number == len(parts) - 1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with peer, ours:
        link = Link(ours, b"")
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = data.draw(st.integers(1, max(1, len(sent))))
        sender = threading.Thread(target=in_pieces, args=(peer, sent, step))
        sender.start()
        assert [link.receive() for _ in texts] == texts
        sender.join()


# -- bounded in -------------------------------------------------------------------------------------------


def test_a_message_of_60_mb_is_refused_before_it_is_in_memory(live):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bare = live.bare()
    wire = bare.ws.sock
    wire.sendall(struct.pack("!BBQ", 0x81, 0x80 | 127, 60_000_000) + MASK)
    chunk = b"\x20" * 65_536
    try:
        for _ in range(60_000_000 // len(chunk)):
            wire.sendall(chunk)
    except OSError:
        pass  # the server has had enough
    closed = bare.closing()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 8 * 1024, f"{grown_kib} KiB more memory"
    assert closed.code in (1009, 1006)
    eventually(lambda: not live.live.server.eio.sockets)


def test_a_message_over_64_kib_is_closed_with_1009(live):
    bare = live.bare()
    bare.ws.send("4" + "x" * MAX_MESSAGE_BYTES)
    assert bare.closing().code == 1009
    bare = live.bare()
    for number in range(20):
        bare.ws.sock.sendall(masked(b"x" * 5_000, 1 if number == 0 else 0, fin=False))
    assert bare.closing().code == 1009


@pytest.mark.parametrize("flood", [masked(b"", 0, fin=False), masked(b"", 9)], ids=["fragments", "pings"])
def test_frames_that_never_make_a_message_are_counted_too(live, flood):
    bare = live.bare()
    bare.ws.sock.sendall(masked(b"4", fin=False) + flood * 1_000)
    closed = bare.closing()
    assert (closed.code, closed.reason) == (1008, "too many frames")


@pytest.mark.parametrize(
    "bad",
    [b"\x81\x05hello", b"\xff\x80" + MASK, b"\x83\x80" + MASK, masked(b"\xff\xfe"), masked(b"x", 0)],
    ids=["unmasked", "reserved bits", "reserved opcode", "not utf-8", "stray continuation"],
)
def test_broken_frames_end_the_connection(live, bad):
    bare = live.bare()
    bare.ws.sock.sendall(bad)
    assert bare.closing().code in (1002, 1007)


def test_compression_is_never_agreed_to(live):
    bare = live.bare(headers=["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"])
    assert "sec-websocket-extensions" not in bare.ws.getheaders()


@pytest.mark.parametrize("header", ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: short", "Sec-WebSocket-Key: !!!!"])
def test_a_wrong_handshake_is_answered_with_400(live, header):
    name = header.partition(":")[0]
    usual = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw=="} | {name: ""}
    lines = [f"{key}: {value}" for key, value in usual.items() if value] + [header]
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as wire:
        wire.sendall(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\n{chr(13) + chr(10)}".replace("\r\n\r\n", "\r\n").encode()
            + "\r\n".join(lines).encode()
            + b"\r\n\r\n"
        )
        assert b" 400 " in wire.recv(200).split(b"\r\n")[0]


def test_beyond_its_limit_a_process_says_so(live, monkeypatch):
    monkeypatch.setattr(live.live.server.eio, "max_sockets", len(live.live.server.eio.sockets) + 1)
    live.bare()
    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        live.bare()


def test_a_budget_refills_with_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    budget = Budget(3, 2)
    assert [budget.take() for _ in range(4)] == [True, True, True, False]
    now[0] += 1
    assert [budget.take() for _ in range(3)] == [True, True, False]
    now[0] += 1_000
    assert [budget.take() for _ in range(4)] == [True, True, True, False]


# -- bounded out ------------------------------------------------------------------------------------------


def test_a_slow_reader_gets_every_frame_whole(pair):
    link, peer = pair()
    texts = [f"{number}:" + "x" * 20_000 for number in range(20)]
    sent = frame(texts[0])
    filled = 0
    while not link._backlog:  # until the kernel takes no more, a frame goes out at once
        link.send(sent)
        filled += 1
        assert filled < 10_000
    for text in texts[1:8]:
        link.send(frame(text))
    assert link.ended_by is None
    received = bytearray()
    wanted = filled + 7
    peer.settimeout(5)
    while len(received) < wanted * len(sent):
        received += peer.recv(1_000_000)
    assert messages_in(bytes(received)) == [texts[0]] * filled + texts[1:8]


def test_a_reader_that_stopped_is_cut_and_holds_nobody_up(live):
    _, token = live.staff("operator")
    stalled, healthy = live.bare(), live.phone("/control", token)
    stalled.sign_in("/control", token)
    stalled.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    healthy.hears("welcome")
    text = "x" * 15_000
    for number in range(400):
        live.put(feed.CONTROL, "message.added", {"n": number, "text": text})
        time.sleep(0.004)  # the healthy phone lives in this process too and needs its share of it
    healthy.hears("message.added", timeout=15, where=lambda data: data["n"] == 399)
    eventually(lambda: len(live.live.server.eio.sockets) == 1, timeout=6, what="cutting the stalled reader")
    assert len(healthy.all_heard("message.added")) == 400
    healthy.close()


def test_a_frame_does_not_wait_for_ever(pair, monkeypatch):
    monkeypatch.setattr(socket_transport, "MAX_BLOCKED_S", 0.3)
    link, _ = pair()
    while link._backlog_bytes < MAX_BACKLOG_BYTES / 2:
        link.send(frame("x" * 20_000))
    eventually(lambda: link.ended_by == "slow_reader")


def test_a_backlog_is_bounded(pair):
    link, _ = pair()
    data = frame("x" * 20_000)
    most = 0
    for _ in range(2_000):
        link.send(data)
        most = max(most, link._backlog_bytes)
        if link.ended_by is not None:
            break
    assert link.ended_by == "slow_reader"
    assert most <= MAX_BACKLOG_BYTES
    assert not link._backlog


def test_the_goodbye_comes_after_everything_else(pair):
    link, peer = pair()
    while not link._backlog:
        link.send(frame("x" * 20_000))
    link.close(1001, "later")
    link.send(frame("too late"))
    received = b""
    peer.settimeout(5)
    while data := peer.recv(1_000_000):
        received += data
    assert received.endswith(struct.pack("!BBH", 0x88, 7, 1001) + b"later")
    assert messages_in(received[:-9])
    peer.close()
    assert link.receive() is None


# -- the end always comes ---------------------------------------------------------------------------------


def readers() -> int:
    """Threads that serve a connection, of whatever server of this process."""
    return sum("process_request" in thread.name for thread in threading.enumerate())


def test_a_peer_that_answers_no_ping_is_freed_with_its_thread(quick):
    token, before = quick.rider()[1], readers()
    silent = quick.bare()
    silent.sign_in("/rider", token)
    assert readers() == before + 1, "one thread per socket, no more"
    eventually(lambda: not quick.live.server.eio.sockets, what="freeing a silent peer")
    eventually(lambda: readers() == before, what="freeing its thread")
    assert not quick.live.sockets.connections
    assert not quick.live.server.manager.rooms


def test_with_the_real_times_a_vanished_peer_is_gone_within_15_seconds(live):
    timing = live.live.server.eio.timing
    assert timing.ping_every_s + timing.pong_within_s + timing.tick_s < 15
    bare = live.bare()
    link = live.live.server.eio.sockets[bare.opened["sid"]].link
    assert 0 < link._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) < 15_000
    assert link._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert bare.opened["pingInterval"] + bare.opened["pingTimeout"] < 15_000, "the phone notices as fast"


def test_a_peer_that_answers_stays(quick):
    phone = quick.phone("/rider", quick.rider()[1])
    time.sleep(2.5 * (QUICK.ping_every_s + QUICK.pong_within_s))
    assert phone.tell("ping_app")["ok"]


def test_a_peer_that_never_says_goodbye_back_is_cut(quick):
    bare = quick.bare()
    bare.sign_in("/rider", quick.rider()[1])
    bare.ws.sock.sendall(masked(b"9"))
    assert quick.live.server.eio.sockets
    eventually(lambda: not quick.live.server.eio.sockets, timeout=QUICK.leave_within_s + 1)


def test_a_peer_that_resets_is_forgotten(live):
    bare = live.bare()
    bare.sign_in("/rider", live.rider()[1])
    bare.ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bare.ws.sock.close()
    eventually(lambda: not live.live.sockets.connections)


def test_no_descriptor_is_left_behind(live):
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    eventually(lambda: not live.live.server.eio.sockets)
    before = descriptors()
    for number in range(30):
        bare = live.bare()
        if number % 3 == 0:
            bare.ws.send("9")
            bare.closing()
        bare.ws.shutdown()
    eventually(lambda: not live.live.server.eio.sockets)
    eventually(lambda: descriptors() <= before + 2, what="closing descriptors")


# -- thousands at once ------------------------------------------------------------------------------------


def fill(manager: Manager, count: int) -> list[str]:
    """So many connected sockets, each in a room of its own and in one that all share."""

    class Engine:
        def generate_id(self) -> str:
            return uuid.uuid4().hex

    manager.server = type("Server", (), {"eio": Engine()})()
    sids = []
    for number in range(count):
        sid = manager.connect(f"eio{number}", "/rider")
        manager.enter_room(sid, "/rider", f"device:{number}")
        manager.enter_room(sid, "/rider", "shared")
        sids.append(sid)
    return sids


def leave_all(manager: Manager, sids: list[str]) -> float:
    """Seconds of the processor that it takes when all of them vanish."""
    began = time.thread_time()
    for sid in sids:
        manager.pre_disconnect(sid, "/rider")
        manager.disconnect(sid, "/rider")
    return time.thread_time() - began


def test_a_mass_disconnect_is_not_quadratic():
    ours, stock = Rooms(), Manager()
    seconds = leave_all(ours, fill(ours, 2_000))
    stock_seconds = leave_all(stock, fill(stock, 2_000))
    assert seconds < stock_seconds / 5, (seconds, stock_seconds)
    assert ours.rooms == stock.rooms == {}
    assert not ours._rooms_of


def test_rooms_answer_as_the_stock_manager_does():
    ours, stock = Rooms(), Manager()
    for manager in (ours, stock):
        one, two = fill(manager, 2)
        assert dict(manager.get_participants("/rider", "shared")) == {one: "eio0", two: "eio1"}
        assert dict(manager.get_participants("/rider", one)) == {one: "eio0"}
        assert dict(manager.get_participants("/rider", ["device:0", "nowhere"])) == {one: "eio0"}
        assert dict(manager.get_participants("/rider", "nowhere")) == {}
        assert dict(manager.get_participants("/none", "nowhere")) == {}
        manager.leave_room(one, "/rider", "shared")
        assert dict(manager.get_participants("/rider", "shared")) == {two: "eio1"}
        assert {"device:1", "shared"} <= set(manager.get_rooms(two, "/rider"))
        with pytest.raises(ValueError, match="sid room"):
            manager.enter_room(one, "/rider", two)
        assert manager.is_connected(two, "/rider")
        assert manager.sid_from_eio_sid("eio1", "/rider") == two
        manager.close_room("shared", "/rider")
        assert dict(manager.get_participants("/rider", "shared")) == {}
        manager.disconnect(two, "/rider")
        assert not manager.is_connected(two, "/rider")


def test_gevent_websocket_is_not_installed():
    assert not list(Path(websocket.__file__).parents[1].glob("geventwebsocket")), "python-engineio would pick it"
