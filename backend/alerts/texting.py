"""Taking one text message: an alert, more words about one, or nothing new; and what is answered.

However often a provider hands a text over, and on however many ways one alert comes, nothing is doubled and nothing
is refused. The sender's number can be forged: it is a hint for calling back, and proves nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.alerts import text_ledger, views
from backend.alerts.adoption import BY_TEXT
from backend.alerts.details import fill
from backend.alerts.intake import AlertContent, read_alert
from backend.alerts.lifecycle import OVER
from backend.alerts.models import Alert, ReceivedText
from backend.alerts.raising import raise_alert
from backend.alerts.register import Actor, announce, record, tell_teams
from backend.alerts.rider_actions import add_message
from backend.alerts.text_names import names_of
from backend.alerts.text_parsing import ReadText, callback_number, read_text
from backend.people.models import Device
from backend.settings import Settings

NOT_BY_HTTP = b""
"""The hash of the content of an alert that no request has told of yet."""

Outcome = Literal["alert", "message", "duplicate", "ignored"]


@dataclass(frozen=True)
class Text:
    """One text as the provider hands it over."""

    id: str
    sender: str = field(repr=False)
    words: str = field(repr=False)
    received_at: datetime


@dataclass(frozen=True)
class Taken:
    """What became of a text."""

    outcome: Outcome
    alert_id: uuid.UUID | None = None


def take(session: Session, text: Text, key: bytes, now: datetime) -> Taken:
    """Takes one text, once; `key` is what only we and the provider know."""
    row = text_ledger.first(session, text.id, now)
    if row is None:
        known = session.get(ReceivedText, text_ledger.stored_id(text.id))
        return Taken("duplicate", known.alert_id if known is not None else None)
    settings: Settings = session.info["settings"]
    if not text.words.strip() or text_ledger.is_our_own(text.words, settings):
        return Taken("ignored")
    row.sender_id = text_ledger.sender(session, text.sender, key, now)
    letter = _Letter(
        text, row.sender_id, callback_number(text.sender), read_text(text.words, names_of(session), text.received_at)
    )
    taken = _file(session, letter, key, now)
    row.alert_id = taken.alert_id
    if letter.number is not None and taken.alert_id is not None:
        text_ledger.reply(session, row, letter.number, now)
    return taken


@dataclass(frozen=True)
class _Letter:
    """A text as understood, and whom it came from."""

    text: Text
    sender_id: uuid.UUID
    number: str | None = field(repr=False)
    read: ReadText


def _file(session: Session, letter: _Letter, key: bytes, now: datetime) -> Taken:
    """Puts a text where it belongs: to an alert that it names or goes on about, else to a new one."""
    settings: Settings = session.info["settings"]
    read, text = letter.read, letter.text
    waited_ms = (now - text.received_at) / timedelta(milliseconds=1)
    body = read.body | ({"queued_ms": waited_ms} if waited_ms > 0 else {})
    # No hash: a request by HTTP under this id is not "other content", it is the same alert in full.
    content = replace(read_alert(body, now, late_s=settings.late_s), content_hash=NOT_BY_HTTP)
    if read.alert_id is None and (open_alert := text_ledger.talked_about(session, letter.sender_id, now)) is not None:
        return _say_more(session, open_alert, letter, content, key, now)
    signer, doubt = _proof(session, read)
    alert, is_new = raise_alert(
        session,
        read.alert_id or text_ledger.derived(key, "alert", text.id),
        signer or letter.sender_id,
        content,
        now,
        also=(doubt,) if doubt else (),
        source="sms",
        callback_number=letter.number,
    )
    return Taken("alert", alert.id) if is_new else _also_by_text(session, alert, letter, content, signer, key, now)


def _say_more(
    session: Session, alert: Alert, letter: _Letter, content: AlertContent, key: bytes, now: datetime
) -> Taken:
    """Another text of the same conversation: its words are a message, and what it names is known from now on."""
    said = fill(session, alert, content, now, wins=False)
    if said:
        record(session, alert, Actor("rider", letter.sender_id), "details_added", now, detail=said)
    _add_words(session, alert, letter, key, now)
    if said:
        announce(session, alert, now)
        tell_teams(session, alert, now)
    return Taken("message", alert.id)


def _also_by_text(
    session: Session,
    alert: Alert,
    letter: _Letter,
    content: AlertContent,
    signer: uuid.UUID | None,
    key: bytes,
    now: datetime,
) -> Taken:
    """A text under the id of an alert that is known: what it adds is added, and its way is written down once."""
    signature = _signature(session, alert, letter.read, signer)
    trusted = signature != "wrong"
    said = fill(session, alert, content, now, wins=False) if trusted and alert.state not in OVER else {}
    if trusted and alert.callback_number is None:
        alert.callback_number = letter.number
    words = letter.read.words
    adds = words is not None and words not in (alert.description or "")
    told = session.scalar(select(ReceivedText.id).where(ReceivedText.alert_id == alert.id).limit(1))
    if told is not None and not said and not adds:
        return Taken("duplicate", alert.id)
    can_write = adds and alert.state not in OVER and not views.seems_over(alert)
    # Where a message would show on a phone that shows an end, the words are for the control room alone.
    reason = words if adds and not can_write else None
    actor, detail = Actor("rider", alert.device_id), {"signature": signature, **said}
    record(session, alert, actor, "also_by_text", now, reason=reason, detail=detail)
    if can_write:
        _add_words(session, alert, letter, key, now)
    announce(session, alert, now)
    if said:
        tell_teams(session, alert, now)
    return Taken("message" if adds else "duplicate", alert.id)


def _signature(
    session: Session, alert: Alert, read: ReadText, signer: uuid.UUID | None
) -> Literal["none", "right", "wrong"]:
    """Whether a text about a known alert was signed by the phone that raised it; a text need not name its phone."""
    if read.signature is None:
        return "none"
    if signer is not None:
        by_text = session.get_one(Device, alert.device_id).platform == BY_TEXT
        return "right" if by_text or signer == alert.device_id else "wrong"
    return "right" if read.device_id is None and _signed_by(session, read, alert.device_id) else "wrong"


def _add_words(session: Session, alert: Alert, letter: _Letter, key: bytes, now: datetime) -> None:
    words = letter.read.words or letter.text.words.strip()
    add_message(
        session, alert, text_ledger.derived(key, "message", letter.text.id), words, "rider", letter.sender_id, now
    )


def _proof(session: Session, read: ReadText) -> tuple[uuid.UUID | None, str | None]:
    """(the phone that signed a text, the code of the doubt about who did)."""
    if read.signature is None or read.device_id is None:
        return None, "text_unsigned"
    if _signed_by(session, read, read.device_id):
        return read.device_id, None
    return None, "text_signature_wrong"


def _signed_by(session: Session, read: ReadText, device_id: uuid.UUID) -> bool:
    device = session.get(Device, device_id)
    return device is not None and device.sms_secret is not None and read.is_signed_with(device.sms_secret)
