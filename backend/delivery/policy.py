"""Which channels say a message again, and when. Pure: standard library and other pure files only."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

PATIENCE_S = 2.0
"""How long the socket has to bring a receipt before a push goes out as well."""
TEXT_AFTER_S = 6.0
"""How long the push has then, before a text message follows."""


@dataclass(frozen=True)
class Reach:
    """One way to reach one person: a registered phone or browser, or a number that texts go to."""

    audience: str
    channel: str
    staff_id: uuid.UUID | None = None
    registration_id: uuid.UUID | None = None


@dataclass(frozen=True)
class Step:
    """One message that goes out by a channel at an instant, unless a receipt comes first."""

    reach: Reach
    due_at: datetime


def calls_supervisor(priority: int, *, anybody_has_it: bool) -> bool:
    """Whether an offer that nobody answered is told to a supervisor: in danger always, else when no phone had it."""
    return priority == 1 or not anybody_has_it


def steps(reaches: Iterable[Reach], made_at: datetime, useful_until: datetime, *, critical: bool) -> Sequence[Step]:
    """Socket first; push at once for a critical alert, else after 2 s without a receipt; a text after the push.

    A text that would come when the offer is over is not planned.
    """
    push_at = made_at if critical else made_at + timedelta(seconds=PATIENCE_S)
    text_at = push_at + timedelta(seconds=TEXT_AFTER_S)
    found = []
    for reach in reaches:
        due_at = text_at if reach.channel == "sms" else push_at
        if due_at < useful_until:
            found.append(Step(reach, due_at))
    return found
