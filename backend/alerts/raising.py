"""Raising an alert: stored first, with its next round due at once; who is sent is decided afterwards, elsewhere.

No fault in choosing a team can lose an alert, because no team is chosen here.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session, make_transient_to_detached

from backend.alerts import views
from backend.alerts.adoption import adopt
from backend.alerts.categories import urgency
from backend.alerts.details import outside
from backend.alerts.intake import AlertContent
from backend.alerts.lifecycle import AlertState
from backend.alerts.models import Alert, LogEntry
from backend.alerts.register import Actor, announce, locked, patience_of, record, standing
from backend.alerts.timers import next_attention
from backend.database import insert, new_id
from backend.errors import Refused, warning
from backend.geo import Point
from backend.network import queries
from backend.problem_texts import Language
from backend.settings import Settings

Source = Literal["app", "sms", "drill"]
SUSPECT_PER_HOUR = 6
"""From this many alerts of one phone in an hour on they are flagged; never refused (S30)."""
DOUBTS = frozenset({"text_signature_wrong"})
"""Warnings about the sender with which an alert is flagged from the start; never refused either."""


_LATELY = select(func.count()).where(Alert.device_id == bindparam("device_id"), Alert.received_at > bindparam("since"))


def raise_alert(
    session: Session,
    alert_id: uuid.UUID,
    device_id: uuid.UUID,
    content: AlertContent,
    now: datetime,
    *,
    language: Language = "fr",
    also: Sequence[str] = (),
    source: Source = "app",
    drill: bool = False,
    callback_number: str | None = None,
) -> tuple[Alert, bool]:
    """(the alert, whether it is new). The same id again from the same phone is answered with what is stored.

    A text under a known id gets the alert, locked, whoever raised it; a request under the id of an alert that only a
    text has told of yet takes it over.

    `also` are codes of warnings that its sender deserves beside those about its content.
    Refuses `key_reused` for other content under a known id, `alert_unknown` for another phone's id.
    """
    settings: Settings = session.info["settings"]
    values = _values(alert_id, device_id, content, now, settings.armed_s)
    # Named here, not left to the columns' defaults: the row is not read back, so the object must hold them as well.
    values |= {"source": source, "drill": drill, "callback_number": callback_number}
    warnings = [*content.warnings, *((code, None) for code in also)]
    _look_at_place(session, content, values, warnings, settings.service_area_margin_m)
    values["warnings"] = [warning(code, language, field) for code, field in warnings]
    lately = session.scalar(_LATELY, {"device_id": device_id, "since": now - timedelta(hours=1)}) or 0
    values["suspect"] = not DOUBTS.isdisjoint(also) or lately >= SUSPECT_PER_HOUR
    alert = Alert(**values)
    values["attention_at"] = alert.attention_at = next_attention(standing(alert, ()), patience_of(session), now)
    statement = insert(session, Alert).on_conflict_do_nothing(index_elements=["id"]).returning(Alert.id)
    # RETURNING, not rowcount: with psycopg the latter is -1 here, and every replay would look new.
    if session.connection().scalar(statement, values) is None:
        if source == "sms":
            return locked(session, alert_id), False
        return _replayed(session, alert_id, device_id, content, also, language, now), False
    # What was just written need not be read back.
    make_transient_to_detached(alert)
    session.add(alert)
    session.add(
        LogEntry(
            id=new_id(),
            alert_id=alert_id,
            version=1,
            at=now,
            device_at=content.device_observed_at,
            actor_kind="rider",
            actor_id=device_id,
            action="raised",
            from_state=None,
            to_state=values["state"],
            detail={"warnings": [code for code, _ in warnings]} if warnings else None,
        )
    )
    announce(session, alert, now, type_="alert.raised")
    return alert, True


def _values(
    alert_id: uuid.UUID, device_id: uuid.UUID, content: AlertContent, now: datetime, armed_s: int
) -> dict[str, Any]:
    witness, silent = content.reporter_role == "witness", content.contact_mode == "cannot_talk"
    said_nothing = content.category is None
    urgent = urgency(content.category, witness=witness and not said_nothing, silent=silent, duress=False)
    armed_until = now + timedelta(seconds=armed_s) if content.armed else None
    position, place = content.position, content.place
    return {
        "id": alert_id,
        "device_id": device_id,
        "content_hash": content.content_hash,
        "version": 1,
        "state": AlertState.ARMED if content.armed else AlertState.OPEN,
        "category": content.category,
        "reporter_role": content.reporter_role,
        "contact_mode": content.contact_mode,
        "description": content.description,
        "exercise": content.exercise,
        "warnings": [],
        "lat": position.latitude if position else None,
        "lon": position.longitude if position else None,
        "accuracy_m": position.accuracy_m if position else None,
        "position_at": content.observed_at - timedelta(milliseconds=position.age_ms) if position else None,
        "provider": position.provider if position else None,
        "position_seq": None,
        "situation": None,
        "out_of_area": content.position_odd,
        "line_id": place.line_id,
        "direction_id": place.direction_id,
        "vehicle_number": place.vehicle_number,
        "stop_id": place.stop_id,
        "station": place.station,
        "carriage": place.carriage,
        "received_at": now,
        "observed_at": content.observed_at,
        "device_observed_at": content.device_observed_at,
        "skew_ms": content.skew_ms,
        "late": any(code == "late" for code, _ in content.warnings),
        "priority": urgent.priority,
        "priority_reasons": list(urgent.reasons),
        "priority_set": None,
        "duress": False,
        "suspect": False,
        "similar": [],
        "armed_until": armed_until,
        "opened_at": None if content.armed else now,
        # The first dispatch is simply a round that is due now; an armed alert's round promotes it.
        "next_round_at": armed_until or now,
        "attention_at": None,
        "round_no": 0,
        "needs_human": False,
        "needs_human_reason": None,
        "needs_human_since": None,
        "shortfall": None,
        "seen_at": None,
        "seen_by": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "cancel": None,
        "cancel_how": None,
        "cancel_requested_at": None,
        "cancel_version": None,
        "merged_into": None,
        "handed_over_to": None,
        "closed_at": None,
        "closing_code": None,
        "legal_class": None,
    }


def _look_at_place(
    session: Session,
    content: AlertContent,
    values: dict[str, Any],
    warnings: list[tuple[str, str | None]],
    margin_m: int,
) -> None:
    position = content.position
    if position is not None and outside(session, Point(position.latitude, position.longitude), margin_m):
        values["out_of_area"] = True
        warnings.append(("out_of_area", "position"))
    if content.place.stop_id and queries.stop_point(session, content.place.stop_id) is None:
        warnings.append(("place_unknown", "place.stop_id"))


def _replayed(
    session: Session,
    alert_id: uuid.UUID,
    device_id: uuid.UUID,
    content: AlertContent,
    also: Sequence[str],
    language: Language,
    now: datetime,
) -> Alert:
    alert = locked(session, alert_id)
    if not alert.content_hash:
        return adopt(session, alert, device_id, content, also, language, now)
    if alert.device_id != device_id:
        raise Refused("alert_unknown")
    if alert.content_hash != content.content_hash:
        raise Refused("key_reused", alert_id=str(alert_id), state=views.rider_view(alert, [])["state"])
    if alert.state == AlertState.ARMED and not content.armed and alert.cancel is None:
        promote(session, alert, Actor("rider", device_id), now)
    return alert


def promote(session: Session, alert: Alert, actor: Actor, now: datetime, *, tell: bool = True) -> None:
    """Makes an armed alert an open one: by the rider at once, or by itself when its seconds are over."""
    alert.opened_at = now
    alert.next_round_at = now
    record(session, alert, actor, "promoted", now, step="promote")
    if tell:
        announce(session, alert, now)
