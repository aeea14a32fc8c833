"""What a rider can still do after raising an alert: where she is now, messages, cancel with a PIN."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts import views
from backend.alerts.adoption import BY_TEXT
from backend.alerts.assignments import withdraw_pending
from backend.alerts.details import outside, own_alert, weigh
from backend.alerts.lifecycle import LIVE, OVER, WAITING, AlertState
from backend.alerts.models import FORCED, Alert, AlertMessage, AlertPosition
from backend.alerts.raising import promote
from backend.alerts.reading import clean_text
from backend.alerts.register import Actor, announce, control_of, lock_in_order, record, tell_teams
from backend.alerts.situation import situate
from backend.database import insert
from backend.delivery import fanout
from backend.errors import Refused
from backend.geo import Point
from backend.people.models import Device

PinVerdict = Literal["pin", "duress", "wrong", "unset"]
LIVE_SHOWN = 20
"""So many live alerts of one phone are looked at, the newest: a flood from one phone must not cost a flood here."""


@dataclass(frozen=True)
class TrailPoint:
    """One point of the trail, already judged to be a place on Earth."""

    point_seq: int
    latitude: float
    longitude: float
    accuracy_m: float | None
    fix_at: datetime
    provider: str = "unknown"


def add_positions(
    session: Session, alert_id: uuid.UUID, device_id: uuid.UUID, points: Sequence[TrailPoint], now: datetime
) -> Alert:
    """The alert with the points stored in its trail; repeats and late ones do no harm.

    The highest `point_seq` is where the rider is now, in whatever order the points arrive.
    """
    alert = own_alert(session, alert_id, device_id)
    if alert.state not in LIVE:
        raise Refused("alert_over", state=views.rider_view(alert, [])["state"])
    stored = 0
    for point in sorted(points, key=lambda point: point.point_seq):
        statement = insert(session, AlertPosition).values(
            alert_id=alert.id,
            point_seq=point.point_seq,
            lat=point.latitude,
            lon=point.longitude,
            accuracy_m=point.accuracy_m,
            fix_at=point.fix_at,
            received_at=now,
        )
        new = statement.on_conflict_do_nothing(index_elements=["alert_id", "point_seq"])
        stored += session.scalar(new.returning(AlertPosition.point_seq)) is not None
    newest = max(points, key=lambda point: point.point_seq)
    if stored and (alert.position_seq is None or newest.point_seq > alert.position_seq):
        _move_to(session, alert, newest, now)
    return alert


def _move_to(session: Session, alert: Alert, point: TrailPoint, now: datetime) -> None:
    first = alert.lat is None
    alert.lat, alert.lon, alert.accuracy_m = point.latitude, point.longitude, point.accuracy_m
    alert.position_at, alert.position_seq, alert.provider = point.fix_at, point.point_seq, point.provider
    alert.out_of_area = outside(
        session, Point(point.latitude, point.longitude), session.info["settings"].service_area_margin_m
    )
    situate(session, alert, now)
    if first and alert.state in WAITING and alert.state != AlertState.ARMED:
        alert.next_round_at = now  # teams can be measured against a place now
        record(session, alert, Actor("rider", alert.device_id), "position_added", now)
    announce(session, alert, now, to_rider=False)
    tell_teams(session, alert, now)


def add_message(
    session: Session,
    alert: Alert,
    message_id: uuid.UUID,
    text: str,
    author: Literal["rider", "control_room"],
    author_id: uuid.UUID,
    now: datetime,
) -> tuple[AlertMessage, bool]:
    """(the message, whether it is new); the same id again with the same text changes nothing. Expects the lock."""
    cleaned = clean_text(text)[0]
    known = session.get(AlertMessage, message_id)
    if known is not None:
        if known.alert_id != alert.id or known.author_id != author_id or known.text != cleaned:
            raise Refused("message_reused")
        return known, False
    if alert.state in OVER or views.seems_over(alert):
        # Whoever holds a phone that shows a cancelled alert must not see a word come or go.
        raise Refused("alert_over", state=views.rider_view(alert, [])["state"])
    if author == "control_room" and session.get_one(Device, alert.device_id).platform == BY_TEXT:
        # It would wait for ever on a phone that has no app, while the operator believes that it was read.
        raise Refused("rider_by_text")
    message = AlertMessage(
        id=message_id, alert_id=alert.id, author=author, author_id=author_id, text=cleaned, sent_at=now
    )
    session.add(message)
    data: dict[str, Any] = {"alert_id": str(alert.id), "message": views.message_view(message)}
    feed.put(session, control_of(alert), "message.added", data, now, alert_id=alert.id)
    feed.put(session, feed.device(alert.device_id), "message.added", data, now, alert_id=alert.id)
    if author == "control_room" and views.may_ring(alert):
        fanout.tell_rider(session, alert.device_id, alert.id, now)
    return message, True


def messages(session: Session, alert_id: uuid.UUID) -> list[AlertMessage]:
    """The alert's messages, oldest first."""
    return list(
        session.scalars(
            select(AlertMessage)
            .where(AlertMessage.alert_id == alert_id)
            .order_by(AlertMessage.sent_at, AlertMessage.id)
        )
    )


def cancel(session: Session, alert_id: uuid.UUID, device_id: uuid.UUID, verdict: PinVerdict, now: datetime) -> Alert:
    """The rider wants it called off: before it went out, it is; afterwards an operator must confirm.

    A duress PIN answers exactly alike, and raises the priority: the aggressor may be looking at the screen.
    """
    alert = own_alert(session, alert_id, device_id)
    if alert.duress or alert.state == AlertState.CANCELLED:
        return alert
    if alert.state not in LIVE:
        raise Refused("alert_over", state=alert.state)
    if alert.cancel_how == FORCED:
        verdict = "duress"  # force was heard before: it is not over because another PIN follows
    asked_before = alert.cancel == "requested"
    if verdict != "duress" and asked_before:
        return alert
    if not asked_before:
        alert.cancel_requested_at, alert.cancel_version = now, alert.version + 1
    if verdict == "duress":
        _duress(session, alert, now)
    elif alert.state == AlertState.ARMED:
        alert.cancel, alert.cancel_how, alert.closed_at = "confirmed", verdict, now
        record(session, alert, Actor("rider", device_id), "cancelled", now, step="cancel", reason="before_it_went_out")
        withdraw_pending(session, alert, "cancelled", now)
    else:
        alert.cancel, alert.cancel_how = "requested", verdict
        record(session, alert, Actor("rider", device_id), "cancel_requested", now)
    announce(session, alert, now, to_rider=False)
    if not asked_before:
        # Said once, the same after either PIN; from here on the phone hears nothing until an operator decides.
        shown = {"alert": views.rider_view(alert, [])}
        feed.put(session, feed.device(alert.device_id), "alert.changed", shown, now, alert_id=alert.id)
    return alert


def refused_pin(session: Session, alert_id: uuid.UUID, device_id: uuid.UUID, now: datetime) -> None:
    """Leaves a line when a wrong PIN was typed: somebody else may hold the phone."""
    _leave_line(session, own_alert(session, alert_id, device_id), "pin_wrong", now)


def early_pin(session: Session, alert_id: uuid.UUID, device_id: uuid.UUID, verdict: PinVerdict, now: datetime) -> None:
    """Leaves a line when a PIN came before its time; it cancels nothing, whichever it was.

    A duress PIN is heard all the same, by the control room alone: the phone shows and counts the same as for any other.
    """
    alert = own_alert(session, alert_id, device_id)
    _leave_line(session, alert, "duress_noticed" if verdict == "duress" else "pin_early", now)


def live_alerts(session: Session, device_id: uuid.UUID) -> list[uuid.UUID]:
    """The alerts of a phone that are not over, the newest ones."""
    newest = select(Alert.id).where(Alert.device_id == device_id, Alert.state.in_(LIVE))
    return list(session.scalars(newest.order_by(Alert.received_at.desc()).limit(LIVE_SHOWN)))


def pins_asked_for(
    session: Session, device_id: uuid.UUID, verdict: PinVerdict, now: datetime, *, early: bool = False
) -> None:
    """Leaves a line at each live alert of a phone on which other PINs are wanted, whatever became of it.

    One line after any PIN, so that the version on the phone does not tell them apart; force is heard as in `early_pin`.
    """
    told: dict[PinVerdict, str] = {"duress": "duress_noticed", "pin": "pins_changed", "wrong": "pin_wrong"}
    line = "pin_early" if early and verdict != "duress" else told[verdict]
    found = live_alerts(session, device_id)
    lock_in_order(session, found)
    for alert_id in found:
        _leave_line(session, own_alert(session, alert_id, device_id), line, now)


def _leave_line(session: Session, alert: Alert, line: str, now: datetime) -> None:
    if alert.state not in LIVE or alert.duress:
        return
    if line == "duress_noticed":
        alert.cancel_how = FORCED
        weigh(alert)
        # No round at once, as after a cancel: the phone would hear of it, and after no other PIN does it hear anything.
    record(session, alert, Actor("rider", alert.device_id), line, now)
    announce(session, alert, now, to_rider=False)


def _duress(session: Session, alert: Alert, now: datetime) -> None:
    armed = alert.state == AlertState.ARMED
    alert.duress, alert.cancel, alert.cancel_how = True, None, "duress_armed" if armed else "duress"
    weigh(alert)
    if armed:
        promote(session, alert, Actor("rider", alert.device_id), now, tell=False)
    elif alert.state in WAITING:
        alert.next_round_at = now  # by the rounds of the worst danger, not by those that it began with
    record(session, alert, Actor("rider", alert.device_id), "duress", now)
