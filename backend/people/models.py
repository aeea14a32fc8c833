"""Tables of people: devices, staff, sessions, invitations, teams, shifts, vehicles in service, last positions."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, UTCDateTime, new_id


class Device(Base):
    """A rider's phone: no account, no name; a random id (v4, so that it tells no time) and a hashed token."""

    __tablename__ = "devices"
    __table_args__ = (
        # Each live process asks once a second who was revoked: without it, each time a look at every phone.
        Index("ix_devices_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    platform: Mapped[str] = mapped_column(String(20))
    app_version: Mapped[str | None] = mapped_column(String(40))
    locale: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime())
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    pin_hash: Mapped[str | None] = mapped_column(String(200))
    duress_pin_hash: Mapped[str | None] = mapped_column(String(200))
    # After a change under duress: the second of the PINs chosen then; the first is `duress_pin_hash`.
    forced_pin_hash: Mapped[str | None] = mapped_column(String(200))
    # What a text that this phone sends is signed with.
    sms_secret: Mapped[bytes | None] = mapped_column(LargeBinary(20))


class Team(Base):
    """A patrol team: the unit that is dispatched, often three agents."""

    __tablename__ = "teams"
    __table_args__ = (Index("ix_teams_drill", "id", postgresql_where=text("drill"), sqlite_where=text("drill")),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    call_sign: Mapped[str] = mapped_column(String(40), unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime())
    # The team of the synthetic drill: asked for nothing else, and by nothing else.
    drill: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class Staff(Base):
    """A member of staff: agent, driver, operator, supervisor or admin."""

    __tablename__ = "staff"
    __table_args__ = (
        CheckConstraint("role IN ('agent','driver','operator','supervisor','admin')", name="role_known"),
        CheckConstraint("login = lower(login)", name="login_folded"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(String(80), unique=True)
    display_name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(20))
    team_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("teams.id"), index=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime())
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    # E.164: where a text goes when nothing else reaches this person.
    phone: Mapped[str | None] = mapped_column(String(20))


class StaffSession(Base):
    """One sign-in of one member of staff: an opaque revocable token, stored hashed."""

    __tablename__ = "staff_sessions"
    __table_args__ = (
        Index("ix_staff_sessions_revoked_at", "revoked_at", postgresql_where=text("revoked_at IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("staff.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime())
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime())


class Invitation(Base):
    """A one-time link with which somebody sets the password of a staff account."""

    __tablename__ = "invitations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    staff_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"))
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime())
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime())
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime())


class LoginDelay(Base):
    """How long the next sign-in has to wait, per login and network and per network; never a lock-out."""

    __tablename__ = "login_delays"

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(UTCDateTime())
    forget_at: Mapped[datetime] = mapped_column(UTCDateTime())


class DutyShift(Base):
    """One agent's time on duty with a team; a team is on duty while one of its agents is."""

    __tablename__ = "duty_shifts"
    __table_args__ = (
        Index("uq_duty_shifts_open", "staff_id", unique=True, postgresql_where=text("ended_at IS NULL"),
              sqlite_where=text("ended_at IS NULL")),
        Index("ix_duty_shifts_open_team", "team_id", postgresql_where=text("ended_at IS NULL"),
              sqlite_where=text("ended_at IS NULL")),
        Index("ix_duty_shifts_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="ends_after_start"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("staff.id"))
    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id"))
    started_at: Mapped[datetime] = mapped_column(UTCDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    ended_why: Mapped[str | None] = mapped_column(String(20))


class Vehicle(Base):
    """A vehicle of the network by the number painted on it; driven while `driver_id` is set."""

    __tablename__ = "vehicles"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(40), unique=True)
    line_id: Mapped[str | None] = mapped_column(String(100))
    driver_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id"), unique=True)
    in_service_since: Mapped[datetime | None] = mapped_column(UTCDateTime())


class _LastPosition:
    """What is kept of a moving thing: the last fix, never a history (CNIL: nearest in real time needs no more)."""

    lat: Mapped[float] = mapped_column(Float(53))
    lon: Mapped[float] = mapped_column(Float(53))
    accuracy_m: Mapped[float | None] = mapped_column(Float(53))
    heading_deg: Mapped[float | None] = mapped_column(Float(53))
    speed_mps: Mapped[float | None] = mapped_column(Float(53))
    provider: Mapped[str] = mapped_column(String(10))
    fix_at: Mapped[datetime] = mapped_column(UTCDateTime())
    received_at: Mapped[datetime] = mapped_column(UTCDateTime())


class TeamPosition(_LastPosition, Base):
    """Where a team on duty was last; the row goes when its last agent goes off duty.

    On PostgreSQL the migration adds a geography index on (lon, lat), which nearest-team queries use.
    """

    __tablename__ = "team_positions"

    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    vehicle_number: Mapped[str | None] = mapped_column(String(40))
    stop_id: Mapped[str | None] = mapped_column(String(100))


class VehiclePosition(_LastPosition, Base):
    """Where a vehicle in service was last."""

    __tablename__ = "vehicle_positions"

    vehicle_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("vehicles.id", ondelete="CASCADE"), primary_key=True)


class Presence(Base):
    """When a `live` process last held an open socket of this member of staff."""

    __tablename__ = "presences"

    staff_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime())
