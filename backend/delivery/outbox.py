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

from sqlalchemy import BindParameter, ColumnElement, Integer, String, bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session

from backend.database import UTCDateTime, lock_rows, new_id, wake
from backend.delivery import registrations, retries
from backend.delivery.addresses import addresses_of
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
from backend.delivery.models import Delivery, DeliveryAttempt
from backend.delivery.words import words

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
    about: uuid.UUID | None
    staff_id: uuid.UUID | None
    registration_id: uuid.UUID | None
    address: Address
    language: str
    title: str

    def message(self) -> Message:
        """What is given to the channel; may fail on a row that nobody foresaw, outside of any transaction."""
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


def free(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Nobody holds it, or whoever did let its lease end."""
    return or_(Delivery.claimed_until.is_(None), Delivery.claimed_until <= now)


_NOW = bindparam("now", type_=UTCDateTime())
_DUE = lock_rows(
    select(Delivery)
    .where(*TO_SEND, Delivery.channel == bindparam("channel"), Delivery.due_at <= _NOW, free(_NOW))
    .order_by(Delivery.urgency, Delivery.due_at)
    .limit(bindparam("most", type_=Integer())),
    skip_locked=True,
).execution_options(populate_existing=True)
_WAITING = (
    select(Delivery.channel, func.min(Delivery.due_at))
    .where(*TO_SEND, Delivery.channel.in_(bindparam("channels", expanding=True)), free(_NOW))
    .group_by(Delivery.channel)
)
_WHY = bindparam("why", type_=String())
_SETTLED = (
    update(Delivery)
    .where(Delivery.id == bindparam("its_id"), Delivery.claim_token == bindparam("token"))
    .values(
        claim_token=None,
        claimed_until=None,
        due_at=func.coalesce(bindparam("again_at", type_=UTCDateTime()), Delivery.due_at),
        sent_at=func.coalesce(bindparam("went_at", type_=UTCDateTime()), Delivery.sent_at),
        # What ended it meanwhile (a receipt, somebody who took the alert) stays the reason.
        settled_at=func.coalesce(Delivery.settled_at, bindparam("over_at", type_=UTCDateTime())),
        settled_why=func.coalesce(Delivery.settled_why, _WHY),
        number=case((_WHY.is_(None), Delivery.number), else_=None),
    )
    .returning(Delivery.id)
    .execution_options(synchronize_session=False)
)


def claim(
    session: Session, channel: str, now: datetime, *, limit: int, lease_s: float, title: str = "Vigie"
) -> list[Claimed]:
    """Up to `limit` due messages of one channel, the most urgent first, each with a new token and lease."""
    rows: Sequence[Delivery] = session.scalars(_DUE, {"channel": channel, "now": now, "most": limit}).all()
    addresses = addresses_of(session, rows)
    found = []
    for row in rows:
        address, language = addresses.get(row.id, (None, "fr"))
        why = _unsendable(session, row, address, now)
        if why is not None or address is None:
            row.claim_token = row.claimed_until = row.number = None
            row.settled_at, row.settled_why = now, why
            bring_forward(session, row, now)
            continue
        row.attempts += 1
        row.claim_token, row.claimed_until = new_id(), now + timedelta(seconds=lease_s)
        found.append(
            Claimed(row.id, row.claim_token, row.channel, row.kind, row.attempts, row.useful_until, row.urgency,
                    row.alert_id, row.body or {}, row.about, row.staff_id, row.registration_id, address, language,
                    title)
        )  # fmt: skip
    return found


def _unsendable(session: Session, row: Delivery, address: Address | None, now: datetime) -> str | None:
    if row.useful_until <= now:
        return "too_late"
    if address is None:
        return "no_address"
    if row.claim_token is None or row.attempts < retries.MOST_LEASES_LOST:
        return None
    # Claimed again and again, it ended every worker that had it. A provider's "later" is an answer: the ledger has it.
    answered = select(func.count()).where(DeliveryAttempt.delivery_id == row.id)
    lost = row.attempts - (session.scalar(answered) or 0)
    return "quarantined" if lost >= retries.MOST_LEASES_LOST else None


def settle(
    session: Session, claimed: Claimed, outcome: Outcome | Mistake, at: datetime, now: datetime, *, jitter: float
) -> bool:
    """Writes what became of a claimed message, begun at `at`; False when the lease was lost and another has it now.

    Whatever did not go brings forward what the same person can still be told by another channel.
    """
    took_ms = max(0, round((now - at).total_seconds() * 1000))
    name, code = _ledger(outcome)
    session.execute(
        DeliveryAttempt.__table__.insert(),  # type: ignore[attr-defined]
        {
            "delivery_id": claimed.id, "number": claimed.attempts, "channel": claimed.channel, "at": at,
            "took_ms": took_ms, "outcome": name, "code": code,
        },
    )  # fmt: skip
    again_at, why = _after(claimed, outcome, now, jitter)
    written = {
        "its_id": claimed.id, "token": claimed.token, "again_at": again_at, "why": why,
        "went_at": now if isinstance(outcome, Sent) else None, "over_at": now if why is not None else None,
    }  # fmt: skip
    held = session.scalar(_SETTLED, written) is not None
    if held and isinstance(outcome, AddressDead):
        _give_up_address(session, claimed, outcome.code, now)
    if held and not isinstance(outcome, Sent):
        bring_forward(session, claimed, now)
    return held


def _give_up_address(session: Session, claimed: Claimed, code: str, now: datetime) -> None:
    known = claimed.registration_id
    if known is not None and not registrations.disable(session, known, claimed.address.value, code, now):
        kept = update(Delivery).where(Delivery.id == claimed.id, Delivery.settled_why == "address_dead")
        session.execute(kept.values(settled_why="gave_up"))


def _after(
    claimed: Claimed, outcome: Outcome | Mistake, now: datetime, jitter: float
) -> tuple[datetime | None, str | None]:
    """(when it is tried again, why it is over)."""
    match outcome:
        case Sent():
            # No receipt can come of a text, and none is asked for news and replies.
            return None, "sent" if claimed.channel == "sms" or claimed.kind in (NEWS, REPLY) else None
        case RetryAt():
            at = retries.next_try(outcome, claimed.attempts, claimed.useful_until, now, jitter)
            return (None, "too_late") if at is None else (at, None)
        case GiveUp():
            return None, "gave_up"
        case AddressDead():
            return None, "address_dead"
        case Mistake():
            over = claimed.attempts >= retries.MOST_MISTAKES
            return (None, "quarantined") if over else (now + timedelta(seconds=claimed.attempts), None)


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


def bring_forward(session: Session, row: Delivery | Claimed, now: datetime) -> None:
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
    ids = session.scalars(lock_rows(later.order_by(Delivery.id), skip_locked=True)).all()
    if ids:
        session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(due_at=now))
        wake(session, "outbox")


def pass_over(session: Session, channel: str, now: datetime) -> None:
    """A channel is known to be down: what waits for it need not be waited for by the next one."""
    query = select(Delivery).where(*TO_SEND, Delivery.channel == channel, Delivery.due_at <= now).limit(100)
    for row in session.scalars(lock_rows(query, skip_locked=True)):
        bring_forward(session, row, now)


def waiting(session: Session, channels: Collection[str], now: datetime) -> dict[str, datetime]:
    """For each of these channels that has messages in nobody's hands, when the first of them is or was due."""
    rows = session.execute(_WAITING, {"channels": list(channels), "now": now})
    return {channel: at for channel, at in rows if at is not None}
