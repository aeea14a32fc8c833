"""The breaker: leaves a provider alone that keeps failing, and never gives one more than its rate. Pure.

The caller says what time it is. Threads may note outcomes while another asks: each step is one assignment, and a count
that is off by one opens the breaker a message later.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from backend.delivery.channels import GiveUp, Outcome, RetryAt

MOST_FAILURES = 5
PAUSE = timedelta(seconds=10)
OF_THE_SETUP = frozenset({"credentials", "project", "forbidden", "apns_credentials", "signature", "endpoint"})
"""Codes of `GiveUp(ours=True)` that every message would get: the key, the project or the gateway's address is wrong.

A message of ours that is badly built is not among them: the next one may be well. Nor is a push service's `vapid`: a
subscription made with another key is refused as well, and one rider's browser must not shut the way to all agents.
"""
NOBODY_ASKED = frozenset({"host_not_allowed", "subscription_invalid", "private_address"})
"""Codes of what was given up here: they say nothing about any provider."""


class Breaker:
    """Guards one provider in one process: opens after five failures in a row, for ten seconds, then lets one try."""

    def __init__(self, rate_per_s: float) -> None:
        self._rate = rate_per_s
        self._burst = max(1.0, rate_per_s)
        self._tokens = self._burst
        self._filled_at: datetime | None = None
        self._failures = 0
        self._shut_until: datetime | None = None
        self._probe_at: datetime | None = None

    def open(self, now: datetime) -> bool:
        """True while the provider is to be left alone, also while one message tries whether it is back."""
        if self._shut_until is None:
            return False
        return _is_before(now, self._shut_until) or (
            self._probe_at is not None and _is_before(now, self._probe_at + PAUSE)
        )

    def room(self, now: datetime) -> int:
        """How many messages may go now; a single one when it is time to try whether the provider is back."""
        if self.open(now):
            return 0
        self._fill(now)
        room = int(self._tokens)
        return min(1, room) if self._shut_until is not None else room

    def spend(self, count: int, now: datetime) -> None:
        """Notes that so many messages, within `room`, are given to the provider now."""
        if count < 1:
            return
        self._fill(now)
        self._tokens -= count
        if self._shut_until is not None:
            self._probe_at = now

    def note(self, outcome: Outcome, now: datetime) -> None:
        """Learns from what a provider answered; any answer about a message says that the provider is there."""
        if isinstance(outcome, GiveUp) and outcome.code in NOBODY_ASKED:
            return
        if isinstance(outcome, RetryAt) and outcome.one_of_many:
            return
        if isinstance(outcome, RetryAt) or (
            isinstance(outcome, GiveUp) and outcome.ours and outcome.code in OF_THE_SETUP
        ):
            self._failures += 1
            if self._failures >= MOST_FAILURES or self._shut_until is not None:
                self._shut_until, self._probe_at = now + PAUSE, None
        else:
            self._failures, self._shut_until, self._probe_at = 0, None, None

    def _fill(self, now: datetime) -> None:
        passed_s = (now - self._filled_at).total_seconds() if self._filled_at is not None else 0.0
        self._filled_at = now
        self._tokens = min(self._burst, self._tokens + max(0.0, passed_s) * self._rate)


def _is_before(now: datetime, end: datetime) -> bool:
    # A clock that was put back must not keep a provider shut for an hour.
    return timedelta(0) < end - now <= PAUSE
