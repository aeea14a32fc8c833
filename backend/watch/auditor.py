"""The auditor: keeps what was found wrong as rows from when it was found until it is over, and calls people.

Only one auditor writes at a time (a lease); whoever else wants to know judges the same figures for themselves.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.database import insert, new_id
from backend.delivery import supervisors
from backend.delivery.channels import TROUBLE
from backend.watch import figures, leases
from backend.watch.findings import CALLS_NOBODY, DRILL_FAILED, Found, judge
from backend.watch.models import Finding

LEASE = "auditor"
LEASE_S = 3.0
GRACE = timedelta(seconds=5)
"""What is over by then was a restart or a hiccup: nobody is woken up for it."""
PATIENCE = {DRILL_FAILED: timedelta(seconds=30)}
"""A drill that fails is run again at once: one that met a restart is nothing, two are an outage."""


@dataclass(frozen=True)
class Audit:
    """What one audit changed."""

    opened: Sequence[Found] = ()
    closed: Sequence[Finding] = ()
    told: Sequence[Finding] = ()


def audit(session: Session, holder: uuid.UUID, now: datetime) -> Audit | None:
    """Looks, and keeps the findings; None while another auditor does."""
    if not leases.hold(session, LEASE, holder, now, LEASE_S):
        return None
    return open_and_close(session, judge(figures.look(session, now)), now)


def open_and_close(session: Session, found: Iterable[Found], now: datetime) -> Audit:
    """Opens what is new, ends what is over, and calls supervisors once for what lasts longer than a moment."""
    wrong = {one.key: one for one in found}
    known = {(row.code, row.subject): row for row in open_findings(session)}
    opened = [one for key, one in wrong.items() if key not in known]
    for one in opened:
        new = {"id": new_id(), "code": one.code, "subject": one.subject, "value": one.value, "found_at": now}
        if one.code in PATIENCE:
            # The next drill fails at another step: that is the same trouble, which began when it began.
            for row in known.values():
                if row.code == one.code:
                    new |= {"found_at": row.found_at, "told_at": row.told_at}
        session.execute(insert(session, Finding).values(new).on_conflict_do_nothing())
    closed = [row for key, row in known.items() if key not in wrong]
    for row in closed:
        row.over_at = now
    told = []
    for key, row in known.items():
        lasts = key in wrong and now - row.found_at >= PATIENCE.get(row.code, GRACE)
        untold = lasts and row.told_at is None and row.code not in CALLS_NOBODY
        # Asked again at each audit until somebody is called: a trouble that comes back while the call of the first is
        # still fresh, or before a supervisor has left an address, must not stay untold all night.
        if untold and supervisors.call(session, TROUBLE, now, why=":".join(filter(None, key))):
            row.told_at = now
            told.append(row)
    return Audit(opened, closed, told)


def open_findings(session: Session) -> Sequence[Finding]:
    """What is wrong now by the auditor's word, the oldest first."""
    return session.scalars(select(Finding).where(Finding.over_at.is_(None)).order_by(Finding.found_at)).all()
