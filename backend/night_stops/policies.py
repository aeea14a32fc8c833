"""Policies of night stops: set beforehand, versioned, never changed in place; suspensions by the control room."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from backend.database import lock_rows, new_id
from backend.errors import Refused
from backend.network.index import network_of
from backend.network.timetable import NightWindow
from backend.night_stops.exclusions import ExclusionRefused, read_exclusion
from backend.night_stops.models import NightStopPolicy, NightStopSuspension
from backend.night_stops.wishes import Rules
from backend.times import stamp

_CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")
LIMITS: dict[str, tuple[float, float, float]] = {
    "off_route_m": (10, 200, 50),
    "min_seconds": (0, 600, 45),
    "min_metres": (0, 2_000, 200),
    "near_stop_m": (0, 500, 60),
    "join_m": (0, 500, 100),
    "max_extra_stops": (1, 50, 6),
}
"""Least, most and usual value of each limit."""


def in_force(session: Session, line_id: str | None = None) -> list[NightStopPolicy]:
    """The policies that have not been replaced or ended, of one line or of all."""
    query = select(NightStopPolicy).where(NightStopPolicy.replaced_at.is_(None), NightStopPolicy.ended_at.is_(None))
    if line_id is not None:
        query = query.where(NightStopPolicy.line_id == line_id)
    return list(session.scalars(query.order_by(NightStopPolicy.line_id, NightStopPolicy.created_at)))


def set_policy(
    session: Session, body: dict[str, Any], by: uuid.UUID, now: dt.datetime, policy_id: uuid.UUID | None = None
) -> NightStopPolicy:
    """A new policy, or a new version of one; the version before stays readable for ever (R. 3111-1: beforehand)."""
    before = None
    if policy_id is not None:
        before = session.scalar(
            lock_rows(
                session,
                select(NightStopPolicy).where(
                    NightStopPolicy.policy_id == policy_id, NightStopPolicy.replaced_at.is_(None)
                ),
            )
        )
        if before is None:
            raise Refused("policy_unknown")
        before.replaced_at = now
        session.flush()
    values = _read(session, body)
    policy = NightStopPolicy(
        id=new_id(), policy_id=policy_id or new_id(), version=before.version + 1 if before else 1, created_by=by,
        created_at=now, **values)  # fmt: skip
    session.add(policy)
    session.flush()
    return policy


def end_policy(session: Session, policy_id: uuid.UUID, now: dt.datetime) -> NightStopPolicy:
    """Takes a policy out of force from now on."""
    policy = session.scalar(
        lock_rows(
            session,
            select(NightStopPolicy).where(
                NightStopPolicy.policy_id == policy_id, NightStopPolicy.replaced_at.is_(None)
            ),
        )
    )
    if policy is None:
        raise Refused("policy_unknown")
    policy.ended_at = policy.ended_at or now
    return policy  # type: ignore[no-any-return]


def rules_of(policy: NightStopPolicy) -> Rules:
    """The policy as the checks want it."""
    return Rules(
        id=policy.policy_id, version=policy.version, line_id=policy.line_id,
        window=NightWindow(dt.time.fromisoformat(policy.starts), dt.time.fromisoformat(policy.ends),
                           frozenset(policy.weekdays)),
        valid_from=policy.valid_from, direction_id=policy.direction_id, from_stop_id=policy.from_stop_id,
        to_stop_id=policy.to_stop_id, valid_until=policy.valid_until, off_route_m=policy.off_route_m,
        min_seconds=policy.min_seconds, min_metres=policy.min_metres, near_stop_m=policy.near_stop_m,
        join_m=policy.join_m, max_extra_stops=policy.max_extra_stops,
        exclusions=tuple(read_exclusion(one) for one in policy.exclusions))  # fmt: skip


def suspended(session: Session, line_id: str, now: dt.datetime) -> bool:
    """True while the control room has stopped night stops here."""
    query = select(NightStopSuspension.id).where(
        NightStopSuspension.ended_at.is_(None), NightStopSuspension.since <= now,
        or_(NightStopSuspension.until.is_(None), NightStopSuspension.until > now),
        or_(NightStopSuspension.line_id.is_(None), NightStopSuspension.line_id == line_id))  # fmt: skip
    return session.scalar(query.limit(1)) is not None


def suspend(
    session: Session, reason: str, by: uuid.UUID, now: dt.datetime, *, line_id: str | None, until: dt.datetime | None
) -> NightStopSuspension:
    """Stops night stops on one line or everywhere, until a time or until `resume`."""
    made = NightStopSuspension(id=new_id(), line_id=line_id, reason=reason, by=by, since=now, until=until)
    session.add(made)
    return made


def resume(session: Session, now: dt.datetime, *, line_id: str | None) -> int:
    """Ends the suspensions of one line, or those of the whole network; says how many."""
    running = session.scalars(
        select(NightStopSuspension).where(
            NightStopSuspension.ended_at.is_(None),
            NightStopSuspension.line_id == line_id if line_id is not None else NightStopSuspension.line_id.is_(None),
        )
    ).all()
    for one in running:
        one.ended_at = now
    return len(running)


def policy_view(policy: NightStopPolicy) -> dict[str, Any]:
    """A policy as the control room edits it."""
    return {
        "id": str(policy.policy_id), "version": policy.version, "line_id": policy.line_id,
        "direction_id": policy.direction_id, "from_stop_id": policy.from_stop_id, "to_stop_id": policy.to_stop_id,
        "starts": policy.starts, "ends": policy.ends, "weekdays": policy.weekdays,
        "valid_from": policy.valid_from.isoformat(),
        "valid_until": policy.valid_until.isoformat() if policy.valid_until else None,
        **{name: getattr(policy, name) for name in LIMITS}, "exclusions": policy.exclusions,
        "created_at": stamp(policy.created_at), "replaced_at": stamp(policy.replaced_at),
        "ended_at": stamp(policy.ended_at),
    }  # fmt: skip


def _read(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    network = network_of(session)
    line_id = body["line_id"]
    if network is None or line_id not in network.lines:
        raise Refused("line_unknown", field="line_id")
    for name in ("starts", "ends"):
        if not _CLOCK.match(body[name]):
            raise Refused("invalid", field=name, hint="HH:MM")
    if body["starts"] == body["ends"]:
        raise Refused("invalid", field="ends", hint="a window of some minutes")
    values: dict[str, Any] = {
        name: body.get(name) for name in ("line_id", "direction_id", "from_stop_id", "to_stop_id", "starts", "ends")
    }
    values["weekdays"] = sorted(set(body.get("weekdays") or range(1, 8)))
    values["valid_from"], values["valid_until"] = _dates(body)
    for name, (least, most, usual) in LIMITS.items():
        value = body.get(name, usual)
        if not least <= value <= most:
            raise Refused("invalid", field=name, hint=f"{least:g} to {most:g}")
        values[name] = value
    exclusions = body.get("exclusions") or []
    for place, one in enumerate(exclusions):
        try:
            read_exclusion(one)
        except (ExclusionRefused, ValueError) as refused:
            raise Refused("invalid", field=f"exclusions/{place}", hint=str(refused)[:120]) from None
    values["exclusions"] = exclusions
    return values


def _dates(body: dict[str, Any]) -> tuple[dt.date, dt.date | None]:
    try:
        first = dt.date.fromisoformat(body["valid_from"])
        last = dt.date.fromisoformat(body["valid_until"]) if body.get("valid_until") else None
    except ValueError:
        raise Refused("invalid", field="valid_from", hint="YYYY-MM-DD") from None
    if last is not None and last < first:
        raise Refused("invalid", field="valid_until", hint="not before valid_from")
    return first, last
