"""The town as any phone may know it: lines, ways and stops, from the public network routes."""

from __future__ import annotations

import random
import threading
from typing import Any, NamedTuple

from backend.simulation.streets import Streets
from backend.simulation.ways import Place, Way, metres_between
from backend.simulation.wire import Wire


class LineWay(NamedTuple):
    """A line's way in one direction."""

    line_id: str
    direction_id: int
    name: str
    mode: str
    night: bool
    way: Way


class Stop(NamedTuple):
    """A stop and where it is."""

    stop_id: str
    name: str
    place: Place


MOST_HUBS, HUB_M = 10, 400.0


class Town:
    """Lines, stops and streets of the network in force."""

    def __init__(self, wire: Wire, lines: list[dict[str, Any]], features: list[dict[str, Any]]) -> None:
        self._wire = wire
        self._lock = threading.Lock()
        self._halts: dict[tuple[str, int], list[float]] = {}
        nights = {line["id"]: bool(line["night"]) for line in lines}
        ways: dict[tuple[str, int], LineWay] = {}
        self.stops: list[Stop] = []
        for feature in features:
            about, points = feature["properties"], feature["geometry"]["coordinates"]
            if about["kind"] == "stop":
                self.stops.append(Stop(about["stop_id"], about["name"], Place(points[1], points[0])))
                continue
            way = Way([Place(latitude, longitude) for longitude, latitude in points])
            key = (about["line_id"], about["direction_id"])
            # of a line's branches, the longest is driven
            if key not in ways or ways[key].way.length_m < way.length_m:
                ways[key] = LineWay(*key, about["name"], about["mode"], nights.get(about["line_id"], False), way)
        self.ways = ways
        self.hubs = hubs(self.stops)
        self.streets = Streets(each.way for each in ways.values())

    @classmethod
    def load(cls, wire: Wire) -> Town:
        """The town that this server serves; waits until it serves one."""
        while True:
            lines = wire.insist("GET", "/v1/network/lines").body["lines"]
            features = wire.insist("GET", "/v1/network/map").body["features"]
            if lines and features:
                return cls(wire, lines, features)
            wire.stop.wait(2)
            if wire.stop.is_set():
                raise SystemExit(0)

    def somewhere(self, dice: random.Random, *, busy: float) -> Stop:
        """A stop by chance; in this share of cases one of the busiest."""
        return dice.choice(self.hubs if dice.random() < busy else self.stops)

    def lines_to_drive(self) -> list[str]:
        """The lines in an order that shows the town soon: every mode in turn, buses before trains."""
        by_mode: dict[str, list[str]] = {}
        for (line_id, direction), way in self.ways.items():
            if direction == 0 or (line_id, 0) not in self.ways:
                by_mode.setdefault("night" if way.night else way.mode, []).append(line_id)
        ordered = [by_mode[mode] for mode in ("bus", "night", "tram", "metro", "ferry", "other") if mode in by_mode]
        return [group[n] for n in range(max(map(len, ordered), default=0)) for group in ordered if n < len(group)]

    def other_way(self, line_id: str, direction_id: int) -> LineWay:
        """The way back, or the same way again where a line has only one."""
        return self.ways.get((line_id, 1 - direction_id)) or self.ways[line_id, direction_id]

    def halts(self, line: LineWay) -> list[float]:
        """Where on its way a line stops, in metres from the beginning."""
        key = (line.line_id, line.direction_id)
        with self._lock:
            if key not in self._halts:
                path = f"/v1/network/lines/{line.line_id}/stops"
                answer = self._wire.insist("GET", path, direction_id=line.direction_id)
                items = answer.body["items"] if answer.ok else []
                places = [Place(item["latitude"], item["longitude"]) for item in items]
                self._halts[key] = sorted(metres for metres, off in map(line.way.nearest, places) if off < 150)
            return self._halts[key]


def hubs(stops: list[Stop]) -> list[Stop]:
    """The busiest stops: those with most others around them, each telling for its surroundings."""
    cells: dict[tuple[int, int], int] = {}
    for stop in stops:
        cells[_cell(stop.place)] = cells.get(_cell(stop.place), 0) + 1
    found: list[Stop] = []
    for stop in sorted(stops, key=lambda s: (-cells[_cell(s.place)], s.stop_id)):
        if all(metres_between(stop.place, other.place) > HUB_M for other in found):
            found.append(stop)
        if len(found) == MOST_HUBS:
            break
    return found


def _cell(place: Place) -> tuple[int, int]:
    return int(place.latitude // 0.005), int(place.longitude // 0.007)
