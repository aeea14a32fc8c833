"""Receipts: `received` says the phone has the message, `seen` says a person looked at it. Both are stored once."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, String, bindparam, or_, select, update
from sqlalchemy.orm import Session

from backend.database import UTCDateTime, lock_rows
from backend.delivery import registrations
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.settings import Settings

_OF_AUDIENCE = (
    select(Delivery)
    .where(Delivery.id == bindparam("delivery_id"), Delivery.audience.in_(bindparam("audiences", expanding=True)))
    .execution_options(populate_existing=True)
)
_STILL_TO_GO = (
    update(Delivery)
    .where(Delivery.about == bindparam("said_first"), Delivery.sent_at.is_(None), Delivery.settled_at.is_(None))
    .values(settled_at=bindparam("now", type_=UTCDateTime()), settled_why="received")
    .execution_options(synchronize_session=False)
)
_STILL_TO_GO_TO_ONE = _STILL_TO_GO.where(Delivery.staff_id == bindparam("person_id"))
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_OF_NO_USE = (
    update(Delivery)
    .where(or_(Delivery.id.in_(_IDS), Delivery.about.in_(_IDS)), Delivery.settled_at.is_(None))
    .values(settled_at=bindparam("now", type_=UTCDateTime()), settled_why=bindparam("why", type_=String()))
    .execution_options(synchronize_session=False)
)


_NOBODY_HOLDS = lock_rows(select(Delivery.id).where(Delivery.id.in_(_IDS)).order_by(Delivery.id), skip_locked=True)
_TABLE: Any = Delivery.__table__
_EMITTED = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("its_id"), _TABLE.c.emitted_at.is_(None))
    .values(emitted_at=bindparam("at"))
)


def find(session: Session, delivery_id: uuid.UUID, *audiences: str) -> Delivery:
    """The delivery; refuses `delivery_unknown` for another audience's too: a stranger must not learn that it exists."""
    found = session.scalar(_OF_AUDIENCE, {"delivery_id": delivery_id, "audiences": list(audiences)})
    if found is None:
        raise Refused("delivery_unknown")
    return found


def mark(delivery: Delivery, now: datetime, *, seen: bool) -> bool:
    """Stores a receipt on a delivery; False on a repeat, which changes nothing."""
    if delivery.seen_at is not None or (delivery.received_at is not None and not seen):
        return False
    delivery.received_at = delivery.received_at or now
    if seen:
        delivery.seen_at = now
    return True


def note(session: Session, delivery: Delivery, person_id: uuid.UUID, now: datetime, *, seen: bool) -> bool:
    """Stores a person's receipt, also on the message that this one said again; False when nothing new was said.

    What was still to go out to this person by other channels is of no use any more. Her colleagues' phones go on
    ringing until somebody has looked: `received` comes from a phone, which may lie in a pocket.
    """
    first, new = delivery.received_at is None, mark(delivery, now, seen=seen)
    if first:
        registrations.reached(session, delivery, now)
    said_first = delivery
    if delivery.about is not None:
        said_first = session.get_one(Delivery, delivery.about)
        new = mark(said_first, now, seen=seen) or new
    if delivery.channel != "socket" and delivery.settled_at is None:
        delivery.settled_at, delivery.settled_why = now, "received"
    settings: Settings = session.info["settings"]
    if not settings.channels:
        return new
    heard = {"said_first": said_first.id, "now": now}
    if seen:
        session.execute(_STILL_TO_GO, heard)
    else:
        session.execute(_STILL_TO_GO_TO_ONE, heard | {"person_id": person_id})
    return new


def settle(session: Session, delivery_ids: Collection[uuid.UUID], why: str, now: datetime) -> None:
    """Ends deliveries that are of no use any more (taken, expired, withdrawn), with all that would say them again.

    Receipts already stored stay.
    """
    if delivery_ids:
        session.execute(_OF_NO_USE, {"ids": list(delivery_ids), "now": now, "why": why})


def note_emitted(session: Session, emitted: Sequence[tuple[uuid.UUID, datetime]]) -> set[uuid.UUID]:
    """Stores when messages were first written to an open socket of their audience; says which it could store.

    Those that somebody holds are left for another time: an acceptance holds its message and waits for the others.
    """
    ids = {delivery_id for delivery_id, _ in emitted}
    held = set(session.scalars(_NOBODY_HOLDS, {"ids": list(ids)})) if ids else set()
    rows = [{"its_id": delivery_id, "at": at} for delivery_id, at in sorted(emitted) if delivery_id in held]
    if rows:
        session.connection().execute(_EMITTED, rows)
    return held
