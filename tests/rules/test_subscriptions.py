"""Subscriptions: what a browser gives is read, and the server calls nobody but listed push services."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.delivery import subscriptions
from backend.delivery.subscriptions import SubscriptionInvalid, may_be_called
from backend.settings import Settings

HOSTS = Settings().webpush_hosts
POINT = base64.urlsafe_b64encode(b"\x04" + bytes(64)).rstrip(b"=").decode()
AUTH = base64.urlsafe_b64encode(bytes(16)).rstrip(b"=").decode()


def told(**changes):
    keys = {"p256dh": POINT, "auth": AUTH} | changes.pop("keys", {})
    return json.dumps({"endpoint": "https://fcm.googleapis.com/fcm/send/a:b", "keys": keys} | changes)


def test_a_browsers_words_are_read():
    found = subscriptions.read(told(expirationTime=None))
    assert found.info == {
        "endpoint": "https://fcm.googleapis.com/fcm/send/a:b",
        "keys": {"p256dh": POINT, "auth": AUTH},
    }
    assert POINT not in repr(found)
    assert "fcm.googleapis" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", "token", '"https://fcm.googleapis.com"', told(endpoint=None), told(endpoint=5), told(endpoint="ftp://a/b"),
        told(keys={"auth": "AAAA"}), told(keys={"auth": None}), told(keys={"p256dh": "AAAA"}), told(keys={"p256dh": "é" * 87}),
        told(keys={"p256dh": "_" * 87}), '{"endpoint":"https://a","keys":[]}', "[" * 60_000,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(SubscriptionInvalid):
        subscriptions.read(text)


@given(st.text(max_size=200))
def test_no_text_is_a_crash(text):
    with pytest.raises(SubscriptionInvalid):
        subscriptions.read(text)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/dX:APA91b_x-y",
        "https://fcm.googleapis.com:443/fcm/send/x",
        "https://FCM.googleapis.com/wp/x",
        "https://updates.push.services.mozilla.com/wpush/v2/gAAAAA",
        "https://web.push.apple.com/QGuQyavXutnMH9",
        "https://wns2-par02p.notify.windows.com/w/?token=BQYAAAB%2fabc%3d",
    ],
)
def test_the_push_services_of_browsers_may_be_called(endpoint):
    assert may_be_called(endpoint, HOSTS)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x", "https://fcm.googleapis.com:8443/x", "https://fcm.googleapis.com:4433/x",
        "https://169.254.169.254/latest/meta-data/", "https://localhost/x", "https://127.0.0.1/x", "http://127.0.0.1:9000/x",
        "https://[::1]/x", "https://[::ffff:169.254.169.254]/", "https://2130706433/x", "https://evil.example/x",
        "https://fcm.googleapis.com.evil.example/x", "https://evil.example/fcm.googleapis.com", "https://evil.example#fcm.googleapis.com",
        "https://fcm.googleapis.com@evil.example/x", "https://user:pass@fcm.googleapis.com/x", "https://evil.example\\@fcm.googleapis.com/x",
        "https://fcm.googleapis.com\\@evil.example/x", "https://fcm.googleapis.com#@evil.example/", "https://fcm.googleapis.com\t/x",
        "https://fcm.googleapis.com/x\r\nHost: evil", "https://fcm.googleapis.com./x", "https://push.apple.com/x", "https://xpush.apple.com/x",
        "https://fcm.googleapis.com%2eevil.example/x", "https://fcm.googleapis。com/x", "https://ｆcm.googleapis.com/x",
        "gopher://fcm.googleapis.com/x", "file:///etc/passwd", "//fcm.googleapis.com/x", "https:/fcm.googleapis.com/x", "https://fcm.googleapis.com/a b",
        "https://fcm.googleapis.com/\n",
    ],
)  # fmt: skip
def test_nobody_else(endpoint):
    assert not may_be_called(endpoint, HOSTS)


def test_a_server_of_ones_own_is_listed_by_its_name():
    assert may_be_called("https://push.rtm.example/UP?up=1", ("push.rtm.example",))
    assert not may_be_called("https://a.push.rtm.example/UP", ("push.rtm.example",))
    assert not may_be_called("https://rtm.example/UP", ("*.rtm.example",))


def test_this_machine_only_where_tests_say_so():
    assert may_be_called("http://127.0.0.1:8123/push/x", HOSTS, here=True)
    for other in (
        "http://127.0.0.1/x",
        "http://127.0.0.2:80/x",
        "http://localhost:80/x",
        "http://127.0.0.1:80@evil/x",
        "http://10.0.0.1:80/",
    ):
        assert not may_be_called(other, HOSTS, here=True)
