"""From stored positions to places along lines: the vehicles that moved are matched and kept in one statement."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.geo import Point
from backend.network import vehicle_progress
from backend.network.index import Network, network_of
from backend.network.matching import ON_WAY_M, Seen, match
from backend.network.progress import Progress
from backend.network.timetables import Timetable, timetable_of
from backend.people.models import Vehicle
from backend.people.positions import Movement


class Match(NamedTuple):
    """A vehicle's place, and the network on which it was found."""

    version_id: uuid.UUID
    progress: Progress


def look(session: Session, movements: Sequence[Movement], _now: datetime) -> list[Match]:
    """Where the vehicles among these movements are along their lines now; nothing without a network."""
    fixes = {each.mover.id: each.fix for each in movements if each.mover.kind == "vehicle"}
    network = network_of(session) if fixes else None
    if network is None:
        return []
    rows = session.execute(
        select(Vehicle.id, Vehicle.number, Vehicle.line_id).where(
            Vehicle.id.in_(fixes), Vehicle.in_service_since.is_not(None)
        )
    )
    seen = []
    for vehicle_id, number, line_id in rows:
        fix = fixes[vehicle_id]
        known_line = line_id if line_id in network.lines else None
        seen.append(
            Seen(
                vehicle_id,
                number,
                Point(fix.latitude, fix.longitude),
                fix.fix_at,
                fix.accuracy_m,
                fix.heading_deg,
                fix.speed_mps,
                known_line,
            )
        )
    return _match(session, network, seen)


def keep(session: Session, found: Sequence[Match]) -> None:
    """Keeps what `look` found."""
    for version_id in {one.version_id for one in found}:
        vehicle_progress.store(session, version_id, [one.progress for one in found if one.version_id == version_id])


def match_all(session: Session, network: Network, seen: Collection[Seen]) -> list[Progress]:
    """Matches these vehicles against the network and keeps the result."""
    found = _match(session, network, seen)
    keep(session, found)
    return [one.progress for one in found]


def _match(session: Session, network: Network, seen: Collection[Seen]) -> list[Match]:
    if not seen:
        return []
    before = vehicle_progress.last_known(session, [one.vehicle_id for one in seen], network.version_id)
    timetable = timetable_of(network)
    timetable.load(session, _lines(network, seen, before))
    return [Match(network.version_id, _matched(network, timetable, before.get(one.vehicle_id), one)) for one in seen]


def _matched(network: Network, timetable: Timetable, before: Progress | None, seen: Seen) -> Progress:
    if before is not None and seen.fix_at < before.fix_at:
        return before
    return match(network, timetable, before, seen)


def _lines(network: Network, seen: Collection[Seen], before: Mapping[uuid.UUID, Progress]) -> set[str]:
    """The lines whose timetable may be asked about."""
    lines: set[str] = set()
    for one in seen:
        last = before.get(one.vehicle_id)
        if one.line_id is not None:
            lines.add(one.line_id)
        elif last is not None and last.line_id is not None:
            lines.add(last.line_id)
        else:
            lines |= {pattern.line_id for pattern in network.patterns_at(one.point, ON_WAY_M)}
    return lines
