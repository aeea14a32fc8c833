"""One vehicle on its way: what is known of its place along its line, and the stops that come. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.network.index import Network, Pattern, PatternStop

LOST_AFTER = timedelta(seconds=90)
"""GTFS-Realtime's own rule: a vehicle position older than 90 s says nothing any more."""
CRUISE_MPS = 5.5
DWELL_S = 15


@dataclass(frozen=True)
class Progress:
    """One vehicle on its way; `is_lost` when nothing has been heard of it for too long.

    `matched_at` is when it was last seen on the way: a while off it (a detour, a bad fix) keeps the place where it
    left, longer makes it `off_line`. `speed_mps` is its pace over some twenty seconds, `now_mps` that of the last fix
    alone: a bus that lets somebody off for ten seconds stands, while its pace is still that of the street.
    """

    vehicle_id: uuid.UUID
    number: str
    line_id: str | None
    direction_id: int | None
    pattern_id: int | None
    trip_id: str | None
    measure_m: float
    off_m: float
    speed_mps: float
    state: str
    fix_at: datetime
    matched_at: datetime | None = None
    is_lost: bool = False
    now_mps: float = 0.0

    @property
    def is_on_line(self) -> bool:
        """True when its place along the line is known now."""
        return self.state == "on_line" and not self.is_lost

    @property
    def wire_state(self) -> str:
        """The state as phones are told it."""
        return "lost" if self.is_lost else self.state


def pattern_of(network: Network, progress: Progress) -> Pattern | None:
    """The pattern that the vehicle follows, when its place on it is known."""
    if progress.pattern_id is None or not progress.is_on_line:
        return None
    return network.patterns.get(progress.pattern_id)


def next_stops(network: Network, progress: Progress, limit: int = 5) -> list[tuple[PatternStop, int]]:
    """The coming stops, each with the seconds until then at the vehicle's own pace and a dwell at each stop."""
    pattern = pattern_of(network, progress)
    if pattern is None:
        return []
    # A bus at a red light does not stay there: its pace is never taken for less than a town's.
    pace = max(progress.speed_mps, CRUISE_MPS)
    ahead = [stop for stop in pattern.stops if stop.measure_m > progress.measure_m][:limit]
    return [
        (stop, round((stop.measure_m - progress.measure_m) / pace + DWELL_S * place))
        for place, stop in enumerate(ahead)
    ]
