"""The ledger of texts: which have come, from whom, which alert they are about, and which were answered."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.alerts import views
from backend.alerts.adoption import BY_TEXT
from backend.alerts.lifecycle import LIVE
from backend.alerts.models import Alert, ReceivedText
from backend.alerts.register import locked
from backend.alerts.text_parsing import callback_number, is_dialable
from backend.database import insert, lock_rows, new_id, wake
from backend.delivery.channels import REPLY
from backend.delivery.models import Delivery
from backend.delivery.words import reply_words
from backend.network.names import folded
from backend.people.models import Device
from backend.settings import Settings

TALK = timedelta(minutes=30)
"""For so long after a text, another one without an id from the same number is about the same alert."""
REPLY_USEFUL = timedelta(minutes=10)
REPLY_EVERY = timedelta(minutes=2)
MOST_REPLIES = 5
"""Replies about one alert: a machine that answers texts must not be answered for ever."""
_TEXTS = uuid.UUID("0b7c4b0e-0f43-5a3c-9a57-2f0a6f0f8b1d")


def first(session: Session, text_id: str, now: datetime) -> ReceivedText | None:
    """The row of a text that is seen for the first time; whoever hands it over meanwhile waits here for our commit."""
    stored = stored_id(text_id)
    statement = insert(session, ReceivedText).values(id=stored, received_at=now)
    new = statement.on_conflict_do_nothing(index_elements=["id"]).returning(ReceivedText.id)
    return session.get_one(ReceivedText, stored) if session.scalar(new) is not None else None


def stored_id(text_id: str) -> str:
    """The provider's id as it is stored."""
    return text_id if len(text_id) <= 64 and text_id.isprintable() else hashlib.sha256(_plain(text_id)).hexdigest()


def sender(session: Session, given: str, key: bytes, now: datetime) -> uuid.UUID:
    """The row that stands for a number, locked: two texts of one number are taken one after the other.

    No number is in it, only what our key makes of it: a stolen table tells nobody who wrote.
    """
    token_hash = hmac.new(key, b"sender:" + _plain(callback_number(given) or given), hashlib.sha256).digest()
    new = insert(session, Device).values(
        id=uuid.uuid4(), token_hash=token_hash, platform=BY_TEXT, created_at=now, expires_at=now
    )
    session.execute(new.on_conflict_do_nothing(index_elements=["token_hash"]))
    found: uuid.UUID = session.scalars(
        lock_rows(select(Device.id).where(Device.token_hash == token_hash))
    ).one()
    return found


def talked_about(session: Session, sender_id: uuid.UUID, now: datetime) -> Alert | None:
    """The alert that this number has texted about lately, locked; None when it is over, or looks so to its rider."""
    query = (
        select(Alert.id)
        .join(ReceivedText, ReceivedText.alert_id == Alert.id)
        .where(ReceivedText.sender_id == sender_id, ReceivedText.received_at > now - TALK, Alert.state.in_(LIVE))
        .order_by(ReceivedText.received_at.desc())
        .limit(1)
    )
    alert_id = session.scalar(query)
    if alert_id is None:
        return None
    alert = locked(session, alert_id)
    return None if alert.state not in LIVE or views.seems_over(alert) else alert


def reply(session: Session, row: ReceivedText, number: str, now: datetime) -> None:
    """Puts the answer into the outbox, unless this number had one a moment ago or the alert has had enough."""
    settings: Settings = session.info["settings"]
    if "sms" not in settings.channels or not is_dialable(number):
        return
    session.flush()
    lately = select(func.count()).where(
        ReceivedText.sender_id == row.sender_id, ReceivedText.replied_at > now - REPLY_EVERY
    )
    answered = select(func.count()).where(ReceivedText.alert_id == row.alert_id, ReceivedText.replied_at.is_not(None))
    if session.scalar(lately) or (session.scalar(answered) or 0) >= MOST_REPLIES:
        return
    row.replied_at = now
    session.add(
        Delivery(
            id=new_id(), audience="number", channel="sms", kind=REPLY, alert_id=row.alert_id, number=number,
            body={"text": reply_words(_numbers(settings), "fr")}, created_at=now, due_at=now,
            useful_until=now + REPLY_USEFUL, urgency=1,
        )
    )  # fmt: skip
    wake(session, "outbox")


def _numbers(settings: Settings) -> list[tuple[str, str]]:
    return [(one.number, one.kind) for one in settings.emergency_numbers]


def is_our_own(text: str, settings: Settings) -> bool:
    """Whether our own answer comes back, as some phones and gateways do."""
    said = folded(text)
    return any(folded(reply_words(_numbers(settings), language)) in said for language in ("fr", "en"))


def derived(key: bytes, kind: str, text_id: str) -> uuid.UUID:
    """An id that this text always gets, and that nobody can guess from the provider's."""
    return uuid.uuid5(_TEXTS, hmac.new(key, f"{kind}:".encode() + _plain(text_id), hashlib.sha256).hexdigest())


def _plain(text: str) -> bytes:
    return text.encode("utf-8", "replace")
