"""Service days: which day a time at night belongs to, and what runs on it. Pure: standard library only.

A GTFS time counts from noon minus twelve hours, so that a day with a change of the clock has no gap and no double
hour; a bus at 01:30 runs on the service day of the evening before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

LONGEST_DAY_H = 36
"""How long after its beginning a service day can still have vehicles out (real networks: 29:03, trains 33:00)."""


@dataclass(frozen=True)
class ServiceDays:
    """When a service runs: weekdays as bits (Monday 1 … Sunday 64) between two dates, with its exceptions."""

    weekdays: int
    start_date: date
    end_date: date
    exceptions: Mapping[date, bool]

    def runs_on(self, day: date) -> bool:
        """True when the service runs on this day."""
        if day in self.exceptions:
            return self.exceptions[day]
        return self.start_date <= day <= self.end_date and bool(self.weekdays & (1 << day.weekday()))


class Today(NamedTuple):
    """A service day that has vehicles out now: the second of it, and the services that run on it."""

    second: int
    services: frozenset[str]


def day_begins(day: date, zone: ZoneInfo) -> datetime:
    """The instant from which the service day's times count, in UTC: noon minus twelve hours."""
    noon = datetime.combine(day, time(12), zone).astimezone(UTC)
    return noon - timedelta(hours=12)


def instant(day: date, seconds: int, zone: ZoneInfo) -> datetime:
    """The instant of a time of the service day."""
    return day_begins(day, zone) + timedelta(seconds=seconds)


def days_at(now: datetime, zone: ZoneInfo) -> list[tuple[date, int]]:
    """The service days that may have vehicles out now, each with its present time in seconds; the older one first."""
    today = now.astimezone(zone).date()
    found = []
    # Tomorrow too: the day on which the clocks go forward begins at 23:00 of the evening before.
    for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
        seconds = int((now - day_begins(day, zone)).total_seconds())
        if 0 <= seconds <= LONGEST_DAY_H * 3600:
            found.append((day, seconds))
    return found


@dataclass(frozen=True)
class NightWindow:
    """A span of local wall-clock time that may pass midnight and belongs to the day on which it starts."""

    starts: time
    ends: time
    weekdays: frozenset[int] = frozenset(range(1, 8))

    def opening(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """(first instant, instant after the last) of this day's window, in UTC; DST nights as the clocks show."""
        last_day = day if self.ends > self.starts else day + timedelta(days=1)
        # Where the hour comes twice, a window begins with the first and ends with the second.
        return _instant(day, self.starts, zone, fold=0), _instant(last_day, self.ends, zone, fold=1)

    def day_of(self, now: datetime, zone: ZoneInfo) -> date | None:
        """The service day whose window is open now; None when none is."""
        today = now.astimezone(zone).date()
        for day in (today, today - timedelta(days=1)):
            first, last = self.opening(day, zone)
            if day.isoweekday() in self.weekdays and first <= now < last:
                return day
        return None


def _instant(day: date, wall: time, zone: ZoneInfo, *, fold: int) -> datetime:
    local = datetime.combine(day, wall, zone)
    at = local.replace(fold=fold).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return at
    # The clocks jump over this time: it is the second at which they jump.
    low, high = sorted(local.replace(fold=one).astimezone(UTC) for one in (0, 1))
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
    return high


def running(services: Mapping[str, ServiceDays], day: date) -> set[str]:
    """The services that run on a day."""
    return {service_id for service_id, days in services.items() if days.runs_on(day)}
