"""Writing a network: a new version beside the old one, and the switch, in the caller's one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import bulk
from backend.database import Base, new_id
from backend.geo import Point
from backend.network import versions
from backend.network.gtfs import FeedNetwork
from backend.network.gtfs_calendar import FeedFrequency, FeedService, FeedServiceDate
from backend.network.gtfs_files import Watch, ignore
from backend.network.gtfs_lines import FeedLineStop, FeedPattern, FeedShape, FeedTripTimes
from backend.network.gtfs_report import FeedRefused
from backend.network.gtfs_rows import FeedLine, FeedStop
from backend.network.id_changes import Known, changes
from backend.network.models import Line, LineStop, NetworkVersion, Shape, StopPoint
from backend.network.names import folded
from backend.network.timetable_models import Frequency, Pattern, Service, ServiceDate, Trip


def write(
    session: Session, network: FeedNetwork, *, source: str, now: datetime, attribution: str | None = None,
    watch: Watch = ignore,
) -> NetworkVersion:
    """The new current version. Whoever reads meanwhile sees the old network whole until the commit."""
    refuse_empty(network)
    bulk.unhurried(session)
    served = {stop.stop_id for stop in network.line_stops}
    places = [stop for stop in network.stops if stop.id in served]
    version = NetworkVersion(
        id=new_id(), name=network.name[:200], source=source[:300], timezone=network.timezone[:64],
        attribution=(attribution or network.attribution)[:300], digest=network.digest, imported_at=now,
        is_current=False, counts=network.counts, report=network.report.as_json(),
        valid_from=network.valid_from, valid_until=network.valid_until,
        west=min(stop.longitude for stop in places), east=max(stop.longitude for stop in places),
        south=min(stop.latitude for stop in places), north=max(stop.latitude for stop in places),
    )
    session.add(version)
    session.flush()
    tables = _tables(network)
    total, done = sum(len(rows) for _model, _columns, rows in tables), 0
    for model, columns, rows in tables:
        with_version = ((version.id, *row) for row in rows)
        done += bulk.load(session, model, ("version_id", *columns), with_version)
        watch("database", done, total)
    versions.make_current(session, version, now)
    return version


def refuse_empty(network: FeedNetwork) -> None:
    """Refuses a network that goes nowhere: switching to it would end every line."""
    if not network.line_stops or not network.trips:
        raise FeedRefused("stop_times.txt", 0, "", "no line of the feed serves any stop")


def look_at_dates(network: FeedNetwork, today: date) -> None:
    """Tells the report when the timetable is over, or has not begun."""
    if network.valid_until is not None and network.valid_until < today:
        network.report.warn("calendar.txt", 0, "end_date", f"the timetable ended on {network.valid_until}")
    elif network.valid_from is not None and network.valid_from > today:
        network.report.warn("calendar.txt", 0, "start_date", f"the timetable begins only on {network.valid_from}")


def look_at_ids(session: Session, network: FeedNetwork) -> None:
    """Tells the report what became of the ids of the lines and stops in force."""
    before = session.scalar(select(NetworkVersion.id).where(NetworkVersion.is_current))
    if before is None:
        return
    lines = session.execute(select(Line.id, Line.short_name, Line.mode).where(Line.version_id == before))
    stops = session.execute(
        select(StopPoint.id, StopPoint.search_name, StopPoint.latitude, StopPoint.longitude)
        .where(StopPoint.version_id == before))
    network.report.ids = {
        "lines": changes(
            (Known(row.id, (row.short_name, row.mode)) for row in lines),
            (Known(line.id, (line.short_name, line.mode)) for line in network.lines)),
        "stops": changes(
            (Known(row.id, row.search_name, Point(row.latitude, row.longitude)) for row in stops),
            (Known(stop.id, folded(stop.name)[:255], Point(stop.latitude, stop.longitude)) for stop in network.stops)),
    }


def _tables(network: FeedNetwork) -> list[tuple[type[Base], Sequence[str], Sequence[Iterable[Any]]]]:
    """Every table with its columns and rows, in an order in which keys exist before they are named."""
    stops = [(*stop, folded(stop.name)[:255]) for stop in network.stops]
    return [
        (Line, FeedLine._fields, network.lines),
        (StopPoint, (*FeedStop._fields, "search_name"), stops),
        (Shape, FeedShape._fields, network.shapes),
        (LineStop, FeedLineStop._fields, network.line_stops),
        (Pattern, FeedPattern._fields, network.patterns),
        (Service, FeedService._fields, network.services),
        (ServiceDate, FeedServiceDate._fields, network.service_dates),
        (Trip, FeedTripTimes._fields, network.trips),
        (Frequency, FeedFrequency._fields, network.frequencies),
    ]
