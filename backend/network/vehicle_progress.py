"""Where each vehicle is on its line: pattern, direction, metres along the way. The last match only, never a history."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Float, ForeignKey, Row, Select, SmallInteger, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from backend.database import Base, UTCDateTime
from backend.network.index import Network, PatternStop
from backend.people.models import Vehicle

LOST_AFTER = timedelta(seconds=90)
"""GTFS-Realtime's own rule: a vehicle position older than 90 s says nothing any more."""
CRUISE_MPS = 5.5
DWELL_S = 15


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
    state: Mapped[str] = mapped_column(String(10))
    fix_at: Mapped[datetime] = mapped_column(UTCDateTime())


@dataclass(frozen=True)
class Progress:
    """One vehicle on its way; `is_lost` when nothing has been heard of it for too long."""

    vehicle_id: uuid.UUID
    number: str
    line_id: str | None
    direction_id: int | None
    pattern_id: int | None
    trip_id: str | None
    measure_m: float
    off_m: float
    speed_mps: float
    state: str
    fix_at: datetime
    is_lost: bool = False

    @property
    def is_on_line(self) -> bool:
        """True when its place along the line is known now."""
        return self.state == "on_line" and not self.is_lost


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


def next_stops(network: Network, progress: Progress, limit: int = 5) -> list[tuple[PatternStop, int]]:
    """The coming stops, each with the seconds until then at the vehicle's own pace and a dwell at each stop."""
    pattern = network.patterns.get(progress.pattern_id) if progress.pattern_id is not None else None
    if pattern is None or not progress.is_on_line:
        return []
    pace = max(progress.speed_mps, CRUISE_MPS)
    ahead: Sequence[PatternStop] = [stop for stop in pattern.stops if stop.measure_m > progress.measure_m][:limit]
    return [
        (stop, round((stop.measure_m - progress.measure_m) / pace + DWELL_S * place)) for place, stop in enumerate(ahead)
    ]


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
        found.off_m, found.speed_mps, found.state, found.fix_at, now - found.fix_at > LOST_AFTER,
    )  # fmt: skip
