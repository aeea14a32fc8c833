"""Which trip a vehicle runs and how far along its way it is, fix by fix. Pure: no session, no clock.

What decides, together: how far beside the way the fix lies, which way the vehicle heads, where it was before, and the
timetable. Metres along the way never go back by noise: a vehicle that truly goes the other way leaves its last place
further and further behind, until another branch or direction explains the fix better.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from backend.geo import Point, distance_m
from backend.network.index import Network, Pattern
from backend.network.progress import LOST_AFTER, Progress
from backend.network.runs import Out, PatternRuns
from backend.network.timetable import Today
from backend.network.ways import Located, turn_deg

ON_WAY_M = 60.0
"""As far beside its way a vehicle may be: a wide avenue, a bus lane on the other side, a fix between houses."""
VAGUE_M = 150.0
OFF_LINE_AFTER = timedelta(seconds=30)
FORGOTTEN_AFTER = timedelta(minutes=20)
NOISE_M = 40.0
FASTEST_MPS = 30.0
MOVING_MPS = 2.0
SMOOTHED_OVER_S = 20.0
NO_TRIP = 0.8
SURE = 1.5
"""The cost up to which the pattern of the last fix is kept without a look at the others."""


@dataclass(frozen=True)
class Seen:
    """One fix of one vehicle, and what is said about it: the line it serves, perhaps its trip."""

    vehicle_id: uuid.UUID
    number: str
    point: Point
    fix_at: datetime
    accuracy_m: float | None = None
    heading_deg: float | None = None
    speed_mps: float | None = None
    line_id: str | None = None
    direction_id: int | None = None
    pattern_id: int | None = None
    trip_id: str | None = None


class Timetable(Protocol):
    """What is asked of a timetable."""

    def runs_of(self, pattern_id: int) -> PatternRuns | None:
        """The trips of a pattern."""

    def days(self, now: datetime) -> list[Today]:
        """The service days that can have vehicles out."""


class _Guess(NamedTuple):
    cost: float
    pattern: Pattern
    located: Located
    trip_id: str | None


class _Before(NamedTuple):
    """Where it was, when that still says something."""

    progress: Progress
    pattern: Pattern
    matched_at: datetime


def match(network: Network, timetable: Timetable | None, previous: Progress | None, seen: Seen) -> Progress:
    """Where the vehicle is now, given where it was."""
    before = _usable(network, previous, seen)
    guess = _best(network, timetable, before, seen)
    if guess is None:
        return _beside(before, seen)
    pattern, measure = guess.pattern, guess.located.measure_m
    on_same = before.progress if before is not None and before.pattern is pattern else None
    if on_same is not None and -_noise(seen) <= measure - on_same.measure_m < 0:
        measure = on_same.measure_m
    return Progress(
        seen.vehicle_id, seen.number, pattern.line_id, pattern.direction_id, pattern.id, guess.trip_id,
        measure, guess.located.off_m, _pace(on_same, seen, measure), "on_line", seen.fix_at, seen.fix_at,
        now_mps=_now(on_same, seen, measure),
    )  # fmt: skip


def _usable(network: Network, previous: Progress | None, seen: Seen) -> _Before | None:
    if previous is None or previous.pattern_id is None or previous.matched_at is None:
        return None
    pattern = network.patterns.get(previous.pattern_id)
    if pattern is None or (seen.line_id is not None and pattern.line_id != seen.line_id):
        return None  # another network, or the driver has changed lines
    if seen.fix_at - previous.matched_at > FORGOTTEN_AFTER:
        return None
    return _Before(previous, pattern, previous.matched_at)


def _best(network: Network, timetable: Timetable | None, before: _Before | None, seen: Seen) -> _Guess | None:
    def order(guess: _Guess) -> tuple[float, int, int]:
        return (guess.cost, -guess.pattern.trips, guess.pattern.id)

    if before is not None and seen.pattern_id in (None, before.pattern.id):
        kept = min(_guesses(before.pattern, timetable, before, seen), key=order, default=None)
        if kept is not None and kept.cost <= SURE:
            return kept
    guesses = [one for pattern in _patterns(network, seen) for one in _guesses(pattern, timetable, before, seen)]
    return min(guesses, key=order, default=None)


def _patterns(network: Network, seen: Seen) -> Sequence[Pattern]:
    if seen.pattern_id is not None and seen.pattern_id in network.patterns:
        return [network.patterns[seen.pattern_id]]
    if seen.line_id is not None and seen.line_id in network.lines:
        return network.patterns_of(seen.line_id, seen.direction_id) or network.patterns_of(seen.line_id)
    return network.patterns_at(seen.point, ON_WAY_M)


def _guesses(pattern: Pattern, timetable: Timetable | None, before: _Before | None, seen: Seen) -> Iterator[_Guess]:
    for located in pattern.way.locate_all(seen.point, max(ON_WAY_M, min(_noise(seen), VAGUE_M))):
        cost = located.off_m / max(15.0, _noise(seen) / 2)
        cost += _against_heading(pattern, located, before, seen)
        cost += _against_history(pattern, located, before, seen)
        due = _trip(pattern, located, timetable, before, seen)
        cost += NO_TRIP if due is None else min(abs(due.late_s) / 900, NO_TRIP)
        yield _Guess(cost, pattern, located, due.trip_id if due else None)


def _against_heading(pattern: Pattern, located: Located, before: _Before | None, seen: Seen) -> float:
    if seen.heading_deg is None or not _is_moving(before, seen):
        return 0.0
    turn = turn_deg(pattern.way.heading_at(located.measure_m), seen.heading_deg)
    return 0.0 if turn <= 60 else 4.0 * min(1.0, (turn - 60) / 60)


def _is_moving(before: _Before | None, seen: Seen) -> bool:
    # The heading of something that stands still is noise, whatever the receiver says.
    if seen.speed_mps is not None:
        return seen.speed_mps >= MOVING_MPS
    return before is None or distance_m(before.pattern.way.point_at(before.progress.measure_m), seen.point) >= 15


def _against_history(pattern: Pattern, located: Located, before: _Before | None, seen: Seen) -> float:
    """How little this place follows from the last one."""
    if before is None:
        return 0.0
    last, noise = before.progress, _noise(seen)
    elapsed = max(0.0, (seen.fix_at - before.matched_at).total_seconds())
    faith = 1.0 if elapsed <= LOST_AFTER.total_seconds() else 0.3
    switch, moved = 0.0, located.measure_m - last.measure_m
    if pattern is not before.pattern:
        places = pattern.way.locate_all(before.pattern.way.point_at(last.measure_m), 2 * ON_WAY_M)
        if not places:
            return 3.0 * faith
        moved = min((located.measure_m - place.measure_m for place in places), key=abs)
        at_end = last.measure_m >= before.pattern.way.length_m - 2 * NOISE_M
        if (pattern.line_id, pattern.direction_id) == (before.pattern.line_id, before.pattern.direction_id):
            switch = 0.6
        elif at_end:
            switch = 0.5
        else:
            # In the middle of its way it has turned round only when it has truly moved the other way.
            switch, moved = 1.8, moved - noise
    if moved < -noise:
        return (switch + 2.5) * faith
    if moved > FASTEST_MPS * elapsed + noise:
        return (switch + 3.0) * faith
    return (switch + max(0.0, -moved) / noise) * faith


def _trip(
    pattern: Pattern, located: Located, timetable: Timetable | None, before: _Before | None, seen: Seen
) -> Out | None:
    """The trip that is due here now, or nearly; the one it was on before, as long as that can be."""
    if seen.trip_id is not None and seen.pattern_id == pattern.id:
        return Out(seen.trip_id, 0.0)
    runs = timetable.runs_of(pattern.id) if timetable is not None else None
    if timetable is None or runs is None:
        return None
    out = [
        one for day in timetable.days(seen.fix_at) for one in runs.out_at(located.measure_m, day.second, day.services)
    ]
    if before is not None and before.pattern is pattern:
        own = [one for one in out if one.trip_id == before.progress.trip_id]
        out = own or out
    return min(out, key=lambda one: (one.late_s if one.late_s >= 0 else -2 * one.late_s, one.trip_id), default=None)


def _beside(before: _Before | None, seen: Seen) -> Progress:
    """A fix that lies on no way it could: the last place holds for a while."""
    if before is None:
        return Progress(
            seen.vehicle_id, seen.number, seen.line_id, seen.direction_id, None, seen.trip_id, 0.0, ON_WAY_M,
            min(seen.speed_mps or 0.0, FASTEST_MPS), "off_line", seen.fix_at,
        )  # fmt: skip
    last = before.progress
    away = distance_m(before.pattern.way.point_at(last.measure_m), seen.point)
    state = "off_line" if seen.fix_at - before.matched_at > OFF_LINE_AFTER else last.state
    return replace(last, number=seen.number, off_m=away, state=state, fix_at=seen.fix_at, is_lost=False)


def _noise(seen: Seen) -> float:
    return max(NOISE_M, min(seen.accuracy_m or 0.0, 300.0))


def _now(on_same: Progress | None, seen: Seen, measure_m: float) -> float:
    """How fast it is at this very fix, by the receiver's own word, else by the way since the last one."""
    if seen.speed_mps is not None:
        return min(max(seen.speed_mps, 0.0), FASTEST_MPS)
    if on_same is None or on_same.matched_at is None:
        return MOVING_MPS  # unknown: not taken for a halt
    elapsed = (seen.fix_at - on_same.matched_at).total_seconds()
    return min(max(measure_m - on_same.measure_m, 0.0) / elapsed, FASTEST_MPS) if elapsed > 0 else on_same.now_mps


def _pace(on_same: Progress | None, seen: Seen, measure_m: float) -> float:
    """The speed along the way, smoothed over some twenty seconds: what the coming minutes are reckoned with."""
    if on_same is None or on_same.matched_at is None:
        return min(max(seen.speed_mps or 0.0, 0.0), FASTEST_MPS)
    elapsed = (seen.fix_at - on_same.matched_at).total_seconds()
    if elapsed <= 0:
        return on_same.speed_mps
    now = min(max(measure_m - on_same.measure_m, 0.0) / elapsed, FASTEST_MPS)
    return on_same.speed_mps + (1 - math.exp(-elapsed / SMOOTHED_OVER_S)) * (now - on_same.speed_mps)
