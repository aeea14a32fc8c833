"""FCM through PyFCM against a stand-in for Google: one token, no sleep, no second push, and every failure has a name."""

import json
import subprocess
import sys
import threading
import time
import uuid
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from backend.delivery.channels import OFFER, Address, AddressDead, GiveUp, Message, RetryAt, Sent
from backend.delivery.push import Fcm
from backend.settings import Settings, SettingsRefused
from tests.fakes import OPENING_NIGHT as NOW
from tests.providers import Answer, FcmProvider, fcm_refusal

ROOT = Path(__file__).resolve().parents[2]


def message(number=7, kind="fcm_token", address="a-token"):
    return Message(
        uuid.UUID(int=number),
        OFFER,
        Address(kind, address),
        NOW + timedelta(seconds=45),
        "fr",
        True,
        "Vigie",
        "Nouveau message",
    )


@pytest.fixture
def google():
    with FcmProvider() as provider:
        yield provider


@pytest.fixture
def settings_of(google, tmp_path):
    def make(**changes):
        given = {
            "environment": "test",
            "fcm_credentials": google.credentials(tmp_path),
            "fcm_url": google.fcm_url,
            "provider_timeout_s": 4.0,
        }
        return Settings(**given | changes)

    return make


@pytest.fixture
def channel(settings_of):
    return Fcm(settings_of())


def test_a_message_arrives_as_it_was_built(channel, google):
    assert channel.send(message(), NOW) == Sent("projects/demo/messages/1")
    (sent,) = google.sent
    assert sent["token"] == "a-token"
    assert sent["data"]["delivery_id"] == str(uuid.UUID(int=7))
    assert google.heard[0].json["validate_only"] is False
    assert google.heard[0].headers["content-type"] == "application/json; charset=UTF-8"


def test_an_installation_id_is_sent_as_such(channel, google):
    channel.send(message(kind="fcm_fid", address="an-id"), NOW)
    assert (google.sent[0].get("fid"), google.sent[0].get("token")) == ("an-id", None)


def test_many_threads_share_one_token_and_a_few_connections(channel, google):
    outcomes = []
    threads = [threading.Thread(target=lambda n=n: outcomes.append(channel.send(message(n), NOW))) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == len(google.sent) == 40
    assert all(isinstance(outcome, Sent) for outcome in outcomes)
    assert google.tokens_asked == 1
    assert google.connections <= 1 + 8


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys, uuid
from datetime import timedelta
import gevent
from backend.delivery.push import Fcm
from backend.settings import Settings
from tests.edges.test_fcm_channel import NOW, message
channel = Fcm(Settings(environment="test", fcm_credentials=sys.argv[1], fcm_url=sys.argv[2], provider_timeout_s=10.0))
jobs = [gevent.spawn(channel.send, message(number), NOW) for number in range(40)]
gevent.joinall(jobs)
print(len({job.value for job in jobs}))
"""


def test_greenlets_share_them_as_well(google, tmp_path):
    """PyFCM as it comes asks for a token, and opens a connection, in each greenlet."""
    command = [sys.executable, "-c", GREENLETS, google.credentials(tmp_path), google.fcm_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.stdout.strip() == "40", done.stderr
    assert google.tokens_asked == 1
    assert len(google.sent) == 40
    assert google.connections <= 1 + 8


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (fcm_refusal(404, "NOT_FOUND", "UNREGISTERED"), AddressDead("UNREGISTERED")),
        (fcm_refusal(400, "INVALID_ARGUMENT", "UNREGISTERED"), AddressDead("UNREGISTERED")),
        (fcm_refusal(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), AddressDead("SENDER_ID_MISMATCH")),
        (fcm_refusal(404, "NOT_FOUND"), GiveUp("project", ours=True)),
        (fcm_refusal(403, "PERMISSION_DENIED"), GiveUp("forbidden", ours=True)),
        (fcm_refusal(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), GiveUp("apns_credentials", ours=True)),
        (fcm_refusal(400, "INVALID_ARGUMENT"), GiveUp("INVALID_ARGUMENT", ours=True)),
        (fcm_refusal(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry_After="17"), RetryAt("QUOTA_EXCEEDED", 17)),
        (fcm_refusal(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After=format_datetime(NOW + timedelta(seconds=90), usegmt=True)), RetryAt("UNAVAILABLE", 90)),
        (fcm_refusal(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After=format_datetime(NOW - timedelta(days=3), usegmt=True)), RetryAt("UNAVAILABLE", 0)),
        (fcm_refusal(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After="soon"), RetryAt("UNAVAILABLE")),
        (fcm_refusal(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After="-5"), RetryAt("UNAVAILABLE")),
        (fcm_refusal(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After="9" * 400), RetryAt("UNAVAILABLE")),
        (fcm_refusal(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After="999999999"), RetryAt("UNAVAILABLE", 86_400)),
        (fcm_refusal(503, "UNAVAILABLE", "UNAVAILABLE", Retry_After="Mon, 99 Foo 2026 25:61:00 GMT"), RetryAt("UNAVAILABLE")),
        (Answer(502, "<html>Bad Gateway</html>"), RetryAt("http_502")),
        (Answer(200, {"name": "projects/demo/messages/x"}, {"Retry-After": "60"}), Sent("projects/demo/messages/x")),
        (Answer(200, "<html>"), RetryAt("answer_unreadable")),
        (Answer(302, "", {"Location": "http://127.0.0.1:1/"}), GiveUp("http_302", ours=True)),
    ],
    ids=lambda value: value.code if hasattr(value, "code") else None,
)  # fmt: skip
def test_what_google_answers_once_is_one_outcome_and_one_request(channel, google, answer, outcome):
    google.answers(answer)
    assert channel.send(message(), NOW) == outcome
    assert len(google.heard) == 1, "sent again inside: a phone rings twice, and a worker sleeps"


def test_a_token_that_ran_out_is_renewed_once(channel, google):
    channel.send(message(1), NOW)
    google.expire_tokens()
    assert isinstance(channel.send(message(2), NOW), Sent)
    assert (google.tokens_asked, len(google.heard)) == (2, 3)


def test_a_key_that_google_refuses_for_ever_is_our_trouble_not_a_dead_phone(channel, google):
    google.always(fcm_refusal(401, "UNAUTHENTICATED", reason="ACCESS_TOKEN_EXPIRED"))
    assert channel.send(message(), NOW) == GiveUp("credentials", ours=True)
    assert len(google.heard) == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(400, {"error": "invalid_grant", "error_description": "account not found"}), GiveUp("credentials", ours=True)),
        (Answer(401, {"error": "invalid_client"}), GiveUp("credentials", ours=True)),
        (Answer(403, "<html>"), GiveUp("credentials", ours=True)),
        (Answer(500, {"error": "internal_failure"}), RetryAt("oauth_http_500")),
        (Answer(503, "", {"Retry-After": "20"}), RetryAt("oauth_http_503", 20)),
        (Answer(429, ""), RetryAt("oauth_http_429")),
        (Answer(200, "<html>hotel</html>"), RetryAt("oauth_unreadable")),
        (Answer(200, {"token_type": "Bearer"}), RetryAt("oauth_unreadable")),
        (Answer(200, "[]"), RetryAt("oauth_unreadable")),
        (Answer(200, {"access_token": "x", "expires_in": 3600}, hang=True), RetryAt("oauth_timeout")),
    ],
    ids=lambda value: value.code if hasattr(value, "code") else None,
)  # fmt: skip
def test_trouble_with_tokens_never_costs_a_phone(settings_of, google, answer, outcome):
    google.token_answer = answer
    assert Fcm(settings_of(provider_timeout_s=0.3)).send(message(), NOW) == outcome
    assert google.tokens_asked == 1, "google-auth's own retries sleep for seconds inside a call"
    assert google.heard == []


def test_threads_that_wait_for_a_dead_token_endpoint_share_its_failure(settings_of, google):
    google.token_answer = Answer(200, {}, hang=True)
    channel, outcomes = Fcm(settings_of(provider_timeout_s=0.4)), []
    threads = [threading.Thread(target=lambda: outcomes.append(channel.send(message(), NOW))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert outcomes == [RetryAt("oauth_timeout")] * 8
    assert google.tokens_asked < 8, "each in its turn would stand still eight times as long"
    google.token_answer = None
    assert isinstance(channel.send(message(), NOW), Sent), "and the next message asks again"


@pytest.mark.parametrize(
    "answer",
    [Answer(200, {"name": "x"}, hang=True), Answer(200, {"name": "x"}, delay_s=30)],
    ids=["after-headers", "before-them"],
)
def test_a_google_that_hangs_holds_nobody(settings_of, google, answer):
    google.always(answer)
    begun = time.monotonic()
    assert Fcm(settings_of(provider_timeout_s=0.4)).send(message(), NOW) == RetryAt("timeout")
    assert time.monotonic() - begun < 20, "the provider would hang for an hour"


def test_a_google_that_is_not_there(settings_of, google, tmp_path):
    channel = Fcm(settings_of())
    channel.send(message(), NOW)
    google.close()
    assert channel.send(message(), NOW) == RetryAt("unreachable")


def test_a_huge_answer_is_not_read_to_its_end(channel, google):
    google.answers(Answer(503, "x" * 5_000_000))
    assert channel.send(message(), NOW) == RetryAt("http_503")


def test_another_project_is_told_from_a_phone_that_is_gone(settings_of, google, tmp_path):
    wrong = settings_of(fcm_credentials=google.credentials(tmp_path, project_id="another"))
    assert Fcm(wrong).send(message(), NOW) == GiveUp("project", ours=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("", "not the JSON file"),
        ("[]", "not the JSON file"),
        ('{"type": "authorized_user"}', "not the JSON file"),
        (json.dumps({"client_email": "a@b", "token_uri": "https://x", "private_key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"}), "not the JSON file"),
    ],
)  # fmt: skip
def test_credentials_that_cannot_work_stop_the_start_in_one_line(tmp_path, text, words):
    path = tmp_path / "account.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsRefused, match=words) as refused:
        Fcm(Settings(fcm_credentials=str(path)))
    assert "\n" not in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


def test_credentials_without_a_project_stop_the_start(google, tmp_path):
    with pytest.raises(SettingsRefused, match="project_id"):
        Fcm(Settings(fcm_credentials=google.credentials(tmp_path, project_id="")))
