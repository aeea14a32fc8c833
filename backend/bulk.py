"""Rows by the ten thousand into one table, in the caller's transaction: COPY on PostgreSQL, batches on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from backend.database import Base, is_postgresql

BATCH = 5_000

Row = Sequence[Any]


def unhurried(session: Session) -> None:
    """Lifts, for this transaction, the time limit that ends a phone's query: a whole network takes longer."""
    if is_postgresql(session):
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 60000"))


def load(session: Session, model: type[Base], columns: Sequence[str], rows: Iterable[Row]) -> int:
    """How many rows were appended; the values are what the model's columns take."""
    session.flush()
    connection = session.connection()
    table = cast("Table", model.__table__)
    converted = _converted(connection, table, columns, rows)
    if is_postgresql(connection):
        return _copy(connection, table, columns, converted)
    names = ", ".join(f'"{name}"' for name in columns)
    statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({", ".join("?" * len(columns))})'
    count = 0
    while batch := list(islice(converted, BATCH)):
        connection.exec_driver_sql(statement, batch)
        count += len(batch)
    return count


def _converted(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row],
) -> Iterator[tuple[Any, ...]]:
    dialect = connection.dialect
    makers: list[tuple[int, Callable[[Any], Any]]] = []
    for number, name in enumerate(columns):
        maker = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        if maker is not None:
            makers.append((number, maker))
    for row in rows:
        values = list(row)
        for place, convert in makers:
            values[place] = convert(values[place])
        yield tuple(values)


def _copy(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[tuple[Any, ...]],
) -> int:
    import psycopg
    from psycopg import sql

    raw = cast("psycopg.Connection", connection.connection.driver_connection)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    count = 0
    try:
        with raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
    except psycopg.Error as error:
        told = f"COPY {table.name}"
        raise DBAPIError.instance(told, None, error, psycopg.Error, dialect=connection.dialect) from error
    return count
