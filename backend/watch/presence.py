"""Presence: which members of staff have an open socket somewhere, as rows that every process can read."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, select, text
from sqlalchemy.orm import Session

from backend.database import insert, is_postgresql
from backend.json_rows import table_of
from backend.people.models import Presence, Staff

FRESH = timedelta(seconds=8)
"""For so long a socket is believed to be there after a live process last said so; they say it every two seconds."""


def note(session: Session, staff_ids: Collection[uuid.UUID], now: datetime) -> None:
    """Stores that these people have an open socket now; one statement, sorted, so that two processes never deadlock."""
    if not staff_ids:
        return
    table = cast("Table", Presence.__table__)
    columns = [table.c.staff_id, table.c.at]
    # As one value: a statement with a thousand parameters takes ten times as long to write as to run.
    given = table_of(session, columns, [(staff_id, now) for staff_id in sorted(set(staff_ids))])
    still_there = select(given).join(Staff, Staff.id == given.c.staff_id).order_by(given.c.staff_id)
    statement = insert(session, Presence).from_select(["staff_id", "at"], still_there)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["staff_id"],
            set_={"at": statement.excluded.at},
            where=statement.excluded.at > Presence.at,
        )
    )


def as_state(session: Session) -> None:
    """Lets this transaction's commit wait for no disk: what a crash loses of it is said again in two seconds."""
    if is_postgresql(session):
        session.execute(text("SET LOCAL synchronous_commit TO off"))
