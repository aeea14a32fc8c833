"""What the control room reads of night stops: those of now, those of before, and the figures of a span of time."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.night_stops import views
from backend.night_stops.figures import Wished, aggregate
from backend.night_stops.lifecycle import LIVE
from backend.night_stops.models import NightStopRequest
from backend.night_stops.register import AlertWork, facts_of

R = NightStopRequest


def listed(session: Session, which: str, limit: int, work: AlertWork) -> list[dict[str, Any]]:
    """The newest requests first: `open` those that are live, `closed` the others, `all` both."""
    query = select(R).order_by(R.received_at.desc(), R.id).limit(limit)
    if which != "all":
        query = query.where(R.state.in_(LIVE) if which == "open" else R.state.not_in(LIVE))
    found = session.scalars(query).all()
    facts = facts_of(session, [one.id for one in found])
    return [
        views.control_view(one, facts[one.id], raised=work.open_alert(session, one.device_id) is not None)
        for one in found
    ]


def figures(session: Session, since: datetime, until: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """The figures of the requests that came between two instants, hours as the clocks of the network show."""
    rows = session.execute(select(
        R.state, R.received_at, R.line_id, R.after_stop, R.reject_code, R.refusal_reason, R.accepted_at, R.walk_saved_m,
    ).where(R.received_at >= since, R.received_at < until))  # fmt: skip
    return aggregate(
        Wished(row.state, row.received_at.astimezone(zone).hour, row.line_id, row.after_stop, row.reject_code,
               row.refusal_reason, row.accepted_at is not None, row.walk_saved_m)
        for row in rows
    )  # fmt: skip
