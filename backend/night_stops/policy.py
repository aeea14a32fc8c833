"""The sixteen checks of a night stop, in order, and what is possible instead. No session, no clock.

Order and codes: domain.md §5.3. The first check that fails gives the code; nothing about the rider is ever asked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from backend.geo import Point, distance_m
from backend.network.ways import Located
from backend.night_stops.checks import between, first_failure, place_failure, slot
from backend.night_stops.wishes import CODES, Bus, Instead, InsteadKind, Rules, Situation, Spot, Verdict, spot_at

SEARCH_M = 1_000
STEP_M = 10
READING_S = 15
"""What is offered must still be possible when the rider has read it, that much later."""
SAME_PLACE_M = 15.0


def judge(situation: Situation) -> Verdict:
    """The verdict on a wish, with what is possible instead when it cannot be asked.

    Where several policies are open (one for each part of a line, say), the one that lets the wish go furthest counts.
    """
    if not situation.enabled:
        return Verdict("service_disabled")
    rules, code = _open_now(situation)
    if code is not None:
        return Verdict(code)
    verdicts = [_judge(situation, one) for one in rules]
    return max(verdicts, key=lambda one: CODES.index(one.code) if one.code else len(CODES))


def proposal(rules: Rules | None, bus: Bus, measure_m: float, day: dt.date) -> Spot | None:
    """Where a driver can offer to stop: the next permitted place before the next regular stop, else that stop."""
    pattern = bus.pattern
    stop = pattern.stop_after(measure_m)
    end = stop.measure_m if stop else pattern.way.length_m
    at = max(measure_m, bus.measure_m) + 3 * STEP_M
    while rules is not None and at < end:
        spot = spot_at(pattern, at)
        if place_failure(rules, pattern, spot, day) is None:
            return spot
        at += STEP_M
    return spot_at(pattern, stop.measure_m) if stop and stop.measure_m > bus.measure_m else None


def _open_now(situation: Situation) -> tuple[list[Rules], str | None]:
    today = situation.now.astimezone(situation.zone).date()
    found = [one for one in situation.rules if one.open_day(situation.now, situation.zone) is not None]
    if not found:
        named = any(one.in_force_on(today) for one in situation.rules)
        return [], "outside_hours" if named else "line_not_eligible"
    return (found, None) if situation.mode == "bus" else ([], "mode_not_eligible")


def _judge(situation: Situation, rules: Rules) -> Verdict:
    bus = situation.bus
    if bus is None:
        return Verdict("not_on_board", rules=rules)
    branches = _branches(bus, situation.wanted, rules.off_route_m)
    if not branches:
        return Verdict("off_route", rules=rules, instead=_instead(situation, rules, bus, None))
    # A loop or an out-and-back way passes the place again: the first time that is possible is meant.
    spots = [spot_at(bus.pattern, one.measure_m) for one in branches]
    found = [(spot, *first_failure(situation, rules, bus, spot)) for spot in spots]
    spot, code, joined = next((one for one in found if one[1] is None), found[0])
    question = "ramp" if situation.ramp else None
    if code is not None:
        return Verdict(code, spot, rules, None, question, _instead(situation, rules, bus, spot))
    if joined is not None:
        spot = spot_at(bus.pattern, joined.measure_m)
    return Verdict(None, spot, rules, joined.id if joined else None, question)


def _branches(bus: Bus, wanted: Point, within_m: float) -> list[Located]:
    """The times at which the way passes the wanted place: those still to come in turn, else the last one behind."""
    found = bus.pattern.way.locate_all(wanted, within_m)
    ahead = [one for one in found if one.measure_m > bus.measure_m]
    if not ahead:
        return sorted(found, key=lambda one: -one.measure_m)[:1]
    nearest = min(one.off_m for one in ahead)
    return sorted((one for one in ahead if one.off_m <= nearest + SAME_PLACE_M), key=lambda one: one.measure_m)


def _instead(situation: Situation, rules: Rules, bus: Bus, spot: Spot | None) -> tuple[Instead, ...]:
    """What is possible: a stop to join, the nearest permitted place, one on its other side, the regular stop."""
    later = replace(bus, measure_m=bus.measure_m + bus.speed_mps * READING_S)
    around = spot.measure_m if spot is not None else _nearest_measure(bus, situation.wanted)
    walk = distance_m(spot.point, situation.wanted) if spot is not None else 0.0

    def made(kind: InsteadKind, place: Spot, name: str) -> Instead:
        return Instead(kind, place, name, round(distance_m(place.point, situation.wanted) - walk))

    found: list[Instead] = []
    taken = spot is not None and slot(situation, rules, bus, spot)[1] == "slot_taken"
    if spot is not None and taken:
        here = between(bus.pattern, spot.measure_m)
        same = [one for one in situation.planned if between(bus.pattern, one.measure_m) == here]
        place = spot_at(bus.pattern, min(same, key=lambda one: abs(one.measure_m - spot.measure_m)).measure_m)
        if first_failure(situation, rules, later, place)[0] is None:
            found.append(made("join", place, place.name))
    earlier = _first_possible(situation, rules, later, _steps(around, -STEP_M, later))
    after = _first_possible(situation, rules, later, _steps(around, STEP_M, later))
    sides: list[tuple[InsteadKind, Spot]] = []
    if earlier is not None:
        sides.append(("earlier", earlier))
    if after is not None:
        sides.append(("later", after))
    sides.sort(key=lambda side: abs(side[1].measure_m - around))
    for number, (kind, place) in enumerate(sides):
        found.append(made(kind if number else "nearest_permitted", place, place.name))
    ahead = [stop for stop in bus.pattern.stops if stop.measure_m > later.measure_m]
    if ahead:
        stop = min(ahead, key=lambda one: distance_m(one.point, situation.wanted))
        regular = Spot(stop.measure_m, stop.point, stop, bus.pattern.stop_after(stop.measure_m))
        found.append(made("regular_stop", regular, stop.name))
    return tuple(found)


def _steps(around: float, step: int, bus: Bus) -> Iterable[float]:
    """Measures from a place outwards, on the way that still lies before the bus."""
    length = bus.pattern.way.length_m
    start = max(around, bus.measure_m) if step > 0 else min(around, length)
    for number in range(1, SEARCH_M // STEP_M + 1):
        at = start + step * number
        if bus.measure_m < at < length:
            yield at


def _first_possible(situation: Situation, rules: Rules, bus: Bus, measures: Iterable[float]) -> Spot | None:
    if situation.suspended or situation.has_open_request:
        return None  # whatever the place
    for measure in measures:
        code, joined = first_failure(situation, rules, bus, spot_at(bus.pattern, measure))
        if code is not None:
            continue
        at = joined.measure_m if joined else measure
        # A metre to each side too: asked again, the same place is found again only to some centimetres.
        around = [first_failure(situation, rules, bus, spot_at(bus.pattern, one))[0] for one in (at, at - 1, at + 1)]
        if not any(around):
            return spot_at(bus.pattern, at)
    return None


def _nearest_measure(bus: Bus, wanted: Point) -> float:
    located = bus.pattern.way.locate(wanted, within_m=5_000, near_m=bus.measure_m)
    return located.measure_m if located else bus.measure_m
