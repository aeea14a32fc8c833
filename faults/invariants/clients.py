"""What clients were told, held against what is stored: I1 durable, I2 gapless, I4 one winner, I6 no false success."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from operator import itemgetter

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts.lifecycle import ENGAGED
from backend.alerts.models import Alert, Assignment
from backend.feed import FeedEntry
from faults.history import History
from faults.invariants.database import UNDER_WAY
from faults.people import ControlLog


def durable(session: Session, history: History) -> Iterator[str]:
    """I1, I6: what was answered yes is stored; what was never answered is either there or not, and a retry tells."""
    stored = {str(one) for one in session.scalars(select(Alert.id))}
    for alert_id in sorted(history.keys("raise", ("ok",)) - stored):
        yield f"I1: alert {alert_id} was answered yes and is not stored"
    for one in history.of("raise"):
        if one.outcome == "fail":
            yield f"I6: the phone was told no for alert {one.key}: {one.status} {one.code}"
        elif one.outcome == "running":
            yield f"I6: nobody ever told the phone anything about alert {one.key}"
    for alert_id in sorted(history.keys("raise", ("unknown",)) - history.keys("raise", ("ok", "fail"))):
        yield f"I1: alert {alert_id} was tried and tried and never answered"
    for alert_id in sorted(stored - {one.key for one in history.of("raise")} - _drills(session)):
        yield f"I1: alert {alert_id} is stored and nobody raised it"


def _drills(session: Session) -> set[str]:
    return {str(one) for one in session.scalars(select(Alert.id).where(Alert.drill))}


def once(history: History) -> Iterator[str]:
    """I1: one identifier is new once; each later answer says that it was known."""
    new: dict[str, int] = {}
    for one in history.of("raise"):
        if one.status == 201:
            new[one.key] = new.get(one.key, 0) + 1
    for alert_id, count in new.items():
        if count > 1:
            yield f"I1: alert {alert_id} was answered as new {count} times"


def gapless(session: Session, logs: Sequence[ControlLog]) -> Iterator[str]:
    """I2: each control room took exactly the committed entries, in the order of their numbers."""
    committed = session.scalars(
        select(FeedEntry.seq).where(FeedEntry.audience == feed.CONTROL).order_by(FeedEntry.seq)
    ).all()
    for number, log in enumerate(logs, 1):
        if log.began is None:
            yield f"I2: control room {number} had to load everything again and has no place in the feed"
            continue
        due = [seq for seq in committed if seq > log.began]
        if log.seqs != sorted(set(log.seqs)):
            yield f"I2: control room {number} took entries twice or out of order"
        missing, strange = set(due) - set(log.seqs), set(log.seqs) - set(due)
        if missing:
            yield f"I2: control room {number} missed {len(missing)} of {len(due)} entries, the first {min(missing)}"
        if strange:
            yield f"I2: control room {number} heard {len(strange)} entries that were never committed"


def one_winner(session: Session, winners: Mapping[str, set[str]]) -> Iterator[str]:
    """I4, I6: whoever was told that it has an alert has it or had it, and nobody else had its place meanwhile."""
    asked = [one for one in session.scalars(select(Assignment)) if one.accepted_at is not None]
    had = {(str(one.alert_id), str(one.team_id)) for one in asked}
    for alert_id, teams in winners.items():
        for team_id in teams:
            if (alert_id, team_id) not in had:
                yield f"I6: team {team_id} was told that it has alert {alert_id}, and has not"
    yield from doubled(asked)


def doubled(asked: Sequence[Assignment]) -> Iterator[str]:
    """I4: two teams that had the same place of one alert, or one team that had two alerts, at the same time."""
    keys: tuple[tuple[str, Callable[[Assignment], object]], ...] = (
        ("place", lambda one: (one.alert_id, one.slot)),
        ("team", lambda one: one.team_id),
    )
    for kind, key in keys:
        held: dict[object, list[tuple[datetime, Assignment]]] = {}
        for one in asked:
            if one.accepted_at is not None:
                held.setdefault(key(one), []).append((one.accepted_at, one))
        for some in held.values():
            for (_, earlier), (began, later) in pairwise(sorted(some, key=itemgetter(0))):
                # The instants are those at which requests came in: a yes may wait a moment for the lock of what ends.
                if earlier.state in ENGAGED or earlier.changed_at > began + UNDER_WAY:
                    yield f"I4: one {kind} was held twice, on alerts {earlier.alert_id} and {later.alert_id}"
