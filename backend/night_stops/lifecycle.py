"""The lifecycle of a night-stop request as a table. Pure: standard library only."""

from __future__ import annotations

from enum import StrEnum


class NightStopState(StrEnum):
    """Where a request stands."""

    REQUESTED = "requested"
    REJECTED = "rejected"
    SENT_TO_DRIVER = "sent_to_driver"
    ACCEPTED = "accepted"
    ALTERNATIVE_PROPOSED = "alternative_proposed"
    REFUSED = "refused"
    APPROACHING = "approaching"
    ALIGHTED = "alighted"
    MISSED = "missed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


S = NightStopState

ASKED = frozenset({S.SENT_TO_DRIVER, S.ALTERNATIVE_PROPOSED})
"""Somebody's answer is awaited: such a request always has a deadline (CHECK in the database)."""
PROMISED = frozenset({S.ACCEPTED, S.APPROACHING})
LIVE = ASKED | PROMISED
"""At most one such request per phone (unique index); `requested` lasts only as long as the checks."""
OVER = frozenset(S) - LIVE - {S.REQUESTED}
DENIED = frozenset({S.REJECTED, S.REFUSED, S.EXPIRED, S.WITHDRAWN, S.MISSED})
"""The rider did not get what she asked for: she is told to ask aloud."""

STEPS: dict[str, tuple[frozenset[NightStopState], NightStopState]] = {
    "reject": (frozenset({S.REQUESTED}), S.REJECTED),
    "send": (frozenset({S.REQUESTED}), S.SENT_TO_DRIVER),
    # A second rider for a stop that the driver has promised, or moved, already.
    "join_promise": (frozenset({S.REQUESTED}), S.ACCEPTED),
    "join_proposal": (frozenset({S.REQUESTED}), S.ALTERNATIVE_PROPOSED),
    # The driver's word counts at every moment: also after silence, while the place still lies ahead.
    "accept": (ASKED | {S.EXPIRED}, S.ACCEPTED),
    "propose": (frozenset({S.SENT_TO_DRIVER, S.EXPIRED}), S.ALTERNATIVE_PROPOSED),
    "refuse": (ASKED | {S.EXPIRED}, S.REFUSED),
    "take_alternative": (frozenset({S.ALTERNATIVE_PROPOSED}), S.ACCEPTED),
    "decline_alternative": (frozenset({S.ALTERNATIVE_PROPOSED}), S.CANCELLED),
    "expire": (ASKED, S.EXPIRED),
    "approach": (frozenset({S.ACCEPTED}), S.APPROACHING),
    # The driver may say so although the positions looked as if the bus had not stopped.
    "alight": (PROMISED | {S.MISSED}, S.ALIGHTED),
    # The rider's word too: still on board, whatever the positions looked like.
    "miss": (PROMISED | {S.ALIGHTED}, S.MISSED),
    "withdraw": (PROMISED, S.WITHDRAWN),
    "cancel": (LIVE, S.CANCELLED),
}

REFUSAL_REASONS = (
    "traffic", "visibility", "parked_vehicles", "works", "road_layout", "weather", "timetable",
    "already_passed", "other",
)  # fmt: skip


def state_after(state: NightStopState, step: str) -> NightStopState | None:
    """The state after a step, or None when the step is not possible from this state."""
    sources, target = STEPS[step]
    return target if state in sources else None
