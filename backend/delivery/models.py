"""Tables of delivery: messages with their receipts, each attempt to send one, and the addresses that phones gave."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, JSONType, UTCDateTime, new_id

_WAITING = "received_at IS NULL AND settled_at IS NULL"
_QUARANTINED = "settled_why = 'quarantined'"
_DEATHS = "outcome = 'address_dead'"
_TO_SEND = "due_at IS NOT NULL AND sent_at IS NULL AND settled_at IS NULL"


class Delivery(Base):
    """One message to one audience or device by one channel; `received_at` is the phone's word, `seen_at` the person's.

    A row with `due_at` is in the outbox: a worker claims it with a lease, sends it with no transaction open, and
    settles it by its token. `about` names the message that this one says again by another channel.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("seen_at IS NULL OR received_at IS NOT NULL", name="seen_means_received"),
        CheckConstraint("(claim_token IS NULL) = (claimed_until IS NULL)", name="claim_has_lease"),
        Index(
            "ix_deliveries_waiting",
            "created_at",
            postgresql_where=text(_WAITING),
            sqlite_where=text(_WAITING),
        ),
        Index("ix_deliveries_alert_id", "alert_id"),
        Index(
            "ix_deliveries_to_send", "urgency", "due_at", postgresql_where=text(_TO_SEND), sqlite_where=text(_TO_SEND)
        ),
        Index(
            "ix_deliveries_about",
            "about",
            postgresql_where=text("about IS NOT NULL"),
            sqlite_where=text("about IS NOT NULL"),
        ),
        Index(
            "ix_deliveries_quarantined",
            "settled_at",
            postgresql_where=text(_QUARANTINED),
            sqlite_where=text(_QUARANTINED),
        ),
        Index(
            "ix_deliveries_staff_id",
            "staff_id",
            postgresql_where=text("staff_id IS NOT NULL"),
            sqlite_where=text("staff_id IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    audience: Mapped[str] = mapped_column(String(80))
    channel: Mapped[str] = mapped_column(String(10), default="socket")
    alert_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("alerts.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime())
    useful_until: Mapped[datetime] = mapped_column(UTCDateTime())
    received_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    settled_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    settled_why: Mapped[str | None] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20), default="offer", server_default="offer")
    about: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"))
    registration_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("push_registrations.id", ondelete="SET NULL"))
    staff_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    # The number that a text is answered to; erased when the message is settled.
    number: Mapped[str | None] = mapped_column(String(20))
    body: Mapped[dict[str, Any] | None] = mapped_column(JSONType(none_as_null=True))
    urgency: Mapped[int] = mapped_column(SmallInteger(), default=5, server_default="5")
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    attempts: Mapped[int] = mapped_column(SmallInteger(), default=0, server_default="0")
    claim_token: Mapped[uuid.UUID | None] = mapped_column()
    claimed_until: Mapped[datetime | None] = mapped_column(UTCDateTime())
    emitted_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime())


class DeliveryAttempt(Base):
    """One attempt to send one message: the ledger; rows are only added."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (
        Index("ix_delivery_attempts_delivery_id", "delivery_id"),
        Index("ix_delivery_attempts_at", "at"),
        Index("ix_delivery_attempts_deaths", "at", postgresql_where=text(_DEATHS), sqlite_where=text(_DEATHS)),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    delivery_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(SmallInteger())
    channel: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(UTCDateTime())
    took_ms: Mapped[int] = mapped_column()
    outcome: Mapped[str] = mapped_column(String(20))
    code: Mapped[str | None] = mapped_column(String(60))


class PushRegistration(Base):
    """Where a push for one phone or browser goes: an address that is opaque to us, and when it last worked."""

    __tablename__ = "push_registrations"
    __table_args__ = (
        CheckConstraint("(staff_id IS NULL) <> (device_id IS NULL)", name="one_owner"),
        Index("ix_push_registrations_staff_id", "staff_id"),
        Index("ix_push_registrations_device_id", "device_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    staff_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"))
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"))
    session_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("staff_sessions.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(10))
    address_kind: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(Text())
    # One phone, one address: whoever signs in on it last owns it.
    address_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    language: Mapped[str] = mapped_column(String(2), default="fr")
    app_id: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime())
    # Nobody reads or writes it any more: the next release's migration drops it, when no older code runs beside it.
    last_ok_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    reached_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    round_trip_ms: Mapped[int | None] = mapped_column()
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    disabled_why: Mapped[str | None] = mapped_column(String(40))
