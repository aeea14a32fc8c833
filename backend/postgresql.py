"""PostgreSQL's connections: how they are made and watched, and what goes to the server in one message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.orm import Session

from backend.settings import Settings, SettingsRefused


def engine_of(url: URL, settings: Settings) -> Engine:
    """Connections that notice by themselves when the server ends, restarts or vanishes; unsafe servers are refused."""
    options = (
        f"-c statement_timeout={int(settings.statement_timeout_s * 1000)}"
        f" -c lock_timeout={int(settings.lock_timeout_s * 1000)}"
        # A process that stands still in the middle of a transaction holds its alerts: nobody else can send a team.
        " -c idle_in_transaction_session_timeout=5000 -c timezone=UTC"
        # The feed is read in one message of two questions: the second must see what was committed during the first.
        " -c default_transaction_isolation=read\\ committed"
    )
    engine = create_engine(
        url,
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        pool_timeout=2,
        pool_recycle=1800,
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": 3,
            "options": options,
            # A server that vanishes without a word: the kernel would go on for a quarter of an hour with a question
            # that it cannot deliver, and for ever with one whose answer does not come, and each alert with it.
            "tcp_user_timeout": 8_000,
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "application_name": "vigie",
        },
    )
    event.listen(engine, "connect", _refuse_unsafe_durability)
    event.listen(engine, "checkout", _refuse_ended)
    return engine


def _refuse_unsafe_durability(connection: Any, _record: object) -> None:
    # A server that answers COMMIT before the disk has it would lose alerts that were answered 201.
    with connection.cursor() as cursor:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            value = cursor.execute(f"SHOW {name}").fetchone()[0]
            if value == "off":
                raise SettingsRefused(f"PostgreSQL runs with {name}={value}: alerts could be lost; set it to on")
    connection.commit()


def _refuse_ended(connection: Any, _record: object, _proxy: object) -> None:
    # Instead of a ping for every use: a server that ended a connection has said so, and it lies here unread.
    import psycopg

    try:
        for _ in range(2):  # its last words, then the end of the stream
            connection.pgconn.consume_input()
    except psycopg.Error as error:
        raise DisconnectionError from error


def send_last(connection: Connection, message: str) -> None:
    """Sends several statements, the last of them COMMIT, as one message."""
    import psycopg

    raw: Any = connection.connection.driver_connection
    try:
        raw.execute(message, prepare=False)
    except psycopg.Error as error:
        raise DBAPIError.instance("COMMIT", None, error, psycopg.Error, dialect=connection.dialect) from error


def in_one_message(session: Session, *statements: tuple[str, Sequence[Any]]) -> list[list[tuple[Any, ...]]]:
    """The rows of each statement (PostgreSQL's SQL, psycopg's `%s`), asked for together and run one after the other.

    Each sees what is committed when its own turn comes. For what is read many times a second: one journey to the
    server, and no objects.
    """
    import psycopg

    connection = session.connection()
    raw: Any = connection.connection.driver_connection
    try:
        with raw.pipeline():
            asked = [raw.execute(sql, values, prepare=True) for sql, values in statements]
        return [cursor.fetchall() for cursor in asked]  # behind the pipeline: inside it, each would be a journey
    except psycopg.Error as error:
        # It may stand in the middle of its answers, where it takes no ROLLBACK: nobody is to be given it again.
        connection.invalidate(error)
        raise DBAPIError.instance("SELECT", None, error, psycopg.Error, dialect=connection.dialect) from error
