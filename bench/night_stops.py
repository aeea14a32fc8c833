"""Decisions on night stops on a real network, while its buses move: all sixteen checks and what is possible instead.

Each bus's fix enters where the live process takes it, once a second, and is stored and matched to its line by the real
flusher, in a process of its own. Every bus line has a policy that is open all day, with three exclusions.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from backend.database import Database
from backend.dispatch.night_stop_alerts import ALERT_WORK
from backend.geo import Point
from backend.network import tracking
from backend.network.cli import import_feed
from backend.network.index import Network, Pattern, network_of
from backend.night_stops.asking import Wish, ask, look, read_wish
from backend.night_stops.policies import set_policy
from backend.people import sessions
from backend.people.fixes import Fix
from backend.people.flusher import Follow, PositionFlusher
from backend.people.models import Staff, Vehicle
from backend.people.positions import PositionBuffer
from backend.people.roles import Caller, Role
from backend.settings import Settings
from backend.wiring import wire
from bench.installation import ROOT, Installation, installed
from bench.machine import shares
from bench.report import Report, Row
from bench.way import quantile

QUESTIONS_PER_S = 40
PACE_MPS = 8.0


def measure(found: Report, *, embedded: bool, feed: Path, vehicles: int, seconds: float, repeats: int) -> None:
    """p50 and p99 of a decision, without and with storing it and telling everybody."""
    with installed(embedded=embedded) as here:
        import_feed(here.database, feed, datetime.now(UTC))
        buses = _populate(here.database, vehicles)
        order = {"url": here.url, "seconds": seconds * repeats + 25, "buses": buses}
        here.processes["live"] = subprocess.Popen(
            [sys.executable, "-m", "bench.night_stops"],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        moving = here.processes["live"]
        assert moving.stdin is not None
        assert moving.stdout is not None
        moving.stdin.write(json.dumps(order) + "\n")
        moving.stdin.flush()
        time.sleep(12)  # until every bus has been matched some times
        looked: list[float] = []
        worked: list[float] = []
        asked: list[float] = []
        codes: Counter[str] = Counter()
        for number in range(repeats):
            _decide(here, found, buses, seconds, number, looked, worked, asked, codes)
        moving.wait(seconds * repeats + 60)
        stored = json.loads(moving.stdout.read())
    kind = "embedded" if embedded else "PostgreSQL"
    possible = codes["possible"] / max(1, sum(codes.values()))
    told = ", ".join(f"{code} {count}" for code, count in codes.most_common())
    found.say(f"{kind} verdicts: {told}; {stored}")
    for what, took in (("decision on a night stop", looked), ("of which on the processor here", worked),
                       ("decision, stored and told", asked)):
        p50, p99 = quantile(took, 0.5), quantile(took, 0.99)
        found.add(
            Row(
                kind,
                f"{what}, {len(buses)} buses moving, {feed.name}",
                f"p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(took)}",
                "–",
                None,
                f"{possible:.0%} possible; {stored['matched'] / stored['seconds']:,.0f} fixes/s stored and matched",
            )
        )


def _decide(
    here: Installation,
    found: Report,
    buses: list[dict[str, Any]],
    seconds: float,
    seed: int,
    looked: list[float],
    worked: list[float],
    asked: list[float],
    codes: Counter[str],
) -> None:
    dice, settings = random.Random(seed), here.database.settings
    wiring = wire(settings)  # with the feed's own part of a commit
    with wiring.database.transaction() as session:
        now = datetime.now(UTC)
        phones = [sessions.register_device(session, "android", now, valid_days=1).id for _ in range(400)]
    with wiring.database.reading() as session:
        network = network_of(session)
        session.connection()
    assert network is not None
    with shares(here) as used:
        end, next_at = time.perf_counter() + seconds, time.perf_counter()
        while next_at < end:
            time.sleep(max(0.0, next_at - time.perf_counter()))
            wish, now = _wish(dice, network, dice.choice(buses)), datetime.now(UTC)
            with wiring.database.reading() as session:
                session.connection()
                began, own = time.perf_counter(), time.thread_time()
                verdict = look(session, wish, phones[0], settings, now).verdict
                looked.append((time.perf_counter() - began) * 1000)
                worked.append((time.thread_time() - own) * 1000)
            codes[verdict.code or "possible"] += 1
            if phones and dice.random() < 0.3:
                began = time.perf_counter()
                with wiring.database.transaction() as session:
                    ask(session, uuid.uuid4(), phones.pop(), wish, ALERT_WORK, settings, now)
                asked.append((time.perf_counter() - began) * 1000)
            next_at += dice.expovariate(QUESTIONS_PER_S)
    found.say(
        f"{'embedded' if here.embedded else 'PostgreSQL'} night stops  p50 {quantile(looked, 0.5):.2f}  p99 "
        f"{quantile(looked, 0.99):.2f} ms of {len(looked)}  {used}"
    )
    wiring.database.dispose()


def _wish(dice: random.Random, network: Network, bus: dict[str, Any]) -> Wish:
    """A place some way before the bus, on the line or a little beside it; half of the riders read no number."""
    pattern = network.patterns[bus["pattern"]]
    at = _place_now(bus, pattern)
    wanted = pattern.way.point_at(min(at + dice.uniform(100, 2_500), pattern.way.length_m))
    here = pattern.way.point_at(at)
    body: dict[str, Any] = {
        "line_id": pattern.line_id,
        "direction_id": pattern.direction_id,
        "wanted": {"latitude": wanted.latitude + dice.uniform(-5e-4, 5e-4), "longitude": wanted.longitude},
        "position": {"latitude": here.latitude, "longitude": here.longitude},
    }
    if dice.random() < 0.5:
        body["vehicle_number"] = bus["number"]
    return read_wish(body)


def _place_now(bus: dict[str, Any], pattern: Pattern) -> float:
    driven = (datetime.now(UTC) - datetime.fromisoformat(bus["since"])).total_seconds() * PACE_MPS
    return (float(bus["at_m"]) + driven) % pattern.way.length_m


def _populate(database: Database, vehicles: int) -> list[dict[str, Any]]:
    """Drivers and buses spread over the bus lines, and a policy for each line."""
    dice, now, buses = random.Random(7), datetime.now(UTC), []
    with database.transaction() as session:
        network = network_of(session)
        assert network is not None
        lines = [line.id for line in network.lines.values() if line.mode == "bus" and network.patterns_of(line.id)]
        for line_id in lines:
            way = network.patterns_of(line_id)[0].way
            spots = [way.point_at(way.length_m * share) for share in (0.3, 0.7)]
            points = [
                {"kind": "point", "reason": "crossing", "point": {**spot._asdict(), "radius_m": 30}} for spot in spots
            ]
            piece = {"kind": "segment", "reason": "tunnel", "measures": [way.length_m * 0.5, way.length_m * 0.5 + 200]}
            set_policy(
                session,
                {
                    "line_id": line_id,
                    "starts": "00:00",
                    "ends": "23:59",
                    "max_extra_stops": 50,
                    "valid_from": (now - timedelta(days=2)).date().isoformat(),
                    "exclusions": [*points, piece],
                },
                None,
                now,
            )
        for number in range(vehicles):
            pattern = network.patterns_of(lines[number % len(lines)], number // len(lines) % 2) or network.patterns_of(
                lines[number % len(lines)]
            )
            driver = Staff(login=f"driver{number}", display_name=f"Driver {number}", role="driver", created_at=now)
            session.add(driver)
            session.flush()
            vehicle = Vehicle(
                number=f"A-{number}", line_id=pattern[0].line_id, driver_id=driver.id, in_service_since=now
            )
            session.add(vehicle)
            session.flush()
            buses.append(
                {
                    "id": str(vehicle.id),
                    "driver": str(driver.id),
                    "number": vehicle.number,
                    "pattern": pattern[0].id,
                    "at_m": dice.uniform(0, pattern[0].way.length_m * 0.6),
                    "since": now.isoformat(),
                }
            )
    return buses


def move() -> None:
    """The process whose buses move: each bus's fix once a second, stored and matched by the real flusher."""
    order = json.loads(sys.stdin.readline())
    database, buffer, dice = (
        Database(Settings(environment="test", database_url=order["url"])),
        PositionBuffer(),
        random.Random(3),
    )
    flusher = PositionFlusher(database, buffer, lambda: datetime.now(UTC), follow=Follow(tracking.look, tracking.keep))
    with database.reading() as session:
        network = network_of(session)
    assert network is not None
    began, matched, longest = time.monotonic(), 0, 0.0
    number = 0
    while time.monotonic() < began + order["seconds"]:
        now = datetime.now(UTC)
        for bus in order["buses"]:
            pattern = network.patterns[bus["pattern"]]
            measure = _place_now(bus, pattern)
            place = pattern.way.point_at(measure)
            near = Point(place.latitude + dice.gauss(0, 5e-5), place.longitude + dice.gauss(0, 5e-5))
            caller = Caller(Role.DRIVER, uuid.UUID(bus["driver"]), uuid.uuid4(), vehicle_id=uuid.UUID(bus["id"]))
            buffer.offer(
                caller,
                Fix(
                    near.latitude,
                    near.longitude,
                    fix_at=now,
                    accuracy_m=8.0,
                    provider="gnss",
                    heading_deg=pattern.way.heading_at(measure),
                    speed_mps=PACE_MPS,
                ),
                now,
            )
        start = time.monotonic()
        matched += len(order["buses"]) if flusher.flush_now() else 0
        longest = max(longest, (time.monotonic() - start) * 1000)
        number += 1
        time.sleep(max(0.0, began + number - time.monotonic()))
    print(json.dumps({"matched": matched, "longest_ms": round(longest), "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    move()
