"""The live feed: one row per audience for everything that somebody must hear, read in the order of its numbers.

PostgreSQL hands numbers out before commit: a reader that takes what it sees would skip a row that commits late.
`put` collects entries in the transaction; their numbers are taken last, under an advisory lock that writers share, so
that they can commit together. A reader first takes the same lock alone, for an instant: every number handed out by
then is settled, and it reads no further.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, delete, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.database import Base, Database, UTCDateTime, is_postgresql, wake
from backend.postgresql import in_one_message

CONTROL = "control"
DRILL = "drill"
"""Where news of synthetic drills goes instead of the control room: nobody is in this room."""
_LOCK = 0x56494749  # "VIGI"; every writer of the feed takes it last, shared, and holds it until its commit
_PENDING = "feed_pending"
_FAR = 1_000_000_000  # more entries than any installation writes between a backup and the day it is needed


class FeedEntry(Base):
    """One line of somebody's live feed; `data` holds exactly the fields which that audience may see."""

    __tablename__ = "feed_entries"
    __table_args__ = (
        Index("ix_feed_entries_audience_seq", "audience", "seq"),
        Index("ix_feed_entries_alert_id", "alert_id"),
        {"sqlite_autoincrement": True},
    )

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime())
    audience: Mapped[str] = mapped_column(String(80))
    type: Mapped[str] = mapped_column(String(40))
    data: Mapped[bytes] = mapped_column(LargeBinary())
    alert_id: Mapped[uuid.UUID | None] = mapped_column()
    # The message that this entry carries to a phone: whoever emits it notes when.
    delivery_id: Mapped[uuid.UUID | None] = mapped_column()


def team(team_id: uuid.UUID) -> str:
    """The audience of one patrol team."""
    return f"team:{team_id}"


def device(device_id: uuid.UUID) -> str:
    """The audience of one rider's phone."""
    return f"device:{device_id}"


def vehicle(vehicle_id: uuid.UUID) -> str:
    """The audience of one vehicle's driver."""
    return f"vehicle:{vehicle_id}"


def staff(staff_id: uuid.UUID) -> str:
    """The audience of one member of staff, whatever her role."""
    return f"staff:{staff_id}"


def put(
    session: Session,
    audience: str,
    type_: str,
    data: dict[str, Any],
    now: datetime,
    *,
    alert_id: uuid.UUID | None = None,
    delivery_id: uuid.UUID | None = None,
) -> None:
    """Adds an entry to the transaction; it gets its number and is seen when the transaction commits."""
    session.info.setdefault(_PENDING, []).append(
        {
            "at": now,
            "audience": audience,
            "type": type_,
            "data": orjson.dumps(data),
            "alert_id": alert_id,
            "delivery_id": delivery_id,
        }
    )


def number_entries(session: Session, database: Database) -> None:
    """Writes the collected entries with the next numbers; the last thing that a transaction does."""
    entries = session.info.pop(_PENDING, None)
    if not entries:
        return
    wake(session, "feed")
    if not is_postgresql(session):
        session.execute(FeedEntry.__table__.insert(), entries)  # type: ignore[attr-defined]
        return
    rows = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(entries))
    database.at_commit(
        session,
        f"SELECT pg_advisory_xact_lock_shared({_LOCK});"
        f" INSERT INTO feed_entries (at, audience, type, data, alert_id, delivery_id) VALUES {rows}",
        [value for entry in entries for value in entry.values()],
    )


# OFFSET 0 keeps PostgreSQL from looking at the sequence before it has the lock.
_SETTLED = (
    f"SELECT pg_sequence_last_value(pg_get_serial_sequence('feed_entries', 'seq')), pg_advisory_unlock({_LOCK})"
    f" FROM (SELECT pg_advisory_lock({_LOCK}) OFFSET 0) AS alone"
)
_AFTER = "SELECT seq, at, audience, type, data, delivery_id FROM feed_entries WHERE seq > %s ORDER BY seq LIMIT %s"


class _Settled:
    """The last settled number of one database, looked up once for all who ask at the same time."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._asked = self._answered = self._seq = 0

    def seq(self, session: Session) -> int:
        self._asked += 1
        ticket = self._asked
        with self._turn:
            if self._answered < ticket:
                # A crowd that comes back must not take the lock once each: writers would wait in that line.
                asked = self._asked
                self._seq = session.scalar(text(_SETTLED)) or 0
                self._answered = asked
            return self._seq


_settled: WeakKeyDictionary[Any, _Settled] = WeakKeyDictionary()


def last_seq(session: Session) -> int:
    """The highest number up to which nothing can come any more; 0 on an empty feed."""
    if not is_postgresql(session):
        return session.scalar(select(func.max(FeedEntry.seq))) or 0
    return _settled.setdefault(session.get_bind(), _Settled()).seq(session)


def read_after(
    session: Session, after: int, limit: int, audiences: Collection[str] | None = None, *, up_to: int | None = None
) -> Sequence[FeedEntry]:
    """Up to `limit` entries numbered above `after`, in order; of all audiences when none is named.

    Whoever goes on later from what was read gives a `last_seq` as `up_to`: entries above it may still be joined by
    lower ones.
    """
    query = select(FeedEntry).where(FeedEntry.seq > after).order_by(FeedEntry.seq).limit(limit)
    if up_to is not None:
        query = query.where(FeedEntry.seq <= up_to)
    if audiences is not None:
        query = query.where(FeedEntry.audience.in_(audiences))
    return session.scalars(query).all()


class Line(NamedTuple):
    """One entry as whoever emits it needs it."""

    seq: int
    at: datetime
    audience: str
    type: str
    data: bytes
    delivery_id: uuid.UUID | None


def settled_after(session: Session, after: int, limit: int) -> tuple[int, list[Line]]:
    """(the last settled number, up to `limit` lines numbered above `after`, in order, none of them above that number).

    For the one reader of each process that follows the whole feed.
    """
    if not is_postgresql(session):
        last = last_seq(session)
        found = read_after(session, after, limit, up_to=last)
        return last, [Line(one.seq, one.at, one.audience, one.type, one.data, one.delivery_id) for one in found]
    settled, rows = in_one_message(session, (_SETTLED, ()), (_AFTER, (after, limit)))
    last = settled[0][0] or 0
    # The rows were read after the number was settled: what lies above it may still be joined by lower ones.
    return last, [Line(*row) for row in rows if row[0] <= last]


def oldest_seq(session: Session) -> int:
    """The number of the oldest entry that is still kept; 0 on an empty feed."""
    return session.scalar(select(func.min(FeedEntry.seq))) or 0


def trim(session: Session, before: datetime, most: int = 20_000) -> int:
    """Forgets entries from before an instant, at most so many at a time; says how many went.

    Whoever was away for longer reloads the whole state. The newest entry always stays, so that numbers go on.
    """
    newest = select(func.max(FeedEntry.seq)).scalar_subquery()
    old = select(FeedEntry.seq).where(FeedEntry.at < before, FeedEntry.seq < newest)
    gone = session.scalars(old.order_by(FeedEntry.seq).limit(most)).all()
    if gone:
        session.execute(delete(FeedEntry).where(FeedEntry.seq.between(gone[0], gone[-1])))
    return len(gone)


def begin_anew(session: Session) -> None:
    """Forgets every entry and goes on with numbers far beyond any that was given out: everybody loads afresh.

    For a database that came back from a backup. The numbers after it were given out before, for other news: a phone
    that holds one of them would take what is new for what it has.
    """
    before = session.scalar(select(func.max(FeedEntry.seq))) or 0
    if is_postgresql(session):
        before = max(before, session.scalar(text(_SETTLED)) or 0)
    session.execute(delete(FeedEntry))
    far = {"seq": before + _FAR}
    if is_postgresql(session):
        session.execute(text("SELECT setval(pg_get_serial_sequence('feed_entries', 'seq'), :seq)"), far)
        return
    session.execute(text("DELETE FROM sqlite_sequence WHERE name = 'feed_entries'"))
    session.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES ('feed_entries', :seq)"), far)


def as_event(entry: FeedEntry, at: str) -> dict[str, Any]:
    """What a socket hears: the entry's data with its number and time."""
    return {"seq": entry.seq, "at": at, **orjson.loads(entry.data)}
