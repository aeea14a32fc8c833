"""What the network's lines and stops are called, ready for reading texts."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from sqlalchemy.orm import Session

from backend.alerts.text_words import NO_NAMES, LineName, Names, StopName
from backend.network.index import Network, network_of
from backend.network.names import folded
from backend.network.stations import place_name


def names_of(session: Session) -> Names:
    """The names of the current network; none before any was imported."""
    network = network_of(session)
    return _names(network) if network is not None else NO_NAMES


@lru_cache(maxsize=2)
def _names(network: Network) -> Names:
    lines: dict[str, LineName] = {}
    for line in sorted(network.lines.values(), key=lambda one: one.id):
        name = folded(line.short_name)
        lines.setdefault(name, LineName(line.id, name, line.mode))
    stops: dict[str, list[StopName]] = defaultdict(list)
    for stop in network.stops.values():
        served = frozenset(network.lines_of_stop(stop.id))
        if name := place_name(stop.name):
            stops[name].append(StopName(stop.id, stop.station_id or stop.id, served))
    return Names(lines, dict(stops))
