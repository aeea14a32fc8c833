"""When a message is said again by which channel, and when it is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.delivery import policy, retries
from backend.delivery.channels import RetryAt
from backend.delivery.policy import Reach
from backend.delivery.words import words

NIGHT = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
CHANNELS = ("fcm", "webpush", "log", "sms")
reaches = st.lists(st.builds(Reach, st.just("team:x"), st.sampled_from(CHANNELS)), max_size=8)


def after(seconds: float) -> datetime:
    return NIGHT + timedelta(seconds=seconds)


@given(reaches, st.booleans(), st.floats(0.5, 120))
def test_the_push_never_waits_for_the_text_and_nothing_comes_when_the_offer_is_over(found, critical, useful_s):
    planned = policy.steps(found, NIGHT, after(useful_s), critical=critical)
    pushes = [step.due_at for step in planned if step.reach.channel != "sms"]
    texts = [step.due_at for step in planned if step.reach.channel == "sms"]
    assert all(NIGHT <= at < after(useful_s) for at in pushes + texts)
    assert all(push < text for push in pushes for text in texts)
    if critical:
        assert set(pushes) <= {NIGHT}
        assert len(pushes) == sum(reach.channel != "sms" for reach in found)
    else:
        assert all(at >= after(policy.PATIENCE_S) for at in pushes)


@pytest.mark.parametrize(
    ("priority", "has_it", "called"), [(1, True, True), (1, False, True), (2, True, False), (3, False, True)]
)
def test_a_supervisor_is_called_in_danger_always_and_else_when_no_phone_had_it(priority, has_it, called):
    assert policy.calls_supervisor(priority, anybody_has_it=has_it) is called


@given(st.integers(1, 20), st.floats(0, 1), st.floats(0.1, 600))
def test_each_wait_is_between_half_and_whole_of_its_step_and_never_past_use(attempts, jitter, useful_s):
    at = retries.next_try(RetryAt("UNAVAILABLE"), attempts, after(useful_s), NIGHT, jitter)
    step = min(retries.LONGEST_S, retries.FIRST_S * 2 ** (attempts - 1))
    if at is None:
        assert useful_s <= step
    else:
        assert after(step / 2 - 0.001) <= at <= after(step)
        assert at < after(useful_s)


@given(st.one_of(st.floats(0, 1e12), st.just(float("inf"))))
def test_a_provider_that_names_a_time_is_never_asked_earlier(after_s):
    at = retries.next_try(RetryAt("QUOTA_EXCEEDED", after_s), 1, after(3600), NIGHT, 0.5)
    assert at is None or after(max(retries.FIRST_S, after_s)) <= at < after(3600)


@pytest.mark.parametrize("kind", ["offer", "supervisor", "news", "test", "reply", "trouble"])
def test_words_are_neutral_short_and_there_in_every_language(kind):
    for language in ("fr", "en", "xx"):
        text = words(kind, language)
        assert 0 < len(text) <= 160
        assert not any(word in text.lower() for word in ("alert", "agress", "danger", "harc", "police", "assault"))
