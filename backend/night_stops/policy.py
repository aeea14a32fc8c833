"""The sixteen checks of a night stop, in order, and what is possible instead. Pure but for distances along a way.

Order and codes: domain.md §5.3. The first check that fails gives the code; nothing about the rider is ever asked.
"""

from __future__ import annotations

import datetime as dt
import uuid

from backend.geo import distance_m
from backend.network.index import Pattern
from backend.night_stops.checks import first_failure, slot
from backend.night_stops.wishes import Bus, Instead, InsteadKind, Rules, Situation, Spot, Verdict, spot_at

SEARCH_M = 600
STEP_M = 10


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
    code, joins = first_failure(situation, rules, spot)
    question = "ramp" if situation.ramp else None
    if code is not None:
        return Verdict(code, spot, rules, instead=_instead(situation, rules, spot), question=question)
    if joins is not None:
        spot = spot_at(situation.pattern, joins.measure_m)
    return Verdict(None, spot, rules, joins.id if joins else None, question)


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


def _instead(situation: Situation, rules: Rules, spot: Spot | None) -> tuple[Instead, ...]:
    """What is possible: the nearest permitted place, an earlier and a later one, the next regular stop, a join."""
    bus, pattern = situation.bus, situation.pattern
    if bus is None or pattern is None:
        return ()
    found: list[Instead] = []
    around = spot.measure_m if spot is not None else _nearest_measure(situation, pattern)
    if spot is not None:
        _joined, code = slot(situation, rules, spot, pattern)
        if code == "slot_taken":
            nearest = min(situation.planned, key=lambda one: abs(one.measure_m - spot.measure_m))
            found.append(_made("join", situation, spot_at(pattern, nearest.measure_m), joins=nearest.id))
    permitted = [spot_at(pattern, measure) for measure in _measures_around(around, pattern.way.length_m)]
    permitted = [one for one in permitted if first_failure(situation, rules, one)[0] is None]
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
