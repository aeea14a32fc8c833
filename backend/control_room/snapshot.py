"""What the control room sees when it opens: live alerts, teams, vehicles; the closed ones by page; one case whole."""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from backend.alerts import views
from backend.alerts.lifecycle import ENGAGED, OVER
from backend.alerts.models import Alert, AlertPosition, Assignment, LogEntry
from backend.alerts.register import cards, staff_names
from backend.alerts.rider_actions import messages
from backend.control_room import deliveries
from backend.errors import Refused
from backend.network import queries
from backend.people.models import Staff
from backend.people.views import teams_snapshot, vehicles_snapshot
from backend.times import stamp


def live_alerts(session: Session, limit: int = 5_000) -> list[dict[str, Any]]:
    """All alerts that are not over, newest first."""
    live = select(Alert).where(Alert.state.not_in(OVER), ~Alert.drill)
    return _control_views(session, list(session.scalars(live.order_by(Alert.received_at.desc()).limit(limit))))


def teams(session: Session) -> list[dict[str, Any]]:
    """All teams with who is on duty, where, and on what."""
    engaged = {
        row.team_id: row.alert_id
        for row in session.execute(select(Assignment.team_id, Assignment.alert_id).where(Assignment.state.in_(ENGAGED)))
    }
    return [
        card | {"engaged_on": str(alert_id) if (alert_id := engaged.get(uuid.UUID(card["id"]))) else None}
        for card in teams_snapshot(session)
    ]


def vehicles(session: Session) -> list[dict[str, Any]]:
    """All vehicles in service."""
    return vehicles_snapshot(session)


def page_of_alerts(session: Session, which: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """One page of alerts, newest first: `open`, `closed` or `all`; refuses a cursor that it never gave."""
    query = select(Alert).where(~Alert.drill).order_by(Alert.received_at.desc(), Alert.id.desc()).limit(limit + 1)
    if which != "all":
        query = query.where(Alert.state.in_(OVER) if which == "closed" else Alert.state.not_in(OVER))
    if cursor is not None:
        at, alert_id = _read_cursor(cursor)
        query = query.where(or_(Alert.received_at < at, and_(Alert.received_at == at, Alert.id < alert_id)))
    found = list(session.scalars(query))
    more, found = len(found) > limit, found[:limit]
    return {"items": _control_views(session, found), "next_cursor": _cursor(found[-1]) if more else None}


def whole_case(session: Session, alert_id: uuid.UUID) -> dict[str, Any]:
    """One alert with its register, messages and trail; refuses `alert_unknown`."""
    alert = session.get(Alert, alert_id)
    if alert is None or alert.drill:
        raise Refused("alert_unknown")
    lines = session.scalars(select(LogEntry).where(LogEntry.alert_id == alert_id).order_by(LogEntry.version)).all()
    trail = session.scalars(
        select(AlertPosition).where(AlertPosition.alert_id == alert_id).order_by(AlertPosition.point_seq)
    ).all()
    names = staff_names(session, (line.actor_id for line in lines if line.actor_kind != "rider"))
    return {
        "alert": _control_views(session, [alert])[0],
        "timeline": [views.log_view(line, names) for line in lines],
        "messages": [views.message_view(message) for message in messages(session, alert_id)],
        "positions": [
            {
                "latitude": point.lat,
                "longitude": point.lon,
                "accuracy_m": point.accuracy_m,
                "at": stamp(point.fix_at),
            }
            for point in trail
        ],
        "deliveries": deliveries.of_alert(session, alert_id),
    }


def _control_views(session: Session, alerts: list[Alert]) -> list[dict[str, Any]]:
    found = cards(session, [alert.id for alert in alerts])
    names = (
        {row.id: row.display_name for row in session.execute(select(Staff.id, Staff.display_name))} if alerts else {}
    )
    line_names: dict[str, str | None] = {}
    result = []
    for alert in alerts:
        view = views.control_view(alert, found[alert.id], names)
        if alert.line_id:
            if alert.line_id not in line_names:
                line_names[alert.line_id] = queries.line_name(session, alert.line_id)
            view["place"]["line_name"] = line_names[alert.line_id]
        result.append(view)
    return result


def _cursor(alert: Alert) -> str:
    return base64.urlsafe_b64encode(f"{alert.received_at.timestamp():.6f} {alert.id}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[datetime, uuid.UUID]:
    try:
        at, _, alert_id = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").partition(" ")
        return datetime.fromtimestamp(float(at), UTC), uuid.UUID(alert_id)
    except (ValueError, binascii.Error, OverflowError, OSError):
        raise Refused("cursor_invalid", field="cursor", hint="begin again without a cursor") from None
