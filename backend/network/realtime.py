"""Following a GTFS-Realtime feed of vehicle positions: fetched again and again, through outages and nonsense."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click
import requests

from backend.database import Database
from backend.network import reported
from backend.network.vehicle_reports import FeedUnreadable, read_feed

CONNECT_S, READ_S, WHOLE_S = 5.0, 10.0, 20.0
LARGEST = 32 * 1024 * 1024
LONGEST_PAUSE_S = 300.0


class FeedAway(OSError):
    """The feed could not be had; the text says why, and never with what key it was asked for."""


@dataclass(frozen=True)
class Poll:
    """What became of one look at the feed: stored, unchanged, without_vehicles, unreadable or away."""

    outcome: str
    vehicles: int = 0
    on_line: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    why: str = ""

    def line(self) -> str:
        """For people, on one line."""
        parts = [self.outcome.replace("_", " ")]
        if self.outcome == "stored":
            parts = [f"{self.vehicles} vehicles, {self.on_line} on their line"]
        if self.dropped:
            parts.append("dropped: " + ", ".join(f"{count} {why}" for why, count in sorted(self.dropped.items())))
        return "; ".join([*parts, *([self.why] if self.why else [])])


class Source:
    """One feed's address: http(s), file:// or a path. Asks for nothing that it has already."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._validators: dict[str, str] = {}
        self._modified: tuple[int, int] | None = None

    def fetch(self) -> bytes | None:
        """The feed's bytes, None when they are the same as before; raises `FeedAway`."""
        parts = urlsplit(self._address)
        if parts.scheme in ("http", "https"):
            return self._download()
        return self._read(Path(url2pathname(parts.path)) if parts.scheme == "file" else Path(self._address))

    def forget(self) -> None:
        """Asks for the whole feed next time: what came was not used."""
        self._validators, self._modified = {}, None

    def _read(self, path: Path) -> bytes | None:
        try:
            known = path.stat()
            if self._modified == (known.st_mtime_ns, known.st_size):
                return None
            if known.st_size > LARGEST:
                raise FeedAway(f"larger than {LARGEST >> 20} MB")
            body = path.read_bytes()
        except OSError as error:
            raise FeedAway(error.strerror or str(error)) from None
        self._modified = (known.st_mtime_ns, known.st_size)
        return body

    def _download(self) -> bytes | None:
        headers = {"Accept": "application/x-protobuf, application/octet-stream, */*", **self._validators}
        try:
            with requests.get(self._address, headers=headers, timeout=(CONNECT_S, READ_S), stream=True) as answer:
                if answer.status_code == 304:
                    return None
                if answer.status_code != 200:
                    raise FeedAway(f"answered {answer.status_code}")
                body = _whole(answer)
        except (requests.RequestException, ValueError) as error:
            raise FeedAway(type(error).__name__) from None
        found = {"If-None-Match": answer.headers.get("ETag"), "If-Modified-Since": answer.headers.get("Last-Modified")}
        self._validators = {name: value for name, value in found.items() if value}
        return body


def _whole(answer: requests.Response) -> bytes:
    # The read timeout begins anew with each byte: a feed that drips must not hold us for ever.
    until, body = time.monotonic() + WHOLE_S, bytearray()
    for piece in answer.iter_content(64 * 1024):
        body += piece
        if len(body) > LARGEST:
            raise FeedAway(f"larger than {LARGEST >> 20} MB")
        if time.monotonic() > until:
            raise FeedAway(f"slower than {WHOLE_S:.0f} s")
    return bytes(body)


class Follower:
    """Looks at one feed at a steady pace, less often while it fails. `stop()` ends `run()`."""

    def __init__(
        self, database: Database, source: Source, now: Callable[[], datetime], *, every_s: float = 15.0
    ) -> None:
        self._database = database
        self._source = source
        self._now = now
        self._every_s = every_s
        self._stopped = threading.Event()
        self.failures = 0

    @property
    def pause_s(self) -> float:
        """How long until the next look: twice as long after each failure, five minutes at most."""
        return float(min(self._every_s * 2 ** min(self.failures, 10), max(LONGEST_PAUSE_S, self._every_s)))

    def run(self, tell: Callable[[Poll], None]) -> None:
        """Follows until `stop`; tells of each look whose result is another than the last one's."""
        told = None
        while not self._stopped.is_set():
            poll = self.poll()
            if (poll.outcome, poll.why, sorted(poll.dropped)) != told and poll.outcome != "unchanged":
                told = (poll.outcome, poll.why, sorted(poll.dropped))
                tell(poll)
            self._stopped.wait(self.pause_s)

    def stop(self) -> None:
        """Ends `run` after the present look."""
        self._stopped.set()

    def poll(self) -> Poll:
        """One look at the feed; whatever goes wrong is an outcome, never an exception."""
        try:
            poll = self._look()
        except FeedAway as away:
            poll = Poll("away", why=str(away))
        except FeedUnreadable as unreadable:
            poll = Poll("unreadable", why=str(unreadable))
        except Exception as error:  # noqa: BLE001 - the database may be away: vehicles come again in 15 s
            self._source.forget()
            poll = Poll("away", why=type(error).__name__)
        self.failures = self.failures + 1 if poll.outcome in ("away", "unreadable") else 0
        return poll

    def _look(self) -> Poll:
        body = self._source.fetch()
        now = self._now()
        with self._database.transaction() as session:
            reported.retire(session, now)
        if body is None:
            return Poll("unchanged")
        feed = read_feed(body, now)
        if not feed.vehicles:
            return Poll("without_vehicles", why=f"{feed.entities} entities of another kind" if feed.entities else "")
        with self._database.transaction() as session:
            stored = reported.store(session, feed.reports, now)
        return Poll("stored", stored.vehicles, stored.on_line, {**feed.dropped, **stored.dropped})


def follow_command(database: Database, now: Callable[[], datetime]) -> click.Command:
    """The command `follow` of the group `network`."""

    @click.command("follow")
    @click.argument("address")
    @click.option("--every", default=15.0, show_default=True, type=click.FloatRange(1, 3600), help="Seconds.")
    @click.option("--once", is_flag=True, help="Look once, say what came, and end.")
    def follow(address: str, every: float, once: bool) -> None:  # noqa: FBT001 - click's way
        """Take vehicle positions from the GTFS-Realtime feed at ADDRESS (http, https, a file) until Ctrl-C.

        Vehicles older than 90 s or in no possible place are dropped and counted. While the feed is away it is
        asked less and less often, every five minutes at least.

        Exit code with --once: 0 when the feed could be read, 1 when not.
        """
        follower = Follower(database, Source(address), now, every_s=every)
        if once:
            poll = follower.poll()
            click.echo(poll.line())
            raise SystemExit(1 if poll.outcome in ("away", "unreadable") else 0)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: follower.stop())
        follower.run(lambda poll: click.echo(f"{now():%H:%M:%S} {poll.line()}"))

    return follow
