"""How far along its shape each stop of a pattern lies. Pure geometry."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import inf

from backend.geo import Point, distance_m
from backend.network.ways import Located, Way

NEAR_M = 150.0
FAR_M = 500.0
MOST_BRANCHES = 12
BACK_M = 150.0  # at a terminus the last stop is often drawn a little before the end of the one before it


def measures_along(way: Way, stops: Sequence[Point], found: dict[Point, list[Located]]) -> list[float] | None:
    """Metres from the way's start to each stop, never falling; None when the way does not pass the stops in order.

    A loop passes a stop several times: of all the ways to put the stops in order, the one that lies nearest to them
    is taken. `found` remembers the branches near a stop between patterns of one way.
    """
    branches: list[list[Located]] = []
    for stop in stops:
        if stop not in found:
            near = way.locate_all(stop, NEAR_M) or way.locate_all(stop, FAR_M)
            found[stop] = near[:MOST_BRANCHES]
        if not found[stop]:
            return None
        branches.append(found[stop])
    costs = [one.off_m ** 2 for one in branches[0]]
    origins: list[list[int]] = []
    for before, after in pairwise(branches):
        steps = [
            min((_cost(costs[number], other, one), number) for number, other in enumerate(before)) for one in after
        ]
        origins.append([origin for _cost, origin in steps])
        costs = [cost for cost, _origin in steps]
    end = min(range(len(costs)), key=costs.__getitem__)
    if costs[end] == inf:
        return None
    chosen = [end]
    for best in reversed(origins):
        chosen.append(best[chosen[-1]])
    raw = (of_stop[number].measure_m for of_stop, number in zip(branches, reversed(chosen), strict=True))
    return [round(measure, 1) for measure in accumulate(raw, max)]


def _cost(so_far: float, before: Located, one: Located) -> float:
    back = before.measure_m - one.measure_m
    if back > BACK_M:
        return inf
    return so_far + one.off_m ** 2 + max(0.0, back) ** 2


def measures_by_distance(way: Way, stops: Sequence[Point]) -> list[float]:
    """The stops on a way that was drawn through them: as far along it as the stops before them are apart."""
    steps = [0.0, *(distance_m(a, b) for a, b in pairwise(stops))]
    whole = sum(steps) or 1.0
    return [round(way.length_m * done / whole, 1) for done in accumulate(steps)]
