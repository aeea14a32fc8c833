"""Where a feed comes from: a folder, a zip, a zip in a zip; what is refused before a row is read."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from backend.network.gtfs_files import DAMAGED, Feed, Watch, ignore
from backend.network.gtfs_report import FeedRefused

KNOWN_FILES = ("agency.txt", "routes.txt", "stops.txt", "trips.txt", "stop_times.txt", "shapes.txt")
MOST_ENTRIES = 2_000
LARGEST_UNPACKED = 4 * 1024**3
HIGHEST_RATIO = 200  # real feeds reach 25; deflate's own limit, which bombs use, is 1,032
SMALL = 10 * 1024**2  # a small file may be as repetitive as it likes
DEEPEST = 2  # zips within zips
_BLOCK = 1 << 20


def digest_of(path: Path) -> str:
    """The SHA-256 of a feed's bytes: the same feed again is recognised by it."""
    total = hashlib.sha256()
    for file in sorted(path.rglob("*.txt")) if path.is_dir() else [path]:
        if path.is_dir():
            total.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                total.update(block)
    return total.hexdigest()


@contextmanager
def open_feed(path: Path, watch: Watch = ignore) -> Iterator[Feed]:
    """The feed at `path`, a zip or a folder; its files may lie some folders or a zip deeper."""
    if not path.exists():
        raise FeedRefused(path.name, 0, "", "no such file or folder")
    if path.is_dir():
        with _in_folder(path, watch) as feed:
            yield feed
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise FeedRefused(path.name, 0, "", f"cannot be read: {error.strerror}") from error
    with stream, _in_zip(path.name, stream, watch, 0) as feed:
        yield feed


@contextmanager
def _in_folder(path: Path, watch: Watch) -> Iterator[Feed]:
    names = []
    for file in path.rglob("*"):
        names.append(file.relative_to(path).as_posix())
        if len(names) > MOST_ENTRIES:
            raise FeedRefused(path.name, 0, "", f"more than {MOST_ENTRIES} files: no folder of a feed")
    root, packed = _root(path.name, names)
    if packed is None:
        yield Feed(path / root, None, "", watch)
        return
    with (path / packed).open("rb") as stream, _in_zip(packed, stream, watch, 1) as feed:
        yield feed


@contextmanager
def _in_zip(name: str, stream: BinaryIO, watch: Watch, depth: int) -> Iterator[Feed]:
    try:
        archive = zipfile.ZipFile(stream)
    except (*DAMAGED, ValueError, OverflowError) as error:
        raise FeedRefused(name, 0, "", f"neither a zip nor a folder: {error}") from error
    with archive:
        _refuse_bombs(name, archive.infolist())
        root, packed = _root(name, archive.namelist())
        if packed is None:
            yield Feed(None, archive, root, watch)
            return
        if depth >= DEEPEST:
            raise FeedRefused(name, 0, "", f"zips in zips, more than {DEEPEST} deep")
        with tempfile.TemporaryFile(prefix="vigie-feed-") as inner:
            _unpack(archive, packed, cast("BinaryIO", inner))
            with _in_zip(packed, cast("BinaryIO", inner), watch, depth + 1) as feed:
                yield feed


def _refuse_bombs(name: str, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise FeedRefused(name, 0, "", f"{len(entries)} files in the zip; {MOST_ENTRIES} are accepted")
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST_UNPACKED:
        raise FeedRefused(name, 0, "", f"{total} bytes unpacked; {LARGEST_UNPACKED} are accepted")
    for entry in entries:
        if entry.file_size > SMALL and entry.file_size > HIGHEST_RATIO * max(1, entry.compress_size):
            reason = f"a zip bomb: {entry.compress_size} bytes unpack to {entry.file_size}"
            raise FeedRefused(entry.filename, 0, "", reason)


def _unpack(archive: zipfile.ZipFile, name: str, target: BinaryIO) -> None:
    # zipfile stops at the size that the entry declares, which was looked at above
    try:
        with archive.open(name) as source:
            while block := source.read(_BLOCK):
                target.write(block)
    except DAMAGED as error:
        raise FeedRefused(name, 0, "", f"cannot be unpacked: {error}") from error
    target.seek(0)


def _root(source: str, names: Iterable[str]) -> tuple[str, str | None]:
    """(the folder of the feed, with its "/") or ("", the zip that holds it)."""
    folders: set[str] = set()
    zips: list[str] = []
    for name in names:
        folder, _, file = name.rpartition("/")
        if "__MACOSX" in name.split("/") or file.startswith("."):
            continue
        if file in KNOWN_FILES:
            folders.add(folder)
        elif file.lower().endswith(".zip"):
            zips.append(name)
    if not folders:
        if not zips:
            raise FeedRefused(source, 0, "", "holds no GTFS file such as stops.txt")
        if len(zips) > 1:
            raise FeedRefused(source, 0, "", f"holds several feeds: {', '.join(sorted(zips)[:4])}")
        return "", zips[0]
    depth = min(folder.count("/") + bool(folder) for folder in folders)
    nearest = sorted(folder for folder in folders if folder.count("/") + bool(folder) == depth)
    if len(nearest) > 1:
        raise FeedRefused(source, 0, "", f"holds several feeds: {', '.join(nearest[:4])}")
    return (f"{nearest[0]}/" if nearest[0] else ""), None
