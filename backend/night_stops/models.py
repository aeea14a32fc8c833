"""Tables of night stops: policies with every version that ever was in force, suspensions, requests."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Date,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, JSONType, UTCDateTime, new_id

_LIVE = "state IN ('sent_to_driver','accepted','alternative_proposed','approaching')"


class NightStopPolicy(Base):
    """What the authority has set for one line or part of it; a change is a new version, the old one stays.

    `policy_id` names the policy through its versions; the version in force has no `replaced_at`.
    """

    __tablename__ = "night_stop_policies"
    __table_args__ = (
        UniqueConstraint("policy_id", "version"),
        Index("uq_night_stop_policies_in_force", "policy_id", unique=True, postgresql_where=sql("replaced_at IS NULL"),
              sqlite_where=sql("replaced_at IS NULL")),
        CheckConstraint("valid_until IS NULL OR valid_until >= valid_from", name="dates_in_order"),
        CheckConstraint("off_route_m > 0 AND min_metres >= 0 AND min_seconds >= 0 AND near_stop_m >= 0", name="limits"),
        CheckConstraint("max_extra_stops >= 1 AND join_m >= 0", name="extra_stops"),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    policy_id: Mapped[uuid.UUID] = mapped_column(index=True)
    version: Mapped[int] = mapped_column(default=1)
    line_id: Mapped[str] = mapped_column(String(255), index=True)
    direction_id: Mapped[int | None] = mapped_column(SmallInteger())
    from_stop_id: Mapped[str | None] = mapped_column(String(255))
    to_stop_id: Mapped[str | None] = mapped_column(String(255))
    starts: Mapped[str] = mapped_column(String(5))
    ends: Mapped[str] = mapped_column(String(5))
    weekdays: Mapped[list[int]] = mapped_column(JSONType())
    valid_from: Mapped[dt.date] = mapped_column(Date())
    valid_until: Mapped[dt.date | None] = mapped_column(Date())
    off_route_m: Mapped[float] = mapped_column(Float(53))
    min_seconds: Mapped[float] = mapped_column(Float(53))
    min_metres: Mapped[float] = mapped_column(Float(53))
    near_stop_m: Mapped[float] = mapped_column(Float(53))
    join_m: Mapped[float] = mapped_column(Float(53))
    max_extra_stops: Mapped[int] = mapped_column()
    exclusions: Mapped[list[Any]] = mapped_column(JSONType(), default=list)
    created_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[dt.datetime] = mapped_column(UTCDateTime())
    replaced_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    ended_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())


class NightStopSuspension(Base):
    """A time in which no night stop is asked for: snow, ice, fog, works; for the network or one line."""

    __tablename__ = "night_stop_suspensions"
    __table_args__ = (CheckConstraint("reason IN ('weather','works','other')", name="reason_known"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[str | None] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(String(20))
    by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    since: Mapped[dt.datetime] = mapped_column(UTCDateTime())
    until: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    ended_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())


class NightStopRequest(Base):
    """One rider's wish to be let off between two stops; no name, no reason, nothing about her.

    Riders who share a stop point at the first of them by `joined_to`; whatever changes the stops of a vehicle holds
    the lock of the vehicle's row.
    """

    __tablename__ = "night_stop_requests"
    __table_args__ = (
        CheckConstraint(
            "state IN ('requested','rejected','sent_to_driver','accepted','alternative_proposed','refused',"
            "'approaching','alighted','missed','cancelled','expired','withdrawn')", name="state_known"),
        # No answer is not an acceptance: whoever is asked has a deadline.
        CheckConstraint("state NOT IN ('sent_to_driver','alternative_proposed') OR answer_by IS NOT NULL",
                        name="asked_has_deadline"),
        CheckConstraint("state <> 'rejected' OR reject_code IS NOT NULL", name="rejected_with_code"),
        CheckConstraint("state <> 'refused' OR refusal_reason IS NOT NULL", name="refused_with_reason"),
        # No promise without a driver who made it.
        CheckConstraint("state NOT IN ('accepted','approaching') OR accepted_at IS NOT NULL", name="promised"),
        CheckConstraint("home_state IN ('running','asked','home','alerted')", name="home_state_known"),
        Index("uq_night_stop_requests_open", "device_id", unique=True, postgresql_where=sql(_LIVE),
              sqlite_where=sql(_LIVE)),
        Index("ix_night_stop_requests_due_at", "due_at", postgresql_where=sql("due_at IS NOT NULL"),
              sqlite_where=sql("due_at IS NOT NULL")),
        Index("ix_night_stop_requests_vehicle", "vehicle_id", "state"),
        Index("ix_night_stop_requests_received_at", "received_at"),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    device_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("devices.id"))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(24))
    code: Mapped[str] = mapped_column(String(4))
    line_id: Mapped[str] = mapped_column(String(255))
    direction_id: Mapped[int | None] = mapped_column(SmallInteger())
    pattern_id: Mapped[int | None] = mapped_column()
    vehicle_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("vehicles.id"))
    vehicle_number: Mapped[str | None] = mapped_column(String(40))
    trip_id: Mapped[str | None] = mapped_column(String(255))
    policy_id: Mapped[uuid.UUID | None] = mapped_column()
    policy_version: Mapped[int | None] = mapped_column()
    wanted_lat: Mapped[float] = mapped_column(Float(53))
    wanted_lon: Mapped[float] = mapped_column(Float(53))
    measure_m: Mapped[float | None] = mapped_column(Float(53))
    lat: Mapped[float | None] = mapped_column(Float(53))
    lon: Mapped[float | None] = mapped_column(Float(53))
    after_stop: Mapped[str | None] = mapped_column(String(255))
    before_stop: Mapped[str | None] = mapped_column(String(255))
    metres_after_stop: Mapped[float | None] = mapped_column(Float(53))
    walk_saved_m: Mapped[float | None] = mapped_column(Float(53))
    alternative: Mapped[dict[str, Any] | None] = mapped_column(JSONType(none_as_null=True))
    joined_to: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("night_stop_requests.id"))
    ramp: Mapped[bool] = mapped_column(default=False)
    reject_code: Mapped[str | None] = mapped_column(String(40))
    refusal_reason: Mapped[str | None] = mapped_column(String(40))
    instead: Mapped[list[Any]] = mapped_column(JSONType(), default=list)
    delivery_id: Mapped[uuid.UUID] = mapped_column(default=new_id)
    received_at: Mapped[dt.datetime] = mapped_column(UTCDateTime())
    answer_by: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    answered_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    accepted_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    alighted_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    changed_at: Mapped[dt.datetime] = mapped_column(UTCDateTime())
    # the next instant at which something happens by itself: the deadline, the bus's progress, the home timer
    due_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    stood_since: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    lost_since: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    home_timer_s: Mapped[int | None] = mapped_column()
    home_due_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime())
    home_state: Mapped[str | None] = mapped_column(String(12))


class NightStopLogEntry(Base):
    """One line of the register of a request: who, when, from, to, automatic or not, why."""

    __tablename__ = "night_stop_log_entries"
    __table_args__ = (UniqueConstraint("night_stop_id", "version"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    night_stop_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("night_stop_requests.id", ondelete="CASCADE"))
    version: Mapped[int] = mapped_column()
    at: Mapped[dt.datetime] = mapped_column(UTCDateTime())
    actor_kind: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(40))
    from_state: Mapped[str | None] = mapped_column(String(24))
    to_state: Mapped[str] = mapped_column(String(24))
    reason: Mapped[str | None] = mapped_column(String(80))
