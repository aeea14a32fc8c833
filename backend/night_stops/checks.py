"""Checks 7 to 15 of a night stop, in their order (domain.md §5.3). Pure but for distances along a way."""

from __future__ import annotations

from collections.abc import Callable

from backend.network.index import Pattern
from backend.night_stops.exclusions import excluding
from backend.night_stops.wishes import Bus, Planned, Rules, Situation, Spot


def first_failure(situation: Situation, rules: Rules, spot: Spot) -> tuple[str | None, Planned | None]:
    """(the code of the first of checks 7 to 15 that fails, the stop that is joined when none does)."""
    bus, pattern = situation.bus, situation.pattern
    assert bus is not None and pattern is not None  # noqa: S101, PT018 - judge() has seen to it
    for check in (_passed, _too_late, _part_of_line, _near_stop, _excluded):
        code = check(situation, rules, spot, bus, pattern)
        if code is not None:
            return code, None
    joined, code = slot(situation, rules, spot, pattern)
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


def slot(situation: Situation, rules: Rules, spot: Spot, pattern: Pattern) -> tuple[Planned | None, str | None]:
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
