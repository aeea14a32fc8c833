"""Status: how well the system itself is, as the control room sees it. State, not news: the next replaces the last."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.delivery.models import PushRegistration
from backend.delivery.registrations import writable
from backend.people.models import DutyShift, Presence, Staff, Team
from backend.people.views import in_order
from backend.settings import Settings
from backend.times import stamp
from backend.watch.auditor import open_findings
from backend.watch.findings import DrillFigures, Figures, Found, is_failing, judge
from backend.watch.presence import FRESH

BEYOND_THE_SOCKET = ("fcm", "webpush", "sms", "log")


def status(session: Session, figures: Figures, now: datetime) -> dict[str, Any]:
    """The whole state, judged here and now: it needs no auditor to be alive."""
    settings: Settings = session.info["settings"]
    since = {(row.code, row.subject): row.found_at for row in open_findings(session)}
    return {
        "findings": [finding_view(one, since.get(one.key, now)) for one in judge(figures)],
        "deaf": deaf(session, settings.channels, now),
        "drill": drill_view(figures.drill),
        "channels": _channels(figures, settings.channels),
    }


def finding_view(found: Found, since: datetime) -> dict[str, Any]:
    """One thing that is wrong."""
    return {"code": found.code, "subject": found.subject, "since": stamp(since), "value": found.value}


def drill_view(drill: DrillFigures) -> dict[str, Any]:
    """The last drill that has ended."""
    return {"ok": drill.ok, "age_s": drill.age_s, "took_ms": drill.took_ms}


def deaf(session: Session, channels: Collection[str], now: datetime) -> list[dict[str, Any]]:
    """Who is on duty and may not be reached.

    Where pushes are set up, one must have come through since the shift began; elsewhere, a socket must be open.
    """
    pushes = [name for name in channels if name != "sms"]
    on_duty = session.execute(
        select(
            DutyShift.staff_id, DutyShift.team_id, DutyShift.started_at, Team.call_sign, Staff.display_name,
            Presence.at.label("present_at"),
        )
        .join(Team, Team.id == DutyShift.team_id)
        .join(Staff, Staff.id == DutyShift.staff_id)
        .outerjoin(Presence, Presence.staff_id == DutyShift.staff_id)
        .where(DutyShift.ended_at.is_(None), ~Team.drill)
    ).all()  # fmt: skip
    registered = _registered(session, pushes, now) if pushes else {}
    found = []
    for row in on_duty:
        has_socket = row.present_at is not None and row.present_at >= now - FRESH
        measured = registered.get(row.staff_id, [])
        push_ms = min((took for at, took in measured if at is not None and at >= row.started_at), default=None)
        why = _why(has_socket=has_socket, is_registered=bool(measured), push_ms=push_ms, wants_push=bool(pushes))
        if why is not None:
            found.append(
                {
                    "team_id": str(row.team_id), "call_sign": row.call_sign, "staff_id": str(row.staff_id),
                    "name": row.display_name, "socket": has_socket, "push_ms": push_ms, "why": why,
                }
            )  # fmt: skip
    return sorted(found, key=lambda one: (in_order(one["call_sign"]), one["name"]))


def _why(*, has_socket: bool, is_registered: bool, push_ms: int | None, wants_push: bool) -> str | None:
    if push_ms is not None:
        return None
    if not has_socket:
        return "unreachable"
    if not wants_push:
        return None
    return "push_untested" if is_registered else "no_push"


def _registered(
    session: Session, channels: Collection[str], now: datetime
) -> dict[uuid.UUID, list[tuple[datetime | None, int]]]:
    query = (
        select(PushRegistration.staff_id, PushRegistration.reached_at, PushRegistration.round_trip_ms)
        .join(DutyShift, (DutyShift.staff_id == PushRegistration.staff_id) & DutyShift.ended_at.is_(None))
        .where(writable(channels, now))
    )
    found: dict[uuid.UUID, list[tuple[datetime | None, int]]] = {}
    for row in session.execute(query):
        found.setdefault(row.staff_id, []).append((row.reached_at, row.round_trip_ms or 0))
    return found


def _channels(figures: Figures, set_up: Collection[str]) -> list[dict[str, Any]]:
    tried = {one.channel: one for one in figures.channels}
    found = []
    for name in (*BEYOND_THE_SOCKET, *sorted(set(set_up) - set(BEYOND_THE_SOCKET))):
        if name == "log" and name not in set_up:
            continue  # for developers: nobody misses it
        one = tried.get(name) if name in set_up else None
        state = "off" if name not in set_up else "failing" if one is not None and is_failing(one) else "ok"
        sent, failed = (one.sent, one.failed) if one is not None else (0, 0)
        found.append({"channel": name, "state": state, "sent": sent, "failed": failed})
    return found


def people_on_duty(session: Session) -> int:
    """How many are on duty; the drill's own agent is nobody."""
    query = select(func.count()).select_from(DutyShift).join(Team, Team.id == DutyShift.team_id)
    return session.scalar(query.where(DutyShift.ended_at.is_(None), ~Team.drill)) or 0
