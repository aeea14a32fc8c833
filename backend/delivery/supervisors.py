"""Supervisors: who is called when a team, the control room or the system itself stays silent."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.database import new_id, wake
from backend.delivery.channels import TROUBLE
from backend.delivery.models import Delivery, PushRegistration
from backend.delivery.registrations import writable
from backend.people.models import Staff
from backend.settings import Settings

AGAIN = timedelta(minutes=10)
"""A supervisor hears the same thing about the same alert once in this time."""
USEFUL = timedelta(minutes=10)


def call(session: Session, kind: str, now: datetime, *, why: str, alert_id: uuid.UUID | None = None) -> int:
    """Puts a message for each supervisor's phones and number into the outbox; says how many.

    `kind` is SUPERVISOR for an alert, TROUBLE for the system (administrators are called then, too). 0 when they have
    been called for the same reason a little while ago, or when nobody left an address.
    """
    settings: Settings = session.info["settings"]
    if not settings.channels or _called(session, kind, why, alert_id, now):
        return 0
    roles = ("supervisor", "admin") if kind == TROUBLE else ("supervisor",)
    ours = Staff.role.in_(roles) & Staff.disabled_at.is_(None)
    phones = (
        select(PushRegistration.staff_id, PushRegistration.channel, PushRegistration.id)
        .join(Staff, Staff.id == PushRegistration.staff_id)
        .where(ours, writable(settings.channels, now))
    )
    reached: list[tuple[uuid.UUID | None, str, uuid.UUID | None]] = [
        (row.staff_id, row.channel, row.id) for row in session.execute(phones)
    ]
    if "sms" in settings.channels:
        numbers = session.scalars(select(Staff.id).where(ours, Staff.phone.is_not(None))).all()
        reached += [(staff_id, "sms", None) for staff_id in numbers]
    for staff_id, channel, registration_id in reached:
        session.add(
            Delivery(
                id=new_id(),
                audience=f"staff:{staff_id}",
                channel=channel,
                alert_id=alert_id,
                created_at=now,
                useful_until=now + USEFUL,
                kind=kind,
                registration_id=registration_id,
                staff_id=staff_id,
                body={"why": why},
                urgency=1,
                due_at=now,
            )
        )
    if reached:
        wake(session, "outbox")
    return len(reached)


def _called(session: Session, kind: str, why: str, alert_id: uuid.UUID | None, now: datetime) -> bool:
    lately = select(Delivery.body).where(
        Delivery.kind == kind,
        Delivery.created_at > now - AGAIN,
        Delivery.alert_id.is_(None) if alert_id is None else Delivery.alert_id == alert_id,
        # A call that never went, because every provider was away, mutes nothing.
        Delivery.settled_at.is_(None) | Delivery.sent_at.is_not(None),
    )
    return any(body is not None and body.get("why") == why for body in session.scalars(lately))
