"""Phones that are woken up: an agent's that was asleep, a browser, and everybody's "test my phone"."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from backend.database import new_id
from backend.wiring import wire
from tests import migrated
from tests.providers import Answer, FcmProvider, PushService, SmsGateway


@pytest.fixture
def google():
    with FcmProvider() as provider:
        yield provider


@pytest.fixture
def browsers():
    with PushService() as provider:
        yield provider


@pytest.fixture
def gateway():
    with SmsGateway() as provider:
        yield provider


@pytest.fixture
def wiring(database_url, clock, google, browsers, gateway, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    settings = replace(
        migrated.settings(database_url), fcm_credentials=google.credentials(tmp_path), fcm_url=google.fcm_url,
        vapid_key=pem.decode(), vapid_contact="mailto:pc@reseau.example", webpush_here=True,
        sms_url=f"{gateway.url}/out", sms_secret=gateway.secret,
    )  # fmt: skip
    made = wire(settings, clock)
    yield made
    made.database.dispose()


def with_phone(person, google):
    """Registers an FCM phone, and lets its app answer the test that clocking in sends."""
    person.put(
        f"/v1/push/{new_id()}", {"channel": "fcm", "address_kind": "fcm_token", "address": f"token-{id(person)}"}
    )
    return f"token-{id(person)}"


def pushes_to(google, token, kind):
    return [one["data"] for one in google.sent if one["token"] == token and one["data"]["kind"] == kind]


def test_an_agent_tries_her_phone_and_hears_how_long_it_took(town, google, clock):
    agent = town.team(on_duty=False)
    token = with_phone(agent, google)
    agent.post("/v1/agent/shift")
    town.work()
    (test,) = pushes_to(google, token, "test")
    clock.advance(0.8)
    agent.tells("received", {"delivery_id": test["delivery_id"]})
    told = agent.hears("phone.tested")
    assert (told["channel"], told["round_trip_ms"]) == ("fcm", 800)


@pytest.mark.parametrize("who", ["operator", "supervisor", "driver"])
def test_everybody_on_her_own_socket_and_nobody_elses(town, browsers, wiring, clock, who):
    driver = town.driver()
    person = driver if who == "driver" else town.operator(who)
    colleague = town.operator()
    subscription = browsers.subscribe(person.get("/v1/push")["vapid_public_key"])
    person.put(
        f"/v1/push/{new_id()}",
        {"channel": "webpush", "address_kind": "subscription", "address": json.dumps(subscription)},
    )
    person.post("/v1/push/test")
    town.work()
    (pushed,) = browsers.wait_for_pushed(1)
    clock.advance(0.3)
    answer = person.ask("POST", f"/v1/deliveries/{pushed.payload['delivery_id']}/received")
    assert answer.status_code == 204
    assert person.hears("phone.tested")["round_trip_ms"] == 300
    colleague.hears_nothing("phone.tested")


def test_a_phone_that_sleeps_is_woken_and_its_answer_stops_the_text(town, google, gateway, clock):
    agent = town.team(connected=False)
    token = with_phone(agent, google)
    rider = town.rider()
    alert = rider.raises("assault")
    town.work()
    (offer,) = pushes_to(google, token, "offer")
    assert offer["alert_id"] == alert.id
    agent.post(f"/v1/deliveries/{offer['delivery_id']}/received")
    town.wait(10)
    assert gateway.texts == []
    assert len(pushes_to(google, token, "offer")) == 1
    assert "assault" not in json.dumps(google.sent)


def test_google_is_down_so_the_text_goes_at_once(town, google, gateway, wiring, clock):
    admin = town.operator("admin", connected=False)
    agent = town.team(connected=False)
    staff_id = agent.get("/v1/me")["staff"]["id"]
    assert admin.ask("PATCH", f"/v1/staff/{staff_id}", {"phone": "+33639980001"}).ok
    with_phone(agent, google)
    google.always(Answer(503))
    rider = town.rider()
    rider.raises("assault")
    town.work()
    (text,) = gateway.wait_for_texts(1)
    assert (text["to"], text["text"]) == ("+33639980001", "Nouveau message")
