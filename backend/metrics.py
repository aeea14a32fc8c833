"""What /metrics shows: figures of the whole installation, read afresh at each scrape, and of this process. No persons.

One process serves one port: the worker processes have none, so whatever concerns them is read from the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.alerts.lifecycle import OVER
from backend.alerts.models import Alert
from backend.people.models import Team, TeamPosition
from backend.watch import figures, scraped
from backend.watch.findings import CODES, Figures, judge
from backend.watch.status import deaf, people_on_duty
from backend.wiring import Wiring

_NEVER = -1.0
_Values = dict[tuple[str, ...], float]


class Shown:
    """A collector of Prometheus over one process's wiring."""

    def __init__(self, wiring: Wiring, live: Any | None) -> None:
        self.wiring = wiring
        self.live = live

    def collect(self) -> Iterable[Metric]:
        """Gauges of alerts, lateness, findings, deliveries, positions and sockets."""
        now = self.wiring.clock.now()
        try:
            with self.wiring.database.reading() as session:
                # A list: what was read before the database went away must not be shown as if it were all.
                yield from [*_of_alerts(session), *_of_watch(session, self.wiring, now), *_of_deliveries(session, now)]
            yield GaugeMetricFamily("vigie_database_up", "1 when the database answers", value=1)
        except SQLAlchemyError:
            yield GaugeMetricFamily("vigie_database_up", "1 when the database answers", value=0)
            yield _findings(Figures(database_away_s=float("inf"), worker_silence_s=0.0))
        yield from self._of_positions()
        if self.live is not None:
            yield from _of_sockets(self.live.figures())

    def _of_positions(self) -> Iterator[Metric]:
        taken = self.wiring.positions.accepted
        yield GaugeMetricFamily("vigie_positions_accepted", "Fixes taken by this process", value=taken)
        yield _labelled("vigie_positions_refused", "Fixes refused by this process", ["code"],
                        {(code,): count for code, count in self.wiring.positions.refused.items()})  # fmt: skip


def _of_alerts(session: Session) -> Iterator[Metric]:
    live = (Alert.state.not_in(OVER), ~Alert.drill)
    rows = session.execute(
        select(Alert.state, Alert.exercise, func.count()).where(*live).group_by(Alert.state, Alert.exercise)
    )
    by_state: _Values = {(state, str(exercise).lower()): count for state, exercise, count in rows}
    yield _labelled("vigie_alerts", "Alerts that are not over", ["state", "exercise"], by_state)
    for name, words, condition in (
        ("vigie_alerts_unseen", "Live alerts that nobody has seen", Alert.seen_at.is_(None)),
        ("vigie_alerts_need_human", "Live alerts for which a person is called", Alert.needs_human),
    ):
        found = session.scalar(select(func.count()).select_from(Alert).where(*live, condition))
        yield GaugeMetricFamily(name, words, value=found or 0)
    placed = select(func.count()).select_from(TeamPosition).join(Team, Team.id == TeamPosition.team_id)
    yield GaugeMetricFamily(
        "vigie_teams_placed", "Teams on duty with a position", value=session.scalar(placed.where(~Team.drill)) or 0
    )


def _of_watch(session: Session, wiring: Wiring, now: datetime) -> Iterator[Metric]:
    found = figures.look(session, now)
    yield _findings(found)
    timers: _Values = {
        ("round",): found.overdue_round_s,
        ("attention",): found.overdue_attention_s,
        ("night_stop",): found.overdue_night_stop_s,
    }
    yield _labelled("vigie_timer_lag_seconds", "By how much the oldest timer of a kind is late", ["timer"], timers)
    silence: _Values = {
        (kind,): _NEVER if seconds is None else seconds
        for kind, seconds in (("worker", found.worker_silence_s), ("live", found.live_silence_s))
    }
    yield _labelled(
        "vigie_silence_seconds", "Since any process of a kind gave a sign of life; -1: never", ["process"], silence
    )
    for name, words, value in _plain(session, found, now):
        yield GaugeMetricFamily(name, words, value=value)
    unreached: _Values = dict.fromkeys((("unreachable",), ("no_push",), ("push_untested",)), 0)
    for one in deaf(session, wiring.settings.channels, now):
        unreached[(one["why"],)] += 1
    yield _labelled("vigie_deaf", "Agents on duty whom an alert may not reach", ["why"], unreached)


def _plain(session: Session, found: Figures, now: datetime) -> Iterator[tuple[str, str, float]]:
    drill, pending_s = found.drill, found.pending_delivery_s
    yield "vigie_delivery_oldest_pending_seconds", "The oldest message that is due and has not gone", pending_s
    yield "vigie_offer_oldest_unheard_seconds", "The oldest offer not written to an open socket", found.unheard_offer_s
    yield "vigie_deliveries_quarantined", "Messages put aside in the last ten minutes", found.quarantined
    yield "vigie_on_duty", "Agents on duty", people_on_duty(session)
    yield "vigie_drill_every_seconds", "How often a drill is to prove the whole way; 0: never", drill.every_s
    age_s = scraped.drill_age_s(session, now)
    yield "vigie_drill_age_seconds", "Since the last drill that came through began; -1: none did", age_s
    ok = _NEVER if drill.ok is None else float(drill.ok)
    yield "vigie_drill_ok", "1: the last drill came through, 0: it failed, -1: there was none", ok
    days = _NEVER if drill.certificate_days is None else drill.certificate_days
    yield "vigie_certificate_days", "Until the certificate of the public addresses ends; -1: not known", days
    reached_s = _NEVER if drill.took_ms is None else drill.took_ms / 1000
    yield (
        "vigie_drill_reached_seconds",
        "How long the last drill's phone waited for its alert; -1: it got none",
        reached_s,
    )


def _findings(found: Figures) -> Metric:
    counts: _Values = {(code,): 0 for code in CODES}
    for one in judge(found):
        counts[(one.code,)] += 1
    return _labelled("vigie_findings", "What the watch finds wrong now", ["code"], counts)


def _of_deliveries(session: Session, now: datetime) -> Iterator[Metric]:
    yield _labelled("vigie_push_results", "Attempts of the last ten minutes", ["channel", "outcome", "code"],
                    scraped.push_results(session, now))  # fmt: skip
    yield _labelled("vigie_outbox_due", "Messages that are due and have not gone", ["channel"],
                    scraped.outbox_due(session, now))  # fmt: skip
    yield _labelled("vigie_delivery_latency_seconds", "Of the last ten minutes, from when a message was due",
                    ["channel", "stage", "quantile"], scraped.latencies(session, now))  # fmt: skip
    yield _labelled("vigie_escalations", "Times that silence became news in the last ten minutes", ["reason"],
                    scraped.escalations(session, now))  # fmt: skip


def _of_sockets(found: dict[str, Any]) -> Iterator[Metric]:
    yield _labelled("vigie_sockets", "Signed-in sockets of this process", ["role"],
                    {(role,): count for role, count in found["sockets"].items()})  # fmt: skip
    for kind in ("refused", "closed"):
        yield _labelled(f"vigie_sockets_{kind}", f"Sockets {kind} by this process", ["code"],
                        {(code,): count for code, count in found[kind].items()})  # fmt: skip
    for name in ("connections", "emitted", "last_seq", "lag"):
        yield GaugeMetricFamily(f"vigie_live_{name}", f"{name} of this live process", value=found[name])
    yield GaugeMetricFamily(
        "vigie_live_blind_seconds", "Since this live process last read the feed", value=found["blind_s"]
    )


def _labelled(name: str, words: str, labels: list[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
