"""Push over HTTP: where a phone can be woken up, and the way of a test there and back."""

import base64
import json
import logging
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from backend.database import new_id
from backend.delivery.models import Delivery, PushRegistration
from backend.delivery.sending import Sender
from backend.people import sessions
from backend.people.models import Staff
from backend.people.roles import Role
from backend.wiring import wire
from tests import migrated
from tests.people import add_staff, add_team
from tests.providers import FcmProvider, PushService, fcm_refusal

ROLES = (Role.AGENT, Role.DRIVER, Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN)
TOKEN = {"channel": "fcm", "address_kind": "fcm_token", "address": "the-secret-token"}


@pytest.fixture
def google():
    with FcmProvider() as provider:
        yield provider


@pytest.fixture
def browsers():
    with PushService() as provider:
        yield provider


@pytest.fixture
def wiring(database_url, clock, google, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    settings = replace(
        migrated.settings(database_url), fcm_credentials=google.credentials(tmp_path), fcm_url=google.fcm_url,
        vapid_key=pem.decode(), vapid_contact="mailto:pc@reseau.example", webpush_here=True,
    )  # fmt: skip
    made = wire(settings, clock)
    yield made
    made.database.dispose()


class Phones:
    """People with tokens, and a worker that sends."""

    def __init__(self, client, wiring):
        self.client, self.wiring = client, wiring
        self.sender = Sender(wiring)
        self.tokens, self.ids = {}, {}
        now = wiring.clock.now()
        with wiring.database.transaction() as session:
            team = add_team(session, "GAP 1", now)
            for role in ROLES:
                staff = add_staff(session, role.value, role, now, team=team if role is Role.AGENT else None)
                self.ids[role.value] = staff.id
                self.tokens[role.value] = sessions.sign_in(session, staff.id, now, valid_hours=14).access_token
            self.tokens["rider"] = sessions.register_device(session, "web", now, valid_days=9).access_token

    def ask(self, who, method, path, body=None):
        return self.client.open(
            path,
            method=method,
            json=body,
            headers={"Authorization": f"Bearer {self.tokens[who]}", "Accept-Language": "en"},
        )

    def register(self, who, body=None, registration_id=None):
        registration_id = str(registration_id or new_id())
        answer = self.ask(who, "PUT", f"/v1/push/{registration_id}", body or TOKEN | {"address": f"token-of-{who}"})
        assert answer.status_code == 200, answer.json
        return registration_id

    def feed(self, who):
        return [item for item in self.ask(who, "GET", "/v1/feed").json["items"] if item["type"] == "phone.tested"]


@pytest.fixture
def phones(client, wiring):
    made = Phones(client, wiring)
    yield made
    made.sender.stop()


def test_what_there_is_to_register(phones, wiring):
    answer = phones.ask("rider", "GET", "/v1/push").json
    assert answer == {
        "items": [],
        "channels": ["fcm", "webpush"],
        "vapid_public_key": wiring.channels["webpush"].public_key,
    }
    assert len(base64.urlsafe_b64decode(answer["vapid_public_key"] + "=")) == 65


@pytest.mark.parametrize("who", ["rider", *(role.value for role in ROLES)])
def test_everybody_registers_and_forgets(phones, who):
    registered = phones.register(who)
    (item,) = phones.ask(who, "GET", "/v1/push").json["items"]
    assert item == {
        "id": registered, "channel": "fcm", "address_kind": "fcm_token", "created_at": "2026-11-22T21:00:00.000Z",
        "reached_at": None, "round_trip_ms": None, "disabled_why": None,
    }  # fmt: skip
    assert phones.ask(who, "DELETE", f"/v1/push/{registered}").status_code == 204
    assert phones.ask(who, "DELETE", f"/v1/push/{registered}").status_code == 404
    assert phones.ask(who, "GET", "/v1/push").json["items"] == []


def test_an_address_is_never_returned_or_logged(phones, browsers, wiring, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    subscription = browsers.subscribe(wiring.channels["webpush"].public_key)
    phones.register("agent", TOKEN)
    phones.register(
        "agent", {"channel": "webpush", "address_kind": "subscription", "address": json.dumps(subscription)}
    )
    refused = phones.ask(
        "agent", "PUT", f"/v1/push/{new_id()}", TOKEN | {"channel": "webpush", "address_kind": "subscription"}
    )
    assert refused.status_code == 422
    tested = phones.ask("agent", "POST", "/v1/push/test")
    assert phones.sender.turn() == 2
    listed = phones.ask("agent", "GET", "/v1/push")
    said = refused.text + tested.text + listed.text + "".join(capfd.readouterr()) + caplog.text
    for secret in (
        "the-secret-token",
        subscription["endpoint"],
        subscription["keys"]["auth"],
        subscription["keys"]["p256dh"],
    ):
        assert secret not in said


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channel": "log", "address_kind": "log"}, "/channel"),
        ({"channel": "sms"}, "/channel"),
        ({"channel": "pigeon"}, "/channel"),
        ({"address_kind": "subscription"}, "/address_kind"),
        ({"address_kind": "feather"}, "/address_kind"),
        ({"address": ""}, "/address"),
        ({"address": "x" * 4097}, "/address"),
        ({"address": None}, "/address"),
        ({"language": "de"}, "/language"),
        ({"app_id": "x" * 81}, "/app_id"),
        ({"channel": "webpush", "address_kind": "subscription", "address": "{}"}, "/address"),
    ],
)
def test_what_cannot_be_registered(phones, change, field):
    answer = phones.ask("agent", "PUT", f"/v1/push/{new_id()}", TOKEN | change)
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (422, "invalid", field)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://evil.example/push",
        "https://localhost/x",
        "http://10.0.0.1/x",
    ],
)
def test_no_phone_has_the_server_call_whom_it_likes(phones, browsers, wiring, endpoint, outside):
    subscription = browsers.subscribe(wiring.channels["webpush"].public_key) | {"endpoint": endpoint}
    body = {"channel": "webpush", "address_kind": "subscription", "address": json.dumps(subscription)}
    answer = phones.ask("rider", "PUT", f"/v1/push/{new_id()}", body)
    assert (answer.status_code, answer.json["field"]) == (422, "/address")
    assert outside == []


def test_ids_that_are_none_or_another_persons(phones):
    assert phones.ask("agent", "PUT", "/v1/push/7", TOKEN).status_code == 400
    registered = phones.register("agent")
    other = phones.ask("driver", "PUT", f"/v1/push/{registered}", TOKEN | {"address": "another"})
    assert (other.status_code, other.json["code"]) == (409, "key_reused")
    assert phones.ask("driver", "DELETE", f"/v1/push/{registered}").status_code == 404


def test_the_way_there_and_back_by_fcm(phones, google, clock):
    registered = phones.register("agent")
    (test,) = phones.ask("agent", "POST", "/v1/push/test").json["tests"]
    assert (test["registration_id"], test["channel"]) == (registered, "fcm")
    assert phones.sender.turn() == 1
    (sent,) = google.sent
    assert (sent["token"], sent["data"]["kind"], sent["data"]["delivery_id"]) == (
        "token-of-agent",
        "test",
        test["delivery_id"],
    )
    clock.advance(1.34)
    assert phones.ask("agent", "POST", f"/v1/deliveries/{sent['data']['delivery_id']}/received").status_code == 204
    (item,) = phones.ask("agent", "GET", "/v1/push").json["items"]
    assert (item["reached_at"], item["round_trip_ms"]) == ("2026-11-22T21:00:01.340Z", 1340)
    (told,) = phones.feed("agent")
    assert told["data"] == {"registration_id": registered, "channel": "fcm", "round_trip_ms": 1340}


@pytest.mark.parametrize("who", [role.value for role in ROLES])
def test_each_member_of_staff_by_web_push(phones, browsers, wiring, clock, who):
    subscription = browsers.subscribe(wiring.channels["webpush"].public_key)
    phones.register(
        who,
        {"channel": "webpush", "address_kind": "subscription", "address": json.dumps(subscription), "language": "en"},
    )
    phones.ask(who, "POST", "/v1/push/test")
    phones.sender.turn()
    (pushed,) = browsers.pushed
    assert (pushed.payload["kind"], pushed.payload["text"]) == ("test", "Phone test")
    clock.advance(0.5)
    assert phones.ask(who, "POST", f"/v1/deliveries/{pushed.payload['delivery_id']}/received").status_code == 204
    assert [told["data"]["round_trip_ms"] for told in phones.feed(who)] == [500]
    others = [role.value for role in ROLES if role.value != who]
    assert all(phones.feed(other) == [] for other in others), "each hears of her own phones only"


def test_a_colleague_cannot_say_that_my_phone_works(phones, google):
    phones.register("agent")
    (test,) = phones.ask("agent", "POST", "/v1/push/test").json["tests"]
    for who in ("driver", "operator", "rider"):
        assert phones.ask(who, "POST", f"/v1/deliveries/{test['delivery_id']}/received").status_code == 404
    assert phones.ask("agent", "GET", "/v1/push").json["items"][0]["reached_at"] is None


def test_riders_have_nothing_to_test(phones):
    assert phones.ask("rider", "POST", "/v1/push/test").status_code == 403


def test_clocking_in_measures_the_way_by_itself(phones, google):
    phones.register("agent")
    assert phones.ask("agent", "POST", "/v1/agent/shift").status_code == 201
    assert phones.sender.turn() == 1
    assert google.sent[0]["data"]["kind"] == "test"
    assert phones.ask("agent", "POST", "/v1/agent/shift").status_code == 200
    assert phones.sender.turn() == 0, "who was on duty already is not tested again"


def test_clocking_in_without_a_phone(phones):
    assert phones.ask("agent", "POST", "/v1/agent/shift").status_code == 201
    assert phones.ask("agent", "POST", "/v1/push/test").json == {"tests": []}


@pytest.mark.parametrize(
    ("actor", "method", "path", "body"),
    [
        ("agent", "DELETE", "/v1/sessions/current", None),
        ("admin", "POST", "/v1/staff/{agent}/revoke-sessions", None),
        ("admin", "PATCH", "/v1/staff/{agent}", {"disabled": True}),
        ("admin", "PATCH", "/v1/staff/{agent}", {"role": "driver", "team_id": None}),
    ],
    ids=["signs-out", "revoked", "disabled", "another-role"],
)
def test_whoever_is_out_is_not_rung_any_more(phones, wiring, actor, method, path, body):
    phones.register("agent")
    phones.register("driver")
    assert phones.ask(actor, method, path.format(**phones.ids), body).status_code in (200, 204)
    with wiring.database.reading() as session:
        assert session.scalars(select(PushRegistration.staff_id)).all() == [phones.ids["driver"]]


def test_a_phone_that_its_rider_forgets(phones, wiring):
    phones.register("rider")
    assert phones.ask("rider", "DELETE", "/v1/devices/me").status_code == 204
    with wiring.database.reading() as session:
        assert session.scalars(select(PushRegistration.id)).all() == []


def test_a_wrong_project_costs_nobody_her_phone(phones, google, wiring):
    """Google calls every phone unregistered, after a bad deployment: three are given up, no more."""
    google.always(fcm_refusal(404, "NOT_FOUND", "UNREGISTERED"))
    who = [role.value for role in ROLES]
    for number in range(3):
        for name in who:
            phones.register(name, TOKEN | {"address": f"{name}-{number}"})
    for name in who:
        phones.ask(name, "POST", "/v1/push/test")
    assert phones.sender.turn() == 15
    with wiring.database.reading() as session:
        disabled = session.scalars(
            select(PushRegistration.disabled_why).where(PushRegistration.disabled_at.is_not(None))
        ).all()
        assert disabled == ["UNREGISTERED"] * 3
        assert {one.settled_why for one in session.scalars(select(Delivery))} == {"address_dead", "gave_up"}


class TestNumbers:
    def test_a_number_is_kept_changed_and_forgotten(self, phones, wiring):
        path = f"/v1/staff/{phones.ids['agent']}"
        assert phones.ask("admin", "PATCH", path, {"phone": "+33639980001"}).json["phone"] == "+33639980001"
        assert phones.ask("admin", "PATCH", path, {"display_name": "Anna"}).json["phone"] == "+33639980001"
        assert phones.ask("admin", "PATCH", path, {"phone": None}).json["phone"] is None
        invited = phones.ask(
            "admin",
            "POST",
            "/v1/staff",
            {"login": "nadia", "display_name": "Nadia", "role": "agent", "phone": "+33639980002"},
        )
        assert invited.json["staff"]["phone"] == "+33639980002"
        with wiring.database.reading() as session:
            assert session.scalar(select(Staff.phone).where(Staff.login == "nadia")) == "+33639980002"

    @pytest.mark.parametrize(
        "number",
        [
            "0639980001",
            "+0639980001",
            "+33 6 39 98 00 01",
            "33639980001",
            "+3363998000199999",
            "+33",
            "",
            "+33639980001\n",
            "＋33639980001",
        ],
    )
    def test_only_as_the_world_writes_it(self, phones, number):
        answer = phones.ask("admin", "PATCH", f"/v1/staff/{phones.ids['agent']}", {"phone": number})
        assert (answer.status_code, answer.json["field"]) == (422, "/phone")
