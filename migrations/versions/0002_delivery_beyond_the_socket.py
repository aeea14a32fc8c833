"""Delivery beyond the socket: outbox, registrations, texts, the watch

Revision 0002. It only adds, with defaults in the database: code of revision 0001 goes on working beside it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import JSONType, UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

QUARANTINED = "settled_why = 'quarantined'"
DEATHS = "outcome = 'address_dead'"
LEASE = "(claim_token IS NULL) = (claimed_until IS NULL)"


def upgrade() -> None:
    """Brings the schema forward."""
    op.create_table(
        "drill_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("ok", sa.Boolean(), nullable=True),
        sa.Column("failed_step", sa.String(length=40), nullable=True),
        sa.Column("steps_ms", JSONType(), nullable=False),
        sa.Column("certificate_days", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_runs")),
    )
    op.create_index("ix_drill_runs_started_at", "drill_runs", ["started_at"], unique=False)
    op.create_table(
        "findings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=True),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.Column("told_at", UTCDateTime(), nullable=True),
        sa.Column("over_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    op.create_index("ix_findings_found_at", "findings", ["found_at"], unique=False)
    op.create_index(
        "uq_findings_open",
        "findings",
        ["code", "subject"],
        unique=True,
        postgresql_where=sa.text("over_at IS NULL"),
        sqlite_where=sa.text("over_at IS NULL"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "presences",
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_presences_staff_id_staff"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_presences")),
    )
    op.create_table(
        "push_registrations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("address_kind", sa.String(length=20), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("app_id", sa.String(length=80), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("last_ok_at", UTCDateTime(), nullable=True),
        sa.Column("reached_at", UTCDateTime(), nullable=True),
        sa.Column("round_trip_ms", sa.Integer(), nullable=True),
        sa.Column("disabled_at", UTCDateTime(), nullable=True),
        sa.Column("disabled_why", sa.String(length=40), nullable=True),
        sa.CheckConstraint("(staff_id IS NULL) <> (device_id IS NULL)", name=op.f("ck_push_registrations_one_owner")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_push_registrations_device_id_devices"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["staff_sessions.id"],
            name=op.f("fk_push_registrations_session_id_staff_sessions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_push_registrations_staff_id_staff"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_registrations")),
        sa.UniqueConstraint("address_hash", name=op.f("uq_push_registrations_address_hash")),
    )
    op.create_index("ix_push_registrations_device_id", "push_registrations", ["device_id"], unique=False)
    op.create_index("ix_push_registrations_staff_id", "push_registrations", ["staff_id"], unique=False)
    op.create_table(
        "received_texts",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("sender_id", sa.Uuid(), nullable=True),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("replied_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_received_texts_alert_id_alerts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sender_id"], ["devices.id"], name=op.f("fk_received_texts_sender_id_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_received_texts")),
    )
    op.create_index("ix_received_texts_sender_id", "received_texts", ["sender_id", "received_at"], unique=False)
    op.create_table(
        "delivery_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_delivery_attempts_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_attempts")),
    )
    op.create_index("ix_delivery_attempts_at", "delivery_attempts", ["at"], unique=False)
    op.create_index(
        "ix_delivery_attempts_deaths",
        "delivery_attempts",
        ["at"],
        unique=False,
        postgresql_where=sa.text(DEATHS),
        sqlite_where=sa.text(DEATHS),
    )
    op.create_index("ix_delivery_attempts_delivery_id", "delivery_attempts", ["delivery_id"], unique=False)
    op.add_column("alerts", sa.Column("drill", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("alerts", sa.Column("source", sa.String(length=10), server_default="app", nullable=False))
    op.add_column("alerts", sa.Column("callback_number", sa.String(length=20), nullable=True))
    op.add_column("devices", sa.Column("sms_secret", sa.LargeBinary(length=20), nullable=True))
    op.add_column("feed_entries", sa.Column("delivery_id", sa.Uuid(), nullable=True))
    op.add_column("staff", sa.Column("phone", sa.String(length=20), nullable=True))
    op.add_column("teams", sa.Column("drill", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index(
        "ix_teams_drill", "teams", ["id"], postgresql_where=sa.text("drill"), sqlite_where=sa.text("drill")
    )
    with op.batch_alter_table("deliveries") as batch:
        # Which channels there are, the wiring says: a new one needs no migration.
        batch.drop_constraint(op.f("ck_deliveries_channel_known"), type_="check")
        batch.add_column(sa.Column("kind", sa.String(length=20), server_default="offer", nullable=False))
        batch.add_column(sa.Column("about", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("registration_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("staff_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("number", sa.String(length=20), nullable=True))
        batch.add_column(sa.Column("body", JSONType(none_as_null=True), nullable=True))
        batch.add_column(sa.Column("urgency", sa.SmallInteger(), server_default="5", nullable=False))
        batch.add_column(sa.Column("due_at", UTCDateTime(), nullable=True))
        batch.add_column(sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False))
        batch.add_column(sa.Column("claim_token", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("claimed_until", UTCDateTime(), nullable=True))
        batch.add_column(sa.Column("emitted_at", UTCDateTime(), nullable=True))
        batch.add_column(sa.Column("sent_at", UTCDateTime(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_deliveries_registration_id_push_registrations"),
            "push_registrations",
            ["registration_id"],
            ["id"],
            ondelete="SET NULL",
        )
        batch.create_foreign_key(
            op.f("fk_deliveries_about_deliveries"), "deliveries", ["about"], ["id"], ondelete="CASCADE"
        )
        batch.create_foreign_key(
            op.f("fk_deliveries_staff_id_staff"), "staff", ["staff_id"], ["id"], ondelete="CASCADE"
        )
        batch.create_check_constraint(op.f("ck_deliveries_claim_has_lease"), LEASE)
    op.create_index(
        "ix_deliveries_about",
        "deliveries",
        ["about"],
        unique=False,
        postgresql_where=sa.text("about IS NOT NULL"),
        sqlite_where=sa.text("about IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_quarantined",
        "deliveries",
        ["settled_at"],
        unique=False,
        postgresql_where=sa.text(QUARANTINED),
        sqlite_where=sa.text(QUARANTINED),
    )
    op.create_index(
        "ix_deliveries_staff_id",
        "deliveries",
        ["staff_id"],
        unique=False,
        postgresql_where=sa.text("staff_id IS NOT NULL"),
        sqlite_where=sa.text("staff_id IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_to_send",
        "deliveries",
        ["urgency", "due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL AND sent_at IS NULL AND settled_at IS NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL AND sent_at IS NULL AND settled_at IS NULL"),
    )


def downgrade() -> None:
    """Takes the schema back."""
    # What the older code cannot name goes: it would refuse to be stored under the older rule.
    op.execute("DELETE FROM deliveries WHERE channel <> 'socket'")
    op.drop_index(
        "ix_deliveries_to_send",
        table_name="deliveries",
        postgresql_where=sa.text("due_at IS NOT NULL AND sent_at IS NULL AND settled_at IS NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL AND sent_at IS NULL AND settled_at IS NULL"),
    )
    op.drop_index(
        "ix_deliveries_quarantined",
        table_name="deliveries",
        postgresql_where=sa.text(QUARANTINED),
        sqlite_where=sa.text(QUARANTINED),
    )
    op.drop_index(
        "ix_deliveries_staff_id",
        table_name="deliveries",
        postgresql_where=sa.text("staff_id IS NOT NULL"),
        sqlite_where=sa.text("staff_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_deliveries_about",
        table_name="deliveries",
        postgresql_where=sa.text("about IS NOT NULL"),
        sqlite_where=sa.text("about IS NOT NULL"),
    )
    with op.batch_alter_table("deliveries") as batch:
        batch.drop_constraint(op.f("ck_deliveries_claim_has_lease"), type_="check")
        batch.drop_constraint(op.f("fk_deliveries_registration_id_push_registrations"), type_="foreignkey")
        batch.drop_constraint(op.f("fk_deliveries_about_deliveries"), type_="foreignkey")
        batch.drop_constraint(op.f("fk_deliveries_staff_id_staff"), type_="foreignkey")
        batch.drop_column("sent_at")
        batch.drop_column("emitted_at")
        batch.drop_column("claimed_until")
        batch.drop_column("claim_token")
        batch.drop_column("attempts")
        batch.drop_column("due_at")
        batch.drop_column("urgency")
        batch.drop_column("body")
        batch.drop_column("number")
        batch.drop_column("staff_id")
        batch.drop_column("registration_id")
        batch.drop_column("about")
        batch.drop_column("kind")
        batch.create_check_constraint(op.f("ck_deliveries_channel_known"), "channel IN ('socket')")
    op.drop_index("ix_teams_drill", table_name="teams")
    op.drop_column("teams", "drill")
    op.drop_column("staff", "phone")
    op.drop_column("feed_entries", "delivery_id")
    op.drop_column("devices", "sms_secret")
    op.drop_column("alerts", "callback_number")
    op.drop_column("alerts", "source")
    op.drop_column("alerts", "drill")
    op.drop_index("ix_delivery_attempts_delivery_id", table_name="delivery_attempts")
    op.drop_index(
        "ix_delivery_attempts_deaths",
        table_name="delivery_attempts",
        postgresql_where=sa.text(DEATHS),
        sqlite_where=sa.text(DEATHS),
    )
    op.drop_index("ix_delivery_attempts_at", table_name="delivery_attempts")
    op.drop_table("delivery_attempts")
    op.drop_index("ix_received_texts_sender_id", table_name="received_texts")
    op.drop_table("received_texts")
    op.drop_index("ix_push_registrations_staff_id", table_name="push_registrations")
    op.drop_index("ix_push_registrations_device_id", table_name="push_registrations")
    op.drop_table("push_registrations")
    op.drop_table("presences")
    op.drop_table("leases")
    op.drop_index(
        "uq_findings_open",
        table_name="findings",
        postgresql_where=sa.text("over_at IS NULL"),
        sqlite_where=sa.text("over_at IS NULL"),
    )
    op.drop_index("ix_findings_found_at", table_name="findings")
    op.drop_table("findings")
    op.drop_index("ix_drill_runs_started_at", table_name="drill_runs")
    op.drop_table("drill_runs")
