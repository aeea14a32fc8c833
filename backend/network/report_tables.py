"""Reports of imports for people and for scripts: plain values, and tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from backend.network.gtfs import FeedNetwork
from backend.network.gtfs_report import place_of, printable
from backend.network.models import NetworkVersion

COUNTED = ("lines", "stops", "stations", "shapes", "patterns", "trips", "stop_times")


def of_version(version: NetworkVersion) -> dict[str, Any]:
    """What is known of an imported network."""
    return {
        "version": str(version.id), "name": version.name, "source": version.source, "timezone": version.timezone,
        "valid_from": _day(version.valid_from), "valid_until": _day(version.valid_until),
        "counts": version.counts, **version.report,
    }


def of_feed(network: FeedNetwork) -> dict[str, Any]:
    """The same of a feed that was only read."""
    return {
        "version": None, "name": network.name, "source": None, "timezone": network.timezone,
        "valid_from": _day(network.valid_from), "valid_until": _day(network.valid_until),
        "counts": network.counts, **network.report.as_json(),
    }


def _cell(text: str) -> Text:
    """The text as it is: a feed's "[red]" is a name and no colour."""
    return Text(printable(text))


def _day(day: Any) -> str | None:
    return day.isoformat() if day is not None else None


def counted(counts: Mapping[str, int]) -> str:
    """`10 lines, 98 stops, …`."""
    return ", ".join(f"{counts[key]:,} {key.replace('_', ' ')}" for key in COUNTED if key in counts)


def show(console: Console, told: Mapping[str, Any]) -> None:
    """Prints what was read, what was mended or left out, and what became of the ids."""
    if told["valid_from"]:
        console.print(f"valid {told['valid_from']} to {told['valid_until']} ({told['timezone']})", highlight=False)
    rows = Table("file", "rows", box=None)
    for file, count in told.get("rows", {}).items():
        rows.add_row(_cell(file), f"{count:,}")
    for file in told.get("not_read", []):
        rows.add_row(_cell(file), "not read: Vigie has no use for it")
    console.print(rows)
    if told.get("remarks"):
        remarks = Table("", "where", "count", "what", box=None)
        for one in told["remarks"]:
            example = f" (e.g. {one['example']})" if one["example"] else ""
            place = place_of(one["file"], one["line"], one["field"])
            remarks.add_row(one["kind"], _cell(place), f"{one['count']:,}", _cell(one["reason"] + example))
        console.print(remarks)
    for what, change in told.get("ids", {}).items():
        console.print(
            f"{what}: {change['kept']:,} ids kept, {len(change['renamed']):,} renamed, {change['gone_count']:,} gone,"
            f" {change['added']:,} new", highlight=False)


def versions_table(versions: Sequence[NetworkVersion]) -> Table:
    """The imported networks, numbered as `restore` takes them."""
    table = Table("", "no.", "network", "source", "imported", "valid", "lines", "stops", box=None)
    for number, version in enumerate(versions, 1):
        valid = f"{version.valid_from} to {version.valid_until}" if version.valid_from else ""
        table.add_row(
            "●" if version.is_current else "", str(number), _cell(version.name), _cell(version.source),
            f"{version.imported_at:%Y-%m-%d %H:%M} UTC", valid, str(version.counts.get("lines", "")),
            str(version.counts.get("stops", "")),
        )
    return table
