"""The way of an alert: from a rider's PUT to the frame on a team's socket, and how many a second go all the way."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text

from backend.database import Database
from bench.installation import Installation, installed
from bench.load import Figures, Load
from bench.machine import Shares, shares
from bench.report import Report, Row
from bench.town import populate

AIM_PER_S = 100.0
BOUND_MS = 1_000.0
"""A rate counts as sustained while the 99th percentile stays below this."""


@dataclass(frozen=True)
class Kept:
    """What the database says after a window, to hold against the answers that phones got."""

    stored: int
    offered: int
    called: int
    two_winners: int
    doubly_engaged: int

    @classmethod
    def of(cls, database: Database, answered: list[str]) -> Kept:
        """Counts for the alerts that were answered 200 or 201."""
        with database.reading() as session:
            stored = {str(row) for row in session.scalars(text("SELECT CAST(id AS varchar) FROM alerts"))}
            offered = {
                str(row) for row in session.scalars(text("SELECT DISTINCT CAST(alert_id AS varchar) FROM assignments"))
            }
            called = {
                str(row) for row in session.scalars(text("SELECT CAST(id AS varchar) FROM alerts WHERE needs_human"))
            }
            engaged = "state IN ('accepted','en_route','on_scene')"
            winners = session.scalar(
                text(
                    f"SELECT count(*) FROM (SELECT alert_id FROM assignments WHERE {engaged} AND NOT by_hand"
                    " GROUP BY alert_id HAVING count(*) > 1) twice"
                )
            )
            teams = session.scalar(
                text(
                    f"SELECT count(*) FROM (SELECT team_id FROM assignments WHERE {engaged}"
                    " GROUP BY team_id HAVING count(*) > 1) twice"
                )
            )
        ids, stored, offered, called = (  # SQLite writes ids without dashes
            {one.replace("-", "") for one in some} for some in (set(answered), stored, offered, called)
        )
        unasked = (ids & called) - offered
        return cls(len(ids & stored), len(ids & offered), len(unasked), int(winners or 0), int(teams or 0))

    def lost(self, answered: int) -> int:
        """Alerts that are not stored, or that are with no team while no person is being called."""
        return answered - min(self.stored, self.offered + self.called)


@dataclass(frozen=True)
class Window:
    """One window of load with all that belongs to it."""

    figures: Figures
    kept: Kept
    used: Shares
    answered: int

    @property
    def lost(self) -> int:
        """Alerts answered 201 that are not stored, or silent."""
        return self.kept.lost(self.answered)

    def line(self, rate: float) -> str:
        """The window in one line, for whoever watches."""
        figures = self.figures
        return (
            f"{rate:4.0f}/s  answered {self.answered}/{len(figures.alerts)}  stored {self.kept.stored}  offered "
            f"{self.kept.offered}  heard {len(figures.offer_ms)}  PUT {_spread(figures.put_ms)}  frame "
            f"{_spread(figures.offer_ms)}  accept {_spread(figures.accept_ms)} ms  {self.used}  "
            f"late {figures.late_ms:.1f} ms  {dict(figures.statuses)}"
        )


def measure_latency(
    found: Report, *, embedded: bool, sockets: int, rates: list[float], seconds: float, repeats: int
) -> None:
    """Row 1: PUT → frame, with everything on, at each of the rates."""
    with installed(embedded=embedded, pushes=True) as here, contextlib.ExitStack() as stack:
        load = stack.enter_context(_load(here, sockets))
        for rate in rates:
            load.run(rate, min(5.0, seconds))  # connections, caches and plans are warm afterwards
            windows = []
            for _ in range(repeats):
                windows.append(window(here, load, rate, seconds))
                found.say(f"{_name(here)} way      {windows[-1].line(rate)}")
                load.loop.sleep(2)
            _add_latencies(found, here, windows, f"{sockets} sockets, {rate:.0f} alerts/s", aimed=rate >= AIM_PER_S)


def _add_latencies(found: Report, here: Installation, windows: list[Window], where: str, *, aimed: bool) -> None:
    for what, values in (
        ("PUT alert → frame on the team's socket", [one.figures.offer_ms for one in windows]),
        ("PUT alert → 201", [one.figures.put_ms for one in windows]),
        ("accept → acknowledged", [one.figures.accept_ms for one in windows]),
    ):
        p50, p99 = (statistics.median(quantile(some, share) for some in values) for share in (0.5, 0.99))
        target = what.endswith("socket") and aimed
        unheard = sum(one.figures.unheard for one in windows) if what.endswith("socket") else 0
        found.add(
            Row(
                _name(here),
                f"{what}, {where}",
                f"p50 {p50:.1f} ms, p99 {p99:.1f} ms" + (f"; {unheard} not heard within 55 s" if unheard else ""),
                "p50 ≤ 15 ms, p99 ≤ 60 ms" if target else "–",
                p50 <= 15 and p99 <= 60 and not unheard if target and not here.embedded else None,
                f"median of {len(windows)}; {windows[-1].used}",
            )
        )


def measure_sustained(found: Report, *, embedded: bool, sockets: int, seconds: float, rates: list[float]) -> None:
    """Row 2: the highest rate at which every alert answered 201 is stored and offered, and p99 stays bounded."""
    best: tuple[float, Window] | None = None
    lost = 0
    with installed(embedded=embedded, pushes=True) as here, contextlib.ExitStack() as stack:
        load = stack.enter_context(_load(here, sockets))
        load.run(rates[0], min(5.0, seconds))
        for rate in rates:
            one = window(here, load, rate, seconds)
            found.say(f"{_name(here)} sustained {one.line(rate)}")
            lost += one.lost
            good = one.answered == len(one.figures.alerts) and not one.lost and not one.figures.unheard
            if not good or quantile(one.figures.offer_ms, 0.99) > BOUND_MS:
                break
            best = (rate, one)
            load.loop.sleep(2)
    if best is None:
        found.add(Row(_name(here), "alerts sustained", f"below {rates[0]:.0f}/s", "≥ 200/s", False, ""))
        return
    rate, one = best
    found.add(
        Row(
            _name(here),
            "alerts sustained, all of it (raise, offer, receipt, accept, clear, close)",
            f"{rate:.0f}/s; {one.answered} answered 201, {one.kept.stored} stored, {one.kept.offered} offered; "
            f"frame p99 "
            f"{quantile(one.figures.offer_ms, 0.99):.0f} ms; lost at any step: {lost}",
            "≥ 200/s, 0 lost",
            rate >= 200 and lost == 0 if not embedded else None,
            str(one.used),
        )
    )


def window(here: Installation, load: Load, rate: float, seconds: float) -> Window:
    """One window of load, and what it left behind."""
    with shares(here) as used:
        figures = load.run(rate, seconds)
    used.client = figures.client_cpu_s / seconds
    load.wait_for_offers(45)  # what a rate above the highest left behind must not be waited for by the next window
    answered = [alert_id for alert_id, one in figures.alerts.items() if one.status in (200, 201)]
    return Window(figures, Kept.of(here.database, answered), used, len(answered))


def quantile(values: list[float], share: float) -> float:
    """The value below which this share of the values lies; 0 for none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


@contextlib.contextmanager
def _load(here: Installation, sockets: int) -> Iterator[Load]:
    people = populate(here.database, teams=sockets, riders=min(2_000, 10 * sockets), operators=2, pushes=True)
    here.start()
    load = Load(here.ports, people)
    load.connect()
    load.loop.sleep(2)
    yield load
    load.close()


def _name(here: Installation) -> str:
    return "embedded" if here.embedded else "PostgreSQL"


def _spread(values: list[float]) -> str:
    return f"{quantile(values, 0.5):.1f}/{quantile(values, 0.99):.1f}"
