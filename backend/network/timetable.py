"""Service days: which day a time at night belongs to, and what runs on it. Pure: standard library only.

A GTFS time counts from noon minus twelve hours, so that a day with a change of the clock has no gap and no double
hour; a bus at 01:30 runs on the service day of the evening before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

LONGEST_DAY_H = 30
"""How long after its midnight a service day can still have vehicles out (29:03 is the latest of a real network)."""


@dataclass(frozen=True)
class ServiceDays:
    """When a service runs: weekdays as bits (Monday 1 … Sunday 64) between two dates, with its exceptions."""

    weekdays: int
    start_date: dt.date
    end_date: dt.date
    exceptions: Mapping[dt.date, bool]

    def runs_on(self, day: dt.date) -> bool:
        """True when the service runs on this day."""
        if day in self.exceptions:
            return self.exceptions[day]
        return self.start_date <= day <= self.end_date and bool(self.weekdays & (1 << day.weekday()))


def day_begins(day: dt.date, zone: ZoneInfo) -> dt.datetime:
    """The instant from which the service day's times count, in UTC: noon minus twelve hours."""
    noon = dt.datetime.combine(day, dt.time(12), zone).astimezone(dt.UTC)
    return noon - dt.timedelta(hours=12)


def instant(day: dt.date, seconds: int, zone: ZoneInfo) -> dt.datetime:
    """The instant of a time of the service day."""
    return day_begins(day, zone) + dt.timedelta(seconds=seconds)


def days_at(now: dt.datetime, zone: ZoneInfo) -> list[tuple[dt.date, int]]:
    """The service days that may have vehicles out now, each with its present time in seconds; the older one first."""
    today = now.astimezone(zone).date()
    found = []
    for day in (today - dt.timedelta(days=1), today):
        seconds = int((now - day_begins(day, zone)).total_seconds())
        if 0 <= seconds <= LONGEST_DAY_H * 3600:
            found.append((day, seconds))
    return found


@dataclass(frozen=True)
class NightWindow:
    """A span of local wall-clock time that may pass midnight and belongs to the day on which it starts."""

    starts: dt.time
    ends: dt.time
    weekdays: frozenset[int] = frozenset(range(1, 8))

    def opening(self, day: dt.date, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
        """(first instant, instant after the last) of this day's window, in UTC; DST nights as the clocks show."""
        last_day = day if self.ends > self.starts else day + dt.timedelta(days=1)
        # Where the hour comes twice, a window that ends in it ends with the second one.
        first = dt.datetime.combine(day, self.starts, zone)
        last = dt.datetime.combine(last_day, self.ends, zone).replace(fold=1)
        return first.astimezone(dt.UTC), last.astimezone(dt.UTC)

    def day_of(self, now: dt.datetime, zone: ZoneInfo) -> dt.date | None:
        """The service day whose window is open now; None when none is."""
        today = now.astimezone(zone).date()
        for day in (today, today - dt.timedelta(days=1)):
            first, last = self.opening(day, zone)
            if day.isoweekday() in self.weekdays and first <= now < last:
                return day
        return None


def running(services: Mapping[str, ServiceDays], day: dt.date) -> set[str]:
    """The services that run on a day."""
    return {service_id for service_id, days in services.items() if days.runs_on(day)}


def next_time(times: Iterable[int], now_s: int) -> int | None:
    """The first of the times that is not past, in seconds of the service day."""
    return min((time for time in times if time >= now_s), default=None)
