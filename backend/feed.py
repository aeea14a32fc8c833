"""The live feed: one row per audience for everything that somebody must hear, numbered in commit order.

`put` collects entries in the transaction; the numbers are taken last, under one advisory lock, because PostgreSQL
hands out sequence numbers before commit and a reader would otherwise skip a row that commits late.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, delete, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.database import Base, Database, UTCDateTime, is_postgresql

CONTROL = "control"
_LOCK = 0x56494749  # "VIGI"; every writer of the feed takes it last and holds it until its commit
_PENDING = "feed_pending"


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


def team(team_id: uuid.UUID) -> str:
    """The audience of one patrol team."""
    return f"team:{team_id}"


def device(device_id: uuid.UUID) -> str:
    """The audience of one rider's phone."""
    return f"device:{device_id}"


def vehicle(vehicle_id: uuid.UUID) -> str:
    """The audience of one vehicle's driver."""
    return f"vehicle:{vehicle_id}"


def put(
    session: Session,
    audience: str,
    type_: str,
    data: dict[str, Any],
    now: datetime,
    *,
    alert_id: uuid.UUID | None = None,
) -> None:
    """Adds an entry to the transaction; it gets its number and is seen when the transaction commits."""
    session.info.setdefault(_PENDING, []).append(
        {"at": now, "audience": audience, "type": type_, "data": orjson.dumps(data), "alert_id": alert_id}
    )


def number_entries(session: Session, database: Database) -> None:
    """Writes the collected entries with the next numbers; the last thing that a transaction does."""
    entries = session.info.pop(_PENDING, None)
    if not entries:
        return
    if is_postgresql(session):
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    session.execute(FeedEntry.__table__.insert(), entries)  # type: ignore[attr-defined]
    database.wake(session)


def last_seq(session: Session) -> int:
    """The number of the newest entry; 0 on an empty feed."""
    return session.scalar(select(func.max(FeedEntry.seq))) or 0


def read_after(
    session: Session, after: int, limit: int, audiences: Collection[str] | None = None
) -> Sequence[FeedEntry]:
    """Up to `limit` entries numbered above `after`, in order; of all audiences when none is named."""
    query = select(FeedEntry).where(FeedEntry.seq > after).order_by(FeedEntry.seq).limit(limit)
    if audiences is not None:
        query = query.where(FeedEntry.audience.in_(audiences))
    return session.scalars(query).all()


def oldest_seq(session: Session) -> int:
    """The number of the oldest entry that is still kept; 0 on an empty feed."""
    return session.scalar(select(func.min(FeedEntry.seq))) or 0


def trim(session: Session, before: datetime, most: int = 20_000) -> int:
    """Forgets entries from before an instant, at most so many at a time; says how many went.

    Whoever was away for longer reloads the whole state. The newest entry always stays, so that numbers go on.
    """
    old = select(FeedEntry.seq).where(FeedEntry.at < before, FeedEntry.seq < last_seq(session))
    gone = session.scalars(old.order_by(FeedEntry.seq).limit(most)).all()
    if gone:
        session.execute(delete(FeedEntry).where(FeedEntry.seq.between(gone[0], gone[-1])))
    return len(gone)


def as_event(entry: FeedEntry, at: str) -> dict[str, Any]:
    """What a socket hears: the entry's data with its number and time."""
    return {"seq": entry.seq, "at": at, **orjson.loads(entry.data)}
