"""A private PostgreSQL with PostGIS: started in a folder of its own on a free port, and gone with its owner."""

import atexit
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

ADMIN = "vigie"
ROOMY_BYTES = 1 << 30  # a container's /dev/shm is often 64 MB, on which the first big test would die of "disk full"
PREFIX = "vigie-postgres-"


class NoPostgres(RuntimeError):
    """PostgreSQL or PostGIS is not on this machine; the message says what to install."""


@dataclass(frozen=True)
class Cluster:
    """Where a running PostgreSQL listens, and how to reach one of its databases."""

    host: str
    port: int

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one database."""
        return f"postgresql+psycopg://{ADMIN}@{self.host}:{self.port}/{database}"


def programs() -> Path:
    """The folder of the newest PostgreSQL of this machine that has PostGIS beside it."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True
    )
    on_path = shutil.which("pg_config")
    elsewhere = _ask(on_path, "--bindir") if on_path else ""
    if elsewhere:
        folders.append(Path(elsewhere))
    for folder in folders:
        config = folder / "pg_config"
        if not (folder / "initdb").exists():
            continue
        share = Path(_ask(str(config), "--sharedir")) if config.exists() else _debian_share(folder)
        if (share / "extension" / "postgis.control").exists():
            return folder
    message = (
        "PostgreSQL with PostGIS is missing. Debian, Ubuntu: apt-get install postgresql postgis postgresql-postgis"
    )
    raise NoPostgres(message)


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    """A fresh cluster for as long as the block lasts. It also dies when this process is killed outright."""
    binaries = programs()
    _sweep()
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=fast_folder()))
    server: subprocess.Popen[bytes] | None = None

    def stop() -> None:
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGINT)  # "fast": ends sessions, does not wait for clients
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(5)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    try:
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        _initdb(binaries, folder, owner)
        port = free_port()
        server = _start(binaries, folder, port, owner)
        cluster = Cluster("127.0.0.1", port)
        _wait_until_ready(cluster, server, folder)
        yield cluster
    finally:
        stop()
        atexit.unregister(stop)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask(program: str, option: str) -> str:
    """What pg_config answers; nothing where Debian left it behind without a server."""
    return subprocess.run([program, option], capture_output=True, text=True).stdout.strip()


def _debian_share(folder: Path) -> Path:
    """Debian ships pg_config apart from the server; its share folder follows from the version."""
    return Path("/usr/share/postgresql") / folder.parent.name


def _owner() -> pwd.struct_passwd | None:
    """Who runs the server: ourselves, or, as PostgreSQL refuses to run as root, an ordinary user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    message = "PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody."
    raise NoPostgres(message)


def fast_folder() -> str | None:
    """Memory where there is enough of it: fsync stays on, as in production, and costs nothing."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= ROOMY_BYTES:
        return str(memory)
    return None


def _sweep() -> None:
    """Removes what a test run that was killed outright could not remove itself."""
    for parent in {tempfile.gettempdir(), fast_folder() or tempfile.gettempdir()}:
        for left in Path(parent).glob(f"{PREFIX}*"):
            pid = left.name.removeprefix(PREFIX).split("-")[0]
            if pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _initdb(binaries: Path, folder: Path, owner: pwd.struct_passwd | None) -> None:
    command = [
        *(str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--username", ADMIN, "--auth", "trust"),
        *("--encoding", "UTF8", "--no-locale", "--no-sync"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, **_as(owner))
    if done.returncode != 0:
        message = f"initdb failed: {done.stderr or done.stdout}"
        raise NoPostgres(message)


def _start(binaries: Path, folder: Path, port: int, owner: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "max_connections": "200",
        "shared_buffers": "64MB",
        "fsync": "on",  # the backend refuses a database that may lose what it confirmed
        "max_wal_size": "512MB",
        "log_line_prefix": "%m [%p] %d ",
        "timezone": "UTC",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [str(binaries / "postgres"), "-D", str(folder / "data"), *options],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,  # Ctrl-C reaches the tests only, which then stop the server in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - before any thread
            **_as(owner),
        )


def _as(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    if owner is None:
        return {}
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    """Asks Linux to end the server when the tests die without a word; a leftover would hold memory for ever."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def _wait_until_ready(cluster: Cluster, server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(
                host=cluster.host, port=cluster.port, user=ADMIN, dbname="postgres", connect_timeout=2
            ).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                message = f"PostgreSQL did not start ({error}): {(folder / 'log').read_text()[-2000:]}"
                raise NoPostgres(message) from error
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":  # python -m tests.postgres: a database to try things on, until Ctrl-C
    with running() as one, contextlib.suppress(KeyboardInterrupt):
        with psycopg.connect(
            host=one.host, port=one.port, user=ADMIN, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute("CREATE DATABASE vigie")
        print(f"DATABASE_URL={one.url('vigie')}", flush=True)
        signal.pause()
