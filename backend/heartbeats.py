"""Heartbeats: each process says now and then that it lives, so that a silent one is found."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.database import Base, UTCDateTime, insert


class Heartbeat(Base):
    """The last sign of life of one process."""

    __tablename__ = "heartbeats"

    process_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(UTCDateTime())


def beat(session: Session, process_id: uuid.UUID, kind: str, now: datetime) -> None:
    """Stores a sign of life and forgets processes of this kind that have been silent for an hour.

    The last one of another kind stays: when all workers are dead, that must still be known an hour later.
    """
    row = {"process_id": process_id, "kind": kind, "at": now}
    session.execute(
        insert(session, Heartbeat).values(row).on_conflict_do_update(index_elements=["process_id"], set_={"at": now})
    )
    session.execute(delete(Heartbeat).where(Heartbeat.kind == kind, Heartbeat.at < now - timedelta(hours=1)))


def silence_s(session: Session, kind: str, now: datetime) -> float | None:
    """Seconds since any process of this kind last gave a sign of life; None when there never was one."""
    latest: Sequence[datetime] = session.scalars(
        select(Heartbeat.at).where(Heartbeat.kind == kind).order_by(Heartbeat.at.desc()).limit(1)
    ).all()
    return (now - latest[0]).total_seconds() if latest else None
