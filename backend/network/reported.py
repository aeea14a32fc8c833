"""Storing what vehicles report by themselves: in service while they do, on the map, and matched to their lines.

A vehicle that a driver has signed in on is believed by its driver's device: what is reported of it is left out while
that device speaks.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import Column, String, Table, Uuid, delete, exists, select, update
from sqlalchemy.orm import Session

from backend.database import insert, new_id
from backend.json_rows import table_of
from backend.network import queries, tracking
from backend.network.index import Network, network_of
from backend.network.matching import Seen
from backend.network.timetables import patterns_of_trips
from backend.network.vehicle_reports import Report
from backend.people.models import Vehicle, VehiclePosition

GONE_AFTER = timedelta(minutes=10)
AREA_MARGIN_M = 20_000


class Stored(NamedTuple):
    """How many vehicles were stored, how many lie on their line, and how many were left out, by reason."""

    vehicles: int
    on_line: int
    dropped: dict[str, int]


def store(session: Session, reports: Mapping[str, Report], now: datetime) -> Stored:
    """Keeps the newest position of each vehicle and its place along its line."""
    area = queries.service_area(session)
    inside = {
        number: report
        for number, report in sorted(reports.items())
        if area is None or area.holds(report.point, AREA_MARGIN_M)
    }
    network = network_of(session)
    rows = _put_in_service(session, network, inside, now)
    ours = {row_id: inside[number] for number, row_id in rows.items()}
    _store_positions(session, ours, now)
    dropped = {"out_of_area": len(reports) - len(inside), "has_a_driver": len(inside) - len(ours)}
    found = []
    if network is not None:
        trip_ids = {report.trip_id for report in ours.values() if report.trip_id is not None}
        patterns = patterns_of_trips(session, network, trip_ids)
        found = tracking.match_all(session, network, [_seen(network, patterns, *each) for each in ours.items()])
    on_line = sum(1 for one in found if one.state == "on_line")
    return Stored(len(ours), on_line, {why: count for why, count in dropped.items() if count})


def retire(session: Session, now: datetime) -> int:
    """Takes out of service the vehicles without a driver that nothing was heard of for ten minutes."""
    silent = ~exists().where(VehiclePosition.vehicle_id == Vehicle.id, VehiclePosition.fix_at > now - GONE_AFTER)
    gone = list(
        session.scalars(
            select(Vehicle.id).where(
                Vehicle.driver_id.is_(None),
                Vehicle.in_service_since.is_not(None),
                Vehicle.in_service_since < now - GONE_AFTER,
                silent,
            )
        )
    )
    if gone:
        session.execute(delete(VehiclePosition).where(VehiclePosition.vehicle_id.in_(gone)))
        session.execute(update(Vehicle).where(Vehicle.id.in_(gone)).values(in_service_since=None))
    return len(gone)


def _put_in_service(
    session: Session, network: Network | None, reports: Mapping[str, Report], now: datetime
) -> dict[str, uuid.UUID]:
    """The vehicles of these numbers that have no driver, made and in service."""
    if not reports:
        return {}
    columns: list[Column[Any]] = [Column("id", Uuid()), Column("number", String(40))]
    given = table_of(session, columns, [(new_id(), number) for number in reports])
    new = select(given.c.id, given.c.number).where(~exists().where(Vehicle.number == given.c.number))
    session.execute(
        insert(session, Vehicle)
        .from_select(["id", "number"], new.order_by(given.c.number))
        .on_conflict_do_nothing(index_elements=["number"])
    )
    found: dict[str, uuid.UUID] = {}
    asked = Vehicle.number.in_(reports)
    for row in session.execute(
        select(Vehicle.id, Vehicle.number, Vehicle.line_id, Vehicle.in_service_since).where(
            asked, Vehicle.driver_id.is_(None)
        )
    ):
        report = reports[row.number]
        found[row.number] = row.id
        known = network is None or report.line_id in network.lines
        line_id = report.line_id if known and report.line_id is not None and len(report.line_id) <= 100 else None
        if row.in_service_since is None or row.line_id != line_id:
            values = {"line_id": line_id, "in_service_since": row.in_service_since or now}
            session.execute(update(Vehicle).where(Vehicle.id == row.id, Vehicle.driver_id.is_(None)).values(values))
    return found


def _store_positions(session: Session, reports: Mapping[uuid.UUID, Report], now: datetime) -> None:
    if not reports:
        return
    table = cast("Table", VehiclePosition.__table__)
    names = ["vehicle_id", "lat", "lon", "heading_deg", "speed_mps", "provider", "fix_at", "received_at"]
    columns = [table.c[name] for name in names]
    rows = [
        (vehicle_id, *one.point, one.heading_deg, one.speed_mps, "gnss", one.fix_at, now)
        for vehicle_id, one in sorted(reports.items())
    ]
    given = table_of(session, columns, rows)
    new = (
        select(*(given.c[name] for name in names))
        .where(exists().where(Vehicle.id == given.c.vehicle_id, Vehicle.driver_id.is_(None)))
        .order_by(given.c.vehicle_id)
    )
    statement = insert(session, VehiclePosition).from_select(names, new)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["vehicle_id"],
            set_={name: statement.excluded[name] for name in names[1:]} | {"accuracy_m": None},
            where=statement.excluded.fix_at > table.c.fix_at,
        )
    )


def _seen(network: Network, patterns: Mapping[str, int], vehicle_id: uuid.UUID, report: Report) -> Seen:
    pattern_id = patterns.get(report.trip_id) if report.trip_id is not None else None
    pattern = network.patterns.get(pattern_id) if pattern_id is not None else None
    line_id = pattern.line_id if pattern is not None else report.line_id
    return Seen(
        vehicle_id,
        report.number,
        report.point,
        report.fix_at,
        heading_deg=report.heading_deg,
        speed_mps=report.speed_mps,
        line_id=line_id if line_id in network.lines else None,
        direction_id=report.direction_id,
        pattern_id=pattern.id if pattern is not None else None,
        trip_id=report.trip_id if pattern is not None else None,
    )
