"""Receiving: what a phone or a person says about a message that came."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from backend.alerts.models import Alert
from backend.alerts.register import announce
from backend.database import lock_rows
from backend.delivery import receipts
from backend.delivery.channels import OFFER
from backend.delivery.models import Delivery
from backend.people.audiences import audiences_of
from backend.people.roles import Caller

_TOLD_OF = lock_rows(
    select(Alert)
    .join(Delivery, Delivery.alert_id == Alert.id)
    .where(Delivery.id == bindparam("delivery_id"), Delivery.audience.in_(bindparam("audiences", expanding=True))),
    of=Alert,
)


def receipt(session: Session, delivery_id: uuid.UUID, me: Caller, now: datetime, *, seen: bool) -> None:
    """Stores that a phone has a message, or that its person looked at it; the control room sees it at once.

    Refuses `delivery_unknown` for a message to others.
    """
    audiences = audiences_of(me)
    # The alert's row first: an accept holds it while it settles this delivery.
    alert = session.scalar(_TOLD_OF, {"delivery_id": delivery_id, "audiences": list(audiences)})
    delivery = receipts.find(session, delivery_id, *audiences)
    if receipts.note(session, delivery, me.id, now, seen=seen) and alert is not None and delivery.kind == OFFER:
        announce(session, alert, now, to_rider=False)
