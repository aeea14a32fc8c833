"""A GTFS feed as tables of text: streams the rows of one of its files, checked."""

from __future__ import annotations

import csv
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, cast

from backend.network.gtfs_report import FeedRefused, Report

LONGEST_LINE = 65_536
LONGEST_ID = 255
WATCH_EVERY = 20_000

# All that zipfile is known to raise on damaged, locked or unusual archives.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, EOFError, OSError,
)

Columns = tuple[str, ...]
Watch = Callable[[str, int, int], None]  # file, bytes read, bytes in all


def ignore(_file: str, _done: int, _total: int) -> None:
    """Nobody watches."""


class Feed:
    """An opened feed; `table()` streams one of its files, and `report` hears what was odd in it."""

    def __init__(self, folder: Path | None, archive: zipfile.ZipFile | None, root: str, watch: Watch) -> None:
        self._folder, self._archive, self._root, self._watch = folder, archive, root, watch
        self.report = Report()

    def names(self) -> list[str]:
        """The files of the feed."""
        if self._archive is None:
            return sorted(file.name for file in cast("Path", self._folder).iterdir() if file.is_file())
        inside = (name for name in self._archive.NameToInfo if name.startswith(self._root))
        return sorted(name for name in (whole[len(self._root):] for whole in inside) if name and "/" not in name)

    def has(self, name: str) -> bool:
        """True when the feed holds this file."""
        if self._archive is not None:
            return self._root + name in self._archive.NameToInfo
        return (cast("Path", self._folder) / name).is_file()

    def _open(self, name: str) -> tuple[BinaryIO, int]:
        if self._archive is None:
            path = cast("Path", self._folder) / name
            return path.open("rb"), path.stat().st_size
        info = self._archive.getinfo(self._root + name)
        return cast("BinaryIO", self._archive.open(info)), info.file_size

    @contextmanager
    def table(
        self, name: str, required: Columns, optional: Columns = (), *, again: bool = False,
    ) -> Iterator[Table]:
        """One file; its rows hold the wanted fields: `required` first, then `optional` ("" where absent).

        Reading `again` what was read before tells the report nothing.
        """
        if not self.has(name):
            raise FeedRefused(name, 0, "", "missing from the feed")
        try:
            raw, size = self._open(name)
            with raw:
                report = Report() if again else self.report
                table = Table(name, raw, size, required, optional, self._watch, report)
                yield table
        except DAMAGED as error:
            raise FeedRefused(name, 0, "", f"cannot be unpacked: {error}") from error
        report.rows[name] = table.rows


class Table:
    """One GTFS file: iterate for rows; `line` is the number of the line last read, for messages."""

    def __init__(
        self, name: str, raw: BinaryIO, size: int, required: Columns, optional: Columns, watch: Watch, report: Report,
    ) -> None:
        self.name, self.report, self.rows = name, report, 0
        self._raw, self._size, self._watch = raw, size, watch
        # surrogateescape lets a wrong byte through to _lines(), which knows the number of its line
        self._text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._reader = csv.reader(self._lines())
        header = [cell.strip() for cell in self._next_header()]
        for column in required:
            if column not in header:
                raise self.refused(column, "the column is missing")
        if len(set(header)) != len(header):
            raise self.refused("", "the header names a column twice")
        self.columns = frozenset(header)
        self._width = len(header)
        self._wanted = [header.index(c) if c in header else self._width for c in (*required, *optional)]
        self._needed = max(header.index(column) for column in required) + 1

    @property
    def line(self) -> int:
        """The number of the line last read, from 1."""
        return self._reader.line_num

    def refused(self, field: str, reason: str) -> FeedRefused:
        """The refusal of this file at the line last read."""
        return FeedRefused(self.name, self.line, field, reason)

    def warn(self, field: str, reason: str) -> None:
        """Tells the report of something wrong in the line last read."""
        self.report.warn(self.name, self.line, field, reason)

    def check_id(self, column: str, value: str) -> None:
        """Refuses what cannot be the key of a row."""
        if not value.strip():
            raise self.refused(column, "empty")
        if len(value) > LONGEST_ID:
            raise self.refused(column, f"longer than {LONGEST_ID} characters")

    def _next_header(self) -> list[str]:
        try:
            for row in self._reader:
                if row:
                    return row
        except csv.Error as error:
            raise self.refused("", str(error)) from error
        raise FeedRefused(self.name, 0, "", "the file is empty")

    def _lines(self) -> Iterator[str]:
        readline, number = self._text.readline, 0
        while line := readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise FeedRefused(self.name, number, "", f"a line of more than {LONGEST_LINE} characters")
            if not line.isascii():
                try:
                    line.encode()
                except UnicodeEncodeError:
                    raise FeedRefused(self.name, number, "", "not UTF-8 text") from None
            if "\0" in line:  # PostgreSQL cannot store it, SQLite cuts the text there
                raise FeedRefused(self.name, number, "", "a NUL character")
            if number % WATCH_EVERY == 0:
                self._watch(self.name, self._raw.tell(), self._size)
            yield line

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        width, absent = self._width, self._width in self._wanted
        pick, rows = itemgetter(*self._wanted), 0
        try:
            for row in self._reader:
                if len(row) != width and not self._mended(row):
                    continue
                if absent:
                    row.append("")
                rows += 1
                yield pick(row)
        except csv.Error as error:
            raise self.refused("", str(error)) from error
        self.rows = rows
        self._watch(self.name, self._size, self._size)

    def _mended(self, row: list[str]) -> bool:
        """Brings a row to the header's width; False for an empty line, a refusal where columns may have moved."""
        if not "".join(row).strip():
            return False
        cells = f"{len(row)} cells under a header of {self._width}"
        if len(row) > self._width:
            if "".join(row[self._width:]).strip():  # an unquoted comma: what follows it stands in the wrong column
                raise self.refused("", cells)
            del row[self._width:]
            self.warn("", "empty cells beyond the header, left out")
            return True
        if len(row) < self._needed:
            raise self.refused("", cells)
        row += [""] * (self._width - len(row))
        self.warn("", "cells missing at the end of the line, taken as empty")
        return True
