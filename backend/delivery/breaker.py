"""A breaker and a rate limit for one provider in one process. Pure: time is handed in."""

from __future__ import annotations

from datetime import datetime, timedelta

from backend.delivery.channels import GiveUp, Outcome, RetryAt

FAILURES = 5
REST_S = 10.0


class Breaker:
    """Says how many messages may go out now; after five failures in a row none for 10 s, then one to try.

    The rate limit is a bucket that holds what may go out in one second (at least one message).
    """

    def __init__(self, rate_per_s: float) -> None:
        self._rate = rate_per_s
        self._most = max(1.0, rate_per_s)
        self._tokens = self._most
        self._filled_at: datetime | None = None
        self._failures = 0
        self._rests_until: datetime | None = None
        self._probe_until: datetime | None = None

    def open(self, now: datetime) -> bool:
        """True while the provider is left alone."""
        return self._rests_until is not None and now < self._rests_until

    def room(self, now: datetime) -> int:
        """How many messages may be given to the provider now; one alone while it is being tried again."""
        if self.open(now):
            return 0
        if self._rests_until is not None:
            # Half open: a probe that never came back (its process's thread died) is tried again after a rest.
            return 0 if self._probe_until is not None and now < self._probe_until else 1
        self._fill(now)
        return int(self._tokens)

    def spend(self, count: int, now: datetime) -> None:
        """Notes that so many messages are being given to the provider."""
        if count and self._rests_until is not None:
            self._probe_until = now + timedelta(seconds=REST_S)
        self._fill(now)
        self._tokens -= count

    def note(self, outcome: Outcome, now: datetime) -> None:
        """Learns from what the provider answered.

        Refusals that are our own fault (credentials, project) count as failures: everybody's messages fail with them.
        """
        self._probe_until = None
        if isinstance(outcome, RetryAt) or (isinstance(outcome, GiveUp) and outcome.ours):
            self._failures += 1
            if self._failures >= FAILURES or self._rests_until is not None:
                self._rests_until = now + timedelta(seconds=REST_S)
            return
        self._failures, self._rests_until = 0, None

    def _fill(self, now: datetime) -> None:
        if self._filled_at is not None and now > self._filled_at:
            gained = (now - self._filled_at).total_seconds() * self._rate
            self._tokens = min(self._most, self._tokens + gained)
        self._filled_at = now
