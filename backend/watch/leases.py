"""Leases: which of several equal processes does what only one may do; a dead one loses it by itself."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from backend.database import insert
from backend.watch.models import Lease


def hold(session: Session, name: str, holder: uuid.UUID, now: datetime, for_s: float) -> bool:
    """Takes or renews a lease; False while somebody else has it. It counts once the transaction commits."""
    until = now + timedelta(seconds=for_s)
    statement = insert(session, Lease).values(name=name, holder=holder, until=until)
    mine = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": holder, "until": until},
        # A lease that ends far in the future was taken by a clock that went wrong: it must not be held for ever.
        where=or_(Lease.holder == holder, Lease.until <= now, Lease.until > until + timedelta(seconds=for_s)),
    ).returning(Lease.holder)
    got: uuid.UUID | None = session.scalar(mine)
    return got == holder


def is_held(session: Session, name: str, now: datetime) -> bool:
    """Whether anybody holds this lease now."""
    return session.scalar(select(Lease.holder).where(Lease.name == name, Lease.until > now)) is not None


def let_go(session: Session, name: str, holder: uuid.UUID) -> None:
    """Gives a lease back before its time, so that the next one need not wait for its end."""
    session.execute(delete(Lease).where(Lease.name == name, Lease.holder == holder))
