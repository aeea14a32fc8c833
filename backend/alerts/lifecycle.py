"""The two lifecycles, alert and assignment, as tables. Pure: standard library only.

The state of an alert says how far help has come; a cancel that waits for an operator is a flag beside it, because a
team may be on its way while the cancel waits.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class AlertState(StrEnum):
    """Where an alert stands."""

    ARMED = "armed"
    OPEN = "open"
    ASSIGNED = "assigned"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    HANDED_OVER = "handed_over"
    REOPENED = "reopened"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    MERGED = "merged"


class AssignmentState(StrEnum):
    """Where one team's part in one alert stands."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLEARED = "cleared"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


A, S = AlertState, AssignmentState

WAITING = frozenset({A.ARMED, A.OPEN, A.REOPENED})
"""Nobody has taken it yet: such an alert always has a next round (CHECK in the database)."""
TAKEN = frozenset({A.ASSIGNED, A.EN_ROUTE, A.ON_SCENE})
OVER = frozenset({A.CLOSED, A.CANCELLED, A.MERGED})
LIVE = frozenset(A) - OVER

ENGAGED = frozenset({S.ACCEPTED, S.EN_ROUTE, S.ON_SCENE})
"""The team works on it; at most one such assignment per team."""
PENDING = ENGAGED | {S.OFFERED}

ALERT_STEPS: dict[str, tuple[frozenset[AlertState], AlertState]] = {
    "promote": (frozenset({A.ARMED}), A.OPEN),
    "take": (WAITING - {A.ARMED}, A.ASSIGNED),
    "set_off": (frozenset({A.ASSIGNED, A.REOPENED}), A.EN_ROUTE),
    # From REOPENED: a team that stayed on the scene after a hand-over.
    "arrive": (frozenset({A.ASSIGNED, A.EN_ROUTE, A.REOPENED}), A.ON_SCENE),
    "fall_back": (frozenset({A.EN_ROUTE, A.ON_SCENE}), A.ASSIGNED),
    "fall_back_to_road": (frozenset({A.ON_SCENE}), A.EN_ROUTE),
    "release": (TAKEN, A.OPEN),
    "resolve": (TAKEN, A.RESOLVED),
    "hand_over": (LIVE - {A.ARMED, A.HANDED_OVER}, A.HANDED_OVER),
    "close": (LIVE - {A.ARMED}, A.CLOSED),
    "cancel": (LIVE - {A.RESOLVED, A.HANDED_OVER}, A.CANCELLED),
    "merge": (LIVE - {A.ARMED}, A.MERGED),
    "reopen": (OVER | {A.RESOLVED, A.HANDED_OVER}, A.REOPENED),
}

ASSIGNMENT_STEPS: dict[str, tuple[frozenset[AssignmentState], AssignmentState]] = {
    # An answer that comes after the deadline is still help while nobody else has taken the alert.
    "accept": (frozenset({S.OFFERED, S.EXPIRED}), S.ACCEPTED),
    "decline": (frozenset({S.OFFERED, S.ACCEPTED, S.EN_ROUTE}), S.DECLINED),
    "expire": (frozenset({S.OFFERED}), S.EXPIRED),
    "withdraw": (PENDING, S.WITHDRAWN),
    "set_off": (frozenset({S.ACCEPTED}), S.EN_ROUTE),
    "arrive": (frozenset({S.ACCEPTED, S.EN_ROUTE}), S.ON_SCENE),
    "clear": (ENGAGED, S.CLEARED),
}

_FURTHEST = (S.ON_SCENE, S.EN_ROUTE, S.ACCEPTED)
_REACHED = {S.ON_SCENE: A.ON_SCENE, S.EN_ROUTE: A.EN_ROUTE, S.ACCEPTED: A.ASSIGNED}


def alert_after(state: AlertState, step: str) -> AlertState | None:
    """The state after a step, or None when the step is not possible from this state."""
    sources, target = ALERT_STEPS[step]
    return target if state in sources else None


def assignment_after(state: AssignmentState, step: str) -> AssignmentState | None:
    """The state after a step, or None when the step is not possible from this state."""
    sources, target = ASSIGNMENT_STEPS[step]
    return target if state in sources else None


def derived_state(assignments: Collection[AssignmentState]) -> AlertState | None:
    """The alert's state by its most advanced live assignment; None when no team works on it."""
    for state in _FURTHEST:
        if state in assignments:
            return _REACHED[state]
    return None
