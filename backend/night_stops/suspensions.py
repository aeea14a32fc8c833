"""Suspensions: snow, ice, fog or works, for a while no night stops, on one line or on all. Set by the control room."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from backend import feed
from backend.database import new_id
from backend.night_stops.models import NightStopSuspension
from backend.times import stamp


def suspended(session: Session, line_id: str, now: datetime) -> bool:
    """True while the control room has stopped night stops on this line."""
    query = select(NightStopSuspension.id).where(
        *_running(now), or_(NightStopSuspension.line_id.is_(None), NightStopSuspension.line_id == line_id))  # fmt: skip
    return session.scalar(query.limit(1)) is not None


def running(session: Session, now: datetime) -> list[NightStopSuspension]:
    """Every suspension that counts now, the oldest first."""
    query = select(NightStopSuspension).where(*_running(now)).order_by(NightStopSuspension.since)
    return list(session.scalars(query))


def suspend(
    session: Session, reason: str, by: uuid.UUID, now: datetime, *, line_id: str | None, until: datetime | None
) -> NightStopSuspension:
    """Stops night stops on one line or everywhere, until a time or until `resume`; promised stops stay promised."""
    made = NightStopSuspension(id=new_id(), line_id=line_id, reason=reason, by=by, since=now, until=until)
    session.add(made)
    session.flush()
    tell(session, now)
    return made


def resume(session: Session, now: datetime, *, line_id: str | None) -> int:
    """Ends the suspensions of one line, or those of the whole network; says how many."""
    found = [one for one in running(session, now) if one.line_id == line_id]
    for one in found:
        one.ended_at = now
    if found:
        session.flush()
        tell(session, now)
    return len(found)


def tell(session: Session, now: datetime) -> None:
    """Tells every control room which suspensions count now."""
    items = [suspension_view(one) for one in running(session, now)]
    feed.put(session, feed.CONTROL, "night_stops.suspended", {"suspensions": items}, now)


def suspension_view(one: NightStopSuspension) -> dict[str, Any]:
    """A suspension as the control room sees it."""
    return {
        "id": str(one.id), "line_id": one.line_id, "reason": one.reason, "since": stamp(one.since),
        "until": stamp(one.until),
    }  # fmt: skip


def _running(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        NightStopSuspension.ended_at.is_(None),
        NightStopSuspension.since <= now,
        or_(NightStopSuspension.until.is_(None), NightStopSuspension.until > now),
    )
