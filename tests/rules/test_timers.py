"""When silence becomes news: no alert that a person should look at is ever without a next instant."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from backend.alerts.lifecycle import OVER, TAKEN, WAITING, AlertState
from backend.alerts.timers import Patience, Standing, next_attention, silences

NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
PATIENCE = Patience()
instants = st.integers(-7200, 7200).map(lambda seconds: NOW + timedelta(seconds=seconds))
standings = st.builds(
    Standing,
    st.sampled_from(AlertState),
    instants,
    st.none() | instants,
    st.none() | instants,
    st.none() | instants,
    st.none() | instants,
    st.none() | instants,
)


def standing(state=AlertState.OPEN, **known):
    said = {
        "opened_at": NOW,
        "seen_at": None,
        "acknowledged_at": None,
        "cancel_requested_at": None,
        "team_changed_at": None,
    }
    return Standing(state, **{**said, **known})


@given(standings)
def test_a_live_alert_that_nobody_has_seen_always_has_a_next_instant(one):
    if one.state in OVER or one.state == AlertState.ARMED:
        assert next_attention(one, PATIENCE, NOW) is None
        assert silences(one, PATIENCE, NOW) == []
    elif one.seen_at is None:
        assert next_attention(one, PATIENCE, NOW) is not None


@given(standings)
def test_the_next_instant_lies_ahead_and_no_further_than_a_reminder_while_something_is_silent(one):
    at = next_attention(one, PATIENCE, NOW)
    if at is not None:
        assert at > NOW
    if silences(one, PATIENCE, NOW):
        assert at <= NOW + timedelta(seconds=PATIENCE.reminder_s)


@given(standings)
def test_no_silence_is_noticed_late_because_another_was_noticed_before(one):
    at = next_attention(one, PATIENCE, NOW)
    if at is None:
        return
    just_before = at - timedelta(milliseconds=1)
    assert set(silences(one, PATIENCE, just_before)) == set(silences(one, PATIENCE, NOW))


@given(standings)
def test_looking_at_each_instant_finds_every_silence(one):
    now, heard, wanted = NOW, set(), set(silences(one, PATIENCE, NOW + timedelta(hours=4)))
    for _ in range(600):
        heard |= set(silences(one, PATIENCE, now))
        now = next_attention(one, PATIENCE, now)
        if now is None or now > NOW + timedelta(hours=4):
            break
    assert wanted <= heard


def test_unseen_is_said_after_fifteen_seconds_and_again_every_thirty():
    one = standing()
    assert next_attention(one, PATIENCE, NOW) == NOW + timedelta(seconds=15)
    assert silences(one, PATIENCE, NOW + timedelta(seconds=14)) == []
    assert silences(one, PATIENCE, NOW + timedelta(seconds=15)) == ["unseen"]
    later = NOW + timedelta(seconds=15)
    assert next_attention(one, PATIENCE, later) == later + timedelta(seconds=30)


def test_an_acknowledgement_ages_only_while_no_team_has_it():
    old = NOW - timedelta(seconds=PATIENCE.acknowledgement_ages_s)
    for state in AlertState:
        one = standing(state, seen_at=NOW, acknowledged_at=old)
        aged = "acknowledgement_aged" in silences(one, PATIENCE, NOW)
        assert aged == (state in WAITING - {AlertState.ARMED}), state


def test_a_team_that_says_nothing_for_three_minutes_is_news_until_it_is_there():
    old = NOW - timedelta(seconds=PATIENCE.silent_team_s)
    for state in AlertState:
        one = standing(state, seen_at=NOW, team_changed_at=old)
        assert ("team_silent" in silences(one, PATIENCE, NOW)) == (state in TAKEN - {AlertState.ON_SCENE}), state


def test_an_offer_by_hand_on_a_taken_alert_ends_on_time():
    one = standing(AlertState.ON_SCENE, reinforcement_until=NOW + timedelta(seconds=7))
    one_unseen_since_long = Standing(
        AlertState.ON_SCENE, NOW - timedelta(hours=1), None, None, None, None, NOW + timedelta(seconds=7)
    )
    for each in (one, one_unseen_since_long):
        assert next_attention(each, PATIENCE, NOW) == NOW + timedelta(seconds=7)
