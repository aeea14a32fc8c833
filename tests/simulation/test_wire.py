"""The way to a server that is away, busy or rude."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from backend.simulation import wire as wires
from backend.simulation.wire import Counters, Unreachable, Wire


@pytest.fixture
def server():
    """A server that says what is in `answers`, one after the other; None hangs up."""
    answers, heard = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            heard.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            said = answers.pop(0)
            if said is None:
                self.connection.close()
                return
            status, headers = said
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    served: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    served.answers, served.heard = answers, heard
    yield served
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture
def wire(server, monkeypatch):
    monkeypatch.setattr(wires, "FIRST_WAIT_S", 0.01)
    made = Wire(f"http://127.0.0.1:{server.server_port}", Counters(), threading.Event())
    yield made
    made.close()


def test_an_alert_is_sent_again_until_it_is_taken_always_the_same(server, wire):
    server.answers += [None, (503, {}), (500, {}), (429, {"Retry-After": "0"}), (201, {})]
    assert wire.insist("PUT", "/v1/alerts/1", {"category": "other"}).status == 201
    assert server.heard == [("/v1/alerts/1", {"category": "other"})] * 5
    assert wire.counters.all()["retries"] == 4


def test_a_refusal_is_an_answer(server, wire):
    server.answers += [(409, {})]
    assert wire.insist("PUT", "/v1/alerts/1", {}).status == 409
    assert len(server.heard) == 1


def test_who_stops_does_not_wait_for_the_server(server, wire):
    server.answers += [(503, {})]
    wire.stop.set()
    with pytest.raises(Unreachable):
        wire.insist("PUT", "/v1/alerts/1", {})
