"""An HTTP server on 127.0.0.1 that stands for one outside: scripted answers first, then what a request deserves."""

import contextlib
import json
import socket
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What a provider says to one request; `hang` says that it sends the headers and then nothing more."""

    status: int = 200
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0
    hang: bool = False


@dataclass(frozen=True)
class Heard:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


class Provider:
    """A server that remembers each request and gives scripted answers first; `with` ends it."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.connections = 0
        self.open: set[socket.socket] = set()
        self._script: deque[Answer] = deque()
        self._always: Answer | None = None
        self.news = threading.Condition()
        self._over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=lambda: self._server.serve_forever(0.02), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server, whatever hangs, and every connection that a client keeps open."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        for one in list(self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def answers(self, *script: Answer) -> None:
        """The next requests get these answers, one each."""
        self._script.extend(script)

    def forget_script(self) -> None:
        """From now on every request gets what it deserves, whatever was scripted."""
        self._script.clear()
        self._always = None

    def always(self, answer: Answer | None) -> None:
        """From now on every request gets this answer; with None, what it deserves again."""
        self._always = answer

    def wait_for(self, count: int, timeout_s: float = 10) -> list[Heard]:
        """What was heard, as soon as there are so many."""
        with self.news:
            if not self.news.wait_for(lambda: len(self.heard) >= count, timeout_s):
                raise AssertionError(f"{type(self).__name__} heard {len(self.heard)} of {count} in {timeout_s} s")
            return list(self.heard)

    def answer_to(self, heard: Heard) -> Answer:
        """The scripted answer, else what this request deserves."""
        with self.news:
            self.heard.append(heard)
            self.news.notify_all()
            if self._script:
                return self._script.popleft()
        return self._always or self.deserved(heard)

    def deserved(self, heard: Heard) -> Answer:
        """What a provider in good health answers."""
        raise NotImplementedError

    def wait(self, seconds: float) -> None:
        """A pause that ends with the server."""
        self._over.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # headers and body are two writes: 40 ms between them otherwise

        def setup(self) -> None:
            super().setup()
            provider.connections += 1
            provider.open.add(self.connection)

        def finish(self) -> None:
            provider.open.discard(self.connection)
            with contextlib.suppress(OSError):
                super().finish()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard = Heard(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            answer = provider.answer_to(heard)
            data = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
            if answer.delay_s:
                provider.wait(answer.delay_s)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) + (1 if answer.hang else 0)))
            self.end_headers()
            self.wfile.write(data)
            if answer.hang:
                self.wfile.flush()
                provider.wait(3600)
                self.close_connection = True

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:  # a client that gave up while it waited
                self.close_connection = True

        def log_message(self, *_arguments: object) -> None:
            """Says nothing."""

    return Handler
