"""What is lost, done twice or late when a process is killed, or PostgreSQL restarted, in the middle of the load.

Phones behave as the contract tells them to: a request without an answer is sent again with the same id, a socket that
ends comes back, and then reads what it missed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bench.installation import KINDS, Installation, installed
from bench.load import Figures, Load
from bench.report import Report, Row
from bench.town import populate
from bench.way import Kept

RESTART_AFTER_S = 0.5


def measure(found: Report, *, rate: float, quick: bool) -> None:
    """One row per drill: alerts answered, stored and offered; doubles; the longest wait."""
    teams, seconds = (100, 4.0) if quick else (500, 16.0)
    with installed(embedded=False) as here:
        people = populate(here.database, teams=teams, riders=500, operators=0 if quick else 2)
        here.start()
        load = Load(here.ports, people, patient=True)
        load.connect()
        load.run(rate, min(4.0, seconds))
        drills = {f"kill -9 {kind}": _killer(here, load, kind) for kind in KINDS}
        if not quick:
            for mode in ("fast", "immediate"):
                drills[f"pg_ctl restart -m {mode}"] = _restarter(here, mode)
        for name, strike in drills.items():
            _drill(found, here, load, name, strike, rate, seconds)


def _drill(
    found: Report, here: Installation, load: Load, name: str, strike: Callable[[], None], rate: float, seconds: float
) -> None:
    struck: list[float] = []

    def midway() -> None:
        struck.append(time.perf_counter())
        strike()

    figures = load.run(rate, seconds, drain_s=30, midway=midway)
    answered = [alert_id for alert_id, one in figures.alerts.items() if one.status in (200, 201)]
    kept = Kept.of(here.database, answered)
    lost = kept.lost(len(answered))
    again, longest = _again(figures, struck[0])
    limit = 10 if "pg_ctl" in name else 5
    found.add(
        Row(
            "PostgreSQL",
            name,
            f"{len(figures.alerts)} alerts sent, {len(answered)} answered, {kept.stored} stored, "
            f"{kept.offered} offered, for {kept.called} a person is called, {len(figures.offer_ms)} heard by a team; "
            f"lost {lost}; two winners {kept.two_winners}, teams with two missions {kept.doubly_engaged}; going again "
            f"after {again:.1f} s, longest way of an alert {longest:.1f} s",
            f"0 lost, going again ≤ {limit} s",
            not lost
            and not kept.two_winners
            and not kept.doubly_engaged
            and again <= limit
            and len(answered) == len(figures.alerts),
            f"{rate:.0f} alerts/s; {dict(figures.statuses)}",
        )
    )
    found.say(
        f"{name}: answered {len(answered)}/{len(figures.alerts)} lost {lost} again {again:.1f} s longest "
        f"{longest:.1f} s {dict(figures.statuses)}"
    )
    load.loop.sleep(3)


def _again(figures: Figures, struck: float) -> tuple[float, float]:
    """(seconds from the strike until ten alerts in a row go all the way in under a second, the longest way of any)."""
    alerts = sorted(figures.alerts.values(), key=lambda one: one.due)
    longest = max(((one.offered or time.perf_counter()) - one.due for one in alerts), default=0.0)
    in_a_row = 0
    for place, one in enumerate(alerts):
        in_a_row = in_a_row + 1 if one.due > struck and one.offered and one.offered - one.due < 1 else 0
        if in_a_row == min(10, len(alerts) // 8):
            first = alerts[place - in_a_row + 1]
            return first.offered - struck, longest
    return longest, longest


def _killer(here: Installation, load: Load, kind: str) -> Callable[[], None]:
    def strike() -> None:
        here.kill(kind)
        load.loop.at(time.perf_counter() + RESTART_AFTER_S, lambda: here.start_one(kind))

    return strike


def _restarter(here: Installation, mode: str) -> Callable[[], None]:
    def strike() -> None:
        assert here.server is not None
        threading.Thread(target=here.server.pg_ctl, args=("restart", "-m", mode)).start()

    return strike
