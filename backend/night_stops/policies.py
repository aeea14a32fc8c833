"""Policies of night stops: set beforehand, versioned, never changed in place."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.database import lock_rows, new_id
from backend.errors import Refused
from backend.network.index import Network, network_of
from backend.network.timetable import NightWindow
from backend.night_stops.exclusions import Exclusion, ExclusionRefused, read_exclusion, read_measures
from backend.night_stops.models import NightStopPolicy
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


def history(session: Session, policy_id: uuid.UUID) -> list[NightStopPolicy]:
    """Every version that a policy ever had, the newest first; refuses `policy_unknown`."""
    query = select(NightStopPolicy).where(NightStopPolicy.policy_id == policy_id)
    found = list(session.scalars(query.order_by(NightStopPolicy.version.desc())))
    if not found:
        raise Refused("policy_unknown")
    return found


def set_policy(
    session: Session, body: dict[str, Any], by: uuid.UUID | None, now: dt.datetime, policy_id: uuid.UUID | None = None
) -> NightStopPolicy:
    """A new policy, or a new version of one; the version before stays readable for ever (R. 3111-1: beforehand)."""
    values = _read(session, body)
    before = _newest(session, policy_id) if policy_id is not None else None
    if before is not None:
        before.replaced_at = now
        session.flush()
    policy = NightStopPolicy(
        id=new_id(), policy_id=policy_id or new_id(), version=before.version + 1 if before else 1, created_by=by,
        created_at=now, **values)  # fmt: skip
    session.add(policy)
    session.flush()
    return policy


def end_policy(session: Session, policy_id: uuid.UUID, now: dt.datetime) -> NightStopPolicy:
    """Takes a policy out of force from now on; doing so again changes nothing."""
    policy = _newest(session, policy_id)
    policy.ended_at = policy.ended_at or now
    return policy


def _newest(session: Session, policy_id: uuid.UUID) -> NightStopPolicy:
    newest = (NightStopPolicy.policy_id == policy_id, NightStopPolicy.replaced_at.is_(None))
    found: NightStopPolicy | None = session.scalar(lock_rows(select(NightStopPolicy).where(*newest)))
    if found is None:
        raise Refused("policy_unknown")
    return found


def rules_of(policy: NightStopPolicy, network: Network) -> Rules:
    """The policy as the checks want it."""
    days = frozenset(policy.weekdays)
    return Rules(
        id=policy.policy_id, version=policy.version, line_id=policy.line_id,
        window=NightWindow(dt.time.fromisoformat(policy.starts), dt.time.fromisoformat(policy.ends), days),
        valid_from=policy.valid_from, direction_id=policy.direction_id, valid_until=policy.valid_until,
        part_from=_stops_named(network, policy.from_stop_id), part_to=_stops_named(network, policy.to_stop_id),
        off_route_m=policy.off_route_m, min_seconds=policy.min_seconds, min_metres=policy.min_metres,
        near_stop_m=policy.near_stop_m, join_m=policy.join_m, max_extra_stops=policy.max_extra_stops,
        exclusions=_exclusions(orjson.dumps(policy.exclusions)))  # fmt: skip


def policy_view(policy: NightStopPolicy) -> dict[str, Any]:
    """A policy as the control room edits it."""
    return {
        "id": str(policy.policy_id), "version": policy.version, "line_id": policy.line_id,
        "direction_id": policy.direction_id, "from_stop_id": policy.from_stop_id, "to_stop_id": policy.to_stop_id,
        "starts": policy.starts, "ends": policy.ends, "weekdays": policy.weekdays,
        "valid_from": policy.valid_from.isoformat(),
        "valid_until": policy.valid_until.isoformat() if policy.valid_until else None,
        **{name: getattr(policy, name) for name in LIMITS}, "exclusions": policy.exclusions,
        "created_by": str(policy.created_by) if policy.created_by else None,
        "created_at": stamp(policy.created_at), "replaced_at": stamp(policy.replaced_at),
        "ended_at": stamp(policy.ended_at),
    }  # fmt: skip


@lru_cache(maxsize=256)
def _exclusions(stored: bytes) -> tuple[Exclusion, ...]:
    """Read once in a process: building shapes for each wish would take longer than all the checks."""
    return tuple(read_exclusion(one) for one in orjson.loads(stored))


def _stops_named(network: Network, stop_id: str | None) -> frozenset[str]:
    """A stop and those of the same name: the other direction stops across the street."""
    if stop_id is None:
        return frozenset()
    stop = network.stops.get(stop_id)
    return frozenset({stop_id} | (network.station_stops(stop.name) if stop else set()))


def _read(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    network = network_of(session)
    line = network.lines.get(body["line_id"]) if network is not None else None
    if network is None or line is None:
        raise Refused("line_unknown", field="/line_id")
    if line.mode != "bus":
        raise Refused("invalid", field="/line_id", hint="a bus line: the law speaks of buses")
    for name in ("starts", "ends"):
        if not _CLOCK.match(body[name]):
            raise Refused("invalid", field=f"/{name}", hint="HH:MM")
    if body["starts"] == body["ends"]:
        raise Refused("invalid", field="/ends", hint="a window of some minutes")
    named = ("line_id", "direction_id", "from_stop_id", "to_stop_id", "starts", "ends")
    values: dict[str, Any] = {name: body.get(name) for name in named}
    served = {stop.stop_id for one in network.patterns_of(line.id) for stop in one.stops}
    for name in ("from_stop_id", "to_stop_id"):
        if values[name] is not None and values[name] not in served:
            raise Refused("invalid", field=f"/{name}", hint="a stop of this line")
    values["weekdays"] = sorted(set(body.get("weekdays") or range(1, 8)))
    values["valid_from"], values["valid_until"] = _dates(body)
    for name, (least, most, usual) in LIMITS.items():
        value = usual if body.get(name) is None else body[name]
        if not least <= value <= most:
            raise Refused("invalid", field=f"/{name}", hint=f"{least:g} to {most:g}")
        values[name] = value
    values["exclusions"] = [
        _exclusion(network, line.id, values["direction_id"], place, one)
        for place, one in enumerate(body.get("exclusions") or [])
    ]
    return values


def _exclusion(
    network: Network, line_id: str, direction: int | None, place: int, raw: dict[str, Any]
) -> dict[str, Any]:
    """The exclusion as it is kept: only the fields in which something was said, a piece with the path it has now."""
    kept = {key: value for key, value in raw.items() if value is not None}
    try:
        if kept.get("kind") == "segment" and "path" not in kept:
            wanted = kept.get("direction_id", direction)
            patterns = network.patterns_of(line_id, wanted) or network.patterns_of(line_id)
            if not patterns:
                raise ExclusionRefused("nothing runs on this line")  # noqa: TRY301 - one place turns it into a refusal
            measures = read_measures(kept.get("measures"), patterns[0].way.length_m)
            path = patterns[0].way.between(*measures)
            kept["path"] = [[round(one.longitude, 6), round(one.latitude, 6)] for one in path]
        read_exclusion(kept)
    except (ExclusionRefused, ValueError) as refused:
        raise Refused("invalid", field=f"/exclusions/{place}", hint=str(refused)[:120]) from None
    return kept


def _dates(body: dict[str, Any]) -> tuple[dt.date, dt.date | None]:
    dates = []
    for name in ("valid_from", "valid_until"):
        try:
            dates.append(dt.date.fromisoformat(body[name]) if body.get(name) else None)
        except ValueError:
            raise Refused("invalid", field=f"/{name}", hint="YYYY-MM-DD") from None
    first, last = dates
    if first is None:
        raise Refused("invalid", field="/valid_from", hint="YYYY-MM-DD")
    if last is not None and last < first:
        raise Refused("invalid", field="/valid_until", hint="not before valid_from")
    return first, last
