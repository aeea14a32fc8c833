"""The way to a server: HTTP that waits and tries again, as a phone in a tunnel does."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any, NamedTuple

import requests

TIMEOUT = (3.05, 10.0)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 8.0


class Unreachable(Exception):
    """No answer: the server is away, or the tunnel is long."""


class Answer(NamedTuple):
    """What the server said."""

    status: int
    body: Any
    headers: Any

    @property
    def ok(self) -> bool:
        """True for a success."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The problem's stable code; "" for a success."""
        return "" if self.ok else str((self.body or {}).get("code", self.status))


class Counters:
    """What happened so far, counted by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, what: str, number: int = 1) -> None:
        """One more of these."""
        with self._lock:
            self._counts[what] += number

    def all(self) -> dict[str, int]:
        """A copy of all the counts."""
        with self._lock:
            return dict(self._counts)


class Wire:
    """One client's connection to one Vigie, with its token."""

    def __init__(self, url: str, counters: Counters, stop: threading.Event) -> None:
        self.url = url.rstrip("/")
        self.counters = counters
        self.stop = stop
        self.token: str | None = None
        self.token_refused = False
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the machine has no business between here and 127.0.0.1

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        """The server's answer, whatever it is; raises `Unreachable` when there is none."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            reply = self._session.request(
                method, self.url + path, json=body, params=query or None, headers=headers, timeout=TIMEOUT,
            )
        except requests.RequestException as error:
            self.counters.add("unreachable")
            raise Unreachable(type(error).__name__) from error
        try:
            content = reply.json() if reply.content else None
        except ValueError:
            content = None
        answer = Answer(reply.status_code, content, reply.headers)
        if answer.status == 401:
            self.token_refused = True
        if not answer.ok and reply.status_code != 304:
            self.counters.add(f"refused: {answer.code}")
        return answer

    def insist(self, method: str, path: str, body: Any = None, *, for_s: float = 600, **query: Any) -> Answer:
        """As `ask`, again and again while the server is away or busy: always the same request."""
        until, wait = time.monotonic() + for_s, FIRST_WAIT_S
        while True:
            try:
                answer = self.ask(method, path, body, **query)
            except Unreachable:
                if time.monotonic() > until:
                    raise
            else:
                told = answer.headers.get("Retry-After", "")
                if (answer.status < 500 and answer.status != 429) or time.monotonic() > until:
                    return answer
                wait = max(wait, float(told)) if told.isdecimal() else wait
            self.counters.add("retries")
            if self.stop.wait(wait):
                raise Unreachable("stopped")
            wait = min(wait * 2, LONGEST_WAIT_S)

    def sign_in(self, login: str, password: str) -> Answer:
        """Signs a member of staff in; the token is used from then on."""
        self.token = None
        answer = self.insist("POST", "/v1/sessions", {"login": login, "password": password}, for_s=86_400)
        if answer.ok:
            self.token, self.token_refused = answer.body["access_token"], False
        return answer

    def close(self) -> None:
        """Ends the connection."""
        self._session.close()
