"""`flask network …`: bringing a network in, seeing which ones there are, going back to one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from backend.database import Database
from backend.network import gtfs, importing, queries, report_tables, versions
from backend.network.gtfs_download import downloaded, is_address, shown
from backend.network.gtfs_files import Watch, ignore
from backend.network.gtfs_report import FeedRefused, printable
from backend.network.gtfs_sources import digest_of
from backend.network.models import NetworkVersion
from backend.network.realtime import follow_command

REFUSED = 2


def import_feed(
    database: Database, feed: Path | str, now: datetime, *, watch: Watch = ignore, attribution: str | None = None,
) -> tuple[NetworkVersion, bool]:
    """The version in force after the import, and whether it is new (the same feed changes nothing)."""
    with _at_hand(feed, watch) as (path, source):
        if path.exists():
            with database.reading() as session:
                version = queries.current(session)
            if version is not None and version.digest == digest_of(path):
                return version, False
        network = _looked_at(database, path, now, watch)
    with database.transaction() as session:
        written = importing.write(session, network, source=source, now=now, attribution=attribution, watch=watch)
        return written, True


def check_feed(database: Database, feed: Path | str, now: datetime, *, watch: Watch = ignore) -> gtfs.FeedNetwork:
    """What an import would bring in; nothing is written."""
    with _at_hand(feed, watch) as (path, _source):
        return _looked_at(database, path, now, watch)


@contextmanager
def _at_hand(feed: Path | str, watch: Watch) -> Iterator[tuple[Path, str]]:
    if isinstance(feed, str) and is_address(feed):
        with downloaded(feed, watch) as path:
            yield path, shown(feed)
    else:
        path = Path(feed)
        yield path, path.resolve().name


def _looked_at(database: Database, path: Path, now: datetime, watch: Watch) -> gtfs.FeedNetwork:
    network = gtfs.read(path, watch)
    importing.refuse_empty(network)
    importing.look_at_dates(network, now.astimezone(ZoneInfo(network.timezone)).date())
    with database.reading() as session:
        importing.look_at_ids(session, network)
    return network


def network_commands(database: Database, now: Callable[[], datetime]) -> click.Group:
    """The command group `network`."""

    @click.group()
    def network() -> None:
        """Lines, stops, shapes and timetable of the transport network."""

    @network.command("import")
    @click.argument("feed")
    @click.option("--dry-run", is_flag=True, help="Read and check the feed, and change nothing.")
    @click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
    @click.option("--attribution", help="The source to show, instead of the feed's publisher.")
    @click.option("--quiet", is_flag=True, help="Only say what went wrong.")
    def import_command(feed: str, dry_run: bool, as_json: bool, attribution: str | None, quiet: bool) -> None:  # noqa: FBT001 - click's way
        """Bring a GTFS network in from FEED (a zip, a folder, an http address) and make it the current one.

        The feed is taken whole or not at all: until it is in, the present network stays in force, and phones
        notice nothing. Importing the current feed again changes nothing. What was mended or left out, and why,
        is printed and kept with the network.

        Exit codes: 0 done, 2 the feed was refused (one line says the file, line and field).

        Example: flask --app backend.app network import rtm.gtfs.zip
        """
        told: dict[str, Any]
        try:
            with _progress(quiet=quiet or as_json) as watch:
                if dry_run:
                    read = check_feed(database, feed, now(), watch=watch)
                    told, state = report_tables.of_feed(read), "would be the current network"
                else:
                    version, is_new = import_feed(database, feed, now(), watch=watch, attribution=attribution)
                    told = report_tables.of_version(version)
                    state = "is now the current network" if is_new else "is the current network already"
        except FeedRefused as refused:
            if as_json:
                click.echo(json.dumps({"refused": {**vars(refused), "message": str(refused)}}))
            click.echo(f"refused: {refused}", err=True)
            raise SystemExit(REFUSED) from None
        if as_json:
            click.echo(json.dumps({**told, "state": state}, ensure_ascii=False))
        elif not quiet:
            click.echo(f"{printable(told['name'])} {state}: {report_tables.counted(told['counts'])}")
            report_tables.show(Console(), told)

    @network.command("list")
    def list_command() -> None:
        """Show the imported networks, oldest first; the dot marks the one in force."""
        with database.reading() as session:
            found = versions.oldest_first(session)
        if not found:
            click.echo("no network yet: flask --app backend.app network import FEED.zip")
            return
        Console().print(report_tables.versions_table(found))

    @network.command("restore")
    @click.argument("version")
    def restore_command(version: str) -> None:
        """Put an earlier network in force again: VERSION is its number in `list`, its id, or `previous`.

        Nothing is lost: the network that was in force stays, and can be restored the same way.
        """
        try:
            with database.transaction() as session:
                found = versions.find(session, version)
                if not found.is_current:
                    versions.make_current(session, found, now())
        except versions.VersionUnknown as unknown:
            click.echo(f"refused: {unknown}", err=True)
            raise SystemExit(REFUSED) from None
        click.echo(f"{printable(found.name)} ({printable(found.source)}) is now the current network")

    network.add_command(follow_command(database, now))
    return network


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Watch]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal  # in a log, a bar is only blank lines
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        tasks: dict[str, Any] = {}

        def watch(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = progress.add_task(file, total=total)
            progress.update(tasks[file], completed=done, total=total)

        yield watch
