"""What became of every message about one alert, and all that happened to it in one line of time."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.alerts.models import Alert, LogEntry
from backend.alerts.register import staff_names
from backend.delivery.models import Delivery, DeliveryAttempt
from backend.errors import Refused
from backend.people.models import Team
from backend.times import stamp


def of_alert(session: Session, alert_id: uuid.UUID) -> list[dict[str, Any]]:
    """Every message about an alert, oldest first, as the control room may see it: no address, no number."""
    rows = session.scalars(
        select(Delivery).where(Delivery.alert_id == alert_id).order_by(Delivery.created_at, Delivery.id)
    ).all()
    attempts: dict[uuid.UUID, list[DeliveryAttempt]] = defaultdict(list)
    ids = [row.id for row in rows]
    made = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(ids)).order_by(DeliveryAttempt.at)
    for attempt in session.scalars(made):
        attempts[attempt.delivery_id].append(attempt)
    names = staff_names(session, (row.staff_id for row in rows))
    teams = _call_signs(session, rows)
    return [
        {
            "id": str(row.id),
            "kind": row.kind,
            "channel": row.channel,
            "about": str(row.about) if row.about else None,
            "call_sign": teams.get(row.audience),
            "name": names.get(row.staff_id) if row.staff_id else None,
            **{
                moment: stamp(getattr(row, moment))
                for moment in ("created_at", "due_at", "emitted_at", "sent_at", "received_at", "seen_at", "settled_at")
            },
            "settled_why": row.settled_why,
            "attempts": [
                {"at": stamp(one.at), "took_ms": one.took_ms, "outcome": one.outcome, "code": one.code}
                for one in attempts[row.id]
            ],
        }
        for row in rows
    ]


def _call_signs(session: Session, rows: Sequence[Delivery]) -> dict[str, str]:
    ids = {uuid.UUID(row.audience.partition(":")[2]) for row in rows if row.audience.startswith("team:")}
    if not ids:
        return {}
    found = session.execute(select(Team.id, Team.call_sign).where(Team.id.in_(ids)))
    return {f"team:{row.id}": row.call_sign for row in found}


@dataclass(frozen=True)
class Moment:
    """One thing that happened: when, what, to whom, and what more is known; no person's words or places."""

    at: datetime
    what: str
    who: str = ""
    more: str = ""


def trace(session: Session, alert_id: uuid.UUID) -> list[Moment]:
    """All that happened to an alert, in order of time, from every table; refuses `alert_unknown`."""
    if session.get(Alert, alert_id) is None:
        raise Refused("alert_unknown")
    lines = session.scalars(select(LogEntry).where(LogEntry.alert_id == alert_id).order_by(LogEntry.version)).all()
    found = [Moment(line.at, _what(line), line.actor_kind, _more(line)) for line in lines]
    rows = session.scalars(select(Delivery).where(Delivery.alert_id == alert_id)).all()
    attempts = session.scalars(
        select(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_([row.id for row in rows]))
    ).all()
    teams, names = _call_signs(session, rows), staff_names(session, (row.staff_id for row in rows))
    for row in rows:
        who = (names.get(row.staff_id) if row.staff_id else None) or teams.get(row.audience) or row.kind
        found += _moments(row, who)
        found += [_attempted(one, who) for one in attempts if one.delivery_id == row.id]
    return sorted(found, key=lambda moment: moment.at)


def _what(line: LogEntry) -> str:
    if line.action == "raised":
        return "stored"
    moved = f" ({line.from_state} → {line.to_state})" if line.from_state and line.from_state != line.to_state else ""
    return f"{line.action}{moved}"


def _more(line: LogEntry) -> str:
    detail = line.detail or {}
    said = [f"round {detail['round']}"] if "round" in detail else []
    if "teams" in detail:
        said.append(f"{len(detail['teams'])} teams")
    if line.reason and line.automatic:
        said.append(line.reason)  # what a person wrote as a reason stays in the register
    return ", ".join(said)


def _attempted(one: DeliveryAttempt, who: str) -> Moment:
    return Moment(one.at, f"{one.channel} {one.outcome}", who, f"{one.took_ms} ms{f', {one.code}' if one.code else ''}")


def _moments(row: Delivery, who: str) -> Iterator[Moment]:
    if row.emitted_at is not None:
        yield Moment(row.emitted_at, "emitted", who, row.channel)
    if row.received_at is not None:
        yield Moment(row.received_at, "received", who, row.channel)
    if row.seen_at is not None:
        yield Moment(row.seen_at, "seen", who, row.channel)
    if row.settled_at is not None and row.channel != "socket":
        yield Moment(row.settled_at, f"{row.channel} ended", who, row.settled_why or "")
