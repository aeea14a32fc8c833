"""Backups as files: PostgreSQL's own format by its own tools, or a copy of the embedded database while it is in use."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import inspect

from backend.database import Database

_SQLITE = b"SQLite format 3\x00"
_POSTGRES = b"PGDMP"
_PAGES = 2_000
Progress = Callable[[int, int], None]
"""(done, of how many): pages of a file, or tables."""


class BackupRefused(RuntimeError):
    """It could not be made or put back; the message is one line for a terminal."""


def make(database: Database, file: Path, progress: Progress) -> int:
    """Writes a backup of the database as it is at this moment, and says how many bytes it has.

    The file appears under its name only when it is whole: whoever finds it may trust it.
    """
    if file.exists():
        raise BackupRefused(f"{file} exists: a backup is never written over another one")
    if not file.parent.is_dir():
        raise BackupRefused(f"{file.parent} is not a folder")
    part = file.with_name(f".{file.name}.part")
    try:
        part.touch(mode=0o600)  # positions and what riders wrote: for nobody else on this machine
        if database.is_postgresql:
            _dump(database, part, progress)
        else:
            _copy(_embedded(database), part, progress)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        size = part.stat().st_size
        part.rename(file)
    except OSError as error:
        raise BackupRefused(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return size


def put_back(database: Database, file: Path, progress: Progress) -> None:
    """Fills an empty database from a backup, whole or not at all."""
    kind = _kind(file)
    if kind != ("postgresql" if database.is_postgresql else "sqlite"):
        raise BackupRefused(f"{file} is a backup of {kind}, and this database is not: see also db copy")
    if not database.is_postgresql:
        target = _embedded(database)
        for left in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm", "-journal"))):
            if left.exists():
                # SQLite would play an old -wal into the restored file: alerts of two different nights, mixed.
                raise BackupRefused(f"{left} exists: move it away first, with all that begins with {target.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        try:
            _copy(file, part, progress)
            part.rename(target)
        except OSError as error:
            raise BackupRefused(f"{target} cannot be written: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)
        return
    if inspect(database.engine).has_table("alembic_version"):
        raise BackupRefused("the database is not empty: restore into a new one and point DATABASE_URL there")
    database.dispose()
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--verbose"]
    lines = _list(file)
    data = sum(" TABLE DATA " in line for line in lines)
    # Who restores need not own the extensions: an administrator has installed PostGIS, and it is there already.
    kept = "".join(f"{line}\n" for line in lines if " EXTENSION " not in line and " SCHEMA - " not in line)
    chosen = _private(file.name, kept)
    try:
        _run("pg_restore", [*options, "--use-list", str(chosen), *_reach(database), str(file)],
             database, _Counting("processing data for table", data, progress))  # fmt: skip
    finally:
        chosen.unlink(missing_ok=True)


def _dump(database: Database, part: Path, progress: Progress) -> None:
    tables = len(inspect(database.engine).get_table_names())
    counting = _Counting("dumping contents of table", tables, progress)
    _run("pg_dump", ["--format=custom", "--verbose", f"--file={part}", *_reach(database)], database, counting)


class _Counting:
    """Reads what PostgreSQL's tools say while they work, and counts the lines that mean one more table."""

    def __init__(self, words: str, of: int, progress: Progress) -> None:
        self._words, self._of, self._progress = words, of, progress
        self._done = 0

    def __call__(self, line: str) -> None:
        if self._words in line:
            self._done += 1
            self._progress(self._done, max(self._of, self._done))


def _run(program: str, arguments: list[str], database: Database, said: Callable[[str], None]) -> None:
    last = ""
    # The password goes by the environment: a command line can be read by everybody on the machine.
    environment = {**os.environ, "PGPASSWORD": str(database.url.password)} if database.url.password else None
    with subprocess.Popen(  # noqa: S603 - our own arguments, and a file that the operator has named
        [_program(program), *arguments], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        for line in process.stderr or ():
            said(line)
            if "error:" in line:
                last = last or line.partition("error:")[2].strip()
    if process.returncode != 0:
        raise BackupRefused(f"{program} ended with {process.returncode}: {last or 'without a reason'}")


def _list(file: Path) -> list[str]:
    command = [_program("pg_restore"), "--list", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - as above
    if done.returncode != 0:
        raise BackupRefused(f"{file} cannot be read: {(done.stderr.splitlines() or ['no reason given'])[0]}")
    return done.stdout.splitlines()


def _private(name: str, text: str) -> Path:
    handle, path = tempfile.mkstemp(prefix=f"{name}.", suffix=".list")
    with os.fdopen(handle, "w", encoding="utf-8") as chosen:
        chosen.write(text)
    return Path(path)


def _reach(database: Database) -> list[str]:
    url = database.url.set(drivername="postgresql")._replace(password=None)
    return [f"--dbname={url.render_as_string(hide_password=False)}"]


def _program(name: str) -> str:
    """PostgreSQL's tool of this name: the newest of the machine, for an older one refuses a newer server."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda one: float(one.parts[-3]), reverse=True
    )
    found = str(installed[0]) if installed else shutil.which(name)
    if found is None:
        raise BackupRefused(f"{name} is missing. Debian, Ubuntu: apt-get install postgresql-client")
    return found


def _copy(source: Path, target: Path, progress: Progress) -> None:
    if not source.exists():
        raise BackupRefused(f"{source} does not exist")
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as reader,
            closing(sqlite3.connect(target)) as writer,
        ):
            # One view of it for the whole copy: else each commit of the running processes begins it again from page 1.
            reader.isolation_level = None
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
            reader.backup(writer, pages=_PAGES, progress=lambda _, left, of: progress(of - left, of))
            found = writer.execute("PRAGMA integrity_check").fetchone()
            writer.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise BackupRefused(f"{source} cannot be copied: {error}") from error
    if found != ("ok",):
        raise BackupRefused(f"{source} is damaged: {found[0] if found else 'no answer'}")


def _embedded(database: Database) -> Path:
    return Path(str(database.url.database))


def _kind(file: Path) -> str:
    begun = b""
    with suppress(OSError), file.open("rb") as opened:
        begun = opened.read(len(_SQLITE))
    if begun == _SQLITE:
        return "sqlite"
    if begun.startswith(_POSTGRES):
        return "postgresql"
    raise BackupRefused(f"{file} is not a backup that Vigie has made")
