"""Told with real sockets, a real sender and a gateway beside it: an alert where data does not pass, but a text does."""

import base64
import json
import uuid
from dataclasses import replace

import pytest
import requests

from backend.alerts.text_parsing import short_id, signature_of
from backend.delivery.sending import Sender
from backend.delivery.signatures import HEADER, sign
from backend.network.cli import import_feed
from backend.wiring import wire
from tests import migrated
from tests.night_bus import TOWN
from tests.providers import SmsGateway
from tests.town import RaisedAlert, Rider

NUMBER = "+33612345678"


@pytest.fixture
def gateway():
    with SmsGateway() as made:
        yield made


@pytest.fixture
def wiring(database_url, clock, gateway):
    settings = replace(migrated.settings(database_url), sms_url=f"{gateway.url}/texts", sms_secret=gateway.secret)
    made = wire(settings, clock)
    yield made
    made.database.dispose()


@pytest.fixture
def sender(wiring):
    made = Sender(wiring)
    yield made
    made.stop()


@pytest.fixture
def town(town):
    import_feed(town.wiring.database, TOWN, town.clock.now())
    return town


def texts(town, gateway, words, id_="gw-1"):
    """What the gateway is answered when somebody texts."""
    body = json.dumps({"id": id_, "from": NUMBER, "text": words}).encode()
    headers = {HEADER: sign(gateway.secret, body, town.clock.now()), "Content-Type": "application/json"}
    answer = requests.post(f"{town.url}/v1/sms/inbound", data=body, headers=headers, timeout=30)
    assert answer.ok, answer.text
    return answer.json()


class ById:
    """An alert that is known by its id alone."""

    def __init__(self, alert_id):
        self.id = alert_id


def test_a_rider_without_the_app_texts_and_the_team_goes_to_the_station(town, gateway, sender):
    team, room = town.team(-800), town.operator()
    taken = texts(town, gateway, "agression M1 castellane")
    alert = ById(taken["alert_id"])
    shown = room.hears("alert.raised")["alert"]
    assert (shown["id"], shown["category"], shown["callback_number"]) == (alert.id, "assault", NUMBER)
    offer = team.offered(alert)
    assert (offer["alert"]["category"], offer["alert"]["place"]["line_id"]) == ("assault", "M1")
    assert (offer["alert"]["description"], offer["alert"]["callback_number"]) == (None, None)
    sender.turn()
    (reply,) = gateway.wait_for_texts(1)
    assert reply["to"] == NUMBER
    assert reply["text"] == "Message recu. Urgence: 17/112, SMS 114."
    assert "castellane" not in reply["text"].lower(), "whoever holds the phone learns nothing from it"

    mission = team.does("accept", offer)["alert"]
    assert (mission["description"], mission["callback_number"]) == ("agression M1 castellane", NUMBER)
    assert texts(town, gateway, "il est parti vers la sortie", "gw-2")["outcome"] == "message"
    assert room.hears("message.added")["message"]["text"] == "il est parti vers la sortie"
    assert texts(town, gateway, "il est parti vers la sortie", "gw-2")["outcome"] == "duplicate"
    room.hears_nothing("message.added")
    sender.turn()
    assert len(gateway.texts) == 1


def test_a_phone_in_a_tunnel_texts_and_its_request_follows(town, gateway, sender):
    team, room = town.team(-800), town.operator()
    phone = requests.post(f"{town.url}/v1/devices", json={"platform": "android"}, timeout=30).json()
    secret = base64.urlsafe_b64decode(phone["sms_secret"] + "=")
    alert_id = uuid.uuid4()
    said = f"RTM=1;u={short_id(alert_id)};c=H;m=S;d={short_id(uuid.UUID(phone['device_id']))};l=M1;s=castellane"
    assert texts(town, gateway, f"{said};k={signature_of(said, secret)}")["alert_id"] == str(alert_id)
    offer = team.offered(ById(str(alert_id)))
    team.does("accept", offer)

    rider = Rider(town, phone["access_token"])
    rider.connect()
    body = {"category": "sexual_contact", "description": "grey jacket", "place": {"line_id": "M1"}}
    receipt = rider.ask("PUT", f"/v1/alerts/{alert_id}", body)
    assert receipt.status_code == 200
    assert receipt.json()["team"] == {"call_sign": team.call_sign}
    assert team.hears("alert.updated")["alert"]["category"] == "sexual_contact"
    alert = RaisedAlert(rider, alert_id, receipt.json())
    assert alert.state == "assigned"
    case = room.get(f"/v1/control/alerts/{alert_id}")
    assert case["alert"]["description"] == "grey jacket"
    assert (case["alert"]["source"], case["alert"]["warnings"]) == ("sms", [])
    assert [one["action"] for one in case["timeline"]].count("raised") == 1
    assert len(room.get("/v1/control/snapshot")["alerts"]) == 1
    rider.disconnect()
