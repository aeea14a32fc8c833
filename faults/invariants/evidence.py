"""Everything that an experiment has gathered, and all that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from faults.history import History
from faults.invariants import clients, outside
from faults.invariants.database import faults_in
from faults.invariants.outside import Load
from faults.people import ControlLog
from faults.provider import Push


@dataclass
class Evidence:
    """What clients, the provider and the processes themselves have left behind."""

    history: History
    control: Sequence[ControlLog] = ()
    winners: Mapping[str, set[str]] = field(default_factory=dict)
    pushes: Sequence[Push] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    """Logs and metrics, by where they come from."""
    canaries: Sequence[str] = ()
    before: Mapping[str, Load] = field(default_factory=dict)
    after: Mapping[str, Load] = field(default_factory=dict)
    seen_s: int = 15
    mistakes_meant: bool = False
    """The experiment itself makes our code fail."""


def faults_of(session: Session, evidence: Evidence, now: datetime) -> Iterator[str]:
    """Each broken promise as one line; everything is taken to be at rest."""
    yield from faults_in(session, now, evidence.seen_s)
    yield from clients.durable(session, evidence.history)
    yield from clients.once(evidence.history)
    yield from clients.gapless(session, evidence.control)
    yield from clients.one_winner(session, evidence.winners)
    yield from outside.outbox_settled(session, now)
    yield from outside.no_ghosts(session, evidence.pushes)
    texts = {**evidence.texts, "pushes": outside.pushed_text(evidence.pushes)}
    yield from outside.private(texts, evidence.canaries)
    if not evidence.mistakes_meant:
        yield from outside.no_mistakes(evidence.texts)
    yield from outside.bounded(evidence.before, evidence.after)
