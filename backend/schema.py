"""The database's schema: every table in one place, and the migrations that bring a database to it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

import backend.alerts.models
import backend.delivery.models
import backend.feed
import backend.heartbeats
import backend.network.models
import backend.network.timetable_models
import backend.network.vehicle_progress
import backend.night_stops.models
import backend.people.models
import backend.watch.models  # noqa: F401 - each import adds its tables to the metadata
from backend.database import Base, Database

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
metadata: MetaData = Base.metadata


def alembic_config(database: Database) -> Config:
    """Alembic's configuration for one database; no alembic.ini, so that there is one place for the address."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database"] = database
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Brings the database to a revision; several processes may call this at the same time."""
    command.upgrade(alembic_config(database), revision)


def downgrade(database: Database, revision: str) -> None:
    """Takes the database back to a revision."""
    command.downgrade(alembic_config(database), revision)


def head() -> str:
    """The newest revision that this code knows."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config).get_current_head() or ""


def present_revision(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(database: Database) -> list[object]:
    """What autogenerate would still change; empty when the migrations and the models agree."""
    from migrations.comparison import comparison_options  # beside the migrations that it serves

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata, **comparison_options()})
        return list(compare_metadata(context, metadata))
