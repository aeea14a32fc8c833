"""Tidying: what has served its purpose is forgotten, a little at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from backend.alerts.models import ReceivedText
from backend.delivery import registrations
from backend.delivery.models import Delivery
from backend.watch.models import Finding

FINDINGS_KEPT = timedelta(days=90)
AT_ONCE = 5_000
"""Rows of one table in one transaction: nobody waits behind it for long."""


def forget(session: Session, before: datetime) -> int:
    """How many rows went: messages about no alert, ids of texts, addresses of no use, findings that are long over.

    Messages about an alert stay with it: they are part of what can be told of it later.
    """
    old: list[tuple[Any, ColumnElement[bool]]] = [
        (Delivery, Delivery.alert_id.is_(None) & (Delivery.created_at < before)),
        (ReceivedText, ReceivedText.received_at < before),
        (Finding, Finding.over_at < before - FINDINGS_KEPT),
    ]
    gone = registrations.forget_old(session, before)
    for table, condition in old:
        ids = session.scalars(select(table.id).where(condition).limit(AT_ONCE)).all()
        if ids:
            session.execute(delete(table).where(table.id.in_(ids)))
            gone += len(ids)
    return gone
