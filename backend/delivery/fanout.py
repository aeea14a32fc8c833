"""Fan-out: who can be reached how, and the messages that say an offer again when the socket brings no receipt."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from backend import feed
from backend.database import UTCDateTime, new_id, wake
from backend.delivery import policy
from backend.delivery.channels import NEWS, OFFER
from backend.delivery.models import Delivery, PushRegistration
from backend.delivery.policy import Reach
from backend.delivery.registrations import writable
from backend.people.models import DutyShift, Staff
from backend.settings import Settings

NEWS_USEFUL = timedelta(minutes=10)


def say_again(session: Session, offers: Sequence[Delivery], now: datetime, *, critical: bool) -> None:
    """Plans, for each offer to a team, the pushes and texts to its agents on duty, as `policy.steps` says."""
    settings: Settings = session.info["settings"]
    if not settings.channels or not offers:
        return
    by_team = {one.audience: one for one in offers}
    teams = [uuid.UUID(audience.partition(":")[2]) for audience in by_team]
    rows = []
    for reach in _on_duty(session, teams, settings.channels, now):
        offer = by_team[reach.audience]
        rows += [
            _row(offer, step, critical=critical)
            for step in policy.steps([reach], now, offer.useful_until, critical=critical)
        ]
    if rows:
        session.flush()  # the offers first: these rows name them
        session.execute(Delivery.__table__.insert(), rows)  # type: ignore[attr-defined]
        wake(session, "outbox")


def _row(offer: Delivery, step: policy.Step, *, critical: bool) -> dict[str, Any]:
    return {
        "id": new_id(),
        "audience": offer.audience,
        "channel": step.reach.channel,
        "alert_id": offer.alert_id,
        "created_at": offer.created_at,
        "useful_until": offer.useful_until,
        "kind": OFFER,
        "about": offer.id,
        "registration_id": step.reach.registration_id,
        "staff_id": step.reach.staff_id,
        "body": offer.body,
        "urgency": 1 if critical else 2,
        "due_at": step.due_at,
        "attempts": 0,
    }


def _on_duty(session: Session, teams: Collection[uuid.UUID], channels: Collection[str], now: datetime) -> list[Reach]:
    asked = {"teams": list(teams)}
    phones = session.execute(_phones_on_duty(tuple(channels)), asked | {"now": now})
    found = [Reach(feed.team(row.team_id), row.channel, row.staff_id, row.id) for row in phones]
    if "sms" in channels:
        found += [Reach(feed.team(row.team_id), "sms", row.id) for row in session.execute(_NUMBERS_ON_DUTY, asked)]
    return found


_ON_DUTY = DutyShift.ended_at.is_(None) & DutyShift.team_id.in_(bindparam("teams", expanding=True))
_NUMBERS_ON_DUTY = (
    select(Staff.id, DutyShift.team_id)
    .join(DutyShift, DutyShift.staff_id == Staff.id)
    .where(_ON_DUTY, Staff.phone.is_not(None))
)


@cache
def _phones_on_duty(channels: tuple[str, ...]) -> Select[uuid.UUID, uuid.UUID | None, str, uuid.UUID]:
    return (
        select(PushRegistration.id, PushRegistration.staff_id, PushRegistration.channel, DutyShift.team_id)
        .join(DutyShift, DutyShift.staff_id == PushRegistration.staff_id)
        .where(_ON_DUTY, writable(channels, bindparam("now", type_=UTCDateTime())))
    )


def tell_rider(session: Session, device_id: uuid.UUID, alert_id: uuid.UUID, now: datetime) -> None:
    """Wakes a rider's phone, if she asked for that: there is news; what it is, only the app tells her.

    One waiting wake-up is enough: two changes in a second are one notification.
    """
    settings: Settings = session.info["settings"]
    channels = [name for name in settings.channels if name != "sms"]
    if not channels:
        return
    waiting = select(Delivery.id).where(
        Delivery.registration_id == PushRegistration.id,
        Delivery.alert_id == alert_id,
        # One that is being sent may be on her screen already, and what is told there is not this.
        Delivery.claim_token.is_(None),
        Delivery.sent_at.is_(None),
        Delivery.settled_at.is_(None),
    )
    wanted = select(PushRegistration.id, PushRegistration.channel).where(
        PushRegistration.device_id == device_id, writable(channels, now), ~waiting.exists()
    )
    for row in session.execute(wanted).all():
        session.add(
            Delivery(
                id=new_id(),
                audience=feed.device(device_id),
                channel=row.channel,
                alert_id=alert_id,
                created_at=now,
                useful_until=now + NEWS_USEFUL,
                kind=NEWS,
                registration_id=row.id,
                urgency=4,
                due_at=now,
            )
        )
        wake(session, "outbox")
