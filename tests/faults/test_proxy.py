"""The proxy breaks connections in exactly the ways that experiments rely on."""

import contextlib
import socket
import socketserver
import threading
import time

import pytest

from faults.proxy import Proxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(65_536):
                self.request.sendall(data)


@pytest.fixture
def proxy():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        made = Proxy(server.server_address[1])
        yield made
        made.close()
        server.shutdown()


@pytest.fixture
def client(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as made:
        yield made


def read(client, count):
    data = b""
    while len(data) < count and (more := client.recv(65_536)):
        data += more
    return data


def test_passes_everything_on_when_nothing_is_wrong(client):
    words = b"x" * 300_000
    threading.Thread(target=client.sendall, args=(words,)).start()
    assert read(client, len(words)) == words


def test_delays(proxy, client):
    proxy.down(delay_s=0.2)
    began = time.monotonic()
    client.sendall(b"hello")
    assert read(client, 5) == b"hello"
    assert time.monotonic() - began >= 0.2


def test_throttles(proxy, client):
    proxy.down(bytes_per_s=1000)
    began = time.monotonic()
    client.sendall(b"x" * 300)
    assert len(read(client, 300)) == 300
    assert time.monotonic() - began >= 0.15


def test_resets_on_the_nth_byte(proxy, client):
    proxy.down(reset_after=7)
    client.sendall(b"abc")
    assert read(client, 3) == b"abc"
    client.sendall(b"defghij")
    with pytest.raises(ConnectionResetError):
        read(client, 100)


def test_a_black_hole_takes_and_gives_nothing_and_says_nothing(proxy, client):
    proxy.down(black_hole=True)
    client.sendall(b"hello")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(5)
    proxy.heal()
    client.sendall(b"again")
    client.settimeout(5)
    assert read(client, 5) == b"again"


def test_half_closes_after_so_many_bytes(proxy, client):
    proxy.down(close_after=3)
    client.sendall(b"hello")
    assert read(client, 5) == b"hel"
    client.sendall(b"the way up is open still")


def test_refuses_new_connections_and_takes_them_again(proxy, client):
    client.sendall(b"here")
    assert read(client, 4) == b"here"
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
    client.sendall(b"hello")
    assert read(client, 5) == b"hello"
    proxy.accept()
    socket.create_connection(("127.0.0.1", proxy.port), timeout=5).close()


def test_cuts_what_is_open_with_a_reset(proxy, client):
    client.sendall(b"hello")
    assert read(client, 5) == b"hello"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(5)
