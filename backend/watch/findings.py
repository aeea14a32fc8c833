"""What is wrong, judged from figures. Pure: standard library and other pure files only.

A code here is a promise to people: it has a paragraph in docs/runbook.md that says what it means and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DELIVERY_STUCK = "delivery_stuck"
ROUND_OVERDUE = "round_overdue"
ATTENTION_OVERDUE = "attention_overdue"
NIGHT_STOP_OVERDUE = "night_stop_overdue"
WORKER_SILENT = "worker_silent"
LIVE_SILENT = "live_silent"
FEED_LAG = "feed_lag"
DRILL_LATE = "drill_late"
DRILL_FAILED = "drill_failed"
CHANNEL_FAILING = "channel_failing"
ADDRESS_DEATHS = "address_deaths"
QUARANTINED = "quarantined"
DATABASE_AWAY = "database_away"
RESTORED = "restored"
CERTIFICATE_SOON = "certificate_soon"
CODES = (
    DATABASE_AWAY, WORKER_SILENT, LIVE_SILENT, ROUND_OVERDUE, DELIVERY_STUCK, FEED_LAG, ATTENTION_OVERDUE,
    NIGHT_STOP_OVERDUE, CHANNEL_FAILING, ADDRESS_DEATHS, QUARANTINED, RESTORED, DRILL_FAILED, DRILL_LATE,
    CERTIFICATE_SOON,
)  # fmt: skip
"""Every code, the worst first."""
CALLS_NOBODY = frozenset({CERTIFICATE_SOON})
"""Weeks are left: it is shown, and wakes nobody."""


@dataclass(frozen=True)
class ChannelFigures:
    """What became of the attempts of one channel in the last minute."""

    channel: str
    sent: int
    failed: int
    refused: int = 0
    """Those of the failed that every message would meet: the key, the project or the gateway's address is wrong."""


@dataclass(frozen=True)
class DrillFigures:
    """How often the whole way is to be proved (0: never), and the last run that has ended."""

    every_s: int = 0
    age_s: float | None = None
    ok: bool | None = None
    took_ms: int | None = None
    failed_step: str | None = None
    certificate_days: float | None = None
    """How long the certificate of the public addresses is still good; None where none could be seen."""


@dataclass(frozen=True)
class Figures:
    """What one look at the installation found: seconds by which things are late, silent or unheard."""

    overdue_round_s: float = 0.0
    overdue_attention_s: float = 0.0
    overdue_night_stop_s: float = 0.0
    pending_delivery_s: float = 0.0
    """The oldest message that is due for a channel and has not gone."""
    unheard_offer_s: float = 0.0
    """The oldest offer that no live process has written to a socket, though one of the team's is open."""
    worker_silence_s: float | None = None
    """None: no worker has ever given a sign of life."""
    live_silence_s: float | None = None
    """None: this installation has never had a live process."""
    blind_s: float = 0.0
    """Since this very process last read the feed; 0 where there are no sockets."""
    database_away_s: float = 0.0
    channels: Sequence[ChannelFigures] = ()
    held_deaths: Sequence[tuple[str, int]] = ()
    """(channel, addresses said to be dead that were not believed) of the last ten minutes."""
    quarantined: int = 0
    under_review: int = 0
    """Alerts that came back from a backup and that no person has looked at."""
    drill: DrillFigures = DrillFigures()


@dataclass(frozen=True)
class Limits:
    """From when on something is wrong."""

    late_s: float = 3.5
    """With a look every second, and half of one lost on a busy machine, what is stuck for five has been found."""
    silent_s: float = 4.0
    attempts: int = 5
    """From so many failed attempts in a minute, and none that went, a channel is said to fail."""
    drills_missed: int = 2
    drill_takes_s: float = 20.0
    certificate_days: float = 21.0


LIMITS = Limits()


@dataclass(frozen=True)
class Found:
    """One thing that is wrong: the code, what it is about ("" where that is plain), and how much."""

    code: str
    subject: str = ""
    value: float | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same finding a second later."""
        return self.code, self.subject


def judge(figures: Figures, limits: Limits = LIMITS) -> list[Found]:
    """Everything that is wrong, the worst first."""
    found = [*_lateness(figures, limits), *_silence(figures, limits), *_channels(figures, limits),
             *_drill(figures.drill, limits)]  # fmt: skip
    return sorted(found, key=lambda one: (CODES.index(one.code), one.subject))


def _lateness(figures: Figures, limits: Limits) -> Iterator[Found]:
    late = {
        ROUND_OVERDUE: figures.overdue_round_s,
        ATTENTION_OVERDUE: figures.overdue_attention_s,
        NIGHT_STOP_OVERDUE: figures.overdue_night_stop_s,
        DELIVERY_STUCK: figures.pending_delivery_s,
        FEED_LAG: max(figures.unheard_offer_s, figures.blind_s),
        DATABASE_AWAY: figures.database_away_s,
    }
    return (Found(code, value=seconds) for code, seconds in late.items() if seconds > limits.late_s)


def _silence(figures: Figures, limits: Limits) -> Iterator[Found]:
    if figures.worker_silence_s is None or figures.worker_silence_s > limits.silent_s:
        yield Found(WORKER_SILENT, value=figures.worker_silence_s)
    if figures.live_silence_s is not None and figures.live_silence_s > limits.silent_s:
        yield Found(LIVE_SILENT, value=figures.live_silence_s)


def _channels(figures: Figures, limits: Limits) -> Iterator[Found]:
    for one in figures.channels:
        if is_failing(one, limits):
            yield Found(CHANNEL_FAILING, one.channel, float(one.failed))
    for channel, count in figures.held_deaths:
        if count:
            yield Found(ADDRESS_DEATHS, channel, float(count))
    if figures.quarantined:
        yield Found(QUARANTINED, value=float(figures.quarantined))
    if figures.under_review:
        yield Found(RESTORED, value=float(figures.under_review))


def is_failing(channel: ChannelFigures, limits: Limits = LIMITS) -> bool:
    """Whether a channel brings nothing through: it was tried, and nothing went. One refusal of our key says it all."""
    return channel.sent == 0 and (channel.failed >= limits.attempts or channel.refused > 0)


def _drill(drill: DrillFigures, limits: Limits) -> Iterator[Found]:
    if drill.every_s <= 0:
        return
    if drill.ok is False:
        yield Found(DRILL_FAILED, drill.failed_step or "", drill.age_s)
    if drill.age_s is not None and drill.age_s > drill.every_s * limits.drills_missed + limits.drill_takes_s:
        yield Found(DRILL_LATE, value=drill.age_s)
    if drill.certificate_days is not None and drill.certificate_days < limits.certificate_days:
        yield Found(CERTIFICATE_SOON, value=round(drill.certificate_days, 1))
