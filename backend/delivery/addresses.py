"""Addresses: where each message goes, looked up when it is about to go, never before."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.delivery.channels import Address
from backend.delivery.models import Delivery, PushRegistration
from backend.people.models import Staff


def addresses_of(session: Session, rows: Sequence[Delivery]) -> dict[uuid.UUID, tuple[Address | None, str]]:
    """(address, language) of each message by its id; no address, or no entry, where it has lost its phone meanwhile."""
    registered = {row.registration_id for row in rows if row.registration_id is not None}
    phones: dict[uuid.UUID, tuple[Address, str]] = {}
    if registered:
        query = select(PushRegistration).where(
            PushRegistration.id.in_(registered), PushRegistration.disabled_at.is_(None)
        )
        for one in session.scalars(query):
            phones[one.id] = (Address(one.address_kind, one.address), one.language)
    people = {row.staff_id for row in rows if row.channel == "sms" and row.staff_id is not None}
    numbers: dict[uuid.UUID, str] = {}
    if people:
        query_numbers = select(Staff.id, Staff.phone).where(Staff.id.in_(people), Staff.phone.is_not(None))
        numbers = {row.id: row.phone for row in session.execute(query_numbers)}
    found: dict[uuid.UUID, tuple[Address | None, str]] = {}
    for row in rows:
        if row.registration_id is not None:
            found[row.id] = phones.get(row.registration_id, (None, "fr"))
        elif number := row.number or (numbers.get(row.staff_id) if row.staff_id else None):
            found[row.id] = (Address("number", number), "fr")
    return found
