"""`make soak`: breaks things at random, one after another, for as long as it is told to; the seed repeats it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import time
from collections.abc import Callable

from bench.installation import family
from faults.invariants.outside import load_of
from faults.running import Say
from faults.scene import Found, Scene, staged
from tests.providers import Answer

ROUND_S = 20.0
Strike = Callable[[Scene, random.Random], None]


def soak(minutes: float, seed: int | None, say: Say) -> bool:
    """True when every round kept every invariant and memory did not grow."""
    chosen = seed if seed is not None else int(time.time())
    dice, until, number, good = random.Random(chosen), time.monotonic() + minutes * 60, 0, True
    say(f"soak of {minutes:g} minutes; SEED={chosen} repeats it")
    memory: dict[str, list[tuple[float, float]]] = {}
    with staged() as scene:
        while time.monotonic() < until:
            number += 1
            strikes = dice.sample(list(STRIKES), k=dice.randint(1, 3))
            found = _round(scene, [(name, STRIKES[name]) for name in strikes], dice)
            good = good and not found.faults
            for name, process in scene.here.processes.items():
                rss = load_of(family(process.pid)).rss_mb
                memory.setdefault(f"{name} {process.pid}", []).append((time.monotonic() / 3600, rss))
            say(
                f"{'✗' if found.faults else '✓'} round {number}: {', '.join(strikes)}; {found.raised} alerts, "
                f"lost {found.lost}, doubled {found.doubled}, {found.figures}"
            )
            for fault in found.faults[:8]:
                say(f"    {fault}")
    for name, points in memory.items():
        if len(points) > 2:
            slope, _ = statistics.linear_regression(*zip(*points, strict=True))
            say(f"{name.split()[0]}: {points[-1][1]:.0f} MB after {len(points)} rounds, {slope:+.0f} MB an hour")
    say(f"{'✓' if good else '✗'} {number} rounds; SEED={chosen}")
    return good


def _round(scene: Scene, strikes: list[tuple[str, Strike]], dice: random.Random) -> Found:
    found, began = Found(), time.monotonic()
    scene.begin()
    try:
        scene.load()
        scene.live_for(2)
        scene.struck()
        for _, strike in strikes:
            strike(scene, dice)
            scene.live_for(dice.uniform(0.5, 3))
        scene.live_for(max(0.0, ROUND_S / 2 - (time.monotonic() - began)))
        scene.here.start_server()
        scene.come_to_rest()
        scene.judge(found, patience_s=20)
    finally:
        scene.clear()
    return found


def _kill(kind: str) -> Strike:
    def strike(scene: Scene, dice: random.Random) -> None:
        name = f"{kind}{dice.randint(1, 2)}"
        if scene.here.alive(name):
            scene.here.kill(name)
            time.sleep(dice.uniform(0.2, 1.5))
            scene.here.start(name)

    return strike


def _freeze(scene: Scene, dice: random.Random) -> None:
    name = dice.choice(scene.here.names)
    scene.here.freeze(name)
    time.sleep(dice.uniform(1, 5))
    scene.here.thaw(name)


def _restart_server(scene: Scene, dice: random.Random) -> None:
    scene.here.server.pg_ctl("restart", "-m", dice.choice(("fast", "immediate")))


def _kill_server(scene: Scene, _dice: random.Random) -> None:
    for pid in reversed(family(scene.here.server.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    scene.here.start_server()


def _provider(scene: Scene, dice: random.Random) -> None:
    scene.provider.always(dice.choice((Answer(503, "no"), Answer(200, {}, delay_s=5), Answer(200, {}, hang=True))))
    time.sleep(dice.uniform(1, 4))
    scene.provider.always(None)


def _cut_sockets(scene: Scene, dice: random.Random) -> None:
    for agent in dice.sample(scene.crowd.agents, k=10):
        scene.crowd.loop.hand(agent.leave)
        scene.crowd.loop.hand(agent.come_back)


def _quiet(scene: Scene, dice: random.Random) -> None:
    for agent in dice.sample(scene.crowd.agents, k=6):
        agent.manner = dice.choice(("silent", "dead", "slow"))


def _no_wakeups(scene: Scene, _dice: random.Random) -> None:
    with scene.sql() as connection:
        for _ in range(20):
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vigie-listen'"
            )
            time.sleep(0.1)


def _end_sessions(scene: Scene, _dice: random.Random) -> None:
    with scene.sql() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vigie'")


STRIKES: dict[str, Strike] = {
    "web killed": _kill("web"),
    "live killed": _kill("live"),
    "worker killed": _kill("worker"),
    "somebody frozen": _freeze,
    "PostgreSQL restarted": _restart_server,
    "PostgreSQL killed": _kill_server,
    "provider away": _provider,
    "sockets cut": _cut_sockets,
    "teams silent": _quiet,
    "wake-ups lost": _no_wakeups,
    "sessions ended": _end_sessions,
}
