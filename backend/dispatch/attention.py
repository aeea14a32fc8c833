"""Attention: what becomes news because nobody did anything. One alert at a time, in a transaction of its own."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts import assignments, timers
from backend.alerts.lifecycle import WAITING
from backend.alerts.models import Alert, LogEntry
from backend.alerts.register import SYSTEM, announce, control_of, own_cards, patience_of, record, standing
from backend.database import lock_rows
from backend.delivery import supervisors
from backend.delivery.channels import SUPERVISOR
from backend.dispatch import interception
from backend.times import stamp


def due_alerts(session: Session, now: datetime, skip: Collection[uuid.UUID] = (), limit: int = 1) -> Sequence[Alert]:
    """Alerts at which a person must look again, locked; rows that another worker holds are passed over."""
    query = select(Alert).where(Alert.attention_at <= now).order_by(Alert.attention_at).limit(limit)
    if skip:
        query = query.where(Alert.id.not_in(skip))
    found: Sequence[Alert] = session.scalars(lock_rows(query, skip_locked=True)).all()
    return found


def run(session: Session, alert: Alert, now: datetime) -> None:
    """Says what has been silent for too long, and takes back an acknowledgement that led to nothing."""
    before, patience = alert.version, patience_of(session)
    alert.attention_at = None
    codes = timers.silences(standing(alert, own_cards(session, alert)), patience, now)
    moved = False
    if alert.under_review:
        codes = []  # the silences of then say nothing now, and would call supervisors for each alert
        _remind(session, alert, "restored", alert.needs_human_since, now)
    for code in codes:
        if code == "unseen":
            _unseen(session, alert, now)
        elif code == "vehicle_moved":
            moved = interception.follow(session, alert, now)
        elif code == "offer_over":
            assignments.expire(session, alert, now)
        elif code == "acknowledgement_aged":
            _age_acknowledgement(session, alert, now)
        else:
            if code == "team_silent":
                supervisors.call(session, SUPERVISOR, now, why=code, alert_id=alert.id)
            _remind(session, alert, code, alert.cancel_requested_at if code == "cancel_waiting" else None, now)
    if alert.version != before or moved:
        announce(session, alert, now, to_rider="acknowledgement_aged" in codes)
    else:
        alert.attention_at = timers.next_attention(standing(alert, own_cards(session, alert)), patience, now)


def _unseen(session: Session, alert: Alert, now: datetime) -> None:
    said = session.scalar(
        select(LogEntry.id).where(LogEntry.alert_id == alert.id, LogEntry.action == "unseen").limit(1)
    )
    if said is None:
        record(session, alert, SYSTEM, "unseen", now)
    else:
        supervisors.call(session, SUPERVISOR, now, why="unseen", alert_id=alert.id)
    feed.put(
        session,
        control_of(alert),
        "alert.unseen",
        {"alert_id": str(alert.id), "reason": "unseen", "since": stamp(alert.opened_at)},
        now,
        alert_id=alert.id,
    )


def _age_acknowledgement(session: Session, alert: Alert, now: datetime) -> None:
    alert.acknowledged_at, alert.acknowledged_by = None, None
    alert.needs_human, alert.needs_human_reason = True, "acknowledgement_aged"
    alert.needs_human_since = alert.needs_human_since or now
    if alert.state in WAITING and (alert.next_round_at is None or alert.next_round_at > now):
        alert.next_round_at = now
    record(session, alert, SYSTEM, "acknowledgement_aged", now)
    _remind(session, alert, "acknowledgement_aged", now, now)


def _remind(session: Session, alert: Alert, reason: str, since: datetime | None, now: datetime) -> None:
    feed.put(
        session,
        control_of(alert),
        "alert.needs_human",
        {"alert_id": str(alert.id), "reason": reason, "since": stamp(since or now)},
        now,
        alert_id=alert.id,
    )
