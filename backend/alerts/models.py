"""Tables of alerts: the alert, its trail and messages, assignments of teams, and the register of every change."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, JSONType, UTCDateTime, new_id

FORCED = "forced"
"""`cancel_how` of an alert whose rider typed the duress PIN while no PIN was taken."""
_WAITING = "state IN ('armed','open','reopened')"
_ENGAGED = "state IN ('accepted','en_route','on_scene')"
_PENDING = "state IN ('offered','accepted','en_route','on_scene')"


class Alert(Base):
    """What one rider sent, and where it stands."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(
            "state IN ('armed','open','assigned','en_route','on_scene','resolved','handed_over','reopened',"
            "'closed','cancelled','merged')",
            name="state_known",
        ),
        # Promise 1: an alert that nobody has taken is never silent.
        CheckConstraint(f"NOT ({_WAITING}) OR next_round_at IS NOT NULL", name="waiting_has_round"),
        CheckConstraint("(state = 'merged') = (merged_into IS NOT NULL)", name="merged_into_something"),
        CheckConstraint("state <> 'closed' OR closing_code IS NOT NULL", name="closed_with_code"),
        CheckConstraint("state <> 'armed' OR armed_until IS NOT NULL", name="armed_until_known"),
        CheckConstraint("priority BETWEEN 1 AND 4", name="priority_known"),
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="whole_position"),
        CheckConstraint(
            "lat IS NULL OR (lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180)", name="position_on_earth"
        ),
        CheckConstraint("cancel IN ('requested','refused','confirmed') OR cancel IS NULL", name="cancel_known"),
        CheckConstraint("version >= 1", name="version_positive"),
        Index(
            "ix_alerts_next_round_at",
            "next_round_at",
            postgresql_where=text("next_round_at IS NOT NULL"),
            sqlite_where=text("next_round_at IS NOT NULL"),
        ),
        Index(
            "ix_alerts_attention_at",
            "attention_at",
            postgresql_where=text("attention_at IS NOT NULL"),
            sqlite_where=text("attention_at IS NOT NULL"),
        ),
        Index(
            "ix_alerts_live",
            "received_at",
            postgresql_where=text("state NOT IN ('closed','cancelled','merged')"),
            sqlite_where=text("state NOT IN ('closed','cancelled','merged')"),
        ),
        Index("ix_alerts_received_at_id", "received_at", "id"),
        Index("ix_alerts_device_id", "device_id", "received_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    device_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("devices.id"))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(20))
    # what the rider said
    category: Mapped[str | None] = mapped_column(String(40))
    reporter_role: Mapped[str] = mapped_column(String(20))
    contact_mode: Mapped[str] = mapped_column(String(20))
    description: Mapped[str | None] = mapped_column(Text())
    exercise: Mapped[bool] = mapped_column(default=False)
    # The synthetic drill that proves the whole way: an exercise that no person is asked to look at.
    drill: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    source: Mapped[str] = mapped_column(String(10), default="app", server_default="app")
    # The number that a text came from: a hint for calling back, never a proof of who wrote.
    callback_number: Mapped[str | None] = mapped_column(String(20))
    warnings: Mapped[list[Any]] = mapped_column(JSONType(), default=list)
    # where: the position at first, then the newest of the trail while the alert is live
    lat: Mapped[float | None] = mapped_column(Float(53))
    lon: Mapped[float | None] = mapped_column(Float(53))
    accuracy_m: Mapped[float | None] = mapped_column(Float(53))
    position_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    provider: Mapped[str | None] = mapped_column(String(10))
    position_seq: Mapped[int | None] = mapped_column()
    out_of_area: Mapped[bool] = mapped_column(default=False)
    line_id: Mapped[str | None] = mapped_column(String(80))
    direction_id: Mapped[int | None] = mapped_column(SmallInteger())
    vehicle_number: Mapped[str | None] = mapped_column(String(40))
    stop_id: Mapped[str | None] = mapped_column(String(80))
    station: Mapped[str | None] = mapped_column(String(80))
    carriage: Mapped[str | None] = mapped_column(String(40))
    # what the network knows of it: line, direction, vehicle, trip, the stops before and after
    situation: Mapped[dict[str, Any] | None] = mapped_column(JSONType(none_as_null=True))
    # when, by the server's clock; the phone's claims beside it
    received_at: Mapped[datetime] = mapped_column(UTCDateTime())
    observed_at: Mapped[datetime] = mapped_column(UTCDateTime())
    device_observed_at: Mapped[str | None] = mapped_column(String(40))
    skew_ms: Mapped[int | None] = mapped_column()
    late: Mapped[bool] = mapped_column(default=False)
    # urgency
    priority: Mapped[int] = mapped_column(SmallInteger())
    priority_reasons: Mapped[list[Any]] = mapped_column(JSONType(), default=list)
    priority_set: Mapped[int | None] = mapped_column(SmallInteger())
    duress: Mapped[bool] = mapped_column(default=False)
    suspect: Mapped[bool] = mapped_column(default=False)
    similar: Mapped[list[Any]] = mapped_column(JSONType(), default=list)
    # timers: rows, so that a restart loses none
    armed_until: Mapped[datetime | None] = mapped_column(UTCDateTime())
    opened_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    next_round_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    attention_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    round_no: Mapped[int] = mapped_column(SmallInteger(), default=0)
    needs_human: Mapped[bool] = mapped_column(default=False)
    needs_human_reason: Mapped[str | None] = mapped_column(String(40))
    needs_human_since: Mapped[datetime | None] = mapped_column(UTCDateTime())
    shortfall: Mapped[dict[str, Any] | None] = mapped_column(JSONType(none_as_null=True))
    # people
    seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    seen_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    acknowledged_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    acknowledged_by: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    # the end
    cancel: Mapped[str | None] = mapped_column(String(20))
    cancel_how: Mapped[str | None] = mapped_column(String(20))
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    cancel_version: Mapped[int | None] = mapped_column()
    merged_into: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("alerts.id", deferrable=True, initially="DEFERRED")
    )
    handed_over_to: Mapped[str | None] = mapped_column(String(20))
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    closing_code: Mapped[str | None] = mapped_column(String(40))
    legal_class: Mapped[str | None] = mapped_column(String(40))

    @property
    def under_review(self) -> bool:
        """It came back from a backup and no person has looked at it: it calls the control room and nobody else.

        A register of hours ago, taken for the present, would send teams and texts to everything that was open then.
        """
        return bool(self.needs_human) and self.needs_human_reason == "restored" and self.acknowledged_at is None


class Assignment(Base):
    """One team's part in one alert, from the offer on; the reasons say why this team."""

    __tablename__ = "assignments"
    __table_args__ = (
        CheckConstraint(
            "state IN ('offered','accepted','en_route','on_scene','cleared','declined','expired','withdrawn')",
            name="state_known",
        ),
        CheckConstraint("state <> 'offered' OR answer_by IS NOT NULL", name="offer_has_deadline"),
        # Invariant I4: one winner per alert and place, one alert per team, nobody asked twice at a time.
        Index(
            "uq_assignments_engaged_slot",
            "alert_id",
            "slot",
            unique=True,
            postgresql_where=text(_ENGAGED),
            sqlite_where=text(_ENGAGED),
        ),
        Index(
            "uq_assignments_team_engaged",
            "team_id",
            unique=True,
            postgresql_where=text(_ENGAGED),
            sqlite_where=text(_ENGAGED),
        ),
        Index(
            "uq_assignments_pending_team",
            "alert_id",
            "team_id",
            unique=True,
            postgresql_where=text(_PENDING),
            sqlite_where=text(_PENDING),
        ),
        Index("ix_assignments_alert_id", "alert_id"),
        Index("ix_assignments_team_pending", "team_id", postgresql_where=text(_PENDING), sqlite_where=text(_PENDING)),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    alert_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("alerts.id"))
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id"))
    delivery_id: Mapped[uuid.UUID] = mapped_column(default=new_id)
    slot: Mapped[int] = mapped_column(SmallInteger(), default=1)
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(20))
    by_hand: Mapped[bool] = mapped_column(default=False)
    round_no: Mapped[int] = mapped_column(SmallInteger(), default=0)
    distance_m: Mapped[float | None] = mapped_column(Float(53))
    reasons: Mapped[list[Any]] = mapped_column(JSONType(), default=list)
    meet_at: Mapped[dict[str, Any] | None] = mapped_column(JSONType(none_as_null=True))
    offered_at: Mapped[datetime] = mapped_column(UTCDateTime())
    answer_by: Mapped[datetime | None] = mapped_column(UTCDateTime())
    accepted_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime())
    decline_reason: Mapped[str | None] = mapped_column(String(40))
    ended_why: Mapped[str | None] = mapped_column(String(40))


class LogEntry(Base):
    """One line of the chronological register (main courante): who, when, from, to, automatic or not, why."""

    __tablename__ = "log_entries"
    __table_args__ = (UniqueConstraint("alert_id", "version"), Index("ix_log_entries_at", "at"))

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    alert_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("alerts.id"))
    version: Mapped[int] = mapped_column()
    at: Mapped[datetime] = mapped_column(UTCDateTime())
    device_at: Mapped[str | None] = mapped_column(String(40))
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[uuid.UUID | None] = mapped_column()
    action: Mapped[str] = mapped_column(String(40))
    from_state: Mapped[str | None] = mapped_column(String(20))
    to_state: Mapped[str] = mapped_column(String(20))
    automatic: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str | None] = mapped_column(Text())
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONType(none_as_null=True))


class AlertPosition(Base):
    """One point of a rider's trail, kept only for alerts and only while they are live."""

    __tablename__ = "alert_positions"

    alert_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True)
    point_seq: Mapped[int] = mapped_column(primary_key=True)
    lat: Mapped[float] = mapped_column(Float(53))
    lon: Mapped[float] = mapped_column(Float(53))
    accuracy_m: Mapped[float | None] = mapped_column(Float(53))
    fix_at: Mapped[datetime] = mapped_column(UTCDateTime())
    received_at: Mapped[datetime] = mapped_column(UTCDateTime())


class AlertMessage(Base):
    """One message between the rider and the control room."""

    __tablename__ = "alert_messages"
    __table_args__ = (Index("ix_alert_messages_alert_id", "alert_id", "sent_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    alert_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    author: Mapped[str] = mapped_column(String(20))
    author_id: Mapped[uuid.UUID] = mapped_column()
    text: Mapped[str] = mapped_column(Text())
    sent_at: Mapped[datetime] = mapped_column(UTCDateTime())


class ReceivedText(Base):
    """One text message from outside, by its provider's id, so that it is taken once however often it is handed over."""

    __tablename__ = "received_texts"
    __table_args__ = (Index("ix_received_texts_sender_id", "sender_id", "received_at"),)

    id: Mapped[str] = mapped_column(String(120), primary_key=True)
    alert_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    # The row that stands for the number: a keyed hash, from which nobody reads the number.
    sender_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("devices.id"))
    received_at: Mapped[datetime] = mapped_column(UTCDateTime())
    replied_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
