"""Writing a network: a new version beside the old one, and the switch, in the caller's one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from backend.database import Base, lock_rows, new_id
from backend.network.gtfs import FeedNetwork
from backend.network.gtfs_files import FeedRefused
from backend.network.models import Line, LineStop, NetworkVersion, Shape, StopPoint
from backend.network.names import folded

_ROWS_AT_ONCE = 1000


def write(
    session: Session, network: FeedNetwork, *, source: str, now: datetime, attribution: str | None = None,
) -> NetworkVersion:
    """The new current version. Whoever reads meanwhile sees the old network whole until the commit."""
    if not network.line_stops:
        raise FeedRefused("stop_times.txt", 0, "", "no line of the feed serves any stop")
    served = {stop.stop_id for stop in network.line_stops}
    places = [stop for stop in network.stops if stop.id in served]
    version = NetworkVersion(
        id=new_id(), name=network.name[:200], source=source[:300], timezone=network.timezone[:64],
        attribution=(attribution or network.attribution)[:300], digest=network.digest, imported_at=now,
        is_current=False, counts=network.counts, report={},
        west=min(stop.longitude for stop in places), east=max(stop.longitude for stop in places),
        south=min(stop.latitude for stop in places), north=max(stop.latitude for stop in places),
    )
    session.add(version)
    session.flush()
    _write_rows(session, Line, version, [line._asdict() for line in network.lines])
    _write_rows(session, StopPoint, version, [
        {**stop._asdict(), "search_name": folded(stop.name)[:255]} for stop in network.stops
    ])
    _write_rows(session, Shape, version, [shape._asdict() for shape in network.shapes])
    _write_rows(session, LineStop, version, [stop._asdict() for stop in network.line_stops])
    # Two imports at once: the second waits here, then replaces the first.
    session.execute(lock_rows(session, select(NetworkVersion.id).where(NetworkVersion.is_current)))
    session.execute(update(NetworkVersion).where(NetworkVersion.is_current).values(is_current=False))
    version.is_current = True
    session.flush()
    return version


def _write_rows(
    session: Session, table: type[Base], version: NetworkVersion, rows: Sequence[dict[str, Any]],
) -> None:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = [{**row, "version_id": version.id} for row in rows[start:start + _ROWS_AT_ONCE]]
        session.execute(insert(table), some)
