"""The transport network as tables: versions, lines, stops, shapes, and the order of stops on a line."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from shapely.geometry import LineString
from sqlalchemy import (
    CheckConstraint,
    Date,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Uuid,
    column,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, JSONType, UTCDateTime, new_id
from backend.geo import Geo

MODES = ("bus", "metro", "tram", "ferry", "other")


class NetworkVersion(Base):
    """One imported feed. Exactly one version is current; the others stay for the alerts that name them."""

    __tablename__ = "network_versions"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(300))
    attribution: Mapped[str] = mapped_column(String(300))
    timezone: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
    imported_at: Mapped[datetime] = mapped_column(UTCDateTime)
    is_current: Mapped[bool] = mapped_column(default=False)
    current_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    counts: Mapped[dict[str, int]] = mapped_column(JSONType)
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_until: Mapped[date | None] = mapped_column(Date)
    report: Mapped[dict[str, Any]] = mapped_column(JSONType)
    west: Mapped[float] = mapped_column(Float(53))
    south: Mapped[float] = mapped_column(Float(53))
    east: Mapped[float] = mapped_column(Float(53))
    north: Mapped[float] = mapped_column(Float(53))

    __table_args__ = (
        Index(
            "uq_network_versions_current", "is_current", unique=True,
            postgresql_where=column("is_current"), sqlite_where=column("is_current"),
        ),
    )


class Line(Base):
    """A line that riders know by its number; `night` when it runs in the night only."""

    __tablename__ = "lines"

    version_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("network_versions.id", ondelete="CASCADE"), primary_key=True,
    )
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    short_name: Mapped[str] = mapped_column(String(64))
    long_name: Mapped[str] = mapped_column(String(255))
    mode: Mapped[str] = mapped_column(String(8))
    color: Mapped[str] = mapped_column(String(7))
    text_color: Mapped[str] = mapped_column(String(7))
    night: Mapped[bool]
    rank: Mapped[int]

    __table_args__ = (CheckConstraint(f"mode IN {MODES!r}", name="mode"),)


class StopPoint(Base):
    """A place where a vehicle stops, or the station (`is_station`) that holds several of them."""

    __tablename__ = "stop_points"

    version_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("network_versions.id", ondelete="CASCADE"), primary_key=True,
    )
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    search_name: Mapped[str] = mapped_column(String(255))
    code: Mapped[str | None] = mapped_column(String(64))
    latitude: Mapped[float] = mapped_column(Float(53))
    longitude: Mapped[float] = mapped_column(Float(53))
    is_station: Mapped[bool] = mapped_column(default=False)
    station_id: Mapped[str | None] = mapped_column(String(255))

    __table_args__ = (
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        Index(None, "version_id", "search_name"),
        Index(None, "version_id", "station_id"),
    )


class Shape(Base):
    """A way that a line takes in one direction; `on_map` unless another shape of it shows the same way."""

    __tablename__ = "shapes"

    version_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    direction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    trips: Mapped[int]
    on_map: Mapped[bool]
    geometry: Mapped[LineString] = mapped_column(Geo("LINESTRING"))

    __table_args__ = (
        CheckConstraint("direction_id IN (0, 1)", name="direction"),
        ForeignKeyConstraint(
            ["version_id", "line_id"], ["lines.version_id", "lines.id"], ondelete="CASCADE",
        ),
    )


class LineStop(Base):
    """One stop in the order in which a line serves it in one direction."""

    __tablename__ = "line_stops"

    version_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    direction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stop_id: Mapped[str] = mapped_column(String(255))

    __table_args__: tuple[Any, ...] = (
        CheckConstraint("direction_id IN (0, 1)", name="direction"),
        ForeignKeyConstraint(
            ["version_id", "line_id"], ["lines.version_id", "lines.id"], ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["version_id", "stop_id"], ["stop_points.version_id", "stop_points.id"], ondelete="CASCADE",
        ),
        Index(None, "version_id", "stop_id"),
    )
