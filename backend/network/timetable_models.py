"""The timetable as tables: stop patterns, trips with their times, service days, frequencies.

Times are seconds of the service day, which begins at noon minus twelve hours and runs past 24:00.
"""

from __future__ import annotations

import datetime as dt
import uuid

from sqlalchemy import CheckConstraint, Date, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, JSONType


class Pattern(Base):
    """One order of stops that trips of a line follow on one shape; `measures` are metres along it per stop."""

    __tablename__ = "patterns"

    version_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_id: Mapped[str] = mapped_column(String(255))
    direction_id: Mapped[int]
    shape_id: Mapped[str] = mapped_column(String(255))
    headsign: Mapped[str | None] = mapped_column(String(255))
    trips: Mapped[int]
    stop_ids: Mapped[list[str]] = mapped_column(JSONType)
    measures: Mapped[list[float]] = mapped_column(JSONType)

    __table_args__ = (
        CheckConstraint("direction_id IN (0, 1)", name="direction"),
        ForeignKeyConstraint(
            ["version_id", "line_id", "direction_id", "shape_id"],
            ["shapes.version_id", "shapes.line_id", "shapes.direction_id", "shapes.id"],
            ondelete="CASCADE",
        ),
        Index(None, "version_id", "line_id"),
    )


class Service(Base):
    """The days on which trips run: weekdays as bits (Monday 1 … Sunday 64) between two dates, both included.

    A service that calendar_dates.txt alone describes has no weekday; its dates are the first and last of those.
    """

    __tablename__ = "services"

    version_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("network_versions.id", ondelete="CASCADE"), primary_key=True,
    )
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    weekdays: Mapped[int]
    start_date: Mapped[dt.date] = mapped_column(Date)
    end_date: Mapped[dt.date] = mapped_column(Date)

    __table_args__ = (CheckConstraint("weekdays BETWEEN 0 AND 127", name="weekdays"),)


class ServiceDate(Base):
    """A day on which a service runs against its weekdays (`added`), or does not run against them."""

    __tablename__ = "service_dates"

    version_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    service_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    date: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    added: Mapped[bool]

    __table_args__ = (
        ForeignKeyConstraint(
            ["version_id", "service_id"], ["services.version_id", "services.id"], ondelete="CASCADE",
        ),
        Index(None, "version_id", "date"),
    )


class Trip(Base):
    """One run of a pattern on the days of a service.

    `times` holds arrival and departure of every stop as little-endian uint32 pairs (see packed_times.py); one row
    instead of one per stop keeps a network of a million stop times at forty thousand rows.
    """

    __tablename__ = "trips"

    version_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    pattern_id: Mapped[int]
    service_id: Mapped[str] = mapped_column(String(255))
    block_id: Mapped[str | None] = mapped_column(String(255))
    start_s: Mapped[int]
    end_s: Mapped[int]
    times: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        CheckConstraint("start_s <= end_s", name="times"),
        ForeignKeyConstraint(["version_id", "pattern_id"], ["patterns.version_id", "patterns.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["version_id", "service_id"], ["services.version_id", "services.id"], ondelete="CASCADE"),
        Index(None, "version_id", "pattern_id", "start_s"),
    )


class Frequency(Base):
    """A span of the service day in which a trip is repeated every `headway_s`, its times counted from each start.

    `exact` means to the second; otherwise riders are told the interval only.
    """

    __tablename__ = "frequencies"

    version_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    trip_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    start_s: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    end_s: Mapped[int]
    headway_s: Mapped[int]
    exact: Mapped[bool]

    __table_args__ = (
        CheckConstraint("headway_s > 0", name="headway"),
        CheckConstraint("start_s < end_s", name="span"),
        ForeignKeyConstraint(["version_id", "trip_id"], ["trips.version_id", "trips.id"], ondelete="CASCADE"),
    )
