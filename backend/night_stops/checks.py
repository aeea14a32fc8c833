"""Checks 7 to 15 of a night stop, in their order (domain.md §5.3). No session, no clock; distances along a way."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from backend.network.index import Pattern
from backend.night_stops.exclusions import excluding
from backend.night_stops.wishes import Bus, Planned, Rules, Situation, Spot


def first_failure(situation: Situation, rules: Rules, bus: Bus, spot: Spot) -> tuple[str | None, Planned | None]:
    """(the code of the first of checks 7 to 15 that fails, the stop that is joined when none does)."""
    for check in _PLACE_CHECKS:
        code = check(situation, rules, bus, spot)
        if code is not None:
            return code, None
    joined, code = slot(situation, rules, bus, spot)
    if code is None and joined is None and len(situation.planned) + situation.stops_made >= rules.max_extra_stops:
        code = "vehicle_limit"
    if code is None and situation.suspended:
        code = "weather_suspended"
    if code is None and (situation.has_open_request or _refused_here(situation, bus, spot)):
        code = "rate_limited"
    return code, joined if code is None else None


def place_failure(rules: Rules, pattern: Pattern, spot: Spot, day: dt.date) -> str | None:
    """Checks 9 to 11 alone, which look at nothing but the place: for a place that a driver proposes."""
    if any(abs(stop.measure_m - spot.measure_m) < rules.near_stop_m for stop in pattern.stops):
        return "too_close_to_stop"
    if not _in_part(rules, pattern, spot):
        return "excluded_segment"
    found = excluding(rules.exclusions, spot.point, pattern.direction_id, day)
    if found is None:
        return None
    return "excluded_point" if found.kind == "point" else "excluded_segment"


def slot(situation: Situation, rules: Rules, bus: Bus, spot: Spot) -> tuple[Planned | None, str | None]:
    """One extra stop between two regular stops: a second rider joins it when it is near, else it is taken."""
    here = between(bus.pattern, spot.measure_m)
    same = [one for one in situation.planned if between(bus.pattern, one.measure_m) == here]
    if not same:
        return None, None
    nearest = min(same, key=lambda one: abs(one.measure_m - spot.measure_m))
    if abs(nearest.measure_m - spot.measure_m) <= rules.join_m:
        return nearest, None
    return None, "slot_taken"


def between(pattern: Pattern, measure_m: float) -> int:
    """Which piece between two regular stops a place lies on: the number of stops at or before it."""
    return sum(1 for stop in pattern.stops if stop.measure_m <= measure_m)


def _passed(situation: Situation, _rules: Rules, bus: Bus, spot: Spot) -> str | None:
    if spot.measure_m > bus.measure_m:
        return None
    return "already_passed" if situation.waited else "behind_vehicle"


def _too_late(_situation: Situation, rules: Rules, bus: Bus, spot: Spot) -> str | None:
    ahead_m = spot.measure_m - bus.measure_m
    regular_before = any(bus.measure_m < stop.measure_m < spot.measure_m for stop in bus.pattern.stops)
    soon = bus.speed_mps > 1 and ahead_m / bus.speed_mps < rules.min_seconds
    return "too_late" if not regular_before or ahead_m < rules.min_metres or soon else None


def _wrong_place(situation: Situation, rules: Rules, bus: Bus, spot: Spot) -> str | None:
    day = rules.open_day(situation.now, situation.zone) or situation.now.astimezone(situation.zone).date()
    return place_failure(rules, bus.pattern, spot, day)


def _in_part(rules: Rules, pattern: Pattern, spot: Spot) -> bool:
    """Whether the place lies on the part of the line that the authority has named; both ends must be on this way."""
    if not rules.part_from and not rules.part_to:
        return True
    ends = [
        next((stop.measure_m for stop in pattern.stops if stop.stop_id in named), None) if named else otherwise
        for named, otherwise in ((rules.part_from, 0.0), (rules.part_to, pattern.way.length_m))
    ]
    first, last = ends
    return first is not None and last is not None and min(first, last) <= spot.measure_m <= max(first, last)


def _refused_here(situation: Situation, bus: Bus, spot: Spot) -> bool:
    here = between(bus.pattern, spot.measure_m)
    return any(between(bus.pattern, measure) == here for measure in situation.refused_measures)


_PLACE_CHECKS: tuple[Callable[[Situation, Rules, Bus, Spot], str | None], ...] = (_passed, _too_late, _wrong_place)
