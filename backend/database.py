"""The database: engine, declarative base, column types, transactions, wake-ups.

What differs between PostgreSQL and SQLite is in this file, beside space (geo.py) and connections (postgresql.py).
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import uuid_utils
from sqlalchemy import JSON, DateTime, Dialect, Engine, MetaData, Table, TypeDecorator, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import QueuePool

from backend.postgresql import engine_of, send_last
from backend.settings import Settings
from backend.wakers import LocalWaker, PostgresWaker, Topic, Waker, channel

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table's parent; constraint names follow one convention so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMES)


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: aware UTC in Python, timestamptz on PostgreSQL, naive UTC text on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """The column type of each database."""
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses naive times: a time without a zone is an hour wrong twice a year."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time {value!r}: every instant is aware UTC")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Always aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JSONType(TypeDecorator[Any]):
    """JSONB on PostgreSQL, JSON text on SQLite."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """The column type of each database."""
        return dialect.type_descriptor(postgresql.JSONB() if dialect.name == "postgresql" else JSON())


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): unique everywhere, and rows made together lie together."""
    return uuid.UUID(bytes=uuid_utils.uuid7().bytes)


def insert(session: Session, table: Table | type[Base]) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT on both databases."""
    return postgresql_insert(table) if is_postgresql(session) else sqlite_insert(table)


def is_postgresql(session: Session | Connection) -> bool:
    """True when this session talks to PostgreSQL."""
    bind = session.get_bind() if isinstance(session, Session) else session
    return bind.dialect.name == "postgresql"


BeforeCommit = Callable[[Session], None]
_LAST, _WAKE = "last_statements", "wake"


class Database:
    """One installation's database: hands out reading sessions and write transactions, and wakes readers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url: URL = make_url(settings.database_url)
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.is_postgresql = self.url.get_backend_name() == "postgresql"
        self.engine: Engine = engine_of(self.url, settings) if self.is_postgresql else self._sqlite_engine()
        info = {"settings": settings}
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, info=info)
        # A reader changes nothing: BEGIN and ROLLBACK around it would be two more journeys to the server.
        reader = self.engine.execution_options(isolation_level="AUTOCOMMIT") if self.is_postgresql else self.engine
        self._readers = sessionmaker(reader, expire_on_commit=False, info=info)
        # SQLite's own busy handler is unfair and blocks the whole process under gevent; this lock is neither.
        self._write_lock = threading.RLock() if not self.is_postgresql else None
        self._wakers: dict[Topic, list[threading.Event]] = {"feed": [], "due": [], "outbox": []}
        self._before_commit: list[BeforeCommit] = []

    def _sqlite_engine(self) -> Engine:
        if self.url.database and self.url.database != ":memory:":
            self.settings.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self.url,
            poolclass=QueuePool,
            pool_size=20,
            max_overflow=20,
            pool_timeout=5,
            connect_args={"check_same_thread": False, "timeout": 5},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def before_commit(self, action: BeforeCommit) -> None:
        """Registers what every write transaction does last (the feed takes its numbers there)."""
        self._before_commit.append(action)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading: each statement sees what is committed when it begins, and nothing is ever written."""
        with self._readers() as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose changes are committed together when the block ends, or not at all."""
        if self._write_lock is None:
            with self._sessions() as session:
                yield session
                self._finish(session)
            return
        with self._write_lock, self._sessions() as session:
            session.connection(execution_options={"sqlite_begin": "BEGIN IMMEDIATE"})
            yield session
            self._finish(session)
        for topic in session.info.pop(_WAKE, ()):
            for waker in self._wakers[topic]:
                waker.set()

    def _finish(self, session: Session) -> None:
        session.flush()
        for action in self._before_commit:
            action(session)
        if self.is_postgresql:
            last = session.info.pop(_LAST, "")
            if topics := session.info.pop(_WAKE, ()):
                # After the commit and by itself: NOTIFY makes commits wait for one another, here only short ones.
                news = " ".join(f"NOTIFY {channel(topic)};" for topic in sorted(topics))
                last += f"COMMIT; BEGIN; SET LOCAL synchronous_commit TO off; {news} COMMIT"
            if last:
                send_last(session.connection(), last)
        session.commit()

    def at_commit(self, session: Session, statement: str, values: Sequence[Any]) -> None:
        """Has PostgreSQL run this SQL (psycopg's `%s`) last, in one message with the commit.

        A lock taken there is held for a commit, not until the busiest greenlet of this process has its next turn.
        """
        from psycopg import ClientCursor

        raw: Any = session.connection().connection.driver_connection
        session.info[_LAST] = f"{session.info.get(_LAST, '')}{ClientCursor(raw).mogrify(statement, values)}; "

    def waker(self, topic: Topic = "feed") -> Waker:
        """Something to wait on between two looks at the database; the poll is the truth, this saves time."""
        return PostgresWaker(self.url, topic) if self.is_postgresql else LocalWaker(self._wakers[topic])

    def dispose(self) -> None:
        """Closes every connection."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we write BEGIN ourselves: pysqlite's own would not cover DDL
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def wake(session: Session, topic: Topic) -> None:
    """Tells everybody who waits for this topic, exactly when the transaction commits, that there is something new."""
    session.info.setdefault(_WAKE, set()).add(topic)


def lock_rows(statement: Any, *, of: Any = None, skip_locked: bool = False) -> Any:
    """The statement with a lock on its rows (`of` one of its tables); on SQLite the transaction is the lock.

    Not FOR UPDATE: whoever writes a row that names this one (a message of a locked alert, by its foreign key) would
    wait for us, we perhaps for that row, and PostgreSQL ends such a ring only after a second.
    """
    return statement.with_for_update(of=of, skip_locked=skip_locked, key_share=True)  # SQLite's dialect leaves it out


def rows_of(metadata: MetaData) -> Sequence[Table]:
    """Every table in an order in which rows can be copied (parents first)."""
    return metadata.sorted_tables
