"""Ending: messages that are of no use any more, whatever was to become of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, or_, select, update
from sqlalchemy.orm import Session

from backend.database import lock_rows
from backend.delivery import registrations
from backend.delivery.models import Delivery
from backend.delivery.outbox import free

AT_ONCE = 5_000
"""After a long outage there may be more than one statement takes; the next sweep comes within a second."""


def sweep(session: Session, now: datetime) -> int:
    """Ends messages that are of no use any more, and says how many."""
    over = select(Delivery.id).where(
        Delivery.due_at.is_not(None),
        Delivery.received_at.is_(None),
        Delivery.settled_at.is_(None),
        Delivery.useful_until <= now,
        free(now),
    )
    # Whoever ends an alert's offers at this same moment holds some of them: waiting for each other would be a ring.
    ids = session.scalars(lock_rows(over.order_by(Delivery.id).limit(AT_ONCE), skip_locked=True)).all()
    if ids:
        why = case((Delivery.sent_at.is_(None), "too_late"), else_="no_receipt")
        ended = update(Delivery).where(Delivery.id.in_(ids)).values(settled_at=now, number=None, settled_why=why)
        session.execute(ended.execution_options(synchronize_session=False))
        registrations.unheard(session, ids)
    return len(ids)


def settle_old(session: Session, before: datetime, now: datetime, why: str) -> int:
    """Ends every message that is due or was written before an instant, unsent and unheard, and says how many."""
    old = (
        update(Delivery)
        .where(Delivery.settled_at.is_(None), or_(Delivery.due_at <= now, Delivery.created_at < before))
        .values(settled_at=now, settled_why=why, number=None, claim_token=None, claimed_until=None)
        .returning(Delivery.id)
    )
    return len(session.scalars(old.execution_options(synchronize_session=False)).all())
