"""A network small enough to know by heart, in memory: for rules that need lines, stops and a timetable."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from backend.geo import Point
from backend.network.index import LineFacts, Network, Pattern, PatternStop, StopFacts
from backend.network.runs import PatternRuns, Trip
from backend.network.timetable import Today, days_at
from backend.network.ways import Way
from tests.geodesy import moved

PARIS = ZoneInfo("Europe/Paris")
WEST = Point(43.3000, 5.3700)
NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)


def street(start: Point, heading: float, metres: float, step_m: float = 100.0) -> list[Point]:
    """The points of a straight street."""
    return [moved(start, heading, along) for along in _steps(metres, step_m)]


def _steps(metres: float, step_m: float) -> list[float]:
    return [step_m * number for number in range(int(metres // step_m) + 1)]


def pattern(
    number: int, line_id: str, direction_id: int, points: Sequence[Point], *, every_m: float = 500.0, trips: int = 10
) -> Pattern:
    """A pattern on these points with a stop at its start and every so many metres."""
    way = Way.from_points(points)
    measures = [*_steps(way.length_m, every_m)]
    stops = tuple(
        PatternStop(f"{line_id}-{direction_id}-{place}", f"{line_id} {place}", place, measure, way.point_at(measure))
        for place, measure in enumerate(measures)
    )
    return Pattern(number, line_id, direction_id, f"to {direction_id}", way, stops, trips)


def network(*patterns: Pattern, stations: dict[str, str] | None = None) -> Network:
    """The network of these patterns; `stations` says to which station a stop belongs."""
    stops = {
        stop.stop_id: StopFacts(stop.stop_id, stop.name, stop.point, (stations or {}).get(stop.stop_id))
        for one in patterns
        for stop in one.stops
    }
    lines = {
        one.line_id: LineFacts(one.line_id, one.line_id, one.line_id, "bus", "#000000", "#ffffff", False)
        for one in patterns
    }
    return Network(uuid.UUID(int=1), PARIS, lines, stops, {one.id: one for one in patterns})


def there_and_back(line_id: str = "B", length_m: float = 4_000, apart_m: float = 6.0) -> tuple[Pattern, Pattern]:
    """The two directions of a line on one street, drawn a few metres apart."""
    out = street(WEST, 90, length_m)
    back = [moved(point, 0, apart_m) for point in reversed(out)]
    return pattern(1, line_id, 0, out), pattern(2, line_id, 1, back)


class Timetable:
    """A timetable in which each pattern has trips at 7 m/s, one each `every_s` from `first` on."""

    def __init__(self, network: Network, *, first_s: int = 0, every_s: int = 900, trips: int = 96) -> None:
        self.network = network
        self.runs = {
            one.id: PatternRuns(
                [stop.measure_m for stop in one.stops],
                [
                    Trip(f"{one.id}-{number}", "daily", _times(one, first_s + number * every_s))
                    for number in range(trips)
                ],
            )
            for one in network.patterns.values()
        }

    def runs_of(self, pattern_id: int) -> PatternRuns | None:
        """The trips of a pattern."""
        return self.runs.get(pattern_id)

    def days(self, now: datetime) -> list[Today]:
        """The service days of an instant; the one service runs on each."""
        return [Today(second, frozenset({"daily"})) for _, second in days_at(now, self.network.zone)]


def _times(one: Pattern, start_s: int) -> list[int]:
    return [second for stop in one.stops for second in [start_s + round(stop.measure_m / 7)] * 2]
