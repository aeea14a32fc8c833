"""`flask network …`: bringing a network in and seeing which ones there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import select

from backend.database import Database
from backend.network import gtfs, importing, queries
from backend.network.gtfs_files import FeedRefused, Watch, digest_of, ignore
from backend.network.models import NetworkVersion

REFUSED = 2


def import_feed(
    database: Database, path: Path, now: datetime, *, watch: Watch = ignore, attribution: str | None = None,
) -> tuple[NetworkVersion, bool]:
    """The version in force after the import, and whether it is new (the same feed changes nothing)."""
    if path.exists():
        with database.reading() as session:
            version = queries.current(session)
        if version is not None and version.digest == digest_of(path):
            return version, False
    network = gtfs.read(path, watch)
    with database.transaction() as session:
        return importing.write(session, network, source=path.name, now=now, attribution=attribution), True


def network_commands(database: Database, now: Callable[[], datetime]) -> click.Group:
    """The command group `network`."""

    @click.group()
    def network() -> None:
        """Lines, stops and shapes of the transport network."""

    @network.command("import")
    @click.argument("feed", type=click.Path(path_type=Path))
    @click.option("--attribution", help="The source to show, instead of the feed's publisher.")
    @click.option("--quiet", is_flag=True, help="Only say what went wrong.")
    def import_command(feed: Path, attribution: str | None, quiet: bool) -> None:  # noqa: FBT001 - click's way
        """Bring a GTFS network in from FEED, a zip or a folder, and make it the current one.

        The feed is taken whole or not at all: until it is in, the present network stays in force, and phones
        notice nothing. Importing the current feed again changes nothing.

        Exit codes: 0 done, 2 the feed was refused (one line says the file, line and field).

        Example: flask --app backend.app network import rtm.gtfs.zip
        """
        console = Console(stderr=True, quiet=quiet)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        try:
            with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
                watch = _shown_on(progress)
                version, is_new = import_feed(database, feed, now(), watch=watch, attribution=attribution)
        except FeedRefused as refused:
            click.echo(f"refused: {refused}", err=True)
            raise SystemExit(REFUSED) from None
        if not quiet:
            state = "is now the current network" if is_new else "is the current network already"
            click.echo(f"{version.name} {state}: {_counted(version)}")

    @network.command("list")
    def list_command() -> None:
        """Show the imported networks, newest first."""
        with database.reading() as session:
            newest_first = select(NetworkVersion).order_by(NetworkVersion.imported_at.desc())
            versions = list(session.scalars(newest_first))
        if not versions:
            click.echo("no network yet: flask --app backend.app network import FEED.zip")
            return
        table = Table("", "network", "source", "imported", "lines", "stops", box=None)
        for version in versions:
            table.add_row("●" if version.is_current else "", version.name, version.source,
                          f"{version.imported_at:%Y-%m-%d %H:%M} UTC", str(version.counts.get("lines", "")),
                          str(version.counts.get("stops", "")))
        Console().print(table)

    return network


def _shown_on(progress: Progress) -> Watch:
    tasks: dict[str, int] = {}

    def watch(file: str, done: int, total: int) -> None:
        if file not in tasks:
            tasks[file] = progress.add_task(file, total=total)
        progress.update(tasks[file], completed=done)  # type: ignore[arg-type]

    return watch


def _counted(version: NetworkVersion) -> str:
    order = ("lines", "stops", "shapes", "trips", "stop_times")
    known = [(version.counts[key], key.replace("_", " ")) for key in order if key in version.counts]
    return ", ".join(f"{count:,} {what}" for count, what in known)
