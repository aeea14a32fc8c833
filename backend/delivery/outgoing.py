"""Calls to providers: bounded in time and size, never repeated, never redirected, and every failure has a name."""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError

# Its warnings quote whole addresses, and a push address is a secret.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)
MOST_BYTES = 65_536
LEAST_S = 0.2
_LONGEST_WAIT_S = 86_400.0
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


class NotAnswered(Exception):
    """A provider gave no usable answer; `code` says what happened. Whether it took the message is unknown."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class PrivatePlace(OSError):
    """A host that is to be a public one has an address inside the network; nothing was said to it."""


@dataclass(frozen=True)
class Deadline:
    """Until when one message may take, whatever steps it needs."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left_s(self) -> float:
        """What is left of it; never so little that a call could not even begin."""
        return max(LEAST_S, self.at - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether there is time for another call."""
        return self.at - time.monotonic() < LEAST_S


class Line(requests.Session):
    """One shared set of connections to one kind of provider; safe for the threads of a channel.

    `public`: refuse hosts whose name leads to an address inside the network.
    """

    def __init__(self, *, connections: int = 8, public: bool = False) -> None:
        super().__init__()
        # Retries inside would sleep for minutes, and send twice what was sent once: the outbox tries again.
        options: dict[str, Any] = {
            "pool_connections": connections, "pool_maxsize": connections, "pool_block": True, "max_retries": 0,
        }  # fmt: skip
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(public=public, **options))
        # Packed answers could unpack to more than the machine has.
        self.headers["Accept-Encoding"] = "identity"
        # Nobody's cookie goes along with the next person's message.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # A netrc of whoever runs this would take the place of our own Authorization.
        self.auth = _as_it_is

    def request(  # type: ignore[override]
        self, method: str, url: str, *, timeout: float, **options: Any
    ) -> requests.Response:
        """The answer, read whole; `timeout` is for everything together."""
        deadline = Deadline.after(timeout)
        options |= {"allow_redirects": False, "stream": True}
        with _named_failures(deadline):
            in_all: Any = Timeout(total=deadline.left_s)
            answer = super().request(method, url, timeout=in_all, **options)
            _read(answer, deadline)
        return answer


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` asks for, written as a number or as a date; None for anything else."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return min(max(0.0, (at - now).total_seconds()), _LONGEST_WAIT_S)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _read(answer: requests.Response, deadline: Deadline) -> None:
    # A body that drips a byte at a time keeps every single read within its time-out: each is looked at by itself.
    parts, size = [], 0
    while part := answer.raw.read1(4096, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            break
        if time.monotonic() > deadline.at:
            answer.close()
            raise NotAnswered("timeout")
    if size > MOST_BYTES:
        answer.close()  # what is left of it is not to be read by the next message
    answer._content = b"".join(parts)[:MOST_BYTES]  # noqa: SLF001 - what requests itself does when it reads
    answer._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001


@contextmanager
def _named_failures(deadline: Deadline) -> Iterator[None]:
    try:
        yield
    except requests.Timeout:
        raise NotAnswered("timeout") from None
    except requests.exceptions.SSLError:
        raise NotAnswered("tls") from None
    except requests.exceptions.ProxyError:
        raise NotAnswered("proxy") from None
    except requests.ConnectionError as error:
        late = time.monotonic() >= deadline.at  # a cut by ourselves comes as a lost connection
        raise NotAnswered("private_address" if _is_private(error) else "timeout" if late else "unreachable") from None
    except ReadTimeoutError:
        raise NotAnswered("timeout") from None
    except (requests.RequestException, HTTPError):
        raise NotAnswered("broken_answer") from None


def _is_private(error: BaseException) -> bool:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None or isinstance(seen, PrivatePlace):
            break
        inside = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else None
        seen = seen.__cause__ or seen.__context__ or getattr(seen, "reason", None) or inside
    return isinstance(seen, PrivatePlace)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class _Timed(HTTPConnection):
    """Headers that drip a byte at a time keep each single read within its time-out; this ends the whole."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        over = threading.Event()
        cut = threading.Timer(self.timeout or 0, _cut, (self.sock, over))
        cut.daemon = True
        cut.start()
        try:
            answer = super().getresponse()
        finally:
            cut.cancel()
        if over.is_set():
            answer.close()
            raise TimeoutError("cut in the middle of the headers, which then look complete")
        return answer


class _TimedTls(_Timed, HTTPSConnection):
    pass


class _Public(_TimedTls):
    def _new_conn(self) -> socket.socket:
        # Looked at on the connection itself: a name that is asked twice may answer twice.
        made = super()._new_conn()
        if self.proxy is None and not ipaddress.ip_address(made.getpeername()[0]).is_global:
            made.close()
            raise PrivatePlace("an address inside the network")
        return made


class _TimedPool(HTTPConnectionPool):
    ConnectionCls = _Timed


class _TimedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _TimedTls


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _Public


class _Adapter(HTTPAdapter):
    def __init__(self, *, public: bool, **options: Any) -> None:
        self._pools = {"http": _TimedPool, "https": _PublicPool if public else _TimedTlsPool}
        super().__init__(**options)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools


def _cut(connection: socket.socket | None, over: threading.Event) -> None:
    over.set()
    with suppress(OSError):
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)
