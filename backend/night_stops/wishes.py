"""What the checks of a night stop look at, and what they say. Pure."""

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
    from_stop_id: str | None = None
    to_stop_id: str | None = None
    valid_until: dt.date | None = None
    off_route_m: float = 50.0
    min_seconds: float = 45.0
    min_metres: float = 200.0
    near_stop_m: float = 60.0
    join_m: float = 100.0
    max_extra_stops: int = 6
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class Planned:
    """Another night stop of the same trip that is asked for or promised."""

    id: uuid.UUID
    measure_m: float


@dataclass(frozen=True)
class Bus:
    """The vehicle that the rider is in, as far as it is known."""

    measure_m: float
    speed_mps: float = 0.0
    known: bool = True


@dataclass(frozen=True)
class Situation:
    """Everything that the checks look at."""

    enabled: bool
    suspended: bool
    rules: Sequence[Rules]
    mode: str
    mode_allowed: bool
    pattern: Pattern | None
    bus: Bus | None
    wanted: Point
    now: dt.datetime
    zone: ZoneInfo
    planned: Sequence[Planned] = ()
    waited: bool = False
    has_open_request: bool = False
    refused_measures: Sequence[float] = ()
    ramp: bool = False
    near_m: float | None = None


@dataclass(frozen=True)
class Spot:
    """A place on the way, between two stops."""

    measure_m: float
    point: Point
    after: PatternStop | None
    before: PatternStop | None


@dataclass(frozen=True)
class Instead:
    """Something that is possible when the wish is not."""

    kind: InsteadKind
    spot: Spot
    name: str
    walk_difference_m: float | None = None
    joins: uuid.UUID | None = None


@dataclass(frozen=True)
class Verdict:
    """The first check that failed, or none; the place; what is possible instead; a question to the driver."""

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
    return Spot(
        measure_m, pattern.way.point_at(measure_m), pattern.stop_before(measure_m), pattern.stop_after(measure_m)
    )
