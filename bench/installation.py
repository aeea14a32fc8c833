"""One installation to measure: its processes, its database on the real disk, and what they take of the processor."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from backend import schema
from backend.clock import SystemClock
from backend.database import Database
from backend.network.cli import import_feed
from backend.settings import Settings
from tests import postgres

ROOT = Path(__file__).resolve().parents[1]
TOWN = ROOT / "backend" / "simulation" / "town"
TICK = os.sysconf("SC_CLK_TCK")
KINDS = ("web", "live", "worker")


class Server:
    """PostgreSQL on the real disk with fsync on, which can be restarted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = postgres.free_port()
        self._programs = postgres.programs()
        self._owner = postgres._owner()  # noqa: SLF001 - PostgreSQL refuses to run as root, here as there
        if self._owner is not None:
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        self._run("initdb", "--username", postgres.ADMIN, "--auth", "trust", "--encoding", "UTF8", "--no-locale")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": folder,
            "fsync": "on",
            "synchronous_commit": "on",
            "shared_buffers": "256MB",
            "max_connections": 200,
            "max_wal_size": "2GB",
            "timezone": "UTC",
        }
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.writelines(f"{name} = '{value}'\n" for name, value in options.items())
        self.pg_ctl("start")

    def pg_ctl(self, *command: str) -> None:
        """`pg_ctl start`, `stop -m fast`, `restart -m immediate` …, and waits for it."""
        self._run("pg_ctl", *command, "-w", "-l", str(self.folder / "log"))
        if command[0] != "stop":
            come_first(self.pid)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), "-D", str(self.folder / "data"), *arguments],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            **postgres._as(self._owner),  # noqa: SLF001 - the tests' own cluster
        )

    @property
    def pid(self) -> int:
        """The process under which all its others run."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def create(self) -> str:
        """The URL of a new database."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=postgres.ADMIN, dbname="postgres", autocommit=True
        ) as admin:
            admin.execute("CREATE DATABASE bench")
        return f"postgresql+psycopg://{postgres.ADMIN}@127.0.0.1:{self.port}/bench"


class Installation:
    """Vigie as it is run: web, live and worker on PostgreSQL, or one process on the embedded database."""

    def __init__(self, folder: Path, *, embedded: bool, pushes: bool = False) -> None:
        self.embedded = embedded
        self.provider = _start_provider(folder) if pushes else None
        self.folder = folder
        self.server = None if embedded else Server(folder)
        self.url = self.server.create() if self.server else f"sqlite:///{folder / 'vigie.sqlite'}"
        self.database = Database(Settings(environment="test", database_url=self.url))
        self.ports = {"web": postgres.free_port()}
        self.ports["live"] = self.ports["web"] if embedded else postgres.free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        schema.upgrade(self.database)
        import_feed(self.database, TOWN, SystemClock().now())

    def start(self) -> None:
        """Starts every process and waits until each answers."""
        for kind in ("embedded",) if self.embedded else KINDS:
            self.start_one(kind)
        try:
            for port in sorted(set(self.ports.values())):
                wait_for(port)
        except OSError as error:
            logs = "".join(log.read_text()[-1500:] for log in self.folder.glob("*.log"))
            raise RuntimeError(f"a process does not answer: {logs}") from error

    def start_one(self, kind: str) -> None:
        """Starts one kind of process, by the commands of the Procfile and of `make run`."""
        command = {
            "embedded": ["-m", "backend", "--no-simulation", "--port", str(self.ports["web"])],
            "worker": ["-m", "flask", "--app", "backend.app", "worker"],
        }.get(kind) or [
            "-m",
            "gunicorn",
            "--config",
            str(ROOT / "gunicorn.conf.py"),
            "--worker-class",
            "gevent",
            "--bind",
            f"127.0.0.1:{self.ports[kind]}",
            f"backend.app:create_{kind}()",
        ]
        log = (self.folder / f"{kind}.log").open("ab")
        env = {
            **os.environ,
            "DATABASE_URL": self.url,
            "VIGIE_ENVIRONMENT": "test",
            "VIGIE_LOG_FORMAT": "json",
            "PYTHONPATH": str(ROOT),
            **(self.provider.settings if self.provider else {}),
        }
        # In our session: Linux shares the processor out among sessions first, so `first` must reach all of them.
        self.processes[kind] = subprocess.Popen(
            [sys.executable, *command], cwd=self.folder, env=env, stdout=log, stderr=log
        )

    def kill(self, kind: str) -> None:
        """SIGKILL to every process of a kind, without a warning."""
        for pid in reversed(family(self.processes[kind].pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.processes[kind].wait()

    def stop(self) -> None:
        """Ends everything that was started."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            for pid in reversed(family(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.processes.clear()

    def close(self) -> None:
        """Ends processes and database."""
        self.stop()
        self.database.dispose()
        if self.provider is not None:
            print(f"pushes given to the provider: {self.provider.end()}", file=sys.stderr)
        if self.server is not None:
            self.server.pg_ctl("stop", "-m", "immediate")

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds that each kind of process has used so far."""
        used = {kind: _cpu_s(process.pid) for kind, process in self.processes.items()}
        if self.server is not None:
            used["postgresql"] = _cpu_s(self.server.pid)
        if self.provider is not None:
            used["provider"] = _cpu_s(self.provider.process.pid)
        return used


@dataclass(frozen=True)
class Provider:
    """The push provider of one installation, and the settings that lead to it."""

    process: subprocess.Popen[str]
    settings: dict[str, str]

    def end(self) -> int:
        """Ends it and says how many pushes it was given."""
        told, _ = self.process.communicate(timeout=10)
        return int(told)


def _start_provider(folder: Path) -> Provider:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.pushes", str(folder)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return Provider(process, json.loads(process.stdout.readline()))


@contextlib.contextmanager
def installed(*, embedded: bool, pushes: bool = False) -> Iterator[Installation]:
    """A fresh installation in a folder of its own on the disk (not in memory: fsync must cost what it costs)."""
    folder = Path(tempfile.mkdtemp(prefix="vigie-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    made = None
    try:
        made = Installation(folder, embedded=embedded, pushes=pushes)
        yield made
    finally:
        if made is not None:
            made.close()
        shutil.rmtree(folder, ignore_errors=True)


def come_first(pid: int = 0) -> None:
    """Lets a session go before unrelated ones where we may ask for that (BENCH_FIRST=1, as root).

    For a machine that others use too; without it their tests decide what is measured.
    """
    if os.environ.get("BENCH_FIRST") == "1":
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid or os.getpid()}/autogroup").write_text("-15")


def wait_for(port: int, timeout_s: float = 90) -> None:
    """Returns once the process on a port answers."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(child for each in listed for child in family(int(each)))]


def _cpu_s(pid: int) -> float:
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            # Children that ended count too: PostgreSQL's autovacuum comes and goes.
            total += sum(map(int, fields[11:15]))
    return total / TICK
