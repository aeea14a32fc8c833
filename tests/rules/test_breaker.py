"""The breaker: a provider that fails is left alone, tried once, and never given more than its rate."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.delivery.breaker import MOST_FAILURES, NOBODY_ASKED, OF_THE_SETUP, PAUSE, Breaker
from backend.delivery.channels import AddressDead, GiveUp, RetryAt, Sent
from tests.fakes import OPENING_NIGHT as NOW

FAILURE = RetryAt("timeout")


def shut(now=NOW):
    breaker = Breaker(100)
    for _ in range(MOST_FAILURES):
        breaker.note(FAILURE, now)
    return breaker


def test_five_failures_in_a_row_open_it_for_ten_seconds():
    breaker = Breaker(100)
    for _ in range(MOST_FAILURES - 1):
        breaker.note(FAILURE, NOW)
    assert not breaker.open(NOW)
    breaker.note(FAILURE, NOW)
    assert breaker.open(NOW)
    assert breaker.room(NOW) == 0
    assert breaker.open(NOW + PAUSE - timedelta(milliseconds=1))
    assert not breaker.open(NOW + PAUSE)


def test_failures_with_a_success_between_do_not():
    breaker = Breaker(100)
    for _ in range(10):
        for _ in range(MOST_FAILURES - 1):
            breaker.note(FAILURE, NOW)
        breaker.note(Sent(), NOW)
    assert not breaker.open(NOW)


def test_one_message_tries_whether_it_is_back():
    breaker, later = shut(), NOW + PAUSE
    assert breaker.room(later) == 1
    breaker.spend(1, later)
    assert breaker.open(later), "while the probe is away, everybody else waits"
    breaker.note(Sent(), later)
    assert breaker.room(later) == 99


def test_a_probe_that_fails_shuts_it_again():
    breaker, later = shut(), NOW + PAUSE
    breaker.spend(1, later)
    breaker.note(FAILURE, later)
    assert breaker.open(later + PAUSE - timedelta(seconds=1))
    assert breaker.room(later + PAUSE) == 1


def test_a_probe_that_never_comes_back_is_followed_by_another():
    breaker, later = shut(), NOW + PAUSE
    breaker.spend(1, later)
    assert breaker.open(later + PAUSE - timedelta(seconds=1))
    assert breaker.room(later + PAUSE) == 1


@pytest.mark.parametrize(
    "outcome", [AddressDead("UNREGISTERED"), GiveUp("number_refused"), GiveUp("http_413", ours=True)]
)
def test_an_answer_about_one_message_says_that_the_provider_is_there(outcome):
    breaker = Breaker(100)
    for _ in range(50):
        breaker.note(outcome, NOW)
    assert not breaker.open(NOW)


@pytest.mark.parametrize("code", sorted(OF_THE_SETUP))
def test_a_wrong_key_or_project_counts_like_a_provider_that_is_down(code):
    breaker = Breaker(100)
    for _ in range(MOST_FAILURES):
        breaker.note(GiveUp(code, ours=True), NOW)
    assert breaker.open(NOW)


def test_a_clock_that_is_put_back_does_not_shut_it_for_an_hour():
    breaker = shut(NOW + timedelta(hours=1))
    assert not breaker.open(NOW)
    assert breaker.room(NOW) == 1


def test_a_slow_rate_gives_one_at_a_time():
    breaker = Breaker(0.5)
    assert breaker.room(NOW) == 1
    breaker.spend(1, NOW)
    assert breaker.room(NOW + timedelta(seconds=1.9)) == 0
    assert breaker.room(NOW + timedelta(seconds=2)) == 1


@given(
    rate=st.floats(0.1, 500),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 1000)), max_size=60),
)
def test_never_more_than_the_rate(rate, steps):
    breaker, now, given_out = Breaker(rate), NOW, 0
    for wait_s, wanted in steps:
        now += timedelta(seconds=wait_s)
        count = min(wanted, breaker.room(now))
        breaker.spend(count, now)
        given_out += count
        assert given_out <= max(1.0, rate) + rate * (now - NOW).total_seconds() + 1e-6


@given(st.lists(st.sampled_from(["fail", "sent", "probe", "wait"]), max_size=80))
def test_it_never_stays_shut(steps):
    """Whatever happened, ten quiet seconds later there is room for at least one message."""
    breaker, now = Breaker(1000), NOW
    for step in steps:
        match step:
            case "fail":
                breaker.note(FAILURE, now)
            case "sent":
                breaker.note(Sent(), now)
            case "probe":
                breaker.spend(min(1, breaker.room(now)), now)
            case "wait":
                now += timedelta(seconds=3)
    assert breaker.room(now + PAUSE) >= 1


def test_what_one_riders_browser_is_refused_for_shuts_nobody_out():
    breaker = Breaker(100)
    for _ in range(3 * MOST_FAILURES):
        breaker.note(GiveUp("vapid", ours=True), NOW)
    assert not breaker.open(NOW)


@pytest.mark.parametrize("code", sorted(NOBODY_ASKED))
def test_what_was_given_up_here_says_nothing_about_the_provider(code):
    breaker = shut()
    breaker.note(GiveUp(code), NOW)
    assert breaker.open(NOW)


def test_one_of_many_providers_that_is_away_shuts_no_channel():
    breaker = Breaker(100)
    for _ in range(3 * MOST_FAILURES):
        breaker.note(RetryAt("timeout", one_of_many=True), NOW)
    assert not breaker.open(NOW)
