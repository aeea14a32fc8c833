"""Receipts: `received` says the phone has the message, `seen` says a person looked at it. Both are stored once."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from backend.delivery.models import Delivery
from backend.errors import Refused


def find(session: Session, delivery_id: uuid.UUID, audience: str) -> Delivery:
    """The delivery; refuses `delivery_unknown` for another audience's too: a stranger must not learn that it exists."""
    found = session.scalar(
        select(Delivery)
        .where(Delivery.id == delivery_id, Delivery.audience == audience)
        .execution_options(populate_existing=True)
    )
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


def settle(session: Session, delivery_ids: Collection[uuid.UUID], why: str, now: datetime) -> None:
    """Ends deliveries that are of no use any more (taken, expired, withdrawn); receipts already stored stay."""
    if delivery_ids:
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(delivery_ids), Delivery.settled_at.is_(None))
            .values(settled_at=now, settled_why=why)
        )
