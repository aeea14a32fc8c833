"""The days and spans of a feed's timetable: services, their exceptions, frequencies, validity."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import NamedTuple

from backend.network.gtfs_files import Feed, Table
from backend.network.gtfs_report import FeedRefused
from backend.network.packed_times import BLANK, TimeRefused, seconds_of

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class FeedService(NamedTuple):
    """On which weekdays (Monday 1 … Sunday 64) between two dates trips run."""

    id: str
    weekdays: int
    start_date: date
    end_date: date


class FeedServiceDate(NamedTuple):
    """A day on which a service runs besides its weekdays (`added`), or does not."""

    service_id: str
    date: date
    added: bool


class FeedFrequency(NamedTuple):
    """A span in which a trip is repeated."""

    trip_id: str
    start_s: int
    end_s: int
    headway_s: int
    exact: bool


def date_of(table: Table, column: str, text: str) -> date:
    """The day that YYYYMMDD names."""
    text = text.strip()
    if len(text) == 8 and text.isascii() and text.isdecimal():
        try:
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            pass
    raise table.refused(column, f"{text!r} is not a date such as 20261231")


def time_of(table: Table, column: str, text: str) -> int:
    """The seconds of the service day; BLANK when empty."""
    try:
        return seconds_of(text)
    except TimeRefused as refused:
        raise table.refused(column, str(refused)) from None


def read_services(feed: Feed) -> tuple[dict[str, FeedService], list[FeedServiceDate]]:
    """The services by id, and the dates on which they run otherwise."""
    if not (feed.has("calendar.txt") or feed.has("calendar_dates.txt")):
        raise FeedRefused("calendar.txt", 0, "", "missing from the feed, and calendar_dates.txt too")
    services = _weekly(feed) if feed.has("calendar.txt") else {}
    dates = _exceptions(feed) if feed.has("calendar_dates.txt") else {}
    days_of: dict[str, list[date]] = {}
    for service_id, day in dates:
        if service_id not in services:
            days_of.setdefault(service_id, []).append(day)
    for service_id, days in days_of.items():
        services[service_id] = FeedService(service_id, 0, min(days), max(days))
    return services, [FeedServiceDate(*key, added) for key, added in dates.items()]


def _weekly(feed: Feed) -> dict[str, FeedService]:
    services: dict[str, FeedService] = {}
    lines: dict[str, int] = {}
    with feed.table("calendar.txt", ("service_id", *WEEKDAYS, "start_date", "end_date")) as table:
        for service_id, *days, start, end in table:
            table.check_id("service_id", service_id)
            weekdays = 0
            for number, (column, runs) in enumerate(zip(WEEKDAYS, days, strict=True)):
                if runs.strip() not in ("0", "1"):
                    raise table.refused(column, f"{runs!r} is neither 0 nor 1")
                weekdays |= int(runs) << number
            service = FeedService(
                service_id, weekdays, date_of(table, "start_date", start), date_of(table, "end_date", end),
            )
            if service.start_date > service.end_date:
                raise table.refused("end_date", f"{end} is before start_date {start}")
            if services.setdefault(service_id, service) != service:
                raise table.refused("service_id", f"{service_id!r} stands in line {lines[service_id]} otherwise")
            if lines.setdefault(service_id, table.line) != table.line:
                table.warn("service_id", "the same service word for word a second time, taken once")
    return services


def _exceptions(feed: Feed) -> dict[tuple[str, date], bool]:
    dates: dict[tuple[str, date], bool] = {}
    with feed.table("calendar_dates.txt", ("service_id", "date", "exception_type")) as table:
        for service_id, text, kind in table:
            table.check_id("service_id", service_id)
            if kind.strip() not in ("1", "2"):
                raise table.refused("exception_type", f"{kind!r} is neither 1 (added) nor 2 (removed)")
            key, added = (service_id, date_of(table, "date", text)), kind.strip() == "1"
            if key in dates:
                if dates[key] is not added:
                    raise table.refused("date", f"{service_id!r} is both added and removed on {text}")
                table.warn("date", "the same day of a service a second time, taken once")
            dates[key] = added
    return dates


def read_frequencies(feed: Feed, trips: Collection[str]) -> list[FeedFrequency]:
    """The spans in which trips are repeated; empty without frequencies.txt, which is optional."""
    if not feed.has("frequencies.txt"):
        return []
    found: dict[tuple[str, int], FeedFrequency] = {}
    required = ("trip_id", "start_time", "end_time", "headway_secs")
    with feed.table("frequencies.txt", required, ("exact_times",)) as table:
        for trip_id, start, end, headway, exact in table:
            if trip_id not in trips:
                raise table.refused("trip_id", f"unknown trip {trip_id!r}")
            start_s, end_s = time_of(table, "start_time", start), time_of(table, "end_time", end)
            if start_s == BLANK or end_s <= start_s:
                raise table.refused("end_time", f"{end!r} is not after start_time {start!r}")
            if not (headway.strip().isdecimal() and 0 < int(headway) <= 86_400):
                raise table.refused("headway_secs", f"{headway!r} is not a number of seconds from 1 to 86400")
            if exact.strip() not in ("", "0", "1"):
                raise table.refused("exact_times", f"{exact!r} is neither 0 nor 1")
            one = FeedFrequency(trip_id, start_s, end_s, int(headway), exact.strip() == "1")
            if found.setdefault((trip_id, start_s), one) != one:
                raise table.refused("start_time", f"trip {trip_id!r} has two intervals from {start}")
    return list(found.values())


def validity(
    feed: Feed, services: Mapping[str, FeedService], dates: Collection[FeedServiceDate],
) -> tuple[date | None, date | None]:
    """The first and the last day of the timetable, as feed_info.txt or else the services say."""
    if feed.has("feed_info.txt"):
        with feed.table("feed_info.txt", ("feed_publisher_name",), ("feed_start_date", "feed_end_date")) as table:
            told = [
                (date_of(table, "feed_start_date", start), date_of(table, "feed_end_date", end))
                for _name, start, end in table if start.strip() and end.strip()
            ]
            if told and told[0][1] < told[0][0]:
                raise table.refused("feed_end_date", "before feed_start_date")
        if told:
            return told[0]
    days = [day for service in services.values() for day in (service.start_date, service.end_date)]
    days += [one.date for one in dates if one.added]
    return (min(days), max(days)) if days else (None, None)
