"""The machine under the measurement: what it is, and who used its processors meanwhile."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bench.installation import TICK, Installation


@dataclass
class Shares:
    """Cores used during a window, by kind of process; `others` is everybody who is not part of the measurement."""

    by_kind: dict[str, float] = field(default_factory=dict)
    client: float = 0.0
    idle: float = 0.0
    busy: float = 0.0

    @property
    def others(self) -> float:
        """Cores that somebody else's processes took."""
        return max(0.0, self.busy - self.client - sum(self.by_kind.values()))

    def __str__(self) -> str:
        parts = [f"{kind} {cores:.2f}" for kind, cores in self.by_kind.items()]
        return f"cores: {', '.join(parts)}, client {self.client:.2f}, others {self.others:.2f}, idle {self.idle:.2f}"


@contextlib.contextmanager
def shares(here: Installation) -> Iterator[Shares]:
    """Fills in the shares of the block when it ends; `client` is added by whoever knows it."""
    found = Shares()
    began, before, (busy, idle) = time.monotonic(), here.cpu_s(), _stat()
    yield found
    took, after, (busy_then, idle_then) = time.monotonic() - began, here.cpu_s(), _stat()
    found.by_kind = {kind: (after[kind] - before.get(kind, 0.0)) / took for kind in after}
    found.busy, found.idle = (busy_then - busy) / took, (idle_then - idle) / took


def describe() -> str:
    """The machine in one line."""
    model = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    parts = ", ".join(f"{name} {version(name)}" for name in ("gevent", "SQLAlchemy", "psycopg", "Flask", "gunicorn"))
    return (
        f"{os.cpu_count()} cores {model}, Linux {platform.release()}, Python {platform.python_version()}, {parts}; "
        f"load average at the start {os.getloadavg()[0]:.1f}"
    )


def _stat() -> tuple[float, float]:
    fields = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICK, idle / TICK
