"""Which bus a rider is in: by the number that she read inside, else by where her phone is. In doubt, she is asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from backend.geo import Point, distance_m
from backend.network.index import Network
from backend.network.vehicle_progress import Progress, progress_of, vehicles_of_line
from backend.night_stops.wishes import Bus

ABOARD_M = 150.0
CLEARLY_NEARER = 2.0
LONGEST_GUESS = timedelta(seconds=60)


def find_bus(
    session: Session, network: Network, line_id: str, direction_id: int | None, number: str | None, here: Point | None,
    now: datetime,
) -> Progress | None:  # fmt: skip
    """The vehicle by its number, else the one of the line that is where the phone is; None: unknown, lost, in doubt."""
    if number:
        found = progress_of(session, number.strip(), now)
        return found if found is not None and found.is_on_line and found.line_id == line_id else None
    if here is None:
        return None
    near = []
    for one in vehicles_of_line(session, line_id, now):
        bus = bus_of(network, one, now)
        if bus is not None and direction_id in (None, one.direction_id):
            # Where it was when it said so, or where it must be by now: the phone is in it at one of the two.
            places = (bus.pattern.way.point_at(one.measure_m), bus.pattern.way.point_at(bus.measure_m))
            near.append((min(distance_m(place, here) for place in places), one))
    near = sorted((pair for pair in near if pair[0] <= ABOARD_M), key=lambda pair: pair[0])
    certain = len(near) == 1 or (len(near) > 1 and near[1][0] > CLEARLY_NEARER * near[0][0] + 50)
    return near[0][1] if certain else None


def bus_of(network: Network, progress: Progress, now: datetime) -> Bus | None:
    """The vehicle on its way as the checks want it, where it must be by now; None when it is on no known way."""
    pattern = network.patterns.get(progress.pattern_id) if progress.pattern_id is not None else None
    if pattern is None or not progress.is_on_line:
        return None
    # What was heard some seconds ago is behind the bus: a stop must not be promised on a stale position.
    age = min(max(now - progress.fix_at, timedelta(0)), LONGEST_GUESS)
    measure = min(progress.measure_m + progress.speed_mps * age.total_seconds(), pattern.way.length_m)
    return Bus(pattern, measure, progress.speed_mps)
