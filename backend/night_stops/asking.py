"""Asking for a night stop: the bus is found, the checks are made, the driver is asked. Every wish is stored."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from backend import feed
from backend.database import insert
from backend.delivery.models import Delivery
from backend.errors import Refused
from backend.geo import Point, distance_m, is_place
from backend.network.index import network_of
from backend.network.vehicle_progress import Progress
from backend.night_stops import policies
from backend.night_stops.aboard import bus_of, find_bus
from backend.night_stops.lifecycle import LIVE, NightStopState
from backend.night_stops.models import NightStopRequest
from backend.night_stops.policy import judge
from backend.night_stops.promises import FOLLOW_S, PROPOSAL_S, coming_stop
from backend.night_stops.register import AlertWork, announce, take_vehicle, write_line
from backend.night_stops.suspensions import suspended
from backend.night_stops.views import instead_view
from backend.night_stops.wishes import Bus, Planned, Situation, Verdict
from backend.settings import Settings

_LETTERS = "ACDEFHJKMNPRTUVWXY"
_CHANGES_ON_RETRY = frozenset({"position", "observed_at", "queued_ms"})
WAITED_MS = 5_000
REFUSED_FOR = timedelta(hours=1)
ONE_TRIP = timedelta(hours=2)
R, S = NightStopRequest, NightStopState


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


@dataclass(frozen=True)
class Sight:
    """A wish as it stands at this moment."""

    verdict: Verdict
    progress: Progress | None = None
    bus: Bus | None = None


def read_wish(body: dict[str, Any]) -> Wish:
    """The wish in a body; refuses a wanted place that is none."""
    wanted, here = body["wanted"], body.get("position") or {}
    if not is_place(wanted.get("latitude"), wanted.get("longitude")):
        raise Refused("invalid", field="/wanted")
    kept = {key: value for key, value in body.items() if key not in _CHANGES_ON_RETRY and value is not None}
    return Wish(
        body["line_id"], body.get("direction_id"), (body.get("vehicle_number") or "").strip() or None,
        Point(wanted["latitude"], wanted["longitude"]),
        Point(here["latitude"], here["longitude"]) if is_place(here.get("latitude"), here.get("longitude")) else None,
        bool(body.get("ramp")), body.get("home_timer_s"), (body.get("queued_ms") or 0) > WAITED_MS,
        hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).digest())  # fmt: skip


def look(
    session: Session, wish: Wish, device_id: uuid.UUID, settings: Settings, now: datetime, *, lock: bool = False
) -> Sight:
    """The verdict on a wish, with nothing stored: for the page, before asking.

    `lock`: nobody changes the stops of this bus until the transaction ends, so that two riders who ask for the same
    piece at once come one after the other.
    """
    network = network_of(session)
    if network is None or wish.line_id not in network.lines:
        raise Refused("line_unknown", field="/line_id")
    progress = find_bus(session, network, wish.line_id, wish.direction_id, wish.vehicle_number, wish.here, now)
    bus = bus_of(network, progress, now) if progress is not None else None
    if progress is not None and lock:
        take_vehicle(session, progress.vehicle_id)
    direction = bus.pattern.direction_id if bus else wish.direction_id
    rules = [policies.rules_of(one, network) for one in policies.in_force(session, wish.line_id)]
    verdict = judge(Situation(
        enabled=settings.night_stops, suspended=suspended(session, wish.line_id, now),
        rules=[one for one in rules if direction is None or one.direction_id in (None, direction)],
        mode=network.lines[wish.line_id].mode, bus=bus, wanted=wish.wanted, now=now, zone=network.zone,
        planned=_planned(session, progress, bus) if progress and bus else (),
        stops_made=_stops_made(session, progress, now) if progress else 0, waited=wish.waited,
        has_open_request=_has_open(session, device_id),
        refused_measures=_refused(session, device_id, progress, now) if progress else (), ramp=wish.ramp))  # fmt: skip
    if verdict.code == "not_on_board" and wish.vehicle_number is None:
        verdict = replace(verdict, question="vehicle")
    return Sight(verdict, progress, bus)


def ask(
    session: Session, request_id: uuid.UUID, device_id: uuid.UUID, wish: Wish, work: AlertWork, settings: Settings,
    now: datetime,
) -> tuple[NightStopRequest, bool]:  # fmt: skip
    """(the stored request, whether it is new). A rejected one is stored too: the figures are about all wishes.

    Refuses `key_reused` for another wish under a known id, `night_stop_unknown` for another phone's id.
    """
    if (known := session.get(R, request_id)) is not None:
        return _replayed(known, device_id, wish), False
    sight = look(session, wish, device_id, settings, now, lock=True)
    stored = _stored(session, request_id, device_id, wish, sight, settings, now)
    if stored is None:
        known = session.get(R, request_id, populate_existing=True)
        if known is not None:
            return _replayed(known, device_id, wish), False
        # The same phone has asked for another stop in this very moment.
        sight = replace(sight, verdict=replace(sight.verdict, code="rate_limited", joins=None))
        stored = _stored(session, request_id, device_id, wish, sight, settings, now)
    request = stored if stored is not None else session.get_one(R, request_id)
    announce(session, [request], work, now, next_stop=coming_stop(session, request, now))
    return request, True


def _stored(
    session: Session, request_id: uuid.UUID, device_id: uuid.UUID, wish: Wish, sight: Sight, settings: Settings,
    now: datetime,
) -> NightStopRequest | None:  # fmt: skip
    """The wish as a row with the line that says what became of it; None when its id, or the phone, has one already."""
    values = _values(request_id, device_id, wish, sight, now)
    action = _next(session, values, sight.verdict, settings, now)
    made = insert(session, R).values(values).on_conflict_do_nothing().returning(R.id)
    if session.scalar(made) is None:
        return None
    request = session.get_one(R, request_id)
    write_line(session, request, "rider", action, now, before=S.REQUESTED, reason=request.reject_code)
    if request.vehicle_id is not None and request.state == S.SENT_TO_DRIVER and request.answer_by is not None:
        session.add(Delivery(
            id=request.delivery_id, audience=feed.vehicle(request.vehicle_id), channel="socket", alert_id=None,
            created_at=now, useful_until=request.answer_by))  # fmt: skip
    return request


def _next(session: Session, values: dict[str, Any], verdict: Verdict, settings: Settings, now: datetime) -> str:
    """Sets what becomes of a wish that was just made, and names it: rejected, asked, or on a stop that is promised."""
    if verdict.code is not None:
        values |= {"state": S.REJECTED, "reject_code": verdict.code}
        return "rejected"
    answer_by = now + timedelta(seconds=settings.night_stop_answer_s)
    values |= {"state": S.SENT_TO_DRIVER, "answer_by": answer_by, "due_at": answer_by}
    if verdict.joins is None:
        return "sent_to_driver"
    shared = session.scalars(select(R).where(or_(R.id == verdict.joins, R.joined_to == verdict.joins),
                                             R.state.in_(LIVE)).order_by(R.received_at)).all()  # fmt: skip
    promised = [one for one in shared if one.state in (S.ACCEPTED, S.APPROACHING)]
    proposed = next((one.alternative for one in shared if one.state == S.ALTERNATIVE_PROPOSED), None)
    if promised and not (values["ramp"] and not any(one.ramp for one in promised)):
        # The driver stops there already: nothing more is asked of him, except for a ramp.
        due_at = now + timedelta(seconds=FOLLOW_S)
        values |= {"state": S.ACCEPTED, "accepted_at": now, "answered_at": now, "answer_by": None, "due_at": due_at}
        return "accepted"
    if proposed is not None and not promised:
        answer_by = now + timedelta(seconds=PROPOSAL_S)
        values |= {"state": S.ALTERNATIVE_PROPOSED, "alternative": proposed}
        values |= {"answer_by": answer_by, "due_at": answer_by}
        return "alternative_proposed"
    return "joined"


def _values(
    request_id: uuid.UUID, device_id: uuid.UUID, wish: Wish, sight: Sight, now: datetime
) -> dict[str, Any]:
    verdict, progress, spot = sight.verdict, sight.progress, sight.verdict.spot
    pattern = sight.bus.pattern if sight.bus else None
    return {
        "id": request_id, "device_id": device_id, "content_hash": wish.content_hash, "version": 1,
        "code": "".join(secrets.choice(_LETTERS) for _ in range(4)), "line_id": wish.line_id,
        "direction_id": pattern.direction_id if pattern else wish.direction_id,
        "pattern_id": pattern.id if pattern else None, "trip_id": progress.trip_id if progress else None,
        "vehicle_id": progress.vehicle_id if progress else None,
        "vehicle_number": progress.number if progress else wish.vehicle_number,
        "policy_id": verdict.rules.id if verdict.rules else None,
        "policy_version": verdict.rules.version if verdict.rules else None,
        "wanted_lat": wish.wanted.latitude, "wanted_lon": wish.wanted.longitude,
        "measure_m": spot.measure_m if spot else None, "lat": round(spot.point.latitude, 6) if spot else None,
        "lon": round(spot.point.longitude, 6) if spot else None,
        "after_stop": spot.after.name if spot and spot.after else None,
        "before_stop": spot.before.name if spot and spot.before else None,
        "metres_after_stop": spot.measure_m - spot.after.measure_m if spot and spot.after else None,
        "walk_saved_m": _walk_saved(verdict, wish), "joined_to": verdict.joins if verdict.possible else None,
        "ramp": wish.ramp, "instead": [instead_view(one) for one in verdict.instead], "delivery_id": uuid.uuid4(),
        "received_at": now, "changed_at": now, "home_timer_s": wish.home_timer_s,
    }  # fmt: skip


def _walk_saved(verdict: Verdict, wish: Wish) -> float | None:
    """Metres nearer to the wanted place than the better of the two regular stops around it."""
    spot = verdict.spot
    stops = [stop for stop in (spot.after, spot.before) if stop is not None] if spot else []
    if spot is None or not stops:
        return None
    walk = min(distance_m(stop.point, wish.wanted) for stop in stops)
    return max(0.0, round(walk - distance_m(spot.point, wish.wanted), 1))


def _planned(session: Session, progress: Progress, bus: Bus) -> list[Planned]:
    """The stops that are asked of this bus or promised, each once, with those whose first rider has left them."""
    root = func.coalesce(R.joined_to, R.id)
    ahead = (R.vehicle_id == progress.vehicle_id, R.state.in_(LIVE), R.measure_m > bus.measure_m)
    stops = select(root.label("root"), func.max(R.measure_m).label("measure")).where(*ahead)
    rows = session.execute(stops.group_by(root))
    return [Planned(row.root, row.measure) for row in rows]


def _stops_made(session: Session, progress: Progress, now: datetime) -> int:
    """How many night stops this bus has made on this trip."""
    this_trip = R.trip_id == progress.trip_id if progress.trip_id else R.pattern_id == progress.pattern_id
    stops = func.count(func.distinct(func.coalesce(R.joined_to, R.id)))
    return session.scalar(select(stops).where(
        R.vehicle_id == progress.vehicle_id, R.state == S.ALIGHTED, this_trip,
        R.received_at > now - ONE_TRIP)) or 0  # fmt: skip


def _has_open(session: Session, device_id: uuid.UUID) -> bool:
    return session.scalar(select(R.id).where(R.device_id == device_id, R.state.in_(LIVE)).limit(1)) is not None


def _refused(session: Session, device_id: uuid.UUID, progress: Progress, now: datetime) -> list[float]:
    """Where this bus's driver has refused this rider: asking for the same piece again would press him."""
    return [measure for measure in session.scalars(select(R.measure_m).where(
        R.device_id == device_id, R.vehicle_id == progress.vehicle_id, R.pattern_id == progress.pattern_id,
        R.state.in_((S.REFUSED, S.WITHDRAWN)), R.received_at > now - REFUSED_FOR))
        if measure is not None]  # fmt: skip


def _replayed(known: NightStopRequest, device_id: uuid.UUID, wish: Wish) -> NightStopRequest:
    if known.device_id != device_id:
        raise Refused("night_stop_unknown")
    if known.content_hash != wish.content_hash:
        raise Refused("key_reused", night_stop_id=str(known.id), state=known.state)
    return known
