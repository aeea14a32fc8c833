"""An installation with several processes of each kind, which can be killed, frozen and started again one by one."""

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
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from backend import schema
from backend.clock import SystemClock
from backend.database import Database
from backend.failpoints import STRUCK
from backend.network.cli import import_feed
from backend.settings import Settings
from bench.installation import ROOT, TOWN, Server, family, wait_for
from tests import postgres

PREFIX = "vigie-faults-"
NAMES = ("web1", "web2", "live1", "live2", "worker1", "worker2")
SEEN_S = 6
"""Shorter than in earnest, so that an experiment sees every timer strike within its seconds."""
ANSWER_S = 5
_ROUND = {"radius_m": 20_000, "teams": 1, "answer_s": ANSWER_S}
_ROUNDS = [_ROUND, _ROUND | {"teams": 2}, _ROUND | {"teams": 3}]
_PLAN = {
    "by_priority": {str(priority): _ROUNDS for priority in (1, 2, 3)},
    "by_category": {"theft": [_ROUND | {"teams": 3}]},
}


class Installation:
    """PostgreSQL, and web, live and worker processes with their logs, their failpoints and their environment."""

    def __init__(self, folder: Path, names: tuple[str, ...] = NAMES, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.names = names
        self.server = Server(folder)
        self.url = self.server.create()
        self.ports = {name: postgres.free_port() for name in names if not name.startswith("worker")}
        self.env = dict(env or {})
        """What every process gets."""
        self.env_of: dict[str, dict[str, str]] = {name: {} for name in names}
        """What one process gets beside that, from its next start on."""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, int] = {}
        self.database = Database(Settings(environment="test", database_url=self.url))
        (folder / "plan.json").write_text(json.dumps(_PLAN))
        for name in names:
            (folder / f"failpoints-{name}").mkdir()
        schema.upgrade(self.database)
        import_feed(self.database, TOWN, SystemClock().now())

    # -- processes ----------------------------------------------------------------------------------------

    def start(self, *names: str) -> None:
        """Starts these and waits until each answers."""
        for name in names:
            self.processes[name] = self._spawn(name)
        for name in names:
            self.wait(name)

    def wait(self, name: str, timeout_s: float = 60) -> None:
        """Returns once a process answers; a worker, once it has said that it works."""
        try:
            if name in self.ports:
                wait_for(self.ports[name], timeout_s)
                return
            deadline = time.monotonic() + timeout_s
            while self._starts(name) <= self._started[name]:
                if time.monotonic() > deadline or self.processes[name].poll() is not None:
                    raise TimeoutError(name)
                time.sleep(0.05)
        except OSError as error:
            raise RuntimeError(f"{name} does not answer: {self.log(name)[-2000:]}") from error

    def kill(self, name: str) -> None:
        """SIGKILL to a process and its children, without a warning."""
        self._signal(name, signal.SIGKILL)
        self.processes[name].wait()

    def kill_inner(self, name: str) -> None:
        """SIGKILL to what gunicorn started and not to gunicorn: it starts another by itself."""
        for pid in family(self.processes[name].pid)[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def freeze(self, name: str) -> None:
        """SIGSTOP: it keeps its connections, its locks and its leases, and does nothing."""
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT: it goes on where it stood, unaware."""
        self._signal(name, signal.SIGCONT)

    def terminate(self, name: str, timeout_s: float = 15) -> None:
        """SIGTERM, and waits for a polite end; kills what does not come to one."""
        self.processes[name].terminate()
        try:
            self.processes[name].wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill(name)

    def alive(self, name: str) -> bool:
        """Whether the process as a whole still runs."""
        return self.processes[name].poll() is None

    def start_server(self, timeout_s: float = 20) -> None:
        """Starts PostgreSQL where it does not run; after a crash its old memory may stand in the way for a moment."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                postgres_answers(self.server.port)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                with contextlib.suppress(subprocess.CalledProcessError):
                    self.server.pg_ctl("start")
            else:
                return

    # -- failpoints and logs ------------------------------------------------------------------------------

    def arm(self, name: str, point: str, action: str) -> None:
        """Arms a failpoint in a running process: `arm("worker1", "delivery.after_send", "kill9*1")`."""
        (self._failpoints(name) / point).write_text(action)

    def disarm(self, *names: str) -> None:
        """Forgets every armed failpoint of these (by default all), and what has struck."""
        for name in names or self.names:
            for one in self._failpoints(name).iterdir():
                with contextlib.suppress(FileNotFoundError):
                    one.unlink()

    def struck(self, name: str) -> int:
        """How many failpoints have struck in a process since `disarm`."""
        log = self._failpoints(name) / STRUCK
        return len(log.read_text().splitlines()) if log.exists() else 0

    def log(self, name: str) -> str:
        """Everything a process has written so far."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # -- the end ------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends every process."""
        for name, process in self.processes.items():
            if process.poll() is None:
                self.thaw(name)
                process.terminate()
        for name, process in self.processes.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(4)
            if process.poll() is None:
                self.kill(name)
        self.processes.clear()

    def close(self) -> None:
        """Ends processes and database."""
        for name in list(self.processes):
            self._signal(name, signal.SIGKILL)
            self.processes.pop(name).wait()
        self.database.dispose()
        with contextlib.suppress(subprocess.CalledProcessError):
            self.server.pg_ctl("stop", "-m", "immediate")

    def _failpoints(self, name: str) -> Path:
        return self.folder / f"failpoints-{name}"

    def _starts(self, name: str) -> int:
        return self.log(name).count('"worker_started"')

    def _signal(self, name: str, number: int) -> None:
        for pid in reversed(family(self.processes[name].pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        self._started[name] = self._starts(name)
        kind = name.rstrip("0123456789")
        command = ["-m", "flask", "--app", "backend.app", "worker"]
        if kind != "worker":
            command = [
                *("-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "--worker-class", "gevent"),
                *("--bind", f"127.0.0.1:{self.ports[name]}", f"backend.app:create_{kind}()"),
            ]
        env = {
            **os.environ,
            "DATABASE_URL": self.url,
            "VIGIE_ENVIRONMENT": "test",
            "VIGIE_LOG_FORMAT": "json",
            "VIGIE_DISPATCH_PLAN": str(self.folder / "plan.json"),
            "VIGIE_SEEN_S": str(SEEN_S),
            "VIGIE_REMINDER_S": "5",
            "VIGIE_LEASE_S": "3",
            "VIGIE_PROVIDER_TIMEOUT_S": "2",
            "VIGIE_FAILPOINTS": f"@{self._failpoints(name)}",
            "PYTHONPATH": str(ROOT),
            **self.env,
            **self.env_of[name],
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *command], cwd=self.folder, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=postgres._die_with_parent,
            )  # fmt: skip


def postgres_answers(port: int) -> None:
    """Raises psycopg's error when no PostgreSQL answers there."""
    psycopg.connect(host="127.0.0.1", port=port, user=postgres.ADMIN, dbname="postgres", connect_timeout=3).close()


@contextlib.contextmanager
def installed(names: tuple[str, ...] = NAMES, env: Mapping[str, str] | None = None) -> Iterator[Installation]:
    """A fresh installation, not yet started, in a folder of its own; all of it is gone when the block ends."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=postgres.fast_folder() or "/var/tmp"))
    folder.chmod(0o755)
    made = None
    try:
        made = Installation(folder, names, env)
        yield made
    finally:
        if made is not None:
            made.close()
        if os.environ.get("FAULTS_KEEP") == "1":
            print(f"the logs are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Ends and removes what a run that was killed outright left behind."""
    for parent in {"/var/tmp", postgres.fast_folder() or "/var/tmp"}:
        for left in Path(parent).glob(f"{PREFIX}*"):
            pid = left.name.removeprefix(PREFIX).split("-")[0]
            if pid.isdigit() and not postgres._alive(int(pid)):
                with contextlib.suppress(OSError, ValueError, IndexError):
                    os.kill(int((left / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
                shutil.rmtree(left, ignore_errors=True)
