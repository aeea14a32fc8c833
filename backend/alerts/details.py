"""What is told about an alert after it was raised: by its rider, by a text, by the same alert on another way."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts import views
from backend.alerts.categories import Category, urgency
from backend.alerts.intake import AlertContent, Details
from backend.alerts.lifecycle import OVER, WAITING, AlertState
from backend.alerts.models import FORCED, Alert
from backend.alerts.register import Actor, announce, cards, locked, record, tell_teams
from backend.alerts.situation import situate
from backend.errors import Refused
from backend.geo import Point
from backend.network import queries
from backend.settings import Settings

_PLACE = ("line_id", "direction_id", "vehicle_number", "stop_id", "station", "carriage")


def add_details(session: Session, alert_id: uuid.UUID, device_id: uuid.UUID, details: Details, now: datetime) -> Alert:
    """What the rider told after sending; refuses `alert_over` when nobody would read it any more."""
    alert = own_alert(session, alert_id, device_id)
    if alert.state in OVER or views.seems_over(alert):
        raise Refused("alert_over", state=views.rider_view(alert, [])["state"])
    said: dict[str, Any] = {}
    for name in ("category", "reporter_role", "contact_mode", "description"):
        value = getattr(details, name)
        if value is not None and value != getattr(alert, name):
            setattr(alert, name, value)
            said[name] = True if name == "description" else str(value)
    for name in ("line_id", "direction_id", "vehicle_number", "stop_id", "station", "carriage"):
        value = getattr(details.place, name)
        if value is not None and value != getattr(alert, name):
            setattr(alert, name, value)
            said[name] = str(value)
    if not said:
        return alert
    before = alert.priority
    weigh(alert)
    can_go = details.place.is_named or alert.priority < before
    if alert.state in WAITING and alert.needs_human and can_go and alert.state != AlertState.ARMED:
        alert.next_round_at = now  # somebody can be sent now
    record(session, alert, Actor("rider", device_id), "details_added", now, detail=said)
    announce(session, alert, now)
    tell_teams(session, alert, now)
    return alert


def weigh(alert: Alert) -> None:
    """Computes the priority afresh from what is known now."""
    category = Category(alert.category) if alert.category else None
    urgent = urgency(
        category,
        witness=alert.reporter_role == "witness" and category is not None,
        silent=alert.contact_mode == "cannot_talk",
        duress=alert.duress or alert.cancel_how == FORCED,
        corroborated=bool(alert.similar),
        set_by_operator=alert.priority_set,
    )
    alert.priority, alert.priority_reasons = urgent.priority, list(urgent.reasons)


def own_alert(session: Session, alert_id: uuid.UUID, device_id: uuid.UUID) -> Alert:
    """The rider's own alert, locked; another phone's is `alert_unknown`: nobody learns that it exists."""
    alert = locked(session, alert_id)
    if alert.device_id != device_id:
        raise Refused("alert_unknown")
    return alert


def rider_card(session: Session, alert: Alert) -> dict[str, Any]:
    """The alert as its rider sees it now."""
    return views.rider_view(alert, cards(session, [alert.id])[alert.id])


def fill(session: Session, alert: Alert, content: AlertContent, now: datetime, *, wins: bool) -> dict[str, Any]:
    """Takes over what this content says and the alert does not, and says what that was; expects the alert's lock.

    With `wins`, what it says counts more than what is stored: it is the whole alert, of which a text was a short form.
    """
    said: dict[str, Any] = {}
    nowhere = alert.lat is None and not (alert.vehicle_number or alert.stop_id or alert.station)
    if content.category is not None and content.category != alert.category and (wins or alert.category is None):
        alert.category = said["category"] = str(content.category)
    if wins:
        for name in ("reporter_role", "contact_mode"):
            if getattr(content, name) != getattr(alert, name):
                said[name] = getattr(content, name)
                setattr(alert, name, said[name])
    for name in _PLACE:
        value, stored = getattr(content.place, name), getattr(alert, name)
        if value is not None and value != stored and (wins or stored is None):
            setattr(alert, name, value)
            said[name] = str(value)
    if _take_position(session, alert, content, wins=wins):
        said["position"] = True
    if said:
        before = alert.priority
        weigh(alert)
        situate(session, alert, now)
        waits = alert.state in WAITING and alert.state != AlertState.ARMED
        if waits and (nowhere or (alert.needs_human and alert.priority < before)):
            alert.next_round_at = now  # somebody can be sent now
    return said


def _take_position(session: Session, alert: Alert, content: AlertContent, *, wins: bool) -> bool:
    position = content.position
    if position is None or alert.position_seq is not None:
        return False
    at = content.observed_at - timedelta(milliseconds=position.age_ms)
    if alert.lat is not None and not (wins and (alert.position_at is None or at >= alert.position_at)):
        return False
    alert.lat, alert.lon, alert.accuracy_m = position.latitude, position.longitude, position.accuracy_m
    alert.position_at, alert.provider = at, position.provider
    settings: Settings = session.info["settings"]
    alert.out_of_area = outside(session, Point(position.latitude, position.longitude), settings.service_area_margin_m)
    return True


def outside(session: Session, here: Point, margin_m: int) -> bool:
    """True when a place is further from every stop of the network than a rider of ours can be."""
    area = queries.service_area(session)
    return area is not None and not area.holds(here, margin_m)
