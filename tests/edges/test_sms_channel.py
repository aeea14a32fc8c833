"""Texts out through a gateway's webhook: signed, short, told apart by their id; each answer is one outcome."""

import hashlib
import hmac
import uuid
from datetime import timedelta

import pytest

from backend.delivery import signatures
from backend.delivery.channels import OFFER, REPLY, SUPERVISOR, TROUBLE, Address, GiveUp, Message, RetryAt, Sent
from backend.delivery.sms import Sms, plain
from backend.delivery.words import words
from backend.settings import Settings, SettingsRefused
from tests.fakes import OPENING_NIGHT as NOW
from tests.providers import Answer, SmsGateway

# GSM 03.38 without the characters that count twice; a text outside of it is cut into pieces of 70.
GSM_7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def message(kind=SUPERVISOR):
    return Message(
        uuid.UUID(int=5),
        kind,
        Address("number", "+33639980001"),
        NOW + timedelta(minutes=10),
        "fr",
        True,
        "Vigie",
        words(kind, "fr"),
    )


@pytest.fixture
def gateway():
    with SmsGateway() as provider:
        yield provider


def channel_of(gateway, **changes):
    given = {
        "environment": "test",
        "sms_url": f"{gateway.url}/out",
        "sms_secret": gateway.secret,
        "provider_timeout_s": 4.0,
    }
    return Sms(Settings(**given | changes))


def test_a_text_is_signed_and_says_little(gateway):
    assert channel_of(gateway).send(message(), NOW) == Sent(f"gw-{uuid.UUID(int=5)}")
    assert gateway.texts == [
        {
            "id": str(uuid.UUID(int=5)), "to": "+33639980001", "text": "Votre attention est demandée. Ouvrez la salle de controle.",
            "valid_until": "2026-11-22T21:10:00.000Z", "urgent": True,
        }
    ]  # fmt: skip
    heard = gateway.heard[0]
    at = int(NOW.timestamp())
    right = hmac.new(gateway.secret.encode(), f"{at}.".encode() + heard.body, hashlib.sha256).hexdigest()
    assert heard.headers["x-vigie-signature"] == f"t={at},v1={right}"
    assert signatures.is_signed(gateway.secret, heard.body, heard.headers["x-vigie-signature"], NOW)


def test_the_same_text_twice_is_one(gateway):
    for _ in range(2):
        assert isinstance(channel_of(gateway).send(message(), NOW), Sent)
    assert len(gateway.texts) == 1


def test_a_gateway_that_shares_no_secret_with_us(gateway):
    assert channel_of(gateway, sms_secret="another").send(message(), NOW) == GiveUp("signature", ours=True)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, "OK"), Sent(None)),
        (Answer(202, {"id": 12}), Sent("12")),
        (Answer(204), Sent(None)),
        (Answer(403), GiveUp("signature", ours=True)),
        (Answer(404), GiveUp("endpoint", ours=True)),
        (Answer(302, "", {"Location": "http://127.0.0.1:1/"}), GiveUp("endpoint", ours=True)),
        (Answer(410), GiveUp("number_refused")),
        (Answer(422), GiveUp("number_refused")),
        (Answer(400), GiveUp("http_400", ours=True)),
        (Answer(429, "", {"Retry-After": "9"}), RetryAt("http_429", 9)),
        (Answer(503), RetryAt("http_503")),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Answer) else None,
)
def test_what_a_gateway_answers_is_one_outcome(gateway, answer, outcome):
    gateway.answers(answer)
    assert channel_of(gateway).send(message(), NOW) == outcome
    assert len(gateway.heard) == 1


def test_a_gateway_that_hangs_or_is_not_there(gateway):
    channel = channel_of(gateway, provider_timeout_s=0.3)
    gateway.always(Answer(202, "", hang=True))
    assert channel.send(message(), NOW) == RetryAt("timeout")
    gateway.close()
    assert channel.send(message(), NOW) == RetryAt("unreachable")


@pytest.mark.parametrize("kind", [OFFER, SUPERVISOR, TROUBLE, REPLY])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_each_text_fits_into_one(kind, language):
    text = plain(words(kind, language))
    assert len(text) <= 160
    assert set(text) <= GSM_7


@pytest.mark.parametrize(
    "url", ["http://gateway.example/out", "gateway.example", "ftp://x", "http://127.0.0.1.evil.example/"]
)
def test_texts_leave_encrypted_or_not_at_all(url):
    with pytest.raises(SettingsRefused, match="VIGIE_SMS_URL"):
        Settings(sms_url=url, sms_secret="x").refuse_absurd()
