"""Registrations: the addresses that phones and browsers gave for pushes: given by owners, taken back by providers.

An address is a secret of one phone: it is stored, handed to its channel, and never returned or logged.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Text, and_, cast, delete, exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend import feed
from backend.database import is_postgresql, lock_rows, new_id, wake
from backend.delivery import subscriptions
from backend.delivery.channels import TEST
from backend.delivery.models import Delivery, PushRegistration
from backend.delivery.subscriptions import SubscriptionInvalid
from backend.errors import Refused
from backend.people.models import Device, StaffSession
from backend.people.roles import Caller, Role

MOST_PER_OWNER = 8
"""Phones and browsers of one owner; a further one takes the place of the oldest."""
TEST_USEFUL = timedelta(seconds=60)
TEST_URGENCY = 6
DEATHS_WITHIN = timedelta(minutes=10)
FEWEST_DEATHS = 3
SHARE_OF_DEATHS = 0.1
_DEATHS_LOCK = 0x56494744  # "VIGD"


@dataclass(frozen=True)
class Given:
    """What a phone says of itself."""

    channel: str
    address_kind: str
    address: str
    language: str = "fr"
    app_id: str | None = None


def register(
    session: Session, registration_id: uuid.UUID, caller: Caller, given: Given, now: datetime
) -> PushRegistration:
    """The caller's registration under this id, ready to be written to.

    An address that somebody else gave before is the caller's from now on: whoever signed in last holds the phone.
    """
    digest = _digest(given)
    query = select(PushRegistration).where(
        or_(PushRegistration.id == registration_id, PushRegistration.address_hash == digest)
    )
    found = session.scalars(lock_rows(query.order_by(PushRegistration.id))).all()
    mine = next((one for one in found if one.id == registration_id), None)
    if mine is not None and mine.address_hash != digest and not _owns(caller, mine):
        # Only who has the phone knows its address: an id alone takes nothing away from anybody.
        raise Refused("key_reused")
    kept = mine if mine is not None and _owns(caller, mine) else None
    for other in found:
        if other is not kept:
            session.delete(other)  # what still waits to go to its owner there loses its way, as it must
    session.flush()
    if kept is None:
        kept = PushRegistration(id=registration_id, created_at=now)
        session.add(kept)
    elif kept.address_hash != digest:
        kept.reached_at = kept.round_trip_ms = None
    kept.staff_id, kept.device_id = (None, caller.id) if caller.role is Role.RIDER else (caller.id, None)
    kept.session_id = caller.session_id
    kept.channel, kept.address_kind, kept.address, kept.address_hash = (
        given.channel, given.address_kind, given.address, digest,
    )  # fmt: skip
    kept.language, kept.app_id = given.language, given.app_id
    kept.disabled_at = kept.disabled_why = None
    try:
        session.flush()
    except IntegrityError:
        # The same phone asked twice at the same moment; the other request has it.
        raise Refused("busy", retry_after_s=1) from None
    for one in of_caller(session, caller)[MOST_PER_OWNER:]:
        session.delete(one)
    session.flush()
    return kept


def forget(session: Session, registration_id: uuid.UUID, caller: Caller) -> None:
    """Forgets one of the caller's registrations."""
    gone = delete(PushRegistration).where(PushRegistration.id == registration_id, _owned_by(caller))
    if session.scalar(gone.returning(PushRegistration.id)) is None:
        raise Refused("not_found")


def forget_ended(session: Session, owner_id: uuid.UUID) -> None:
    """Forgets what somebody registered in sign-ins that are over, or on a phone that was forgotten."""
    over = select(StaffSession.id).where(StaffSession.staff_id == owner_id, StaffSession.revoked_at.is_not(None))
    gone = select(Device.id).where(Device.id == owner_id, Device.revoked_at.is_not(None))
    session.execute(
        delete(PushRegistration).where(
            or_(PushRegistration.session_id.in_(over), PushRegistration.device_id.in_(gone)),
        )
    )


def forget_old(session: Session, before: datetime) -> int:
    """Forgets addresses that have been of no use since before an instant, and says how many."""
    over = select(StaffSession.id).where((StaffSession.revoked_at < before) | (StaffSession.expires_at < before))
    gone = select(Device.id).where((Device.revoked_at < before) | (Device.expires_at < before))
    old = delete(PushRegistration).where(
        or_(
            PushRegistration.disabled_at < before,
            PushRegistration.session_id.in_(over),
            PushRegistration.device_id.in_(gone),
        )
    )
    return len(session.scalars(old.returning(PushRegistration.id)).all())


def of_caller(session: Session, caller: Caller) -> Sequence[PushRegistration]:
    """The caller's own registrations, the newest first."""
    newest = select(PushRegistration).where(_owned_by(caller)).order_by(PushRegistration.created_at.desc())
    return session.scalars(newest.order_by(PushRegistration.id.desc())).all()


def writable(channels: Collection[str], now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """What may be written to: not disabled, by channels that are set up, of people who are still signed in."""
    signed_in = select(StaffSession.id).where(
        StaffSession.id == PushRegistration.session_id, StaffSession.revoked_at.is_(None), StaffSession.expires_at > now
    )
    return and_(
        PushRegistration.disabled_at.is_(None),
        PushRegistration.channel.in_(channels),
        or_(PushRegistration.session_id.is_(None), signed_in.exists()),
    )


def of_staff(
    session: Session, staff_ids: Collection[uuid.UUID], channels: Collection[str], now: datetime
) -> Sequence[PushRegistration]:
    """The phones and browsers of these people that may be written to, the oldest first."""
    query = select(PushRegistration).where(PushRegistration.staff_id.in_(staff_ids), writable(channels, now))
    return session.scalars(query.order_by(PushRegistration.created_at)).all()


def send_tests(
    session: Session, staff_id: uuid.UUID, channels: Collection[str], now: datetime
) -> list[tuple[uuid.UUID, PushRegistration]]:
    """Puts a test message for each phone and browser of somebody into the outbox: (delivery, registration).

    While one is on its way to a phone, that one is the answer: an impatient finger makes no queue.
    """
    found = of_staff(session, [staff_id], channels, now)
    waiting = dict(
        session.execute(
            select(Delivery.registration_id, Delivery.id).where(
                Delivery.registration_id.in_([one.id for one in found]),
                Delivery.kind == TEST,
                Delivery.sent_at.is_(None),
                Delivery.settled_at.is_(None),
                Delivery.useful_until > now,
            )
        ).all()
    )
    tests = []
    for one in found:
        delivery_id = waiting.get(one.id)
        if delivery_id is None:
            delivery_id = new_id()
            session.add(
                Delivery(
                    id=delivery_id,
                    audience=feed.staff(staff_id),
                    channel=one.channel,
                    created_at=now,
                    useful_until=now + TEST_USEFUL,
                    kind=TEST,
                    registration_id=one.id,
                    staff_id=staff_id,
                    urgency=TEST_URGENCY,
                    due_at=now,
                )
            )
            wake(session, "outbox")
        tests.append((delivery_id, one))
    return tests


def reached(session: Session, delivery: Delivery, now: datetime) -> None:
    """Notes that the phone itself has said `received` to a push, how long that took, and tells its owner."""
    if delivery.registration_id is None:
        return
    registration = session.get(PushRegistration, delivery.registration_id)
    if registration is None:
        return
    # A phone can be faster than the provider's answer to us: then `sent_at` is not there yet.
    begun = delivery.sent_at or max(delivery.created_at, delivery.due_at or delivery.created_at)
    registration.reached_at = now
    registration.round_trip_ms = max(0, round((now - begun).total_seconds() * 1000))
    if registration.staff_id is not None:
        told = {
            "registration_id": str(registration.id),
            "channel": registration.channel,
            "round_trip_ms": registration.round_trip_ms,
        }
        feed.put(session, feed.staff(registration.staff_id), "phone.tested", told, now)


def unheard(session: Session, delivery_ids: Collection[uuid.UUID]) -> None:
    """Forgets the measured round trip of each phone to which one of these went out, or was said again, in vain.

    Who was measured at clock-in and whose phone died an hour later is then deaf, as somebody who was never measured;
    the next receipt measures anew. Rows that are held are left out: whoever holds one writes a receipt, or the same.
    """
    if not delivery_ids:
        return
    in_vain = exists().where(
        Delivery.registration_id == PushRegistration.id,
        or_(Delivery.id.in_(delivery_ids), Delivery.about.in_(delivery_ids)),
        Delivery.sent_at.is_not(None),
        Delivery.received_at.is_(None),
        Delivery.created_at > PushRegistration.reached_at,
    )
    query = lock_rows(select(PushRegistration.id).where(in_vain).order_by(PushRegistration.id), skip_locked=True)
    ids = session.scalars(query).all()
    if ids:
        forget = (
            update(PushRegistration).where(PushRegistration.id.in_(ids)).values(reached_at=None, round_trip_ms=None)
        )
        session.execute(forget.execution_options(synchronize_session=False))


def disable(session: Session, registration_id: uuid.UUID, address: str, code: str, now: datetime) -> bool:
    """Writes to this address no more, because its provider says that it is gone; False when too many are said to be.

    A phone that has given a new one meanwhile keeps that: tokens are renewed while a push to the old one is under way.

    A wrong project or key makes a provider call every phone unknown. Whatever the reason: of the addresses of one
    channel, no more than three, or a tenth, are given up in ten minutes, by all workers together.
    """
    if is_postgresql(session):
        # Two workers that count at the same moment would both find room for one more.
        session.execute(select(cast(func.pg_advisory_xact_lock(_DEATHS_LOCK), Text)))
    registration = session.scalar(
        select(PushRegistration)
        .where(PushRegistration.id == registration_id, PushRegistration.address == address)
        .execution_options(populate_existing=True)
    )
    if registration is None or registration.disabled_at is not None:
        return True
    same = PushRegistration.channel == registration.channel
    alive = session.scalar(select(func.count()).where(same, PushRegistration.disabled_at.is_(None))) or 0
    dead = session.scalar(select(func.count()).where(same, PushRegistration.disabled_at > now - DEATHS_WITHIN)) or 0
    if dead >= max(FEWEST_DEATHS, SHARE_OF_DEATHS * (alive + dead)):
        return False
    registration.disabled_at, registration.disabled_why = now, code[:40]
    return True


def _owns(caller: Caller, registration: PushRegistration) -> bool:
    return caller.id == (registration.device_id if caller.role is Role.RIDER else registration.staff_id)


def _owned_by(caller: Caller) -> Any:
    return (PushRegistration.device_id if caller.role is Role.RIDER else PushRegistration.staff_id) == caller.id


def _digest(given: Given) -> bytes:
    # A browser's subscription is its endpoint: its keys, or how its JSON is written, may change.
    told = given.address
    if given.address_kind == "subscription":
        try:
            told = subscriptions.read(told).endpoint
        except SubscriptionInvalid as wrong:
            raise Refused("invalid", field="/address", hint=str(wrong)) from None
    return hashlib.sha256(f"{given.channel}\n{told}".encode()).digest()
