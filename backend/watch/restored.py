"""After a backup was put back: what was open then is looked at by people before it calls anybody.

The register ends hours ago; what came after it is known to nobody. Timers of then are all overdue, and would send
teams, pushes and texts to everything that was open at that moment.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts.assignments import move, say_withdrawn
from backend.alerts.lifecycle import OVER, WAITING, AlertState, AssignmentState
from backend.alerts.models import Alert, LogEntry
from backend.alerts.raising import promote
from backend.alerts.register import SYSTEM, announce, locked, pending_assignments, record
from backend.database import insert, new_id
from backend.delivery import ending
from backend.heartbeats import Heartbeat
from backend.night_stops.models import NightStopRequest
from backend.times import stamp
from backend.watch.findings import RESTORED
from backend.watch.models import Finding

STALE = timedelta(minutes=5)


@dataclass(frozen=True)
class Review:
    """What was found in the backup."""

    known_until: datetime | None
    """The last sign of life in it; what happened after that is lost."""
    alerts: int
    """So many alerts wait for a person to look at them."""
    deliveries: int
    """So many messages will not be sent any more."""


def review(session: Session, now: datetime, stale: timedelta = STALE) -> Review:
    """Puts every alert whose timers are older than `stale` before a person, and sends none of the messages of then.

    To be called once, before any process works on the database.
    """
    known_until = _known_until(session)
    feed.begin_anew(session)
    deliveries = ending.settle_old(session, now - stale, now, "restored")
    # Riders on their way home are asked again whether they have arrived; then only silence raises an alert.
    session.execute(
        update(NightStopRequest)
        .where(NightStopRequest.home_state == "asked", NightStopRequest.due_at < now - stale)
        .values(home_state="running")
    )
    held = [one for one in _open_alerts(session) if _hold(session, one, known_until, now, stale)]
    if held:
        # Told already: whoever put the backup back knows. It ends when the last of them has been looked at.
        found = {"id": new_id(), "code": RESTORED, "value": float(len(held)), "found_at": now, "told_at": now}
        session.execute(insert(session, Finding).values(found).on_conflict_do_nothing())
    return Review(known_until, len(held), deliveries)


def _open_alerts(session: Session) -> list[uuid.UUID]:
    query = select(Alert.id).where(Alert.state.not_in(OVER), Alert.drill.is_(False)).order_by(Alert.id)
    return list(session.scalars(query))


def _hold(session: Session, alert_id: uuid.UUID, known_until: datetime | None, now: datetime, stale: timedelta) -> bool:
    alert = locked(session, alert_id)
    last = session.scalar(select(func.max(LogEntry.at)).where(LogEntry.alert_id == alert_id)) or alert.received_at
    timers = [at for at in (alert.next_round_at, alert.attention_at) if at is not None]
    if min(timers, default=last) >= now - stale:
        return False
    if alert.state == AlertState.ARMED:
        promote(session, alert, SYSTEM, now, tell=False)
    for assignment in pending_assignments(session, alert):
        if assignment.state == AssignmentState.OFFERED:
            move(assignment, "withdraw", now)  # not "no answer": she was not asked now
            assignment.ended_why = "restored"
            say_withdrawn(session, alert, assignment, "expired", now)
    # Who took it then has not looked at it now.
    alert.acknowledged_at = alert.acknowledged_by = None
    gap = {"last_line_at": stamp(last), "known_until": stamp(known_until or last)}
    record(session, alert, SYSTEM, "needs_human", now, reason="restored", detail=gap)
    alert.needs_human, alert.needs_human_reason, alert.needs_human_since = True, "restored", now
    alert.attention_at = None
    if alert.state in WAITING:
        alert.next_round_at, alert.round_no = now, 0
    announce(session, alert, now, to_rider=False)
    return True


def _known_until(session: Session) -> datetime | None:
    moments = [session.scalar(select(func.max(column))) for column in (Heartbeat.at, feed.FeedEntry.at, LogEntry.at)]
    return max((at for at in moments if at is not None), default=None)
