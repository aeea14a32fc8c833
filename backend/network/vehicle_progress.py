"""Where each vehicle is on its line: pattern, direction, metres along the way. The last match only, never a history."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import cast

from sqlalchemy import CheckConstraint, Float, ForeignKey, Row, Select, SmallInteger, String, Table, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.database import Base, UTCDateTime, insert
from backend.json_rows import table_of
from backend.network.progress import LOST_AFTER, Progress, next_stops
from backend.people.models import Vehicle

__all__ = [
    "LOST_AFTER",
    "Progress",
    "VehicleProgress",
    "next_stops",
    "progress_by_id",
    "progress_of",
    "vehicles_of_line",
]


class VehicleProgress(Base):
    """The newest match of one vehicle in service."""

    __tablename__ = "vehicle_progress"
    __table_args__ = (CheckConstraint("state IN ('on_line','off_line')", name="state_known"),)

    vehicle_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("vehicles.id", ondelete="CASCADE"), primary_key=True)
    version_id: Mapped[uuid.UUID] = mapped_column()
    line_id: Mapped[str | None] = mapped_column(String(255), index=True)
    direction_id: Mapped[int | None] = mapped_column(SmallInteger())
    pattern_id: Mapped[int | None] = mapped_column()
    trip_id: Mapped[str | None] = mapped_column(String(255))
    measure_m: Mapped[float] = mapped_column(Float(53))
    off_m: Mapped[float] = mapped_column(Float(53))
    speed_mps: Mapped[float] = mapped_column(Float(53))
    now_mps: Mapped[float] = mapped_column(Float(53))
    state: Mapped[str] = mapped_column(String(10))
    fix_at: Mapped[datetime] = mapped_column(UTCDateTime())
    matched_at: Mapped[datetime | None] = mapped_column(UTCDateTime())


def progress_of(session: Session, number: str, now: datetime) -> Progress | None:
    """Where the vehicle with this number is; None when it is not in service or was never matched."""
    row = session.execute(_query().where(Vehicle.number == number)).first()
    return _read(row, now) if row is not None else None


def progress_by_id(session: Session, vehicle_id: uuid.UUID, now: datetime) -> Progress | None:
    """Where this vehicle is; None when it is not in service or was never matched."""
    row = session.execute(_query().where(Vehicle.id == vehicle_id)).first()
    return _read(row, now) if row is not None else None


def vehicles_of_line(session: Session, line_id: str, now: datetime) -> list[Progress]:
    """The vehicles that are on a line now."""
    rows = session.execute(_query().where(VehicleProgress.line_id == line_id))
    return [one for row in rows if (one := _read(row, now)).is_on_line]


def last_known(
    session: Session, vehicle_ids: Collection[uuid.UUID], version_id: uuid.UUID
) -> dict[uuid.UUID, Progress]:
    """The last match of each of these vehicles on this version of the network, however old."""
    rows = session.execute(
        select(VehicleProgress, Vehicle.number)
        .join(Vehicle, Vehicle.id == VehicleProgress.vehicle_id)
        .where(VehicleProgress.vehicle_id.in_(vehicle_ids), VehicleProgress.version_id == version_id)
    )
    return {row[0].vehicle_id: _read(row, row[0].fix_at) for row in rows}


_FIELDS = (
    "version_id", "line_id", "direction_id", "pattern_id", "trip_id", "measure_m", "off_m", "speed_mps",
    "now_mps", "state", "fix_at", "matched_at",
)  # fmt: skip


def store(session: Session, version_id: uuid.UUID, found: Collection[Progress]) -> None:
    """Keeps the newest match of each vehicle: one statement, sorted by id, so that two processes never deadlock."""
    if not found:
        return
    table = cast("Table", VehicleProgress.__table__)
    columns = [table.c.vehicle_id, *(table.c[name] for name in _FIELDS)]
    rows = [
        (one.vehicle_id, version_id, *(getattr(one, name) for name in _FIELDS[1:]))
        for one in sorted(found, key=lambda each: each.vehicle_id)
    ]
    given = table_of(session, columns, rows)
    new = (
        select(*(given.c[column.name] for column in columns))
        .where(exists().where(Vehicle.id == given.c.vehicle_id))
        .order_by(given.c.vehicle_id)
    )
    statement = insert(session, VehicleProgress).from_select([column.name for column in columns], new)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["vehicle_id"],
            set_={name: statement.excluded[name] for name in _FIELDS},
            where=statement.excluded.fix_at >= table.c.fix_at,
        )
    )


def _query() -> Select[VehicleProgress, str]:
    return (
        select(VehicleProgress, Vehicle.number)
        .join(Vehicle, Vehicle.id == VehicleProgress.vehicle_id)
        .where(Vehicle.in_service_since.is_not(None))
    )


def _read(row: Row[VehicleProgress, str], now: datetime) -> Progress:
    found, number = row
    return Progress(
        found.vehicle_id, number, found.line_id, found.direction_id, found.pattern_id, found.trip_id, found.measure_m,
        found.off_m, found.speed_mps, found.state, found.fix_at, found.matched_at, now - found.fix_at > LOST_AFTER,
        found.now_mps,
    )  # fmt: skip
