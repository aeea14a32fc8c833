"""Asking for a night stop: the bus is found, the checks are made, the driver is asked. Every wish is stored."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.database import insert, lock_rows
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.feed import vehicle as vehicle_audience
from backend.geo import Point, distance_m, is_place
from backend.network.index import Network, Pattern, network_of
from backend.network.vehicle_progress import Progress, progress_of, vehicles_of_line
from backend.night_stops import policies
from backend.night_stops.lifecycle import LIVE, NightStopState
from backend.night_stops.models import NightStopRequest
from backend.night_stops.policy import judge
from backend.night_stops.promises import FOLLOW_S
from backend.night_stops.register import AlertWork, announce, locked, record
from backend.night_stops.views import instead_view
from backend.night_stops.wishes import Bus, Planned, Situation, Verdict
from backend.people.models import Vehicle
from backend.settings import Settings

_LETTERS = "ACDEFHJKMNPRTUVWXY"
_CHANGES_ON_RETRY = frozenset({"position", "observed_at", "queued_ms"})
ABOARD_M = 150.0
WAITED_MS = 5_000
REFUSED_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Wish:
    """What a rider asks for, read from a body that the contract has checked."""

    line_id: str
    direction_id: int | None
    vehicle_number: str | None
    wanted: Point
    here: Point | None
    ramp: bool
    home_timer_s: int | None
    waited: bool
    content_hash: bytes


def read_wish(body: dict[str, Any]) -> Wish:
    """The wish in a body; refuses a wanted place that is none."""
    wanted, here = body["wanted"], body.get("position") or {}
    if not is_place(wanted.get("latitude"), wanted.get("longitude")):
        raise Refused("invalid", field="wanted")
    kept = {key: value for key, value in body.items() if key not in _CHANGES_ON_RETRY}
    return Wish(
        body["line_id"], body.get("direction_id"), body.get("vehicle_number"),
        Point(wanted["latitude"], wanted["longitude"]),
        Point(here["latitude"], here["longitude"]) if is_place(here.get("latitude"), here.get("longitude")) else None,
        bool(body.get("ramp")), body.get("home_timer_s"), (body.get("queued_ms") or 0) > WAITED_MS,
        hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).digest())  # fmt: skip


def look(session: Session, wish: Wish, device_id: uuid.UUID | None, settings: Settings, now: datetime
         ) -> tuple[Verdict, Progress | None, Pattern | None]:  # fmt: skip
    """(the verdict, the vehicle, the pattern that it follows), with nothing stored: for the page, before asking."""
    network = network_of(session)
    if network is None or wish.line_id not in network.lines:
        raise Refused("line_unknown", field="line_id")
    progress = _find_bus(session, network, wish, now)
    pattern = network.patterns.get(progress.pattern_id) if progress and progress.pattern_id is not None else None
    line = network.lines[wish.line_id]
    rules = [policies.rules_of(one) for one in policies.in_force(session, wish.line_id)]
    direction = pattern.direction_id if pattern else wish.direction_id
    situation = Situation(
        enabled=settings.night_stops, suspended=policies.suspended(session, wish.line_id, now),
        rules=[one for one in rules if one.direction_id in (None, direction) or direction is None], mode=line.mode,
        mode_allowed=line.mode == "bus", pattern=pattern,
        bus=Bus(progress.measure_m, progress.speed_mps) if progress else None, wanted=wish.wanted, now=now,
        zone=network.zone, planned=_planned(session, progress), waited=wish.waited,
        has_open_request=device_id is not None and _has_open(session, device_id),
        refused_measures=_refused(session, device_id, wish.line_id, now) if device_id else (),
        ramp=wish.ramp)  # fmt: skip
    return judge(situation), progress, pattern


def ask(session: Session, request_id: uuid.UUID, device_id: uuid.UUID, wish: Wish, work: AlertWork, settings: Settings,
        now: datetime) -> tuple[NightStopRequest, bool]:  # fmt: skip
    """(the stored request, whether it is new). A rejected one is stored too: the figures are about all wishes.

    Refuses `key_reused` for another wish under a known id, `night_stop_unknown` for another phone's id.
    """
    known = session.get(NightStopRequest, request_id)
    if known is not None:
        return _replayed(known, device_id, wish), False
    network = network_of(session)
    bus = _find_bus(session, network, wish, now) if network else None
    if bus is not None:
        # Two riders who ask for the same piece at once come one after the other: the second joins the first.
        session.execute(lock_rows(session, select(Vehicle.id).where(Vehicle.id == bus.vehicle_id)))
    verdict, progress, pattern = look(session, wish, device_id, settings, now)
    request = _made(request_id, device_id, wish, verdict, progress, pattern, now)
    made = insert(session, NightStopRequest).values(
        {column.key: getattr(request, column.key) for column in NightStopRequest.__table__.columns})
    if session.scalar(made.on_conflict_do_nothing().returning(NightStopRequest.id)) is None:
        return _replayed(locked(session, request_id), device_id, wish), False
    request = session.get_one(NightStopRequest, request_id)
    if verdict.code is not None:
        request.reject_code = verdict.code
        record(session, request, "system", "rejected", now, step="reject", reason=verdict.code)
    else:
        _send(session, request, verdict, settings, now)
    announce(session, [request], work, now, new=True)
    return request, True


def _send(session: Session, request: NightStopRequest, verdict: Verdict, settings: Settings, now: datetime) -> None:
    root = session.get(NightStopRequest, verdict.joins) if verdict.joins else None
    usual = now + timedelta(seconds=settings.night_stop_answer_s)
    answer_by = usual if root is None or root.answer_by is None else root.answer_by
    request.answer_by = answer_by
    request.due_at = request.answer_by
    record(session, request, "rider", "joined" if root else "sent_to_driver", now, step="send")
    if root is not None and root.state in ("accepted", "approaching"):
        # The driver has promised to stop there already: nothing more is asked of him.
        record(session, request, "system", "accepted_with_the_first", now, step="accept")
        request.answered_at, request.due_at = now, now + timedelta(seconds=FOLLOW_S)
    if root is None and request.vehicle_id is not None:
        session.add(Delivery(
            id=request.delivery_id, audience=vehicle_audience(request.vehicle_id), channel="socket", alert_id=None,
            created_at=now, useful_until=answer_by))  # fmt: skip


def _made(request_id: uuid.UUID, device_id: uuid.UUID, wish: Wish, verdict: Verdict, progress: Progress | None,
          pattern: Pattern | None, now: datetime) -> NightStopRequest:  # fmt: skip
    spot = verdict.spot
    return NightStopRequest(
        id=request_id, device_id=device_id, content_hash=wish.content_hash, version=1, state=NightStopState.REQUESTED,
        code="".join(secrets.choice(_LETTERS) for _ in range(4)), line_id=wish.line_id,
        direction_id=pattern.direction_id if pattern else wish.direction_id, pattern_id=pattern.id if pattern else None,
        vehicle_id=progress.vehicle_id if progress else None,
        vehicle_number=progress.number if progress else wish.vehicle_number,
        policy_id=verdict.rules.id if verdict.rules else None,
        policy_version=verdict.rules.version if verdict.rules else None,
        wanted_lat=wish.wanted.latitude, wanted_lon=wish.wanted.longitude,
        measure_m=spot.measure_m if spot else None, lat=spot.point.latitude if spot else None,
        lon=spot.point.longitude if spot else None, after_stop=spot.after.name if spot and spot.after else None,
        before_stop=spot.before.name if spot and spot.before else None,
        metres_after_stop=spot.measure_m - spot.after.measure_m if spot and spot.after else None,
        walk_saved_m=_walk_saved(verdict, wish), joined_to=verdict.joins, ramp=wish.ramp,
        instead=[instead_view(one) for one in verdict.instead], delivery_id=uuid.uuid4(), received_at=now,
        changed_at=now, home_timer_s=wish.home_timer_s)  # fmt: skip


def _walk_saved(verdict: Verdict, wish: Wish) -> float | None:
    """Metres nearer to the wanted place than the better of the two regular stops around it."""
    spot = verdict.spot
    stops = [stop for stop in (spot.after, spot.before) if stop is not None] if spot else []
    if spot is None or not stops:
        return None
    walk = min(distance_m(stop.point, wish.wanted) for stop in stops)
    return max(0.0, round(walk - distance_m(spot.point, wish.wanted), 1))


def _find_bus(session: Session, network: Network, wish: Wish, now: datetime) -> Progress | None:
    """The vehicle by its number, else the one vehicle of the line that is where the phone is; None: ask the rider."""
    if wish.vehicle_number:
        found = progress_of(session, wish.vehicle_number.strip(), now)
        return found if found is not None and found.is_on_line and found.line_id == wish.line_id else None
    if wish.here is None:
        return None
    near = []
    for one in vehicles_of_line(session, wish.line_id, now):
        pattern = network.patterns.get(one.pattern_id) if one.pattern_id is not None else None
        if pattern is None or wish.direction_id not in (None, one.direction_id):
            continue
        metres = distance_m(pattern.way.point_at(one.measure_m), wish.here)
        if metres <= ABOARD_M:
            near.append((metres, one))
    near.sort(key=lambda pair: pair[0])
    certain = len(near) == 1 or (len(near) > 1 and near[1][0] > 2 * near[0][0] + 50)
    return near[0][1] if near and certain else None


def _planned(session: Session, progress: Progress | None) -> list[Planned]:
    if progress is None:
        return []
    rows = session.execute(select(NightStopRequest.id, NightStopRequest.measure_m).where(
        NightStopRequest.vehicle_id == progress.vehicle_id, NightStopRequest.state.in_(LIVE),
        NightStopRequest.joined_to.is_(None), NightStopRequest.measure_m > progress.measure_m))  # fmt: skip
    return [Planned(row.id, row.measure_m) for row in rows]


def _has_open(session: Session, device_id: uuid.UUID) -> bool:
    return session.scalar(select(NightStopRequest.id).where(
        NightStopRequest.device_id == device_id, NightStopRequest.state.in_(LIVE)).limit(1)) is not None  # fmt: skip


def _refused(session: Session, device_id: uuid.UUID, line_id: str, now: datetime) -> list[float]:
    return [measure for measure in session.scalars(select(NightStopRequest.measure_m).where(
        NightStopRequest.device_id == device_id, NightStopRequest.line_id == line_id,
        NightStopRequest.state == NightStopState.REFUSED, NightStopRequest.received_at > now - REFUSED_FOR))
        if measure is not None]  # fmt: skip


def _replayed(known: NightStopRequest, device_id: uuid.UUID, wish: Wish) -> NightStopRequest:
    if known.device_id != device_id:
        raise Refused("night_stop_unknown")
    if known.content_hash != wish.content_hash:
        raise Refused("key_reused", night_stop_id=str(known.id), state=known.state)
    return known
