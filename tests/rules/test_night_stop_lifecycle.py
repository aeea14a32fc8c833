"""The lifecycle as a table, the bus's passage, what a driver may say: silence is never an acceptance."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.night_stops.answering import SAID
from backend.night_stops.approach import STOOD, passage
from backend.night_stops.lifecycle import ASKED, DENIED, LIVE, OVER, PROMISED, STEPS, NightStopState, state_after

S = NightStopState
NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)


def test_every_state_is_live_or_over_or_only_just_asked():
    assert set(S) == LIVE | OVER | {S.REQUESTED}
    assert not LIVE & OVER
    assert DENIED <= OVER


def test_every_state_is_reached():
    reached = {S.REQUESTED}
    while len(reached) < len(reached := reached | {to for sources, to in STEPS.values() if sources & reached}):
        pass
    assert reached == set(S)


# Whose word each step is: a promise needs one of a driver, given for this stop or for the one that is joined.
DRIVERS = {"accept", "propose", "join_promise"}
RIDERS = {"take_alternative", "decline_alternative", "cancel", "send"}


@given(some.lists(some.sampled_from(sorted(set(STEPS) - DRIVERS))))
def test_silence_is_never_an_acceptance(steps):
    state = S.REQUESTED
    proposed = False
    for step in steps:
        proposed = proposed or step == "join_proposal"
        state = state_after(state, step) or state
        assert state not in PROMISED or proposed, f"promised by {steps} without a driver's word"


@pytest.mark.parametrize("state", sorted(ASKED))
def test_time_alone_only_expires_what_is_asked(state):
    assert state_after(state, "expire") is S.EXPIRED


def test_the_driver_has_the_last_word_after_a_promise_too():
    for state in PROMISED:
        assert state_after(state, "withdraw") is S.WITHDRAWN


@pytest.mark.parametrize("state", sorted(OVER - {S.EXPIRED, S.MISSED, S.ALIGHTED}))
def test_what_is_over_stays_over(state):
    assert [step for step in STEPS if state_after(state, step)] == []


def test_each_word_of_a_driver_leads_where_it_says():
    assert SAID["accept"] == PROMISED
    assert set(SAID) == {"accept", "propose", "refuse", "withdraw", "alighted"}


PASSAGES = [
    # ahead_m, speed, stood for, announced → what is new
    (500, 8, None, False, None),
    (199, 8, None, False, "approach"),
    (199, 8, None, True, None),
    (30, 0.5, None, True, "stand"),
    (40, 0.0, None, True, None),  # a red light before the place
    (-30, 1.0, None, True, "stand"),
    (20, 0.4, 3, True, None),  # still standing
    (-20, 6.0, 3, True, "roll_on"),  # too short for anybody to get off
    (-20, 6.0, 5, True, "alight"),
    (-60, 9.0, 12, True, "alight"),
    (-50, 9.0, None, True, None),
    (-71, 9.0, None, True, "miss"),
    (-71, 0.0, None, False, "miss"),  # it stands at the next light: past is past
    (-400, 9.0, 30, True, "alight"),  # a gap in the positions
]


@pytest.mark.parametrize(("ahead", "speed", "stood", "announced", "new"), PASSAGES)
def test_what_a_passage_says(ahead, speed, stood, announced, new):
    since = NOW - timedelta(seconds=stood) if stood is not None else None
    assert passage(ahead, speed, NOW, since, announced=announced) == new


@given(some.lists(some.tuples(some.floats(1, 60), some.floats(0.2, 15)), min_size=1))
def test_nobody_is_said_to_be_off_before_the_bus_stood_at_the_place(moves):
    """Whatever a bus does on its way: "alighted" needs five seconds of standing within 35 m of the place."""
    ahead, at, stood, announced = 300.0, NOW, None, False
    halted = timedelta(0)
    for metres, speed in moves:
        standing = speed <= 1.5 and abs(ahead) <= 35
        elapsed = timedelta(seconds=metres / max(speed, 1))
        halted = halted + elapsed if standing else timedelta(0)
        at += elapsed
        ahead -= 0 if standing else metres
        new = passage(ahead, speed, at, stood, announced=announced)
        if new == "alight":
            assert stood is not None
            assert at - stood >= STOOD
            return
        if new == "miss":
            return
        announced = announced or new == "approach"
        stood = at if new == "stand" else None if new == "roll_on" else stood
