"""Copying a database row for row into another: a pilot's file becomes a network's PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Table, func, select, text

from backend import schema
from backend.database import Database

BATCH = 2_000


class CopyRefused(RuntimeError):
    """The source or the target is not in a state from which a copy would be whole."""


def copy(source: Database, target: Database) -> Iterator[tuple[str, int]]:
    """Copies everything in one transaction of the target, yielding each table with its number of rows."""
    for name, database in (("source", source), ("target", target)):
        found = schema.present_revision(database)
        if found != schema.head():
            raise CopyRefused(
                f"the {name} is at revision {found or '(empty)'}, not {schema.head()}: run db upgrade there"
            )
    tables = schema.metadata.sorted_tables
    with source.engine.connect() as reader, target.engine.begin() as writer:
        for table in tables:
            if writer.scalar(select(func.count()).select_from(table)):
                raise CopyRefused(f"the target already has rows in {table.name}: it must be empty")
        if target.is_postgresql:
            writer.execute(text("SET LOCAL statement_timeout = 0"))
        done = [(table.name, _copy_table(reader, writer, table)) for table in tables]
        if target.is_postgresql:
            # Rows came with their numbers: the sequence must go on after the highest of them.
            writer.execute(
                text(
                    "SELECT setval(pg_get_serial_sequence('feed_entries', 'seq'),"
                    " GREATEST((SELECT max(seq) FROM feed_entries), 1))"
                )
            )
    yield from done


def _copy_table(reader: Connection, writer: Connection, table: Table) -> int:
    rows = 0
    query = select(table).order_by(*table.primary_key.columns)
    for batch in reader.execution_options(yield_per=BATCH).execute(query).mappings().partitions(BATCH):
        writer.execute(table.insert(), [dict(row) for row in batch])
        rows += len(batch)
    return rows
