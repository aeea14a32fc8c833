"""The first tables: people, alerts, deliveries, feed, network

Revision 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from backend.database import JSONType, UTCDateTime
from backend.geo import Geo

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema forward."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    op.create_table(
        "devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("platform", sa.String(length=20), nullable=False),
        sa.Column("app_version", sa.String(length=40), nullable=True),
        sa.Column("locale", sa.String(length=40), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.Column("pin_hash", sa.String(length=200), nullable=True),
        sa.Column("duress_pin_hash", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_devices_token_hash")),
    )
    op.create_index(
        "ix_devices_revoked_at",
        "devices",
        ["revoked_at"],
        unique=False,
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.create_table(
        "feed_entries",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("audience", sa.String(length=80), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_feed_entries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feed_entries_alert_id", "feed_entries", ["alert_id"], unique=False)
    op.create_index("ix_feed_entries_audience_seq", "feed_entries", ["audience", "seq"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "login_delays",
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", UTCDateTime(), nullable=False),
        sa.Column("forget_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_delays")),
    )
    op.create_table(
        "network_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("attribution", sa.String(length=300), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("imported_at", UTCDateTime(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("current_since", UTCDateTime(), nullable=True),
        sa.Column("counts", JSONType(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("report", JSONType(), nullable=False),
        sa.Column("west", sa.Float(precision=53), nullable=False),
        sa.Column("south", sa.Float(precision=53), nullable=False),
        sa.Column("east", sa.Float(precision=53), nullable=False),
        sa.Column("north", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_network_versions")),
    )
    op.create_index(
        "uq_network_versions_current",
        "network_versions",
        ["is_current"],
        unique=True,
        postgresql_where=sa.text("is_current"),
        sqlite_where=sa.text("is_current"),
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("call_sign", sa.String(length=40), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("call_sign", name=op.f("uq_teams_call_sign")),
        sa.UniqueConstraint("name", name=op.f("uq_teams_name")),
    )
    op.create_table(
        "lines",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("short_name", sa.String(length=64), nullable=False),
        sa.Column("long_name", sa.String(length=255), nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=False),
        sa.Column("text_color", sa.String(length=7), nullable=False),
        sa.Column("night", sa.Boolean(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.CheckConstraint("mode IN ('bus', 'metro', 'tram', 'ferry', 'other')", name=op.f("ck_lines_mode")),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["network_versions.id"],
            name=op.f("fk_lines_version_id_network_versions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "id", name=op.f("pk_lines")),
    )
    op.create_table(
        "services",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("weekdays", sa.Integer(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.CheckConstraint("weekdays BETWEEN 0 AND 127", name=op.f("ck_services_weekdays")),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["network_versions.id"],
            name=op.f("fk_services_version_id_network_versions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "id", name=op.f("pk_services")),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.String(length=80), nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("disabled_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "role IN ('agent','driver','operator','supervisor','admin')", name=op.f("ck_staff_role_known")
        ),
        sa.CheckConstraint("login = lower(login)", name=op.f("ck_staff_login_folded")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_staff_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("login", name=op.f("uq_staff_login")),
    )
    op.create_index(op.f("ix_staff_team_id"), "staff", ["team_id"], unique=False)
    op.create_table(
        "stop_points",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("search_name", sa.String(length=255), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("latitude", sa.Float(precision=53), nullable=False),
        sa.Column("longitude", sa.Float(precision=53), nullable=False),
        sa.Column("is_station", sa.Boolean(), nullable=False),
        sa.Column("station_id", sa.String(length=255), nullable=True),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_stop_points_latitude")),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name=op.f("ck_stop_points_longitude")),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["network_versions.id"],
            name=op.f("fk_stop_points_version_id_network_versions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "id", name=op.f("pk_stop_points")),
    )
    op.create_index(
        op.f("ix_stop_points_version_id_search_name"),
        "stop_points",
        ["version_id", "search_name"],
        unique=False,
    )
    op.create_index(
        op.f("ix_stop_points_version_id_station_id"),
        "stop_points",
        ["version_id", "station_id"],
        unique=False,
    )
    op.create_table(
        "team_positions",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("vehicle_number", sa.String(length=40), nullable=True),
        sa.Column("stop_id", sa.String(length=100), nullable=True),
        sa.Column("lat", sa.Float(precision=53), nullable=False),
        sa.Column("lon", sa.Float(precision=53), nullable=False),
        sa.Column("accuracy_m", sa.Float(precision=53), nullable=True),
        sa.Column("heading_deg", sa.Float(precision=53), nullable=True),
        sa.Column("speed_mps", sa.Float(precision=53), nullable=True),
        sa.Column("provider", sa.String(length=10), nullable=False),
        sa.Column("fix_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_team_positions_team_id_teams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_team_positions")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("category", sa.String(length=40), nullable=True),
        sa.Column("reporter_role", sa.String(length=20), nullable=False),
        sa.Column("contact_mode", sa.String(length=20), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("exercise", sa.Boolean(), nullable=False),
        sa.Column("warnings", JSONType(), nullable=False),
        sa.Column("lat", sa.Float(precision=53), nullable=True),
        sa.Column("lon", sa.Float(precision=53), nullable=True),
        sa.Column("accuracy_m", sa.Float(precision=53), nullable=True),
        sa.Column("position_at", UTCDateTime(), nullable=True),
        sa.Column("provider", sa.String(length=10), nullable=True),
        sa.Column("position_seq", sa.Integer(), nullable=True),
        sa.Column("out_of_area", sa.Boolean(), nullable=False),
        sa.Column("line_id", sa.String(length=80), nullable=True),
        sa.Column("direction_id", sa.SmallInteger(), nullable=True),
        sa.Column("vehicle_number", sa.String(length=40), nullable=True),
        sa.Column("stop_id", sa.String(length=80), nullable=True),
        sa.Column("station", sa.String(length=80), nullable=True),
        sa.Column("carriage", sa.String(length=40), nullable=True),
        sa.Column("situation", JSONType(none_as_null=True), nullable=True),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("observed_at", UTCDateTime(), nullable=False),
        sa.Column("device_observed_at", sa.String(length=40), nullable=True),
        sa.Column("skew_ms", sa.Integer(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("priority_reasons", JSONType(), nullable=False),
        sa.Column("priority_set", sa.SmallInteger(), nullable=True),
        sa.Column("duress", sa.Boolean(), nullable=False),
        sa.Column("suspect", sa.Boolean(), nullable=False),
        sa.Column("similar", JSONType(), nullable=False),
        sa.Column("armed_until", UTCDateTime(), nullable=True),
        sa.Column("opened_at", UTCDateTime(), nullable=True),
        sa.Column("next_round_at", UTCDateTime(), nullable=True),
        sa.Column("attention_at", UTCDateTime(), nullable=True),
        sa.Column("round_no", sa.SmallInteger(), nullable=False),
        sa.Column("needs_human", sa.Boolean(), nullable=False),
        sa.Column("needs_human_reason", sa.String(length=40), nullable=True),
        sa.Column("needs_human_since", UTCDateTime(), nullable=True),
        sa.Column("shortfall", JSONType(none_as_null=True), nullable=True),
        sa.Column("seen_at", UTCDateTime(), nullable=True),
        sa.Column("seen_by", sa.Uuid(), nullable=True),
        sa.Column("acknowledged_at", UTCDateTime(), nullable=True),
        sa.Column("acknowledged_by", sa.Uuid(), nullable=True),
        sa.Column("cancel", sa.String(length=20), nullable=True),
        sa.Column("cancel_how", sa.String(length=20), nullable=True),
        sa.Column("cancel_requested_at", UTCDateTime(), nullable=True),
        sa.Column("cancel_version", sa.Integer(), nullable=True),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column("handed_over_to", sa.String(length=20), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("closing_code", sa.String(length=40), nullable=True),
        sa.Column("legal_class", sa.String(length=40), nullable=True),
        sa.CheckConstraint(
            "(state = 'merged') = (merged_into IS NOT NULL)", name=op.f("ck_alerts_merged_into_something")
        ),
        sa.CheckConstraint(
            "NOT (state IN ('armed','open','reopened')) OR next_round_at IS NOT NULL",
            name=op.f("ck_alerts_waiting_has_round"),
        ),
        sa.CheckConstraint(
            "cancel IN ('requested','refused','confirmed') OR cancel IS NULL",
            name=op.f("ck_alerts_cancel_known"),
        ),
        sa.CheckConstraint(
            "state <> 'armed' OR armed_until IS NOT NULL", name=op.f("ck_alerts_armed_until_known")
        ),
        sa.CheckConstraint(
            "state <> 'closed' OR closing_code IS NOT NULL", name=op.f("ck_alerts_closed_with_code")
        ),
        sa.CheckConstraint(
            "state IN ('armed','open','assigned','en_route','on_scene','resolved','handed_over','reopened','closed','cancelled','merged')",
            name=op.f("ck_alerts_state_known"),
        ),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_alerts_whole_position")),
        sa.CheckConstraint(
            "lat IS NULL OR (lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180)",
            name=op.f("ck_alerts_position_on_earth"),
        ),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name=op.f("ck_alerts_priority_known")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_alerts_version_positive")),
        sa.ForeignKeyConstraint(
            ["acknowledged_by"], ["staff.id"], name=op.f("fk_alerts_acknowledged_by_staff")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_alerts_device_id_devices")),
        sa.ForeignKeyConstraint(
            ["merged_into"],
            ["alerts.id"],
            name=op.f("fk_alerts_merged_into_alerts"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(["seen_by"], ["staff.id"], name=op.f("fk_alerts_seen_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(
        "ix_alerts_attention_at",
        "alerts",
        ["attention_at"],
        unique=False,
        postgresql_where=sa.text("attention_at IS NOT NULL"),
        sqlite_where=sa.text("attention_at IS NOT NULL"),
    )
    op.create_index("ix_alerts_device_id", "alerts", ["device_id", "received_at"], unique=False)
    op.create_index(
        "ix_alerts_live",
        "alerts",
        ["received_at"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('closed','cancelled','merged')"),
        sqlite_where=sa.text("state NOT IN ('closed','cancelled','merged')"),
    )
    op.create_index(
        "ix_alerts_next_round_at",
        "alerts",
        ["next_round_at"],
        unique=False,
        postgresql_where=sa.text("next_round_at IS NOT NULL"),
        sqlite_where=sa.text("next_round_at IS NOT NULL"),
    )
    op.create_index("ix_alerts_received_at_id", "alerts", ["received_at", "id"], unique=False)
    op.create_table(
        "duty_shifts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("ended_why", sa.String(length=20), nullable=True),
        sa.CheckConstraint(
            "ended_at IS NULL OR ended_at >= started_at", name=op.f("ck_duty_shifts_ends_after_start")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_duty_shifts_staff_id_staff")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_duty_shifts_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_shifts")),
    )
    op.create_index(
        "ix_duty_shifts_ended_at",
        "duty_shifts",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_index(
        "ix_duty_shifts_open_team",
        "duty_shifts",
        ["team_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_duty_shifts_open",
        "duty_shifts",
        ["staff_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_invitations_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_table(
        "line_stops",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.String(length=255), nullable=False),
        sa.Column("direction_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stop_id", sa.String(length=255), nullable=False),
        sa.CheckConstraint("direction_id IN (0, 1)", name=op.f("ck_line_stops_direction")),
        sa.ForeignKeyConstraint(
            ["version_id", "line_id"],
            ["lines.version_id", "lines.id"],
            name=op.f("fk_line_stops_version_id_line_id_lines"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["version_id", "stop_id"],
            ["stop_points.version_id", "stop_points.id"],
            name=op.f("fk_line_stops_version_id_stop_id_stop_points"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "version_id", "line_id", "direction_id", "sequence", name=op.f("pk_line_stops")
        ),
    )
    op.create_index(
        op.f("ix_line_stops_version_id_stop_id"), "line_stops", ["version_id", "stop_id"], unique=False
    )
    op.create_table(
        "night_stop_policies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("line_id", sa.String(length=255), nullable=False),
        sa.Column("direction_id", sa.SmallInteger(), nullable=True),
        sa.Column("from_stop_id", sa.String(length=255), nullable=True),
        sa.Column("to_stop_id", sa.String(length=255), nullable=True),
        sa.Column("starts", sa.String(length=5), nullable=False),
        sa.Column("ends", sa.String(length=5), nullable=False),
        sa.Column("weekdays", JSONType(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("off_route_m", sa.Float(precision=53), nullable=False),
        sa.Column("min_seconds", sa.Float(precision=53), nullable=False),
        sa.Column("min_metres", sa.Float(precision=53), nullable=False),
        sa.Column("near_stop_m", sa.Float(precision=53), nullable=False),
        sa.Column("join_m", sa.Float(precision=53), nullable=False),
        sa.Column("max_extra_stops", sa.Integer(), nullable=False),
        sa.Column("exclusions", JSONType(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("replaced_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "max_extra_stops >= 1 AND join_m >= 0", name=op.f("ck_night_stop_policies_extra_stops")
        ),
        sa.CheckConstraint(
            "off_route_m > 0 AND min_metres >= 0 AND min_seconds >= 0 AND near_stop_m >= 0",
            name=op.f("ck_night_stop_policies_limits"),
        ),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_until >= valid_from",
            name=op.f("ck_night_stop_policies_dates_in_order"),
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["staff.id"], name=op.f("fk_night_stop_policies_created_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_night_stop_policies")),
        sa.UniqueConstraint("policy_id", "version", name=op.f("uq_night_stop_policies_policy_id_version")),
    )
    op.create_index(op.f("ix_night_stop_policies_line_id"), "night_stop_policies", ["line_id"], unique=False)
    op.create_index(
        op.f("ix_night_stop_policies_policy_id"), "night_stop_policies", ["policy_id"], unique=False
    )
    op.create_index(
        "uq_night_stop_policies_in_force",
        "night_stop_policies",
        ["policy_id"],
        unique=True,
        postgresql_where=sa.text("replaced_at IS NULL"),
        sqlite_where=sa.text("replaced_at IS NULL"),
    )
    op.create_table(
        "night_stop_suspensions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("since", UTCDateTime(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint(
            "reason IN ('weather','works','other')", name=op.f("ck_night_stop_suspensions_reason_known")
        ),
        sa.ForeignKeyConstraint(["by"], ["staff.id"], name=op.f("fk_night_stop_suspensions_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_night_stop_suspensions")),
    )
    op.create_table(
        "service_dates",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("service_id", sa.String(length=255), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("added", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id", "service_id"],
            ["services.version_id", "services.id"],
            name=op.f("fk_service_dates_version_id_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "service_id", "date", name=op.f("pk_service_dates")),
    )
    op.create_index(
        op.f("ix_service_dates_version_id_date"), "service_dates", ["version_id", "date"], unique=False
    )
    op.create_table(
        "shapes",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.String(length=255), nullable=False),
        sa.Column("direction_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("trips", sa.Integer(), nullable=False),
        sa.Column("on_map", sa.Boolean(), nullable=False),
        sa.Column("geometry", Geo("LINESTRING"), nullable=False),
        sa.CheckConstraint("direction_id IN (0, 1)", name=op.f("ck_shapes_direction")),
        sa.ForeignKeyConstraint(
            ["version_id", "line_id"],
            ["lines.version_id", "lines.id"],
            name=op.f("fk_shapes_version_id_line_id_lines"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "line_id", "direction_id", "id", name=op.f("pk_shapes")),
    )
    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_sessions_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_sessions_token_hash")),
    )
    op.create_index(
        "ix_staff_sessions_revoked_at",
        "staff_sessions",
        ["revoked_at"],
        unique=False,
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_staff_sessions_staff_id"), "staff_sessions", ["staff_id"], unique=False)
    op.create_table(
        "vehicles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("line_id", sa.String(length=100), nullable=True),
        sa.Column("driver_id", sa.Uuid(), nullable=True),
        sa.Column("in_service_since", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["driver_id"], ["staff.id"], name=op.f("fk_vehicles_driver_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vehicles")),
        sa.UniqueConstraint("driver_id", name=op.f("uq_vehicles_driver_id")),
        sa.UniqueConstraint("number", name=op.f("uq_vehicles_number")),
    )
    op.create_table(
        "alert_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.String(length=20), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_messages_alert_id_alerts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_messages")),
    )
    op.create_index("ix_alert_messages_alert_id", "alert_messages", ["alert_id", "sent_at"], unique=False)
    op.create_table(
        "alert_positions",
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("point_seq", sa.Integer(), nullable=False),
        sa.Column("lat", sa.Float(precision=53), nullable=False),
        sa.Column("lon", sa.Float(precision=53), nullable=False),
        sa.Column("accuracy_m", sa.Float(precision=53), nullable=True),
        sa.Column("fix_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_positions_alert_id_alerts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("alert_id", "point_seq", name=op.f("pk_alert_positions")),
    )
    op.create_table(
        "assignments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.Column("round_no", sa.SmallInteger(), nullable=False),
        sa.Column("distance_m", sa.Float(precision=53), nullable=True),
        sa.Column("reasons", JSONType(), nullable=False),
        sa.Column("meet_at", JSONType(none_as_null=True), nullable=True),
        sa.Column("offered_at", UTCDateTime(), nullable=False),
        sa.Column("answer_by", UTCDateTime(), nullable=True),
        sa.Column("accepted_at", UTCDateTime(), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("decline_reason", sa.String(length=40), nullable=True),
        sa.Column("ended_why", sa.String(length=40), nullable=True),
        sa.CheckConstraint(
            "state <> 'offered' OR answer_by IS NOT NULL", name=op.f("ck_assignments_offer_has_deadline")
        ),
        sa.CheckConstraint(
            "state IN ('offered','accepted','en_route','on_scene','cleared','declined','expired','withdrawn')",
            name=op.f("ck_assignments_state_known"),
        ),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_assignments_alert_id_alerts")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_assignments_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
    )
    op.create_index("ix_assignments_alert_id", "assignments", ["alert_id"], unique=False)
    op.create_index(
        "ix_assignments_team_pending",
        "assignments",
        ["team_id"],
        unique=False,
        postgresql_where=sa.text("state IN ('offered','accepted','en_route','on_scene')"),
        sqlite_where=sa.text("state IN ('offered','accepted','en_route','on_scene')"),
    )
    op.create_index(
        "uq_assignments_engaged_slot",
        "assignments",
        ["alert_id", "slot"],
        unique=True,
        postgresql_where=sa.text("state IN ('accepted','en_route','on_scene')"),
        sqlite_where=sa.text("state IN ('accepted','en_route','on_scene')"),
    )
    op.create_index(
        "uq_assignments_pending_team",
        "assignments",
        ["alert_id", "team_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('offered','accepted','en_route','on_scene')"),
        sqlite_where=sa.text("state IN ('offered','accepted','en_route','on_scene')"),
    )
    op.create_index(
        "uq_assignments_team_engaged",
        "assignments",
        ["team_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('accepted','en_route','on_scene')"),
        sqlite_where=sa.text("state IN ('accepted','en_route','on_scene')"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("audience", sa.String(length=80), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("useful_until", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=True),
        sa.Column("seen_at", UTCDateTime(), nullable=True),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.Column("settled_why", sa.String(length=20), nullable=True),
        sa.CheckConstraint("channel IN ('socket')", name=op.f("ck_deliveries_channel_known")),
        sa.CheckConstraint(
            "seen_at IS NULL OR received_at IS NOT NULL", name=op.f("ck_deliveries_seen_means_received")
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_deliveries_alert_id_alerts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_alert_id", "deliveries", ["alert_id"], unique=False)
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("received_at IS NULL AND settled_at IS NULL"),
        sqlite_where=sa.text("received_at IS NULL AND settled_at IS NULL"),
    )
    op.create_table(
        "log_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("device_at", sa.String(length=40), nullable=True),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("from_state", sa.String(length=20), nullable=True),
        sa.Column("to_state", sa.String(length=20), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", JSONType(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_log_entries_alert_id_alerts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_entries")),
        sa.UniqueConstraint("alert_id", "version", name=op.f("uq_log_entries_alert_id_version")),
    )
    op.create_index("ix_log_entries_at", "log_entries", ["at"], unique=False)
    op.create_table(
        "night_stop_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("code", sa.String(length=4), nullable=False),
        sa.Column("line_id", sa.String(length=255), nullable=False),
        sa.Column("direction_id", sa.SmallInteger(), nullable=True),
        sa.Column("pattern_id", sa.Integer(), nullable=True),
        sa.Column("vehicle_id", sa.Uuid(), nullable=True),
        sa.Column("vehicle_number", sa.String(length=40), nullable=True),
        sa.Column("trip_id", sa.String(length=255), nullable=True),
        sa.Column("policy_id", sa.Uuid(), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=True),
        sa.Column("wanted_lat", sa.Float(precision=53), nullable=False),
        sa.Column("wanted_lon", sa.Float(precision=53), nullable=False),
        sa.Column("measure_m", sa.Float(precision=53), nullable=True),
        sa.Column("lat", sa.Float(precision=53), nullable=True),
        sa.Column("lon", sa.Float(precision=53), nullable=True),
        sa.Column("after_stop", sa.String(length=255), nullable=True),
        sa.Column("before_stop", sa.String(length=255), nullable=True),
        sa.Column("metres_after_stop", sa.Float(precision=53), nullable=True),
        sa.Column("walk_saved_m", sa.Float(precision=53), nullable=True),
        sa.Column("alternative", JSONType(none_as_null=True), nullable=True),
        sa.Column("joined_to", sa.Uuid(), nullable=True),
        sa.Column("ramp", sa.Boolean(), nullable=False),
        sa.Column("reject_code", sa.String(length=40), nullable=True),
        sa.Column("refusal_reason", sa.String(length=40), nullable=True),
        sa.Column("instead", JSONType(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("answer_by", UTCDateTime(), nullable=True),
        sa.Column("answered_at", UTCDateTime(), nullable=True),
        sa.Column("accepted_at", UTCDateTime(), nullable=True),
        sa.Column("alighted_at", UTCDateTime(), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("stood_since", UTCDateTime(), nullable=True),
        sa.Column("lost_since", UTCDateTime(), nullable=True),
        sa.Column("home_timer_s", sa.Integer(), nullable=True),
        sa.Column("home_due_at", UTCDateTime(), nullable=True),
        sa.Column("home_state", sa.String(length=12), nullable=True),
        sa.CheckConstraint(
            "home_state IN ('running','asked','home','alerted')",
            name=op.f("ck_night_stop_requests_home_state_known"),
        ),
        sa.CheckConstraint(
            "state <> 'refused' OR refusal_reason IS NOT NULL",
            name=op.f("ck_night_stop_requests_refused_with_reason"),
        ),
        sa.CheckConstraint(
            "state <> 'rejected' OR reject_code IS NOT NULL",
            name=op.f("ck_night_stop_requests_rejected_with_code"),
        ),
        sa.CheckConstraint(
            "state IN ('requested','rejected','sent_to_driver','accepted','alternative_proposed','refused','approaching','alighted','missed','cancelled','expired','withdrawn')",
            name=op.f("ck_night_stop_requests_state_known"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('accepted','approaching') OR accepted_at IS NOT NULL",
            name=op.f("ck_night_stop_requests_promised"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('sent_to_driver','alternative_proposed') OR answer_by IS NOT NULL",
            name=op.f("ck_night_stop_requests_asked_has_deadline"),
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_night_stop_requests_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["joined_to"],
            ["night_stop_requests.id"],
            name=op.f("fk_night_stop_requests_joined_to_night_stop_requests"),
        ),
        sa.ForeignKeyConstraint(
            ["vehicle_id"], ["vehicles.id"], name=op.f("fk_night_stop_requests_vehicle_id_vehicles")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_night_stop_requests")),
    )
    op.create_index(
        "ix_night_stop_requests_due_at",
        "night_stop_requests",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "ix_night_stop_requests_received_at", "night_stop_requests", ["received_at"], unique=False
    )
    op.create_index(
        "ix_night_stop_requests_vehicle", "night_stop_requests", ["vehicle_id", "state"], unique=False
    )
    op.create_index(
        "uq_night_stop_requests_open",
        "night_stop_requests",
        ["device_id"],
        unique=True,
        postgresql_where=sa.text(
            "state IN ('sent_to_driver','accepted','alternative_proposed','approaching')"
        ),
        sqlite_where=sa.text("state IN ('sent_to_driver','accepted','alternative_proposed','approaching')"),
    )
    op.create_table(
        "patterns",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line_id", sa.String(length=255), nullable=False),
        sa.Column("direction_id", sa.Integer(), nullable=False),
        sa.Column("shape_id", sa.String(length=255), nullable=False),
        sa.Column("headsign", sa.String(length=255), nullable=True),
        sa.Column("trips", sa.Integer(), nullable=False),
        sa.Column("stop_ids", JSONType(), nullable=False),
        sa.Column("measures", JSONType(), nullable=False),
        sa.CheckConstraint("direction_id IN (0, 1)", name=op.f("ck_patterns_direction")),
        sa.ForeignKeyConstraint(
            ["version_id", "line_id", "direction_id", "shape_id"],
            ["shapes.version_id", "shapes.line_id", "shapes.direction_id", "shapes.id"],
            name=op.f("fk_patterns_version_id_line_id_direction_id_shape_id_shapes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "id", name=op.f("pk_patterns")),
    )
    op.create_index(
        op.f("ix_patterns_version_id_line_id"), "patterns", ["version_id", "line_id"], unique=False
    )
    op.create_table(
        "vehicle_positions",
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("lat", sa.Float(precision=53), nullable=False),
        sa.Column("lon", sa.Float(precision=53), nullable=False),
        sa.Column("accuracy_m", sa.Float(precision=53), nullable=True),
        sa.Column("heading_deg", sa.Float(precision=53), nullable=True),
        sa.Column("speed_mps", sa.Float(precision=53), nullable=True),
        sa.Column("provider", sa.String(length=10), nullable=False),
        sa.Column("fix_at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["vehicle_id"],
            ["vehicles.id"],
            name=op.f("fk_vehicle_positions_vehicle_id_vehicles"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("vehicle_id", name=op.f("pk_vehicle_positions")),
    )
    op.create_table(
        "vehicle_progress",
        sa.Column("vehicle_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.String(length=255), nullable=True),
        sa.Column("direction_id", sa.SmallInteger(), nullable=True),
        sa.Column("pattern_id", sa.Integer(), nullable=True),
        sa.Column("trip_id", sa.String(length=255), nullable=True),
        sa.Column("measure_m", sa.Float(precision=53), nullable=False),
        sa.Column("off_m", sa.Float(precision=53), nullable=False),
        sa.Column("speed_mps", sa.Float(precision=53), nullable=False),
        sa.Column("now_mps", sa.Float(precision=53), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("fix_at", UTCDateTime(), nullable=False),
        sa.Column("matched_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("state IN ('on_line','off_line')", name=op.f("ck_vehicle_progress_state_known")),
        sa.ForeignKeyConstraint(
            ["vehicle_id"],
            ["vehicles.id"],
            name=op.f("fk_vehicle_progress_vehicle_id_vehicles"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("vehicle_id", name=op.f("pk_vehicle_progress")),
    )
    op.create_index(op.f("ix_vehicle_progress_line_id"), "vehicle_progress", ["line_id"], unique=False)
    op.create_table(
        "night_stop_log_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("night_stop_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("from_state", sa.String(length=24), nullable=True),
        sa.Column("to_state", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["night_stop_id"],
            ["night_stop_requests.id"],
            name=op.f("fk_night_stop_log_entries_night_stop_id_night_stop_requests"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_night_stop_log_entries")),
        sa.UniqueConstraint(
            "night_stop_id", "version", name=op.f("uq_night_stop_log_entries_night_stop_id_version")
        ),
    )
    op.create_table(
        "trips",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("pattern_id", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.String(length=255), nullable=False),
        sa.Column("block_id", sa.String(length=255), nullable=True),
        sa.Column("start_s", sa.Integer(), nullable=False),
        sa.Column("end_s", sa.Integer(), nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("start_s <= end_s", name=op.f("ck_trips_times")),
        sa.ForeignKeyConstraint(
            ["version_id", "pattern_id"],
            ["patterns.version_id", "patterns.id"],
            name=op.f("fk_trips_version_id_pattern_id_patterns"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["version_id", "service_id"],
            ["services.version_id", "services.id"],
            name=op.f("fk_trips_version_id_service_id_services"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "id", name=op.f("pk_trips")),
    )
    op.create_index(
        op.f("ix_trips_version_id_pattern_id_start_s"),
        "trips",
        ["version_id", "pattern_id", "start_s"],
        unique=False,
    )
    op.create_table(
        "frequencies",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("trip_id", sa.String(length=255), nullable=False),
        sa.Column("start_s", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("end_s", sa.Integer(), nullable=False),
        sa.Column("headway_s", sa.Integer(), nullable=False),
        sa.Column("exact", sa.Boolean(), nullable=False),
        sa.CheckConstraint("headway_s > 0", name=op.f("ck_frequencies_headway")),
        sa.CheckConstraint("start_s < end_s", name=op.f("ck_frequencies_span")),
        sa.ForeignKeyConstraint(
            ["version_id", "trip_id"],
            ["trips.version_id", "trips.id"],
            name=op.f("fk_frequencies_version_id_trip_id_trips"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "trip_id", "start_s", name=op.f("pk_frequencies")),
    )
    if on_postgresql:
        # Distances in degrees name the wrong nearest team in 12-18 % of queries: the index is on the sphere.
        op.execute(
            "CREATE INDEX ix_team_positions_geography ON team_positions"
            " USING gist (geography(st_setsrid(st_makepoint(lon, lat), 4326)))"
        )
        # Every row changes each second: without this the index grows tenfold and queries slow down.
        op.execute(
            "ALTER TABLE team_positions SET (autovacuum_vacuum_scale_factor=0.05,"
            " autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0)"
        )


def downgrade() -> None:
    """Takes the schema back."""
    op.drop_table("frequencies")
    op.drop_index(op.f("ix_trips_version_id_pattern_id_start_s"), table_name="trips")
    op.drop_table("trips")
    op.drop_table("night_stop_log_entries")
    op.drop_index(op.f("ix_vehicle_progress_line_id"), table_name="vehicle_progress")
    op.drop_table("vehicle_progress")
    op.drop_table("vehicle_positions")
    op.drop_index(op.f("ix_patterns_version_id_line_id"), table_name="patterns")
    op.drop_table("patterns")
    op.drop_index(
        "uq_night_stop_requests_open",
        table_name="night_stop_requests",
        postgresql_where=sa.text(
            "state IN ('sent_to_driver','accepted','alternative_proposed','approaching')"
        ),
        sqlite_where=sa.text("state IN ('sent_to_driver','accepted','alternative_proposed','approaching')"),
    )
    op.drop_index("ix_night_stop_requests_vehicle", table_name="night_stop_requests")
    op.drop_index("ix_night_stop_requests_received_at", table_name="night_stop_requests")
    op.drop_index(
        "ix_night_stop_requests_due_at",
        table_name="night_stop_requests",
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.drop_table("night_stop_requests")
    op.drop_index("ix_log_entries_at", table_name="log_entries")
    op.drop_table("log_entries")
    op.drop_index(
        "ix_deliveries_waiting",
        table_name="deliveries",
        postgresql_where=sa.text("received_at IS NULL AND settled_at IS NULL"),
        sqlite_where=sa.text("received_at IS NULL AND settled_at IS NULL"),
    )
    op.drop_index("ix_deliveries_alert_id", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index(
        "uq_assignments_team_engaged",
        table_name="assignments",
        postgresql_where=sa.text("state IN ('accepted','en_route','on_scene')"),
        sqlite_where=sa.text("state IN ('accepted','en_route','on_scene')"),
    )
    op.drop_index(
        "uq_assignments_pending_team",
        table_name="assignments",
        postgresql_where=sa.text("state IN ('offered','accepted','en_route','on_scene')"),
        sqlite_where=sa.text("state IN ('offered','accepted','en_route','on_scene')"),
    )
    op.drop_index(
        "uq_assignments_engaged_slot",
        table_name="assignments",
        postgresql_where=sa.text("state IN ('accepted','en_route','on_scene')"),
        sqlite_where=sa.text("state IN ('accepted','en_route','on_scene')"),
    )
    op.drop_index(
        "ix_assignments_team_pending",
        table_name="assignments",
        postgresql_where=sa.text("state IN ('offered','accepted','en_route','on_scene')"),
        sqlite_where=sa.text("state IN ('offered','accepted','en_route','on_scene')"),
    )
    op.drop_index("ix_assignments_alert_id", table_name="assignments")
    op.drop_table("assignments")
    op.drop_table("alert_positions")
    op.drop_index("ix_alert_messages_alert_id", table_name="alert_messages")
    op.drop_table("alert_messages")
    op.drop_table("vehicles")
    op.drop_index(op.f("ix_staff_sessions_staff_id"), table_name="staff_sessions")
    op.drop_index(
        "ix_staff_sessions_revoked_at",
        table_name="staff_sessions",
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.drop_table("staff_sessions")
    op.drop_table("shapes")
    op.drop_index(op.f("ix_service_dates_version_id_date"), table_name="service_dates")
    op.drop_table("service_dates")
    op.drop_table("night_stop_suspensions")
    op.drop_index(
        "uq_night_stop_policies_in_force",
        table_name="night_stop_policies",
        postgresql_where=sa.text("replaced_at IS NULL"),
        sqlite_where=sa.text("replaced_at IS NULL"),
    )
    op.drop_index(op.f("ix_night_stop_policies_policy_id"), table_name="night_stop_policies")
    op.drop_index(op.f("ix_night_stop_policies_line_id"), table_name="night_stop_policies")
    op.drop_table("night_stop_policies")
    op.drop_index(op.f("ix_line_stops_version_id_stop_id"), table_name="line_stops")
    op.drop_table("line_stops")
    op.drop_table("invitations")
    op.drop_index(
        "uq_duty_shifts_open",
        table_name="duty_shifts",
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index(
        "ix_duty_shifts_open_team",
        table_name="duty_shifts",
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.drop_index(
        "ix_duty_shifts_ended_at", table_name="duty_shifts", postgresql_where=sa.text("ended_at IS NOT NULL")
    )
    op.drop_table("duty_shifts")
    op.drop_index("ix_alerts_received_at_id", table_name="alerts")
    op.drop_index(
        "ix_alerts_next_round_at",
        table_name="alerts",
        postgresql_where=sa.text("next_round_at IS NOT NULL"),
        sqlite_where=sa.text("next_round_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_alerts_live",
        table_name="alerts",
        postgresql_where=sa.text("state NOT IN ('closed','cancelled','merged')"),
        sqlite_where=sa.text("state NOT IN ('closed','cancelled','merged')"),
    )
    op.drop_index("ix_alerts_device_id", table_name="alerts")
    op.drop_index(
        "ix_alerts_attention_at",
        table_name="alerts",
        postgresql_where=sa.text("attention_at IS NOT NULL"),
        sqlite_where=sa.text("attention_at IS NOT NULL"),
    )
    op.drop_table("alerts")
    op.drop_table("team_positions")
    op.drop_index(op.f("ix_stop_points_version_id_station_id"), table_name="stop_points")
    op.drop_index(op.f("ix_stop_points_version_id_search_name"), table_name="stop_points")
    op.drop_table("stop_points")
    op.drop_index(op.f("ix_staff_team_id"), table_name="staff")
    op.drop_table("staff")
    op.drop_table("services")
    op.drop_table("lines")
    op.drop_table("teams")
    op.drop_index(
        "uq_network_versions_current",
        table_name="network_versions",
        postgresql_where=sa.text("is_current"),
        sqlite_where=sa.text("is_current"),
    )
    op.drop_table("network_versions")
    op.drop_table("login_delays")
    op.drop_table("heartbeats")
    op.drop_index("ix_feed_entries_audience_seq", table_name="feed_entries")
    op.drop_index("ix_feed_entries_alert_id", table_name="feed_entries")
    op.drop_table("feed_entries")
    op.drop_index(
        "ix_devices_revoked_at", table_name="devices", postgresql_where=sa.text("revoked_at IS NOT NULL")
    )
    op.drop_table("devices")
