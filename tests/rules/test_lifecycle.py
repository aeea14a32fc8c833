"""The two lifecycles: what can follow what, and what an alert's state says of its teams."""

from itertools import combinations

import pytest

from backend.alerts.lifecycle import (
    ALERT_STEPS,
    ASSIGNMENT_STEPS,
    ENGAGED,
    LIVE,
    OVER,
    PENDING,
    TAKEN,
    WAITING,
    AlertState,
    AssignmentState,
    alert_after,
    assignment_after,
    derived_state,
)


def reachable(start, steps):
    found, frontier = {start}, {start}
    while frontier:
        frontier = {to for sources, to in steps.values() if sources & frontier} - found
        found |= frontier
    return found


def test_every_state_of_an_alert_can_be_reached_from_a_phone():
    assert reachable(AlertState.ARMED, ALERT_STEPS) == set(AlertState)
    assert reachable(AlertState.OPEN, ALERT_STEPS) == set(AlertState) - {AlertState.ARMED}


def test_every_state_of_an_assignment_can_be_reached_from_an_offer():
    assert reachable(AssignmentState.OFFERED, ASSIGNMENT_STEPS) == set(AssignmentState)


@pytest.mark.parametrize("state", sorted(OVER))
def test_what_is_over_can_only_be_reopened(state):
    assert {step for step in ALERT_STEPS if alert_after(state, step)} == {"reopen"}


@pytest.mark.parametrize("state", sorted(LIVE - {AlertState.ARMED}))
def test_an_operator_can_end_every_alert_that_went_out(state):
    assert alert_after(state, "close") == AlertState.CLOSED


def test_nothing_arms_an_alert_again():
    assert AlertState.ARMED not in {to for _, to in ALERT_STEPS.values()}


def test_every_alert_is_waiting_taken_over_or_in_other_hands():
    groups = [WAITING, TAKEN, OVER, frozenset({AlertState.RESOLVED, AlertState.HANDED_OVER})]
    assert not any(a & b for a, b in combinations(groups, 2))
    assert frozenset().union(*groups) == frozenset(AlertState)


@pytest.mark.parametrize("state", sorted(set(AssignmentState) - PENDING - {AssignmentState.EXPIRED}))
def test_what_a_team_has_ended_stays_ended(state):
    assert not [step for step in ASSIGNMENT_STEPS if assignment_after(state, step)]


def test_a_late_answer_is_still_help_and_nothing_else_is_possible_then():
    steps = [step for step in ASSIGNMENT_STEPS if assignment_after(AssignmentState.EXPIRED, step)]
    assert steps == ["accept"]


def test_the_alert_stands_where_its_furthest_team_stands():
    order = [AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE]
    states = {
        AssignmentState.ACCEPTED: AlertState.ASSIGNED,
        AssignmentState.EN_ROUTE: AlertState.EN_ROUTE,
        AssignmentState.ON_SCENE: AlertState.ON_SCENE,
    }
    others = sorted(set(AssignmentState) - ENGAGED)
    for size in range(len(order) + 1):
        for engaged in combinations(order, size):
            expected = states[max(engaged, key=order.index)] if engaged else None
            assert derived_state([*engaged, *others]) == expected


@pytest.mark.parametrize("present", sorted(TAKEN | {AlertState.OPEN, AlertState.REOPENED}))
@pytest.mark.parametrize("target", sorted(TAKEN))
def test_whatever_teams_do_the_alert_can_follow(present, target):
    if present == target:
        return
    found = [name for name, (sources, to) in ALERT_STEPS.items() if to == target and present in sources]
    first_answer = present not in TAKEN and target != AlertState.ASSIGNED
    assert len(found) == (0 if first_answer and present == AlertState.OPEN else 1), (present, target, found)
