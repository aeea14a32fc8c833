"""Databases ready to use: migrated once per run, then copied in milliseconds for each test."""

import itertools
import os
import shutil
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from backend import schema
from backend.database import Database
from backend.settings import Settings

BARE = "bare"  # PostGIS and nothing else; an empty file on SQLite
HEAD = "head"  # migrated to the newest revision


def settings(url: str) -> Settings:
    """The settings of a test on this database."""
    return Settings(environment="test", database_url=url)


def upgrade(url: str) -> None:
    """Migrates the database at this address to the newest revision."""
    database = Database(settings(url))
    try:
        schema.upgrade(database)
    finally:
        database.dispose()


class PostgresCopies:
    """Makes and drops databases on one server; a fresh copy of a migrated one takes 15 ms."""

    def __init__(self, server: str) -> None:
        self._home = make_url(server).set(drivername="postgresql")
        self._run = f"vigie_test_{os.getpid()}"
        self._numbers = itertools.count(1)
        self._made: set[str] = set()
        self._admin = self._connect(self._home.database or "postgres")

    def copy(self, template: str) -> str:
        """The URL of a new database with what the template holds."""
        source = f"{self._run}_{template}"
        if source not in self._made:
            self._make_template(template, source)
        return self._create(f"{self._run}_{next(self._numbers)}", source)

    def drop(self, url: str) -> None:
        """Forgets a database, whoever is still connected to it."""
        self._drop(str(make_url(url).database))

    def close(self) -> None:
        """Leaves the server as it was found."""
        for name in sorted(self._made):
            self._drop(name)
        self._admin.close()

    def _make_template(self, template: str, name: str) -> None:
        if template == BARE:
            self._create(name)
            with self._connect(name) as fresh:
                fresh.execute("CREATE EXTENSION postgis")
            return
        bare = f"{self._run}_{BARE}"
        if bare not in self._made:
            self._make_template(BARE, bare)
        upgrade(self._create(name, bare))

    def _connect(self, database: str) -> psycopg.Connection:
        url = self._home.set(database=database).render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True)

    def _create(self, name: str, template: str | None = None) -> str:
        pattern = "CREATE DATABASE {}" if template is None else "CREATE DATABASE {} TEMPLATE {}"
        names = [sql.Identifier(part) for part in (name, template) if part]
        self._admin.execute(sql.SQL(pattern).format(*names))
        self._made.add(name)
        return self._home.set(drivername="postgresql+psycopg", database=name).render_as_string(hide_password=False)

    def _drop(self, name: str) -> None:
        self._admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self._made.discard(name)


class SqliteCopies:
    """Makes and removes SQLite files in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._ready = folder / "head.sqlite"

    def copy(self, template: str) -> str:
        """The URL of a new file: migrated (HEAD) or not there yet (BARE)."""
        path = self._folder / f"{next(self._numbers)}.sqlite"
        if template == HEAD:
            if not self._ready.exists():
                upgrade(f"sqlite:///{self._ready}")
            shutil.copyfile(self._ready, path)
        return f"sqlite:///{path}"

    def drop(self, url: str) -> None:
        """Removes a file and what SQLite keeps beside it."""
        path = Path(str(make_url(url).database))
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink(missing_ok=True)


Copies = PostgresCopies | SqliteCopies
