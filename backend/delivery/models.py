"""The table of deliveries: one message to one audience by one channel, with its receipts."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, UTCDateTime


class Delivery(Base):
    """One message that a person must get; `received_at` is the phone's word, `seen_at` the person's."""

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("channel IN ('socket')", name="channel_known"),
        CheckConstraint("seen_at IS NULL OR received_at IS NOT NULL", name="seen_means_received"),
        Index(
            "ix_deliveries_waiting",
            "created_at",
            postgresql_where=text("received_at IS NULL AND settled_at IS NULL"),
            sqlite_where=text("received_at IS NULL AND settled_at IS NULL"),
        ),
        Index("ix_deliveries_alert_id", "alert_id"),
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
