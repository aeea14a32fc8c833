"""Channels: what is given to one that reaches a phone, and what it may answer. Pure.

A new channel is one file beside this one, one line in `wiring.py`, and its settings.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

OFFER = "offer"
"""A team is asked to take an alert."""
SUPERVISOR = "supervisor"
"""A team or the control room stays silent: a supervisor is called."""
NEWS = "news"
"""Something has changed for a rider: nothing more is said."""
TEST = "test"
"""An agent tries her phone."""
REPLY = "reply"
"""The answer to a text message."""
TROUBLE = "trouble"
"""The system itself is not well: a supervisor is called."""


@dataclass(frozen=True)
class Address:
    """Where one message goes; opaque to everybody but its channel, and never printed."""

    kind: str
    """`fcm_token`, `fcm_fid`, `subscription` (JSON of a browser), `number` (E.164) or `log`."""
    value: str = field(repr=False)


@dataclass(frozen=True)
class Message:
    """One message to one phone: ids, and neutral words that anybody may read on a lock screen."""

    delivery_id: uuid.UUID
    kind: str
    address: Address
    useful_until: datetime
    language: str
    urgent: bool
    title: str
    text: str
    alert_id: uuid.UUID | None = None
    assignment_id: uuid.UUID | None = None


@dataclass(frozen=True)
class Sent:
    """The provider has taken it; whether a phone got it, only a receipt can say."""

    provider_id: str | None = None


@dataclass(frozen=True)
class RetryAt:
    """The provider may take it later: after `after_s` seconds where it said so, else when we think fit.

    `one_of_many`: a channel with several providers says so; the others may well be there.
    """

    code: str
    after_s: float | None = None
    one_of_many: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class GiveUp:
    """This message will never go by this channel; `ours` says that we are at fault, not the phone: people must look."""

    code: str
    ours: bool = False


@dataclass(frozen=True)
class AddressDead:
    """The provider says that this phone is gone for good, in the words that mean it."""

    code: str


Outcome = Sent | RetryAt | GiveUp | AddressDead


class Channel(Protocol):
    """One way to reach a phone. `send` returns within about five seconds, never sleeps, and holds no transaction."""

    name: str
    address_kinds: tuple[str, ...]
    """The kinds of address that phones may register with this channel; none where numbers come from elsewhere."""

    def send(self, message: Message, now: datetime) -> Outcome:
        """Hands the message to the provider; every failure that can be foreseen is an outcome, not an exception."""
