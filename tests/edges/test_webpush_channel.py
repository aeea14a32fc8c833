"""Web push against a push service that checks signatures and decrypts, and against addresses that must not be called."""

import base64
import json
import logging
import socket
import threading
import time
import uuid
from datetime import timedelta
from email.utils import format_datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from backend.delivery import outgoing
from backend.delivery.breaker import MOST_FAILURES, PAUSE
from backend.delivery.channels import NEWS, OFFER, Address, AddressDead, GiveUp, Message, RetryAt, Sent
from backend.delivery.payloads import data
from backend.delivery.webpush import WebPush
from backend.settings import Settings, SettingsRefused
from tests.fakes import OPENING_NIGHT as NOW
from tests.providers import Answer, PushService

CONTACT = "mailto:pc@reseau.example"


def pem():
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def message(subscription, kind=OFFER, number=7, useful_s=45):
    address = subscription if isinstance(subscription, str) else json.dumps(subscription)
    return Message(
        uuid.UUID(int=number),
        kind,
        Address("subscription", address),
        NOW + timedelta(seconds=useful_s),
        "fr",
        kind == OFFER,
        "Vigie",
        "Nouveau message",
        alert_id=uuid.UUID(int=1),
    )


def channel_of(**changes):
    given = {
        "environment": "test",
        "vapid_key": pem(),
        "vapid_contact": CONTACT,
        "webpush_here": True,
        "provider_timeout_s": 4.0,
    }
    return WebPush(Settings(**given | changes))


@pytest.fixture
def service():
    with PushService() as provider:
        yield provider


@pytest.fixture
def channel():
    return channel_of()


@pytest.fixture
def browser(service, channel):
    return service.subscribe(channel.public_key)


def test_the_browser_reads_what_was_said(channel, service, browser):
    made = message(browser)
    assert isinstance(channel.send(made, NOW), Sent)
    (pushed,) = service.pushed
    assert pushed.payload == data(made)
    assert (pushed.ttl, pushed.urgency, len(pushed.topic)) == (45, "high", 32)


def test_a_push_service_learns_no_word_and_no_id(channel, service, browser):
    channel.send(message(browser), NOW)
    heard = service.heard[0]
    seen = heard.path + json.dumps(heard.headers) + heard.body.decode("latin1")
    for secret in (str(uuid.UUID(int=7)), str(uuid.UUID(int=1)), "offer", "Nouveau"):
        assert secret not in seen


def test_each_push_service_gets_its_own_claims(channel, service, browser):
    with PushService() as other:
        for each in (browser, other.subscribe(channel.public_key), browser):
            assert isinstance(channel.send(message(each), NOW), Sent)
        assert (len(service.pushed), len(other.pushed)) == (2, 1)


def test_a_push_service_that_is_away_rests_and_the_others_go_on(channel, service, browser):
    with PushService() as other:
        well, asked = other.subscribe(channel.public_key), MOST_FAILURES + 3
        service.answers(*[Answer(503)] * MOST_FAILURES)
        outcomes = [channel.send(message(browser), NOW) for _ in range(asked)]
        assert [one.code for one in outcomes] == ["http_503"] * MOST_FAILURES + ["resting"] * 3
        assert all(one.one_of_many for one in outcomes), "the channel as a whole is not shut for it"
        assert isinstance(channel.send(message(well), NOW), Sent)
    assert len(service.heard) == MOST_FAILURES
    assert isinstance(channel.send(message(browser), NOW + PAUSE), Sent), "it is tried again, and is back"


def test_news_may_wait_for_the_phone_to_wake_up_by_itself(channel, service, browser):
    channel.send(message(browser, NEWS, useful_s=600), NOW)
    assert (service.pushed[0].urgency, service.pushed[0].ttl) == ("normal", 600)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(404), AddressDead("http_404")),
        (Answer(410), AddressDead("http_410")),
        (Answer(413), GiveUp("http_413", ours=True)),
        (Answer(400), GiveUp("http_400", ours=True)),
        (Answer(401), GiveUp("vapid", ours=True)),
        (Answer(403, {"reason": "BadJwtToken"}), GiveUp("vapid", ours=True)),
        (Answer(429, "", {"Retry-After": "30"}), RetryAt("http_429", 30)),
        (Answer(429, "", {"Retry-After": format_datetime(NOW + timedelta(seconds=75), usegmt=True)}), RetryAt("http_429", 75)),
        (Answer(429, "", {"Retry-After": "a while"}), RetryAt("http_429")),
        (Answer(500), RetryAt("http_500")),
        (Answer(503, "", {"Retry-After": "5"}), RetryAt("http_503", 5)),
        (Answer(202), Sent(None)),
    ],
    ids=lambda value: f"{value.status}" if isinstance(value, Answer) else None,
)  # fmt: skip
def test_what_a_push_service_answers_is_one_outcome(channel, service, browser, answer, outcome):
    service.answers(answer)
    assert channel.send(message(browser), NOW) == outcome
    assert len(service.heard) == 1


def test_a_browser_that_is_gone(channel, service, browser):
    service.unsubscribe(browser)
    assert channel.send(message(browser), NOW) == AddressDead("http_410")


def test_a_browser_that_subscribed_to_another_server(channel, service):
    foreign = service.subscribe(channel_of().public_key)
    assert channel.send(message(foreign), NOW) == GiveUp("vapid", ours=True)


def test_no_cookie_goes_along_with_the_next_persons_message(channel, service, browser):
    service.answers(Answer(201, "", {"Set-Cookie": "who=anna; Path=/"}))
    for _ in range(2):
        channel.send(message(browser), NOW)
    assert ["cookie" in heard.headers for heard in service.heard] == [False, False]


def test_redirects_are_not_followed(channel, service, browser):
    with PushService() as inside:
        service.answers(Answer(307, "", {"Location": f"{inside.url}/push/x"}))
        assert channel.send(message(browser), NOW) == GiveUp("http_307", ours=True)
        assert inside.heard == []


def test_a_push_service_that_hangs_holds_nobody(service):
    channel = channel_of(provider_timeout_s=0.4)
    browser = service.subscribe(channel.public_key)
    service.always(Answer(201, "x", hang=True))
    begun = time.monotonic()
    assert channel.send(message(browser), NOW) == RetryAt("timeout")
    assert time.monotonic() - begun < 20, "pywebpush's own time-out is 10,000 s"


@pytest.mark.parametrize(
    "begun",
    [b"", b"HTTP/1.1 201 Created\r\nX: ", b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n"],
    ids=["status", "headers", "body"],
)
def test_an_answer_that_drips_ends_with_the_time(begun):
    """Every single read is within its time-out; the whole is not."""
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def drip():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(begun)
            while not over.wait(0.02):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    threading.Thread(target=drip, daemon=True).start()
    try:
        with pytest.raises(outgoing.NotAnswered, match="timeout"):
            outgoing.Line().post(f"http://127.0.0.1:{listener.getsockname()[1]}/", data=b"", timeout=0.3)
    finally:
        over.set()
        listener.close()


def test_crooked_headers_put_no_address_into_the_log(channel, browser, caplog):
    """urllib3 warns of them, and quotes the whole address as it does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nnonsense\r\nX: y\r\n\r\n")

    threading.Thread(target=answer, daemon=True).start()
    secret = f"http://127.0.0.1:{listener.getsockname()[1]}/push/secret-address"
    with caplog.at_level(logging.DEBUG):
        assert isinstance(channel.send(message(browser | {"endpoint": secret}), NOW), Sent)
    listener.close()
    assert "secret-address" not in caplog.text


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example/push",
        "http://127.0.0.1/push",
        "https://169.254.169.254/latest",
        "https://fcm.googleapis.com@evil.example/",
    ],
)
def test_nobody_is_called_who_is_not_listed(channel, service, browser, endpoint, outside):
    assert channel.send(message(browser | {"endpoint": endpoint}), NOW) == GiveUp("host_not_allowed")
    assert outside == []


def test_this_machine_is_called_in_tests_only(service, browser):
    assert channel_of(webpush_here=False).send(message(browser), NOW) == GiveUp("host_not_allowed")
    assert service.heard == []
    with pytest.raises(SettingsRefused, match="WEBPUSH_HERE"):
        Settings(environment="production", database_url="postgresql://x", webpush_here=True).refuse_absurd()


def test_a_listed_name_that_leads_inside_is_not_spoken_to(channel, service, browser, monkeypatch):
    """A name in the list, whose address is one of ours: connected, looked at, and closed without a word."""
    real = socket.getaddrinfo

    def inside(host, port, *rest, **options):
        if host == "updates.push.services.mozilla.com":
            return real("127.0.0.1", service.port, *rest, **options)
        return real(host, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    led = browser | {"endpoint": "https://updates.push.services.mozilla.com/wpush/v2/x"}
    assert channel.send(message(led), NOW) == GiveUp("private_address")
    assert service.heard == []


@pytest.mark.parametrize(
    "address",
    ["", "{}", "a token", json.dumps({"endpoint": "http://127.0.0.1:9/x", "keys": {"p256dh": "BB", "auth": "AA"}})],
)
def test_an_address_that_is_no_subscription(channel, address):
    assert channel.send(message(address), NOW) == GiveUp("subscription_invalid")


def test_keys_that_are_no_point_of_the_curve(channel, service, browser):
    crooked = base64.urlsafe_b64encode(b"\x04" + b"\x01" * 64).rstrip(b"=").decode()
    broken = browser | {"keys": browser["keys"] | {"p256dh": crooked}}
    assert channel.send(message(broken), NOW) == GiveUp("subscription_invalid")


class TestKeys:
    def test_a_key_may_be_a_file_its_text_or_its_number(self, tmp_path):
        text = pem()
        path = tmp_path / "vapid.pem"
        path.write_text(text)
        number = serialization.load_pem_private_key(text.encode(), None).private_numbers().private_value
        raw = base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
        public = {channel_of(vapid_key=given).public_key for given in (text, text.replace("\n", "\\n"), str(path), raw)}
        assert len(public) == 1
        assert len(public.pop()) == 87

    @pytest.mark.parametrize(
        "given", ["nonsense", "/nowhere/key.pem", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"]
    )
    def test_a_key_that_cannot_work_stops_the_start_in_one_line(self, given):
        with pytest.raises(SettingsRefused, match="VIGIE_VAPID_KEY") as refused:
            channel_of(vapid_key=given)
        assert "\n" not in str(refused.value)
        assert "c2VjcmV0" not in str(refused.value)

    def test_a_key_of_another_curve(self):
        key = ec.generate_private_key(ec.SECP384R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with pytest.raises(SettingsRefused, match="P-256"):
            channel_of(vapid_key=text.decode())

    @pytest.mark.parametrize(
        "contact",
        [
            "",
            "pc@reseau.example",
            "mailto:pc@localhost",
            "mailto:pc",
            "mailto:x@a.invalid",
            "https://localhost",
            "http://a.example",
        ],
    )
    def test_a_contact_that_push_services_refuse(self, contact):
        with pytest.raises(SettingsRefused, match="CONTACT"):
            Settings(vapid_key="x", vapid_contact=contact).refuse_absurd()

    @pytest.mark.parametrize("contact", [CONTACT, "https://reseau.example/contact", "mailto:pc.surete@rtm.fr"])
    def test_a_contact_that_they_take(self, contact):
        Settings(vapid_key="x", vapid_contact=contact).refuse_absurd()
