"""Who is asked next, and what happens when nobody is left: always a next instant, always a reason."""

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from backend.dispatch.plan import RoundPlan
from backend.dispatch.policy import (
    AskTeams,
    CallControlRoom,
    Candidate,
    Situation,
    Wait,
    next_step,
    rank,
    reasons,
    shortfall,
)

NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
REMINDER_S = 30
HOLDS = ("late", "out_of_area", "position_vague", "no_position")
ROUNDS = (RoundPlan(2_000, 1, 20), RoundPlan(6_000, 2, 20), RoundPlan(20_000, 3, 25))

candidate = st.builds(
    Candidate,
    st.uuids(),
    st.none() | st.floats(0, 60_000),
    same_vehicle=st.booleans(),
    same_station=st.booleans(),
    fix_age_s=st.floats(0, 60),
    no_answer_before=st.booleans(),
)
plans = st.lists(st.builds(RoundPlan, st.integers(100, 30_000), st.integers(1, 5), st.integers(5, 60)), max_size=5).map(
    lambda rounds: tuple(sorted(rounds, key=lambda one: one.radius_m))
)
situations = st.builds(
    Situation,
    plans,
    st.integers(0, 8),
    st.none() | st.integers(-60, 60).map(lambda s: NOW + timedelta(seconds=s)),
    st.none() | st.sampled_from(HOLDS),
    st.lists(candidate, max_size=12, unique_by=lambda one: one.team_id),
)


def team(distance_m, **said):
    return Candidate(uuid.uuid4(), distance_m, **said)


def ask(*candidates, round_no=0, rounds=ROUNDS, asked_until=None, hold=None):
    return next_step(Situation(rounds, round_no, asked_until, hold, candidates), NOW, REMINDER_S)


@given(situations)
def test_there_is_always_a_next_instant_and_it_lies_ahead(situation):
    step = next_step(situation, NOW, REMINDER_S)
    at = {Wait: lambda: step.until, AskTeams: lambda: step.answer_by, CallControlRoom: lambda: step.again_at}
    assert at[type(step)]() > NOW


@given(situations)
def test_a_person_is_called_with_a_reason_exactly_when_no_team_can_be_asked(situation):
    step = next_step(situation, NOW, REMINDER_S)
    if isinstance(step, AskTeams):
        assert 1 <= len(step.teams) <= max(plan.teams for plan in situation.rounds)
        assert len({one.team_id for one in step.teams}) == len(step.teams)
    if isinstance(step, CallControlRoom):
        assert step.reason
        assert step.again_at == NOW + timedelta(seconds=REMINDER_S)


@given(situations)
def test_only_teams_within_the_round_or_on_the_spot_are_asked(situation):
    step = next_step(situation, NOW, REMINDER_S)
    if not isinstance(step, AskTeams):
        return
    plan = situation.rounds[min(step.round_no, len(situation.rounds)) - 1]
    assert set(step.teams) <= set(situation.candidates)
    for one in step.teams:
        assert one.is_there or one.distance_m <= plan.radius_m
        assert situation.hold is None or (one.is_there and situation.hold != "late")


@given(situations)
def test_whoever_is_on_the_spot_comes_before_anybody_in_the_street(situation):
    step = next_step(situation, NOW, REMINDER_S)
    if not isinstance(step, AskTeams):
        return
    for first, second in pairwise(step.teams):
        assert rank(first) <= rank(second)
        if first.no_answer_before == second.no_answer_before:
            assert (first.same_vehicle, first.is_there) >= (second.same_vehicle, second.is_there)


def test_the_same_vehicle_counts_more_than_the_same_station_and_both_more_than_metres():
    near, station, aboard = team(10), team(900, same_station=True), team(None, same_vehicle=True)
    rounds = (RoundPlan(2_000, 3, 20),)
    assert ask(near, station, aboard, rounds=rounds).teams == (aboard, station, near)


def test_each_round_is_wider_and_rounds_without_anybody_are_passed_over():
    far = team(5_000)
    assert ask(far).round_no == 2
    assert ask(team(100), far, round_no=1).round_no == 2
    assert ask(team(19_000), round_no=1).round_no == 3


def test_it_waits_while_somebody_is_being_asked():
    until = NOW + timedelta(seconds=3)
    assert ask(team(10), asked_until=until) == Wait(until)
    assert isinstance(ask(team(10), asked_until=NOW), AskTeams)


def test_an_empty_plan_goes_straight_to_the_control_room():
    assert ask(team(10), rounds=()).reason == "control_room_only"


def test_a_held_alert_asks_only_who_is_there_and_says_why_nobody_else():
    assert ask(team(10), hold="position_vague").reason == "position_vague"
    assert isinstance(ask(team(10, same_vehicle=True), hold="position_vague"), AskTeams)
    assert isinstance(ask(team(10, same_vehicle=True), hold="late"), CallControlRoom)


def play(candidates, rounds=ROUNDS, hours=1.0):
    """The steps of an hour in which nobody ever answers."""
    now, round_no, silent, steps = NOW, 0, set(), []
    while now < NOW + timedelta(hours=hours):
        known = [
            Candidate(one.team_id, one.distance_m, one.same_vehicle, one.same_station, 0, one.team_id in silent)
            for one in candidates
        ]
        step = next_step(Situation(rounds, round_no, None, None, known), now, REMINDER_S)
        steps.append(step)
        if isinstance(step, AskTeams):
            silent |= {one.team_id for one in step.teams}
            now = step.answer_by
        else:
            now = step.again_at
        round_no = step.round_no
    return steps


@given(st.lists(candidate, max_size=6, unique_by=lambda one: one.team_id), plans)
def test_when_nobody_answers_a_person_is_called_again_and_again(candidates, rounds):
    steps = play(candidates, rounds)
    called = [number for number, step in enumerate(steps) if isinstance(step, CallControlRoom)]
    assert called, "silent for an hour"
    asked = [one.team_id for step in steps[: called[0]] if isinstance(step, AskTeams) for one in step.teams]
    assert len(asked) == len(set(asked)), "nobody is asked twice before a person is called"
    assert all(later - earlier <= 2 for earlier, later in pairwise(called))


def test_who_did_not_answer_is_asked_again_once_all_rounds_are_over():
    only = team(300)
    kinds = [type(step).__name__ for step in play([only], hours=0.1)][:6]
    assert kinds == ["AskTeams", "CallControlRoom"] * 3


def test_a_team_that_becomes_free_is_asked_before_who_did_not_answer():
    silent, fresh = team(100, no_answer_before=True), team(15_000)
    for round_no in range(len(ROUNDS) + 2):
        step = ask(silent, fresh, round_no=round_no)
        assert isinstance(step, AskTeams)
        assert step.teams[0] == fresh


def test_an_alert_on_hold_begins_with_the_first_round_once_its_place_is_known():
    held = ask(team(10), hold="no_position")
    assert held.round_no == 0
    assert ask(team(10), round_no=held.round_no).round_no == 1


@given(candidate, st.integers(0, 3))
def test_every_offer_says_why_this_team(one, place):
    codes = [reason["code"] for reason in reasons(one, place)]
    assert codes
    assert ("same_vehicle" in codes) == one.same_vehicle
    assert ("same_station" in codes) == one.same_station
    assert ("asked_again" in codes) == one.no_answer_before
    assert ("closest_by_distance" in codes) == (place == 0 and not one.is_there and one.distance_m is not None)


@given(st.lists(st.sampled_from(("engaged", "stale", "declined", "outside")), max_size=20))
def test_a_shortfall_always_says_something(fates):
    counts = {fate: fates.count(fate) for fate in ("engaged", "stale", "declined", "outside")}
    found = shortfall(on_duty=len(fates), **counts)
    assert found
    assert sum(found.values()) == len(fates)
    assert ("no_team_on_duty" in found) == (not fates)
