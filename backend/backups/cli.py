"""flask db backup, restore, restored: the database into a file and back, without calling anybody for what was then."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import click
from sqlalchemy.exc import SQLAlchemyError

from backend import schema
from backend.backups import archive
from backend.backups.archive import BackupRefused
from backend.watch import restored
from backend.wiring import Wiring

_STALE = click.option(
    "--stale-after", default=5, show_default=True, metavar="MINUTES", type=click.IntRange(0, 1440),
    help="Alerts whose timers are older are looked at by people first.",
)  # fmt: skip


def add_backup_commands(group: click.Group, wiring: Wiring) -> None:
    """Adds the commands to `flask db`."""

    @group.command("backup")
    @click.argument("file", type=click.Path(path_type=Path))
    def backup(file: Path) -> None:
        """Write the whole database to FILE, as it is at this moment; everything goes on meanwhile.

        Exit codes: 0 written and whole; 1 not written, with the reason in one line.
        """
        try:
            size = archive.make(wiring.database, file, _progress("written"))
        except (BackupRefused, SQLAlchemyError) as error:
            _end(error)
        click.echo(f"{file}: {size:,} bytes, revision {schema.present_revision(wiring.database) or '(empty)'}")

    @group.command("restore")
    @click.argument("file", type=click.Path(path_type=Path))
    @_STALE
    def restore(file: Path, stale_after: int) -> None:
        """Fill the empty database that DATABASE_URL names from FILE, then do what `restored` does.

        Stop every process first. Exit codes: 0 ready to start; 1 nothing was put back; 2 put back but not yet marked:
        start nothing, run `flask db restored`.
        """
        try:
            archive.put_back(wiring.database, file, _progress("put back"))
        except (BackupRefused, SQLAlchemyError) as error:
            _end(error)
        _mark(wiring, stale_after)

    @group.command("restored")
    @_STALE
    def mark(stale_after: int) -> None:
        """Prepare a database that came from an older moment (a backup, PITR, a snapshot) before anything starts on it.

        Migrates it; sends none of the messages of then; puts every alert with stale timers before a person, with a line
        in its register; makes every phone and page load afresh.
        """
        _mark(wiring, stale_after)


def _mark(wiring: Wiring, stale_after: int) -> None:
    try:
        schema.upgrade(wiring.database)
        with wiring.database.transaction() as session:
            found = restored.review(session, wiring.clock.now(), timedelta(minutes=stale_after))
    except Exception as error:  # noqa: BLE001 - whatever it was, this database must not be started as it is
        click.echo(f"{_first_line(error)}. Start nothing: run `flask db restored` until it says ready.", err=True)
        sys.exit(2)
    until = found.known_until.isoformat(timespec="seconds") if found.known_until else "nothing"
    click.echo(f"known until {until}; what came after that is lost, and its riders will not be called")
    click.echo(f"{found.alerts} alerts wait for a person, {found.deliveries} messages will not be sent; ready to start")


def _progress(words: str) -> archive.Progress:
    shown = sys.stderr.isatty()

    def show(done: int, of: int) -> None:
        if shown:
            click.echo(f"\r{words}: {done * 100 // max(of, 1):3d} %", nl=done == of, err=True)

    return show


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]


def _end(error: Exception) -> NoReturn:
    click.echo(_first_line(error), err=True)
    sys.exit(1)
