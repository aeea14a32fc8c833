"""An alert that came by text first, and then from the app: it becomes the phone's own, and nothing is doubled."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from backend.alerts.details import fill
from backend.alerts.intake import AlertContent
from backend.alerts.lifecycle import OVER
from backend.alerts.models import Alert
from backend.alerts.register import Actor, announce, record, tell_teams
from backend.errors import Refused, warning
from backend.people.models import Device
from backend.problem_texts import Language

BY_TEXT = "sms"
"""The platform of the rows that stand for senders of texts."""
_ABOUT_THE_TEXT = frozenset({"text_unsigned", "location_missing"})


def adopt(
    session: Session,
    alert: Alert,
    device_id: uuid.UUID,
    content: AlertContent,
    also: Sequence[str],
    language: Language,
    now: datetime,
) -> Alert:
    """The alert, now this phone's, with all that its request says; expects the lock.

    Refuses `alert_unknown` when the text was signed by another phone.
    """
    if alert.device_id != device_id and session.get_one(Device, alert.device_id).platform != BY_TEXT:
        raise Refused("alert_unknown")
    alert.device_id = device_id
    alert.content_hash = content.content_hash
    alert.device_observed_at = alert.device_observed_at or content.device_observed_at
    alert.skew_ms = alert.skew_ms if alert.skew_ms is not None else content.skew_ms
    said = fill(session, alert, content, now, wins=True) if alert.state not in OVER else {}
    if content.description and content.description not in (alert.description or ""):
        alert.description = "\n".join(part for part in (alert.description, content.description) if part)
        said["description"] = True
    alert.exercise = content.exercise
    alert.warnings = list(_warnings(alert, content, also, language))
    record(session, alert, Actor("rider", device_id), "adopted", now, detail=said or None)
    announce(session, alert, now)
    tell_teams(session, alert, now)
    return alert


def _warnings(alert: Alert, content: AlertContent, also: Sequence[str], language: Language) -> Iterator[dict[str, str]]:
    """What is still true of the text's warnings, and the request's own."""
    yield from (one for one in alert.warnings if one["code"] not in _ABOUT_THE_TEXT)
    known = {one["code"] for one in alert.warnings} - _ABOUT_THE_TEXT
    nowhere = alert.lat is None and not (alert.vehicle_number or alert.stop_id or alert.station)
    for code, field in (*content.warnings, *((code, None) for code in also)):
        if code not in known and (code != "location_missing" or nowhere):
            yield dict(warning(code, language, field))
