"""The shortest way through town along the lines' own streets. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable

from backend.simulation.ways import Place, Way, metres_between

STEP_M = 90.0
CROSSING_M = 75.0  # more than the diagonal of half steps: two ways that cross always meet
SAME_M = 25.0


class Streets:
    """A graph of places every 90 m along all ways, joined where two ways come close."""

    def __init__(self, ways: Iterable[Way]) -> None:
        self._places: list[Place] = []
        self._next: list[dict[int, float]] = []
        self._cells: dict[tuple[int, int], list[int]] = {}
        for way in ways:
            self._add(way)
        self._join_crossings()

    def _add(self, way: Way) -> None:
        steps = max(1, round(way.length_m / STEP_M))
        previous: int | None = None
        for step in range(steps + 1):
            number = self._number_of(way.at(way.length_m * step / steps))
            if previous is not None and previous != number:
                self._link(previous, number)
            previous = number

    def _number_of(self, place: Place) -> int:
        for known in self._around(place):  # the way back and ten lines on one avenue are the same street
            if metres_between(place, self._places[known]) <= SAME_M:
                return known
        self._places.append(place)
        self._next.append({})
        number = len(self._places) - 1
        self._cells.setdefault(_cell(place), []).append(number)
        return number

    def _link(self, a: int, b: int) -> None:
        metres = metres_between(self._places[a], self._places[b])
        self._next[a][b] = self._next[b][a] = metres

    def _join_crossings(self) -> None:
        for number, place in enumerate(self._places):
            for other in self._around(place):
                if other > number and metres_between(place, self._places[other]) <= CROSSING_M:
                    self._link(number, other)

    def _around(self, place: Place, rings: int = 1) -> Iterable[int]:
        row, column = _cell(place)
        for r in range(row - rings, row + rings + 1):
            for c in range(column - rings, column + rings + 1):
                yield from self._cells.get((r, c), ())

    def _nearest(self, place: Place) -> int | None:
        for rings in (1, 3, 10):
            near = list(self._around(place, rings))
            if near:
                return min(near, key=lambda n: metres_between(place, self._places[n]))
        if not self._places:
            return None
        return min(range(len(self._places)), key=lambda n: metres_between(place, self._places[n]))

    def way(self, start: Place, end: Place) -> Way:
        """From one place to another along the streets; straight when they do not connect or it is near."""
        first, last = self._nearest(start), self._nearest(end)
        if first is None or last is None or first == last or metres_between(start, end) < 2 * STEP_M:
            return Way([start, end])
        came = self._search(first, last)
        if came is None:
            return Way([start, end])
        found = [end]
        number: int | None = last
        while number is not None:
            found.append(self._places[number])
            number = came[number]
        return Way([start, *found[:0:-1], end])

    def _search(self, first: int, last: int) -> dict[int, int | None] | None:
        goal = self._places[last]
        came: dict[int, int | None] = {first: None}
        costs = {first: 0.0}
        ahead = [(metres_between(self._places[first], goal), first)]
        while ahead:
            _, number = heapq.heappop(ahead)
            if number == last:
                return came
            for other, metres in self._next[number].items():
                cost = costs[number] + metres
                if cost < costs.get(other, math.inf):
                    costs[other], came[other] = cost, number
                    heapq.heappush(ahead, (cost + metres_between(self._places[other], goal), other))
        return None


def _cell(place: Place) -> tuple[int, int]:
    return int(place.latitude // 0.001), int(place.longitude // 0.0014)
