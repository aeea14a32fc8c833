"""Tables of the watch: what was found wrong, runs of the synthetic drill, and who does a thing that only one may do."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Float, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, JSONType, UTCDateTime, new_id


class Finding(Base):
    """One thing that is wrong, from when it was found until it was over."""

    __tablename__ = "findings"
    __table_args__ = (
        Index(
            "uq_findings_open",
            "code",
            "subject",
            unique=True,
            postgresql_where=text("over_at IS NULL"),
            sqlite_where=text("over_at IS NULL"),
        ),
        Index("ix_findings_found_at", "found_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(80), default="")
    value: Mapped[float | None] = mapped_column(Float(53))
    found_at: Mapped[datetime] = mapped_column(UTCDateTime())
    told_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    over_at: Mapped[datetime | None] = mapped_column(UTCDateTime())


class DrillRun(Base):
    """One synthetic drill: how far it came, and how long each step took."""

    __tablename__ = "drill_runs"
    __table_args__ = (Index("ix_drill_runs_started_at", "started_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    started_at: Mapped[datetime] = mapped_column(UTCDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime())
    ok: Mapped[bool | None] = mapped_column()
    failed_step: Mapped[str | None] = mapped_column(String(40))
    steps_ms: Mapped[dict[str, Any]] = mapped_column(JSONType(), default=dict)
    certificate_days: Mapped[float | None] = mapped_column(Float(53))


class Lease(Base):
    """Who of several processes does, until when, what only one of them may do."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[uuid.UUID] = mapped_column()
    until: Mapped[datetime] = mapped_column(UTCDateTime())
