"""Many rows in one statement: a JSON array that the database reads as a table, on PostgreSQL and on SQLite.

10,000 rows go as one parameter; as separate parameters they would take ten times as long in Python, during
which nothing else runs in the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import JSON, Column, Dialect, FromClause, String, bindparam, cast, column, func, select
from sqlalchemy.orm import Session

from backend.database import is_postgresql


def table_of(session: Session, columns: Sequence[Column[Any]], rows: Iterable[Sequence[Any]]) -> FromClause:
    """The rows as something to select from, with these columns' names and types."""
    if is_postgresql(session):
        names = [str(each.name) for each in columns]  # orjson takes no subclass of str as a key
        data = orjson.dumps([dict(zip(names, row, strict=True)) for row in rows]).decode()
        given = cast(bindparam("rows", data, String()), JSON())
        return (
            func.json_to_recordset(given)
            .table_valued(*(column(each.name, each.type) for each in columns))
            .render_derived(name="given", with_types=True)
        )
    stored = [_storing(each, session.get_bind().dialect) for each in columns]
    data = orjson.dumps([[store(value) for store, value in zip(stored, row, strict=True)] for row in rows]).decode()
    each_row = func.json_each(bindparam("rows", data, String())).table_valued("value")
    picked = (
        func.json_extract(each_row.c.value, f"$[{place}]", type_=each.type).label(each.name)
        for place, each in enumerate(columns)
    )
    return select(*picked).subquery("given")


def _storing(each: Column[Any], dialect: Dialect) -> Callable[[Any], Any]:
    """What turns a value into the form in which this database stores it."""
    process = each.type.dialect_impl(dialect).bind_processor(dialect)
    return process or (lambda value: value)
