"""flask commands: the database, the worker, checks; each feature adds its own."""

from __future__ import annotations

import signal
import sys
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy.exc import SQLAlchemyError

from backend import copying, logs, schema
from backend.access import role_matrix
from backend.backups.cli import add_backup_commands
from backend.control_room.cli import trace_command
from backend.crew import crew_of
from backend.database import Database
from backend.delivery.cli import push_commands
from backend.fault_commands import fault_commands
from backend.network.cli import network_commands
from backend.people.cli import people_commands
from backend.people.duty import TeamWork
from backend.settings import Settings, SettingsRefused
from backend.simulation.cli import simulate
from backend.socket_events import declared_events
from backend.wiring import Wiring


def add_commands(app: Flask, wiring: Wiring, work: TeamWork) -> None:
    """Adds every command to `flask --app backend.app`."""
    app.cli.add_command(_database_commands(wiring))
    app.cli.add_command(network_commands(wiring.database, wiring.clock.now))
    app.cli.add_command(simulate)
    app.cli.add_command(fault_commands())
    app.cli.add_command(trace_command(wiring))
    app.cli.add_command(push_commands(wiring))
    for command in people_commands(wiring, work):
        app.cli.add_command(command)

    @app.cli.command("worker")
    def worker() -> None:
        """Take due rounds, reminders and messages until SIGTERM; start as many of these as you like."""
        logs.set_up(wiring.settings.log_format, "worker")
        crew = crew_of(wiring)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: crew.stop())
        crew.start()
        crew.join()
        if crew.failed:
            sys.exit(1)

    @app.cli.command("access-matrix")
    def access_matrix() -> None:
        """Print which roles may call which route and send which socket event."""
        events = [(event.namespace, event.name, event.roles) for event in declared_events()]
        click.echo("\n".join(role_matrix(app, events)))


def _database_commands(wiring: Wiring) -> AppGroup:
    database = wiring.database
    group = AppGroup("db", help="The database: migrate, look, copy, back up, restore.")

    @group.command("upgrade")
    @click.argument("revision", default="head")
    def upgrade(revision: str) -> None:
        """Bring the database to REVISION (by default the newest)."""
        try:
            schema.upgrade(database, revision)
        except SQLAlchemyError as error:
            _end(
                f"The migration failed: {_first_line(error)}. Nothing of the failed step was kept; mend and run again."
            )
        click.echo(f"database at {schema.present_revision(database)}")

    @group.command("current")
    def current() -> None:
        """Say which revision the database is at, and which one this code wants."""
        click.echo(f"database at {schema.present_revision(database) or '(empty)'}, code at {schema.head()}")

    @group.command("check")
    def check() -> None:
        """Exit with 1 when migrations and models differ."""
        found = schema.differences(database)
        for one in found:
            click.echo(str(one), err=True)
        sys.exit(1 if found else 0)

    @group.command("copy")
    @click.option("--from", "source", required=True, help="Where the rows are, as sqlite:///pilot.sqlite.")
    @click.option("--to", "target", required=True, help="An empty migrated database, as postgresql+psycopg://…")
    def copy(source: str, target: str) -> None:
        """Copy every row of one database into another, table by table, and compare the counts.

        Stop every process that writes to the source first. The target must be migrated and empty.
        """
        try:
            databases = [Database(Settings(database_url=url)) for url in (source, target)]
            for table, rows in copying.copy(*databases):
                click.echo(f"{table:24} {rows:>9}")
        except (copying.CopyRefused, SettingsRefused) as refused:
            _end(str(refused))
        except SQLAlchemyError as error:
            _end(f"The copy failed: {_first_line(error)}. The target holds nothing of it.")

    add_backup_commands(group, wiring)
    return group


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _end(message: str) -> Any:
    click.echo(message, err=True)
    sys.exit(1)
