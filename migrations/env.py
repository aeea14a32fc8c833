"""Runs migrations one at a time, each in a transaction of its own, under an advisory lock and a lock timeout."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import text
from sqlalchemy.engine import Connection

from backend.database import Database
from backend.schema import metadata
from backend.settings import Settings
from migrations.comparison import comparison_options

LOCK = 0x56494D47  # "VIMG": two processes that migrate at once do it one after the other


def run(database: Database) -> None:
    """Migrates the database that the configuration names."""
    with database.engine.connect() as connection:
        if database.is_postgresql:
            connection.execute(text("SET statement_timeout = '10min'"))
            connection.execute(text("SET lock_timeout = '60s'"))
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            # A migration that waits for a lock makes every request behind it wait too: it gives up instead.
            connection.execute(text("SET lock_timeout = '2s'"))
            connection.commit()
        else:
            _raw(connection).execute("PRAGMA foreign_keys=OFF")  # before BEGIN: inside it does nothing
        try:
            _migrate(connection)
        finally:
            connection.rollback()
            if database.is_postgresql:
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
                connection.commit()
            connection.invalidate()  # its timeouts and pragmas are not those of the pool


def _raw(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        transaction_per_migration=True,
        render_as_batch=connection.dialect.name == "sqlite",
        **comparison_options(),
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes.get("database") or Database(Settings.from_env()))
