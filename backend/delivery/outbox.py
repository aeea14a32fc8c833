"""The outbox: messages that are due, claimed with a lease, settled by their token; the ledger of every attempt.

Workers are equals: whoever claims a row has it for a few seconds. A worker that dies leaves an expired lease and
another sends again; one that comes back too late finds another token and changes nothing. Phones drop repeats by id.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.orm import Session

from backend.database import lock_rows, new_id, wake
from backend.delivery import registrations, retries
from backend.delivery.channels import (
    NEWS,
    OFFER,
    REPLY,
    SUPERVISOR,
    Address,
    AddressDead,
    GiveUp,
    Message,
    Outcome,
    RetryAt,
    Sent,
)
from backend.delivery.models import Delivery, DeliveryAttempt, PushRegistration
from backend.delivery.words import words
from backend.people.models import Staff

TO_SEND = (Delivery.due_at.is_not(None), Delivery.sent_at.is_(None), Delivery.settled_at.is_(None))


@dataclass(frozen=True)
class Mistake:
    """Our own code failed at this message; `code` is the kind of error."""

    code: str


@dataclass(frozen=True)
class Claimed:
    """One message that is ours until its lease ends."""

    id: uuid.UUID
    token: uuid.UUID
    channel: str
    kind: str
    attempts: int
    useful_until: datetime
    urgency: int
    alert_id: uuid.UUID | None
    body: dict[str, Any]
    address: Address | None
    language: str
    title: str

    def message(self) -> Message:
        """What is given to the channel; may fail on a row that nobody foresaw, outside of any transaction."""
        assert self.address is not None, "a message without an address is never given to a channel"  # noqa: S101
        said = self.body.get("assignment_id")
        return Message(
            delivery_id=self.id,
            kind=self.kind,
            address=self.address,
            useful_until=self.useful_until,
            language=self.language,
            urgent=self.urgency <= 2,
            title=self.title,
            text=self.body.get("text") or words(self.kind, self.language),
            alert_id=self.alert_id,
            assignment_id=uuid.UUID(said) if said else None,
        )


def claim(
    session: Session, channel: str, now: datetime, *, limit: int, lease_s: float, title: str = "Vigie"
) -> list[Claimed]:
    """Up to `limit` due messages of one channel, the most urgent first, each with a new token and lease."""
    query = (
        select(Delivery)
        .where(
            *TO_SEND,
            Delivery.channel == channel,
            Delivery.due_at <= now,
            or_(Delivery.claimed_until.is_(None), Delivery.claimed_until <= now),
        )
        .order_by(Delivery.urgency, Delivery.due_at)
        .limit(limit)
    )
    rows: Sequence[Delivery] = session.scalars(
        lock_rows(session, query, skip_locked=True).execution_options(populate_existing=True)
    ).all()
    addresses = _addresses(session, rows)
    found = []
    for row in rows:
        address, language = addresses.get(row.id, (None, "fr"))
        if row.useful_until <= now:
            _end(session, row, "too_late", now)
        elif address is None:
            _end(session, row, "no_address", now)
        elif row.attempts >= retries.MOST_ATTEMPTS and row.claim_token is not None:
            _end(session, row, "quarantined", now)  # it was claimed again and again and ended every worker
        else:
            row.attempts += 1
            row.claim_token, row.claimed_until = new_id(), now + timedelta(seconds=lease_s)
            found.append(
                Claimed(row.id, row.claim_token, row.channel, row.kind, row.attempts, row.useful_until, row.urgency,
                        row.alert_id, row.body or {}, address, language, title)
            )  # fmt: skip
    return found


def _addresses(session: Session, rows: Sequence[Delivery]) -> dict[uuid.UUID, tuple[Address | None, str]]:
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


def settle(
    session: Session, claimed: Claimed, outcome: Outcome | Mistake, at: datetime, now: datetime, *, jitter: float
) -> bool:
    """Writes what became of a claimed message, begun at `at`; False when the lease was lost and another has it now.

    Whatever did not go brings forward what the same person can still be told by another channel.
    """
    took_ms = max(0, round((now - at).total_seconds() * 1000))
    name, code = _ledger(outcome)
    session.add(
        DeliveryAttempt(
            delivery_id=claimed.id, number=claimed.attempts, channel=claimed.channel, at=at, took_ms=took_ms,
            outcome=name, code=code,
        )
    )  # fmt: skip
    query = select(Delivery).where(Delivery.id == claimed.id, Delivery.claim_token == claimed.token)
    row = session.scalar(lock_rows(session, query).execution_options(populate_existing=True))
    if row is None:
        return False
    row.claim_token = row.claimed_until = None
    match outcome:
        case Sent():
            _sent(session, row, now)
        case RetryAt():
            row.due_at = retries.next_try(outcome, claimed.attempts, row.useful_until, now, jitter)
            if row.due_at is None or claimed.attempts >= retries.MOST_ATTEMPTS:
                row.due_at = now
                _end(session, row, "too_late", now)
        case GiveUp():
            _end(session, row, "gave_up", now)
        case AddressDead():
            dead = row.registration_id is None or registrations.disable(session, row.registration_id, outcome.code, now)
            _end(session, row, "address_dead" if dead else "gave_up", now)
        case Mistake():
            row.due_at = now + timedelta(seconds=claimed.attempts)
            if claimed.attempts >= retries.MOST_MISTAKES:
                _end(session, row, "quarantined", now)
    if not isinstance(outcome, Sent):
        bring_forward(session, row, now)
    return True


def _ledger(outcome: Outcome | Mistake) -> tuple[str, str | None]:
    match outcome:
        case Sent():
            return "sent", None
        case RetryAt(code):
            return "retry", code[:60]
        case GiveUp(code, ours):
            return ("gave_up_ours" if ours else "gave_up"), code[:60]
        case AddressDead(code):
            return "address_dead", code[:60]
        case Mistake(code):
            return "mistake", code[:60]


def _sent(session: Session, row: Delivery, now: datetime) -> None:
    row.sent_at = now
    if row.settled_at is None and (row.channel == "sms" or row.kind in (NEWS, REPLY)):
        _end(session, row, "sent", now)  # no receipt can come
    if row.registration_id is not None:
        session.execute(
            update(PushRegistration).where(PushRegistration.id == row.registration_id).values(last_ok_at=now)
        )


def _end(session: Session, row: Delivery, why: str, now: datetime) -> None:
    row.claim_token = row.claimed_until = None
    row.number = None
    if row.settled_at is None:
        row.settled_at, row.settled_why = now, why
    if why != "sent":
        bring_forward(session, row, now)


def bring_forward(session: Session, row: Delivery, now: datetime) -> None:
    """Makes due at once what the same person is to be told later by another channel."""
    if row.about is None or row.kind not in (OFFER, SUPERVISOR):
        return
    later = select(Delivery.id).where(
        *TO_SEND,
        Delivery.about == row.about,
        Delivery.staff_id == row.staff_id,
        Delivery.channel != row.channel,
        Delivery.due_at > now,
    )
    # Passed over where somebody holds them: two workers that bring each other's messages forward would wait in a ring.
    ids = session.scalars(lock_rows(session, later.order_by(Delivery.id), skip_locked=True)).all()
    if ids:
        session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(due_at=now))
        wake(session, "outbox")


def pass_over(session: Session, channel: str, now: datetime) -> None:
    """A channel is known to be down: what waits for it need not be waited for by the next one."""
    query = select(Delivery).where(*TO_SEND, Delivery.channel == channel, Delivery.due_at <= now).limit(100)
    for row in session.scalars(lock_rows(session, query, skip_locked=True)):
        bring_forward(session, row, now)


def sweep(session: Session, now: datetime) -> int:
    """Ends messages that are of no use any more, and says how many."""
    over = (
        update(Delivery)
        .where(
            Delivery.due_at.is_not(None),
            Delivery.received_at.is_(None),
            Delivery.settled_at.is_(None),
            Delivery.useful_until <= now,
            or_(Delivery.claimed_until.is_(None), Delivery.claimed_until <= now),
        )
        .values(
            settled_at=now, number=None, settled_why=case((Delivery.sent_at.is_(None), "too_late"), else_="no_receipt")
        )
        .returning(Delivery.id)
    )
    return len(session.scalars(over.execution_options(synchronize_session=False)).all())


def settle_old(session: Session, before: datetime, now: datetime, why: str) -> int:
    """Ends every message that is due or was written before an instant, unsent and unheard, and says how many."""
    old = (
        update(Delivery)
        .where(Delivery.settled_at.is_(None), or_(Delivery.due_at <= now, Delivery.created_at < before))
        .values(settled_at=now, settled_why=why, number=None, claim_token=None, claimed_until=None)
        .returning(Delivery.id)
    )
    return len(session.scalars(old.execution_options(synchronize_session=False)).all())


def due_channels(session: Session, channels: Collection[str], now: datetime) -> set[str]:
    """Those of these channels for which something is due and in nobody's hands."""
    free = or_(Delivery.claimed_until.is_(None), Delivery.claimed_until <= now)
    due = select(Delivery.channel).where(*TO_SEND, Delivery.channel.in_(channels), Delivery.due_at <= now, free)
    return set(session.scalars(due.distinct()))


def next_due(session: Session, channels: Collection[str], now: datetime) -> datetime | None:
    """When the next message of these channels is due; None when none waits. Those in somebody's hands do not count."""
    free = or_(Delivery.claimed_until.is_(None), Delivery.claimed_until <= now)
    earliest: datetime | None = session.scalar(
        select(func.min(Delivery.due_at)).where(*TO_SEND, Delivery.channel.in_(channels), free)
    )
    return earliest
