"""What the checks of a night stop look at, and what they say. No session, no clock."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from backend.geo import Point
from backend.network.index import Pattern, PatternStop
from backend.network.timetable import NightWindow
from backend.night_stops.exclusions import Exclusion

CODES = (
    "service_disabled", "line_not_eligible", "outside_hours", "mode_not_eligible", "not_on_board", "off_route",
    "behind_vehicle", "already_passed", "too_late", "too_close_to_stop", "excluded_segment", "excluded_point",
    "slot_taken", "vehicle_limit", "weather_suspended", "rate_limited",
)  # fmt: skip
"""The checks of domain.md §5.3 in their order; `already_passed` is `behind_vehicle` after a wait in a tunnel."""
InsteadKind = Literal["nearest_permitted", "regular_stop", "earlier", "later", "join"]


@dataclass(frozen=True)
class Rules:
    """What the authority has set beforehand for one line or part of it (R. 3111-1)."""

    id: uuid.UUID
    version: int
    line_id: str
    window: NightWindow
    valid_from: dt.date
    direction_id: int | None = None
    part_from: frozenset[str] = frozenset()
    part_to: frozenset[str] = frozenset()
    valid_until: dt.date | None = None
    off_route_m: float = 50.0
    min_seconds: float = 45.0
    min_metres: float = 200.0
    near_stop_m: float = 60.0
    join_m: float = 100.0
    max_extra_stops: int = 6
    exclusions: tuple[Exclusion, ...] = ()

    def in_force_on(self, day: dt.date) -> bool:
        """True on the service days of its validity."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def open_day(self, now: dt.datetime, zone: ZoneInfo) -> dt.date | None:
        """The service day whose window is open now and lies in the validity; None when none is."""
        # The night before the first day is not in it, that after the last one is.
        day = self.window.day_of(now, zone)
        return day if day is not None and self.in_force_on(day) else None


@dataclass(frozen=True)
class Planned:
    """A night stop of the same bus, ahead of it, that is asked for or promised; several riders may share it."""

    id: uuid.UUID
    measure_m: float


@dataclass(frozen=True)
class Bus:
    """The vehicle that the rider is in, on the way that it follows."""

    pattern: Pattern
    measure_m: float
    speed_mps: float = 0.0


@dataclass(frozen=True)
class Situation:
    """Everything that the checks look at."""

    enabled: bool
    suspended: bool
    rules: Sequence[Rules]
    mode: str
    bus: Bus | None
    wanted: Point
    now: dt.datetime
    zone: ZoneInfo
    planned: Sequence[Planned] = ()
    stops_made: int = 0
    waited: bool = False
    has_open_request: bool = False
    refused_measures: Sequence[float] = ()
    ramp: bool = False


@dataclass(frozen=True)
class Spot:
    """A place on the way, between two stops."""

    measure_m: float
    point: Point
    after: PatternStop | None
    before: PatternStop | None

    @property
    def name(self) -> str:
        """Both stops around it."""
        return " – ".join(stop.name for stop in (self.after, self.before) if stop is not None)


@dataclass(frozen=True)
class Instead:
    """Something that is possible when the wish is not."""

    kind: InsteadKind
    spot: Spot
    name: str
    walk_difference_m: float


@dataclass(frozen=True)
class Verdict:
    """The first check that failed, or none; the place; what is possible instead; a question that is open."""

    code: str | None
    spot: Spot | None = None
    rules: Rules | None = None
    joins: uuid.UUID | None = None
    question: str | None = None
    instead: tuple[Instead, ...] = field(default=())

    @property
    def possible(self) -> bool:
        """True when the driver may be asked."""
        return self.code is None


def spot_at(pattern: Pattern, measure_m: float) -> Spot:
    """The place so far along the way, with the stops around it."""
    before, after = pattern.stop_before(measure_m), pattern.stop_after(measure_m)
    return Spot(measure_m, pattern.way.point_at(measure_m), before, after)
