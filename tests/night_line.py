"""A line of bus for the rules of night stops: straight, six kilometres, a stop every 500 m, a wish on it."""

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from backend.geo import Point
from backend.network.index import Pattern, PatternStop
from backend.network.timetable import NightWindow
from backend.network.ways import Way
from backend.night_stops.wishes import Bus, Rules, Situation

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # half past midnight in Marseille, service day of the 22nd
LATITUDE, LONGITUDE, EAST_M = 43.3, 5.36, 81_150.0  # metres of a degree of longitude there


def place(measure_m: float, beside_m: float = 0.0) -> Point:
    """A place so many metres along the straight line, so many north of it."""
    return Point(LATITUDE + beside_m / 111_111.0, LONGITUDE + measure_m / EAST_M)


def line_of(places: list[Point], stops: list[float], *, direction: int = 0) -> Pattern:
    """A pattern through these places with stops at these measures."""
    way = Way.from_points(places)
    served = tuple(
        PatternStop(f"S{number}", f"Stop {number}", number, measure, way.point_at(measure))
        for number, measure in enumerate(stops)
    )
    return Pattern(1, "N1", direction, "Luminy", way, served, 10)


STRAIGHT = line_of([place(0), place(6_000)], [500.0 * number for number in range(13)])
# There and back on the same street: the wish lies on both branches.
RETURN = line_of([place(0), place(3_000), place(0)], [*(500.0 * number for number in range(13))])


def rules(**changes: Any) -> Rules:
    """The usual limits, from ten in the evening until five."""
    usual = Rules(uuid.uuid4(), 1, "N1", NightWindow(time(22), time(5)), date(2026, 11, 1))
    return replace(usual, **changes)


def wish(measure_m: float = 2_250, beside_m: float = 10, **changes: Any) -> Situation:
    """A wish that can be asked: the bus stands at 1,000 m, and the place lies between two stops."""
    usual = Situation(
        enabled=True, suspended=False, rules=[rules()], mode="bus", bus=Bus(STRAIGHT, 1_000.0, 0.0),
        wanted=place(measure_m, beside_m), now=NOW, zone=PARIS)  # fmt: skip
    return replace(usual, **changes)
