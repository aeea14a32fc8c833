"""The sixteen checks of a night stop, in order, and what is possible instead. Pure but for distances along a way.

Order and codes: domain.md §5.3. The first check that fails gives the code; nothing about the rider is ever asked.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from backend.geo import Point, distance_m
from backend.network.index import Pattern, PatternStop
from backend.network.timetable import NightWindow
from backend.night_stops.exclusions import Exclusion, excluding

SEARCH_M = 600
STEP_M = 10
InsteadKind = Literal["nearest_permitted", "regular_stop", "earlier", "later", "join"]


@dataclass(frozen=True)
class Rules:
    """What the authority has set beforehand for one line or part of it (R. 3111-1)."""

    id: uuid.UUID
    version: int
    line_id: str
    window: NightWindow
    valid_from: dt.date
    direction_id: int | None = None
    from_stop_id: str | None = None
    to_stop_id: str | None = None
    valid_until: dt.date | None = None
    off_route_m: float = 50.0
    min_seconds: float = 45.0
    min_metres: float = 200.0
    near_stop_m: float = 60.0
    join_m: float = 100.0
    max_extra_stops: int = 6
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class Planned:
    """Another night stop of the same trip that is asked for or promised."""

    id: uuid.UUID
    measure_m: float


@dataclass(frozen=True)
class Bus:
    """The vehicle that the rider is in, as far as it is known."""

    measure_m: float
    speed_mps: float = 0.0
    known: bool = True


@dataclass(frozen=True)
class Situation:
    """Everything that the checks look at."""

    enabled: bool
    suspended: bool
    rules: Sequence[Rules]
    mode: str
    mode_allowed: bool
    pattern: Pattern | None
    bus: Bus | None
    wanted: Point
    now: dt.datetime
    zone: ZoneInfo
    planned: Sequence[Planned] = ()
    waited: bool = False
    has_open_request: bool = False
    refused_measures: Sequence[float] = ()
    ramp: bool = False
    near_m: float | None = None


@dataclass(frozen=True)
class Spot:
    """A place on the way, between two stops."""

    measure_m: float
    point: Point
    after: PatternStop | None
    before: PatternStop | None


@dataclass(frozen=True)
class Instead:
    """Something that is possible when the wish is not."""

    kind: InsteadKind
    spot: Spot
    name: str
    walk_difference_m: float | None = None
    joins: uuid.UUID | None = None


@dataclass(frozen=True)
class Verdict:
    """The first check that failed, or none; the place; what is possible instead; a question to the driver."""

    code: str | None
    spot: Spot | None = None
    rules: Rules | None = None
    joins: uuid.UUID | None = None
    question: str | None = None
    instead: tuple[Instead, ...] = field(default=())

    @property
    def possible(self) -> bool:
        """True when the driver may be asked."""
        return self.code is None


def judge(situation: Situation) -> Verdict:
    """The verdict on a wish, with what is possible instead when it cannot be asked."""
    rules, code = _rules_now(situation)
    if code is not None or rules is None:
        return Verdict(code or "line_not_eligible")
    if situation.pattern is None or situation.bus is None:
        return Verdict("not_on_board", rules=rules)
    located = situation.pattern.way.locate(
        situation.wanted, within_m=rules.off_route_m, near_m=_ahead_of(situation.bus, situation.near_m)
    )
    if located is None:
        return Verdict("off_route", rules=rules, instead=_instead(situation, rules, None))
    spot = spot_at(situation.pattern, located.measure_m)
    code, joins = _first_failure(situation, rules, spot)
    question = "ramp" if situation.ramp else None
    if code is not None:
        return Verdict(code, spot, rules, instead=_instead(situation, rules, spot), question=question)
    if joins is not None:
        spot = spot_at(situation.pattern, joins.measure_m)
    return Verdict(None, spot, rules, joins.id if joins else None, question)


def spot_at(pattern: Pattern, measure_m: float) -> Spot:
    """The place so far along the way, with the stops around it."""
    return Spot(
        measure_m, pattern.way.point_at(measure_m), pattern.stop_before(measure_m), pattern.stop_after(measure_m)
    )


def _rules_now(situation: Situation) -> tuple[Rules | None, str | None]:
    if not situation.enabled:
        return None, "service_disabled"
    today = situation.now.astimezone(situation.zone).date()
    in_force = [
        one
        for one in situation.rules
        if one.valid_from <= today and (one.valid_until is None or today <= one.valid_until)
    ]
    if not in_force:
        return None, "line_not_eligible"
    open_now = [one for one in in_force if _service_day(one, situation) is not None]
    if not open_now:
        return None, "outside_hours"
    if not situation.mode_allowed:
        return None, "mode_not_eligible"
    return open_now[0], None


def _service_day(rules: Rules, situation: Situation) -> dt.date | None:
    return rules.window.day_of(situation.now, situation.zone)


def _ahead_of(bus: Bus, near_m: float | None) -> float:
    # On an out-and-back way the wish means the branch that is still to come.
    return near_m if near_m is not None else bus.measure_m


def _first_failure(situation: Situation, rules: Rules, spot: Spot) -> tuple[str | None, Planned | None]:
    """(the code of the first of checks 7 to 15 that fails, the stop that is joined when none does)."""
    bus, pattern = situation.bus, situation.pattern
    assert bus is not None and pattern is not None  # noqa: S101, PT018 - judge() has seen to it
    for check in (_passed, _too_late, _part_of_line, _near_stop, _excluded):
        code = check(situation, rules, spot, bus, pattern)
        if code is not None:
            return code, None
    joined, code = _slot(situation, rules, spot, pattern)
    if code is None and joined is None and len(situation.planned) >= rules.max_extra_stops:
        code = "vehicle_limit"
    if code is None and situation.suspended:
        code = "weather_suspended"
    if code is None and (situation.has_open_request or _refused_here(situation, spot, pattern)):
        code = "rate_limited"
    return code, joined if code is None else None


Check = Callable[[Situation, Rules, Spot, Bus, Pattern], str | None]


def _passed(situation: Situation, _rules: Rules, spot: Spot, bus: Bus, _pattern: Pattern) -> str | None:
    if spot.measure_m > bus.measure_m:
        return None
    return "already_passed" if situation.waited else "behind_vehicle"


def _too_late(_situation: Situation, rules: Rules, spot: Spot, bus: Bus, pattern: Pattern) -> str | None:
    ahead_m = spot.measure_m - bus.measure_m
    regular_before = any(bus.measure_m < stop.measure_m < spot.measure_m for stop in pattern.stops)
    soon = bus.speed_mps > 1 and ahead_m / bus.speed_mps < rules.min_seconds
    return "too_late" if not regular_before or ahead_m < rules.min_metres or soon else None


def _part_of_line(_situation: Situation, rules: Rules, spot: Spot, _bus: Bus, pattern: Pattern) -> str | None:
    first = _measure_of(pattern, rules.from_stop_id)
    last = _measure_of(pattern, rules.to_stop_id)
    low, high = min(first or 0.0, last or pattern.way.length_m), max(first or 0.0, last or pattern.way.length_m)
    return None if low <= spot.measure_m <= high else "excluded_segment"


def _measure_of(pattern: Pattern, stop_id: str | None) -> float | None:
    return next((stop.measure_m for stop in pattern.stops if stop.stop_id == stop_id), None) if stop_id else None


def _near_stop(_situation: Situation, rules: Rules, spot: Spot, _bus: Bus, pattern: Pattern) -> str | None:
    near = any(abs(stop.measure_m - spot.measure_m) < rules.near_stop_m for stop in pattern.stops)
    return "too_close_to_stop" if near else None


def _excluded(situation: Situation, rules: Rules, spot: Spot, _bus: Bus, pattern: Pattern) -> str | None:
    found = excluding(rules.exclusions, spot.measure_m, spot.point, pattern.direction_id, situation.now)
    if found is None:
        return None
    return "excluded_point" if found.kind == "point" else "excluded_segment"


def _slot(situation: Situation, rules: Rules, spot: Spot, pattern: Pattern) -> tuple[Planned | None, str | None]:
    """One extra stop between two regular stops: a second rider joins it when it is near, else it is taken."""
    here = _between(pattern, spot.measure_m)
    same = [one for one in situation.planned if _between(pattern, one.measure_m) == here]
    if not same:
        return None, None
    nearest = min(same, key=lambda one: abs(one.measure_m - spot.measure_m))
    if abs(nearest.measure_m - spot.measure_m) <= rules.join_m:
        return nearest, None
    return None, "slot_taken"


def _between(pattern: Pattern, measure_m: float) -> int:
    return sum(1 for stop in pattern.stops if stop.measure_m <= measure_m)


def _refused_here(situation: Situation, spot: Spot, pattern: Pattern) -> bool:
    here = _between(pattern, spot.measure_m)
    return any(_between(pattern, measure) == here for measure in situation.refused_measures)


def _instead(situation: Situation, rules: Rules, spot: Spot | None) -> tuple[Instead, ...]:
    """What is possible: the nearest permitted place, an earlier and a later one, the next regular stop, a join."""
    bus, pattern = situation.bus, situation.pattern
    if bus is None or pattern is None:
        return ()
    found: list[Instead] = []
    around = spot.measure_m if spot is not None else _nearest_measure(situation, pattern)
    if spot is not None:
        _joined, code = _slot(situation, rules, spot, pattern)
        if code == "slot_taken":
            nearest = min(situation.planned, key=lambda one: abs(one.measure_m - spot.measure_m))
            found.append(_made("join", situation, spot_at(pattern, nearest.measure_m), joins=nearest.id))
    permitted = [spot_at(pattern, measure) for measure in _measures_around(around, pattern.way.length_m)]
    permitted = [one for one in permitted if _first_failure(situation, rules, one)[0] is None]
    if permitted:
        nearest_spot = min(permitted, key=lambda one: abs(one.measure_m - around))
        found.append(_made("nearest_permitted", situation, nearest_spot))
        earlier = [one for one in permitted if one.measure_m < around - STEP_M and one != nearest_spot]
        later = [one for one in permitted if one.measure_m > around + STEP_M and one != nearest_spot]
        if earlier:
            found.append(_made("earlier", situation, max(earlier, key=lambda one: one.measure_m)))
        if later:
            found.append(_made("later", situation, min(later, key=lambda one: one.measure_m)))
    ahead = [stop for stop in pattern.stops if stop.measure_m > bus.measure_m]
    if ahead:
        stop = min(ahead, key=lambda one: distance_m(one.point, situation.wanted))
        regular = Spot(stop.measure_m, stop.point, stop, pattern.stop_after(stop.measure_m))
        found.append(Instead("regular_stop", regular, stop.name, round(distance_m(stop.point, situation.wanted))))
    return tuple(found)


def _nearest_measure(situation: Situation, pattern: Pattern) -> float:
    located = pattern.way.locate(
        situation.wanted, within_m=5_000, near_m=situation.bus.measure_m if situation.bus else None
    )
    return located.measure_m if located else 0.0


def _measures_around(middle: float, length_m: float) -> list[float]:
    low, high = max(0.0, middle - SEARCH_M), min(length_m, middle + SEARCH_M)
    steps = int((high - low) // STEP_M) + 1
    return [low + STEP_M * step for step in range(steps)]


def _made(kind: InsteadKind, situation: Situation, spot: Spot, joins: uuid.UUID | None = None) -> Instead:
    after, before = spot.after, spot.before
    name = f"{after.name} – {before.name}" if after and before else (after or before).name if after or before else ""  # type: ignore[union-attr]
    return Instead(kind, spot, name, round(distance_m(spot.point, situation.wanted)), joins)
