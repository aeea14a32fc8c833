"""Reaching a phone that keeps no socket: pushes, texts, and supervisors, until somebody takes the alert."""

import uuid
from dataclasses import replace

import pytest

from backend.wiring import wire
from tests import migrated
from tests.providers import FcmProvider, SmsGateway, fcm_refusal


@pytest.fixture
def google():
    made = FcmProvider()
    yield made
    made.close()


@pytest.fixture
def gateway():
    made = SmsGateway()
    yield made
    made.close()


@pytest.fixture
def wiring(database_url, clock, google, gateway, tmp_path):
    settings = replace(
        migrated.settings(database_url),
        fcm_credentials=google.credentials(tmp_path),
        fcm_url=google.fcm_url,
        sms_url=f"{gateway.url}/sms",
        sms_secret=gateway.secret,
    )
    made = wire(settings, clock)
    yield made
    made.database.dispose()


def gives_a_phone(agent, *, number=None):
    """The agent's phone is registered for pushes; the administrator has its number."""
    address = f"phone-of-{agent.token[-8:]}"
    agent.put(
        f"/v1/push/{uuid.uuid4()}",
        {"channel": "fcm", "address_kind": "fcm_token", "address": address, "language": "en"},
    )
    if number is not None:
        admin = agent.town.operator("admin", connected=False)
        admin.ask("PATCH", f"/v1/staff/{agent.get('/v1/me')['staff']['id']}", {"phone": number}).raise_for_status()
    return address


def offers(google):
    return [one for one in google.sent if one["data"]["kind"] == "offer"]


def texts(gateway):
    return [(one["to"], one["text"]) for one in gateway.texts]


def test_in_danger_the_push_goes_out_with_the_socket_and_its_receipt_is_a_fact(town, google):
    team, operator = town.team(connected=False), town.operator()
    address = gives_a_phone(team)
    alert = town.rider().raises("assault")
    town.work()
    push = offers(google)[0]
    assert push["token"] == address
    assert set(push["data"]) == {"v", "kind", "delivery_id", "exp", "title", "text", "alert_id", "assignment_id"}
    assert push["data"]["text"] == "New message"
    team.post(f"/v1/deliveries/{push['data']['delivery_id']}/received")
    told = operator.hears("alert.changed", lambda data: data["alert"]["assignments"][0]["received_at"])
    assert told["alert"]["id"] == alert.id
    by_channel = {one["channel"]: one for one in operator.get(f"/v1/control/alerts/{alert.id}")["deliveries"]}
    assert by_channel["fcm"]["received_at"]
    assert by_channel["fcm"]["attempts"][0]["outcome"] == "sent"
    assert by_channel["socket"]["received_at"]


def test_a_phone_whose_socket_answers_is_left_in_peace(town, google):
    team = town.team()
    gives_a_phone(team, number="+33600000001")
    alert = town.rider().raises("theft", contact_mode="can_talk")
    offer = team.offered(alert)
    team.tells("received", {"delivery_id": offer["delivery_id"]})
    town.wait(15)
    assert offers(google) == []


def test_a_silent_socket_is_followed_by_a_push_and_then_by_a_text(town, google, gateway):
    team = town.team(connected=False)
    gives_a_phone(team, number="+33600000001")
    town.rider().raises("theft", contact_mode="can_talk")
    town.work()
    assert offers(google) == []
    town.wait(2)
    assert len(offers(google)) == 1
    assert texts(gateway) == []
    town.wait(6)
    assert texts(gateway) == [("+33600000001", "Nouveau message")]


def test_when_somebody_has_taken_it_nobody_elses_phone_rings_any_more(town, google, gateway):
    near, far = town.team(100), town.team(300, connected=False)
    gives_a_phone(far, number="+33600000002")
    alert = town.rider().raises("theft", contact_mode="can_talk")
    offer = near.offered(alert)
    near.does("accept", offer)
    town.wait(30)
    assert offers(google) == []
    assert texts(gateway) == []


def test_a_push_that_fails_sends_the_text_at_once_and_the_round_goes_on_in_time(town, google, gateway):
    team, next_team = town.team(connected=False), town.team(800)
    gives_a_phone(team, number="+33600000001")
    google.always(fcm_refusal(503, "UNAVAILABLE"))
    alert = town.rider().raises("assault")
    town.work()
    assert [to for to, _ in texts(gateway)] == ["+33600000001"]
    town.wait(20)
    assert next_team.offered(alert)


def test_a_team_that_stays_silent_is_told_to_a_supervisor_in_neutral_words(town, gateway):
    supervisor = town.operator("supervisor", connected=False)
    admin = town.operator("admin", connected=False)
    staff_id = supervisor.get("/v1/me")["staff"]["id"]
    admin.ask("PATCH", f"/v1/staff/{staff_id}", {"phone": "+33600000009"}).raise_for_status()
    town.team(connected=False)
    town.rider().raises("assault")
    town.wait(21)
    (to, words), *others = texts(gateway)
    assert to == "+33600000009"
    assert others == []
    assert not any(word in words.lower() for word in ("agress", "assault", "alert", "gap"))


def test_a_phone_is_tried_and_the_measured_time_is_told(town, google):
    team = town.team()
    gives_a_phone(team)
    asked = team.post("/v1/push/test")["tests"]
    town.work()
    sent = [one for one in google.sent if one["data"]["kind"] == "test"][-1]
    assert sent["data"]["delivery_id"] == asked[0]["delivery_id"]
    town.clock.advance(0.8)
    team.post(f"/v1/deliveries/{sent['data']['delivery_id']}/received")
    heard = team.hears("phone.tested")
    assert heard["round_trip_ms"] == 800


@pytest.mark.parametrize(("contact_mode", "rings"), [("can_talk", True), ("cannot_talk", False)])
def test_a_riders_phone_wakes_for_news_only_where_that_cannot_betray_her(town, google, contact_mode, rings):
    rider, team, operator = town.rider(), town.team(), town.operator()
    gives_a_phone(rider)
    alert = rider.raises("theft", contact_mode=contact_mode)
    team.does("accept", team.offered(alert))
    town.work()
    operator.post(f"/v1/control/alerts/{alert.id}/messages", {"id": str(uuid.uuid4()), "text": "On arrive"})
    town.work()
    news = [one["data"] for one in google.sent if one["data"]["kind"] == "news"]
    assert bool(news) is rings
    assert all("On arrive" not in str(one) for one in news)
