"""Stations of a feed that names none: the stops of one name that lie together. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from backend.geo import Point, distance_m
from backend.network.names import folded

TOGETHER_M = 250.0
LONGEST_M = 600.0  # stops of one avenue, each 200 m from the next, are no station
PREFIX = "place:"
_MODE_WORDS = {"metro", "tram", "tramway"}


class NamedPlace(NamedTuple):
    """A stop as far as grouping needs it."""

    id: str
    name: str
    point: Point


class Station(NamedTuple):
    """Stops that riders know as one place."""

    id: str
    name: str
    point: Point
    stop_ids: tuple[str, ...]


def stations_of(stops: Iterable[NamedPlace]) -> list[Station]:
    """The groups of two or more stops that share a name ("Métro La Rose" is "La Rose") and lie within 250 m.

    Their ids come from the name, so that they stay the same when the feed's own ids change.
    """
    namesakes: dict[str, list[NamedPlace]] = defaultdict(list)
    for stop in stops:
        namesakes[place_name(stop.name)].append(stop)
    found: list[Station] = []
    for name, of_name in sorted(namesakes.items()):
        groups = [group for group in _together(of_name) if len(group) > 1]
        groups.sort(key=lambda group: (-len(group), group[0].point, group[0].id))
        for number, group in enumerate(groups, 1):
            slug = name.replace(" ", "-")[:200]
            found.append(Station(
                f"{PREFIX}{slug}" if number == 1 else f"{PREFIX}{slug}:{number}", _usual_name(group),
                Point(fmean(s.point.latitude for s in group), fmean(s.point.longitude for s in group)),
                tuple(stop.id for stop in group),
            ))
    return found


def place_name(name: str) -> str:
    """The name for comparing, without the words that only say which vehicle stops there."""
    words = folded(name).split()
    return " ".join(word for word in words if word not in _MODE_WORDS) or " ".join(words)


def _together(stops: Sequence[NamedPlace]) -> list[list[NamedPlace]]:
    groups: list[list[NamedPlace]] = []
    for stop in sorted(stops, key=lambda s: (s.point, s.id)):
        near = [group for group in groups if any(distance_m(stop.point, other.point) <= TOGETHER_M for other in group)]
        merged = [stop]
        for group in near:
            if all(distance_m(a.point, b.point) <= LONGEST_M for a in group for b in merged):
                merged += group
                groups.remove(group)
        groups.append(sorted(merged, key=lambda s: (s.point, s.id)))
    return groups


def _usual_name(group: Iterable[NamedPlace]) -> str:
    names = Counter(stop.name for stop in group)
    return min(names, key=lambda name: (-names[name], len(name), name))
