"""A GTFS feed as tables of text: finds the files in a zip or a folder and yields their rows, checked."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, cast

KNOWN_FILES = ("agency.txt", "routes.txt", "stops.txt", "trips.txt", "stop_times.txt", "shapes.txt")
LONGEST_LINE = 65_536
LARGEST_FILE = 4 * 1024**3
WATCH_EVERY = 20_000

Columns = tuple[str, ...]
Watch = Callable[[str, int, int], None]  # file, bytes read, bytes in all


def ignore(_file: str, _done: int, _total: int) -> None:
    """Nobody watches."""


class FeedRefused(Exception):
    """A feed that cannot be imported: which file, which line (0: the whole file), which field, and why."""

    def __init__(self, file: str, line: int, field: str, reason: str) -> None:
        self.file, self.line, self.field, self.reason = file, line, field, reason
        place = f"{file} line {line}" if line else file
        super().__init__(f"{place}, {field}: {reason}" if field else f"{place}: {reason}")


class Feed:
    """An opened feed; `table()` streams one of its files."""

    def __init__(self, folder: Path | None, archive: zipfile.ZipFile | None, root: str, watch: Watch) -> None:
        self._folder, self._archive, self._root, self._watch = folder, archive, root, watch

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
        if info.file_size > LARGEST_FILE:
            raise FeedRefused(name, 0, "", f"{info.file_size} bytes unpacked; {LARGEST_FILE} are accepted")
        return cast("BinaryIO", self._archive.open(info)), info.file_size

    @contextmanager
    def table(self, name: str, required: Columns, optional: Columns = ()) -> Iterator[Table]:
        """One file; its rows hold the wanted fields: `required` first, then `optional` ("" where absent)."""
        if not self.has(name):
            raise FeedRefused(name, 0, "", "missing from the feed")
        try:
            raw, size = self._open(name)
            with raw:
                yield Table(name, raw, size, required, optional, self._watch)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise FeedRefused(name, 0, "", f"cannot be unpacked: {error}") from error


class Table:
    """One GTFS file: iterate for rows; `line` is the number of the line last read, for messages."""

    def __init__(
        self, name: str, raw: BinaryIO, size: int, required: Columns, optional: Columns, watch: Watch,
    ) -> None:
        self.name = name
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
        self._width = len(header)
        self._wanted = [header.index(c) if c in header else self._width for c in (*required, *optional)]

    @property
    def line(self) -> int:
        """The number of the line last read, from 1."""
        return self._reader.line_num

    def refused(self, field: str, reason: str) -> FeedRefused:
        """The refusal of this file at the line last read."""
        return FeedRefused(self.name, self.line, field, reason)

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
        width, short = self._width, self._width in self._wanted
        pick = itemgetter(*self._wanted)
        try:
            for row in self._reader:
                if len(row) != width:
                    if not "".join(row).strip():
                        continue
                    raise self.refused("", f"{len(row)} cells under a header of {width}")
                if short:
                    row.append("")
                yield pick(row)
        except csv.Error as error:
            raise self.refused("", str(error)) from error
        self._watch(self.name, self._size, self._size)


def digest_of(path: Path) -> str:
    """The SHA-256 of a feed's bytes: the same feed again is recognised by it."""
    total = hashlib.sha256()
    for file in sorted(path.glob("*.txt")) if path.is_dir() else [path]:
        if path.is_dir():
            total.update(file.name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


@contextmanager
def open_feed(path: Path, watch: Watch = ignore) -> Iterator[Feed]:
    """The feed at `path`, a zip or a folder; its files may lie some folders deep in the zip."""
    if path.is_dir():
        yield Feed(path, None, "", watch)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise FeedRefused(path.name, 0, "", "no such file or folder") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise FeedRefused(path.name, 0, "", f"neither a zip nor a folder: {error}") from error
    with archive:
        yield Feed(None, archive, _root(path.name, archive.namelist()), watch)


def _root(source: str, names: list[str]) -> str:
    found: dict[str, int] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        if file in KNOWN_FILES and not name.startswith("__MACOSX/"):
            found[folder] = found.get(folder, 0) + 1
    if not found:
        raise FeedRefused(source, 0, "", "holds no GTFS file such as stops.txt")
    depth = min(folder.count("/") + bool(folder) for folder in found)
    nearest = [folder for folder in found if folder.count("/") + bool(folder) == depth]
    if len(nearest) > 1:
        raise FeedRefused(source, 0, "", f"holds several feeds: {', '.join(sorted(nearest)[:4])}")
    return f"{nearest[0]}/" if nearest[0] else ""
