"""When a message that did not go is tried again. Pure: standard library and other pure files only."""

from __future__ import annotations

from datetime import datetime, timedelta

from backend.delivery.channels import RetryAt

FIRST_S = 1.0
LONGEST_S = 30.0
MOST_LEASES_LOST = 8
"""A message that so often ended, or outlasted, whoever had claimed it goes into quarantine."""
MOST_MISTAKES = 3
"""A message at which our own code fails so often goes into quarantine: it must not hold up the others."""


def next_try(outcome: RetryAt, attempts: int, useful_until: datetime, now: datetime, jitter: float) -> datetime | None:
    """When to try again after so many attempts; None when that would be too late to be of use.

    A provider that names a time is obeyed. Otherwise the wait doubles from 1 s up to 30 s; `jitter` from 0 to 1 takes
    up to half of it away, so that what failed together does not come back together.
    """
    if outcome.after_s is not None:
        wait_s = max(outcome.after_s, FIRST_S)
    else:
        wait_s = min(LONGEST_S, FIRST_S * 2 ** max(0, attempts - 1)) * (1 - jitter / 2)
    try:
        at = now + timedelta(seconds=wait_s)
    except OverflowError:
        return None
    return at if at < useful_until else None
