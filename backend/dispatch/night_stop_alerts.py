"""What night stops ask of alerts: is there one, call a person to it, raise one for a rider who did not come home."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts.intake import read_alert
from backend.alerts.lifecycle import OVER
from backend.alerts.models import Alert
from backend.alerts.raising import raise_alert
from backend.alerts.register import announce, control_of, locked
from backend.alerts.views import seems_over
from backend.dispatch.rounds import call_control_room
from backend.night_stops.models import NightStopRequest
from backend.night_stops.register import AlertWork
from backend.settings import Settings
from backend.times import stamp


def open_alert(session: Session, device_id: uuid.UUID) -> uuid.UUID | None:
    """The newest live alert of a phone."""
    own = select(Alert.id).where(Alert.device_id == device_id, Alert.state.not_in(OVER))
    return session.scalar(own.order_by(Alert.received_at.desc()).limit(1))


def call_human(session: Session, alert_id: uuid.UUID, reason: str, now: datetime) -> None:
    """Calls the control room to an alert now, also where an operator or a team has it already."""
    alert = locked(session, alert_id)
    if alert.state in OVER:
        return
    acknowledged = alert.acknowledged_at is not None
    call_control_room(session, alert, reason, now)
    if acknowledged:
        call = {"alert_id": str(alert.id), "reason": reason, "since": stamp(now)}
        feed.put(session, control_of(alert), "alert.needs_human", call, now, alert_id=alert.id)
    announce(session, alert, now, to_rider=not seems_over(alert))


def raise_for(session: Session, alert_id: uuid.UUID, request: NightStopRequest, now: datetime) -> None:
    """Raises an alert at the place where the rider got off; the same id again changes nothing."""
    settings: Settings = session.info["settings"]
    off_at = request.alighted_at or request.received_at
    minutes = round((now - off_at) / timedelta(minutes=1))
    body = {
        "category": "other",
        "description": f"N'a pas confirmé son arrivée, {minutes} min après une descente à la demande (ligne"
        f" {request.line_id}, {request.after_stop or '?'} – {request.before_stop or '?'}).",
        "position": {"latitude": request.lat, "longitude": request.lon,
                     "fix_age_ms": int((now - off_at) / timedelta(milliseconds=1)), "provider": "manual"},
        "place": {"line_id": request.line_id, "direction_id": request.direction_id},
    }  # fmt: skip
    content = read_alert(body, now, late_s=settings.late_s)
    raise_alert(session, alert_id, request.device_id, content, now)


ALERT_WORK = AlertWork(open_alert, call_human, raise_for)
