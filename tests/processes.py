"""Processes as they are deployed, started by a test and ended with it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import requests

from tests.postgres import free_port

ROOT = Path(__file__).resolve().parents[1]


class Gunicorn:
    """One gunicorn with its workers; `what` makes the application, of `backend.app` when no module is named."""

    def __init__(
        self,
        database_url: str,
        what: str,
        log: Path,
        *more: str,
        workers: int = 1,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        environment = os.environ | {
            "DATABASE_URL": database_url,
            "VIGIE_ENVIRONMENT": "test",
            "VIGIE_PUBLIC_URL": self.url,
            "HOME": str(log.parent),
            **(env or {}),
        }
        gunicorn = Path(sys.executable).with_name("gunicorn")
        command = [str(gunicorn), "--bind", f"127.0.0.1:{self.port}", "--workers", str(workers)]
        with log.open("ab") as out:
            application = what if ":" in what else f"backend.app:{what}()"
            self.process = subprocess.Popen(
                [*command, *more, application], cwd=ROOT, env=environment, stdout=out, stderr=out
            )

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def sockets_of(self, worker: int) -> int:
        """How many connections to its port a worker holds."""
        inodes = {
            line.split()[9]
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if line.split()[1].endswith(f":{self.port:04X}") and line.split()[3] == "01"
        }
        held = 0
        for descriptor in Path(f"/proc/{worker}/fd").iterdir():
            with contextlib.suppress(OSError):
                held += descriptor.readlink().name.removeprefix("socket:[").removesuffix("]") in inodes
        return held

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            return requests.get(f"{self.url}/livez", timeout=2).ok
        except requests.RequestException:
            assert self.process.poll() is None, self.log.read_text()[-2_000:]
            return False

    def stop(self) -> None:
        """Ends it, politely if possible."""
        self.process.terminate()
        try:
            self.process.wait(12)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
