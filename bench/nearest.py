"""The nearest five of many moving teams, asked with the real query while every team's fix is stored each second.

The fixes enter where the live process takes them: `PositionBuffer.offer`, with all its checks, in a process of its own
with the real flusher. Over sockets or HTTP, two cores do not carry 10,000 messages a second beside anything else.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime

from sqlalchemy import text

from backend.alerts.models import Alert
from backend.database import Database
from backend.dispatch import candidates
from backend.dispatch.candidates import Asked
from backend.geo import Point
from backend.people.fixes import Fix
from backend.people.flusher import PositionFlusher
from backend.people.positions import PositionBuffer
from backend.people.roles import Caller, Role
from backend.settings import Settings
from bench.installation import ROOT, Installation, installed
from bench.machine import shares
from bench.report import Report, Row
from bench.town import populate, somewhere
from bench.way import quantile

QUESTIONS_PER_S = 50


def measure(found: Report, *, embedded: bool, teams: int, seconds: float, repeats: int) -> None:
    """Row 3: p95 of the nearest-team query, and how many fixes were stored meanwhile."""
    with installed(embedded=embedded) as here:
        people = populate(here.database, teams=teams, riders=0, operators=0)
        if not embedded:
            with here.database.engine.connect() as connection:
                connection.execute(text("ANALYZE"))
        order = {
            "url": here.url,
            "seconds": (seconds + 3) * repeats + 5,
            "agents": [[str(staff), str(team), lat, lon] for staff, team, _, lat, lon in people.agents],
        }
        command = [sys.executable, "-m", "bench.nearest"]
        moving = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        here.processes["live"] = moving
        assert moving.stdin is not None
        assert moving.stdout is not None
        moving.stdin.write(json.dumps(order).encode() + b"\n")
        moving.stdin.flush()
        time.sleep(4)
        spreads = [_ask(here, found, seconds) for _ in range(repeats)]
        moving.wait((seconds + 5) * repeats + 30)
        stored = json.loads(moving.stdout.read())
    p50, p95, p99 = (statistics.median(one[place] for one in spreads) for place in range(3))
    rate = stored["stored"] / stored["seconds"]
    found.add(
        Row(
            "embedded" if embedded else "PostgreSQL",
            f"nearest 5 of {teams:,} moving teams",
            f"p50 {p50:.2f} ms, p95 {p95:.2f} ms, p99 {p99:.2f} ms; {rate:,.0f} fixes/s stored, "
            f"{stored['failed']} flushes "
            f"failed, longest flush {stored['longest_ms']:.0f} ms",
            "p95 ≤ 3 ms at 10,000 fixes/s",
            p95 <= 3 and rate >= 0.95 * teams if not embedded else None,
            f"median of {repeats}; fixes enter at PositionBuffer",
        )
    )


def _ask(here: Installation, found: Report, seconds: float) -> tuple[float, float, float]:
    dice, took = random.Random(5), []
    alert, asked = Alert(id=uuid.uuid4()), Asked(frozenset(), frozenset())
    with shares(here) as used:
        end, next_at = time.perf_counter() + seconds, time.perf_counter()
        while next_at < end:
            time.sleep(max(0.0, next_at - time.perf_counter()))
            place = candidates.Origin(Point(*somewhere(dice)), None)
            with here.database.reading() as session:
                session.connection()
                began = time.perf_counter()
                teams = candidates.find(session, alert, place, asked, datetime.now(UTC), fresh_s=60, limit=5)
                took.append((time.perf_counter() - began) * 1000)
            assert len(teams) == min(5, len(teams)) > 0
            next_at += dice.expovariate(QUESTIONS_PER_S)
    found.say(
        f"{'embedded' if here.embedded else 'PostgreSQL'} nearest  p50 {quantile(took, 0.5):.2f}  p95 "
        f"{quantile(took, 0.95):.2f}  p99 {quantile(took, 0.99):.2f} ms of {len(took)}  {used}"
    )
    return quantile(took, 0.5), quantile(took, 0.95), quantile(took, 0.99)


def move() -> None:
    """The process whose agents move: each team's fix once a second, spread over the second; says what was stored."""
    order = json.loads(sys.stdin.readline())
    database = Database(Settings(environment="test", database_url=order["url"]))
    buffer, dice = PositionBuffer(), random.Random(3)
    flusher = PositionFlusher(database, buffer, lambda: datetime.now(UTC))
    stored = failed = 0
    longest = 0.0
    agents = [
        (Caller(Role.AGENT, uuid.UUID(staff), uuid.uuid4(), team_id=uuid.UUID(team)), lat, lon)
        for staff, team, lat, lon in order["agents"]
    ]
    end, began, slices = time.monotonic() + order["seconds"], time.monotonic(), 20
    number = 0
    while time.monotonic() < end:
        accepted = buffer.accepted
        for part in range(slices):
            for index in range(part, len(agents), slices):
                caller, lat, lon = agents[index]
                now = datetime.now(UTC)
                buffer.offer(
                    caller,
                    Fix(
                        lat + dice.uniform(-1e-4, 1e-4),
                        lon + dice.uniform(-1e-4, 1e-4),
                        fix_at=now,
                        accuracy_m=8.0,
                        provider="gnss",
                    ),
                    now,
                )
            time.sleep(max(0.0, began + number + (part + 1) / slices * 0.9 - time.monotonic()))
        start = time.monotonic()
        if flusher.flush_now():
            stored += buffer.accepted - accepted
        else:
            failed += 1
        longest = max(longest, (time.monotonic() - start) * 1000)
        number += 1
        time.sleep(max(0.0, began + number - time.monotonic()))
    print(json.dumps({"stored": stored, "failed": failed, "longest_ms": longest, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    move()
