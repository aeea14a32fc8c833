"""The gateway's way in: signed or nothing, and not a word of a text in any log."""

import json
from dataclasses import replace

import pytest

from backend.alerts.text_parsing import read_text
from backend.alerts.text_words import NO_NAMES
from backend.app import create_app
from backend.delivery.signatures import HEADER, sign
from backend.settings import Settings, SettingsRefused
from backend.wiring import wire
from tests import migrated
from tests.contract.conformance import check_answers

SECRET = "between-gateway-and-us"
TEXT = {"id": "gw-1", "from": "+33612345678", "text": "agression M1 castellane"}
PATH = "/v1/sms/inbound"


@pytest.fixture
def wiring(database_url, clock):
    made = wire(replace(migrated.settings(database_url), sms_secret=SECRET), clock)
    yield made
    made.database.dispose()


def hand_over(client, clock, sent, *, secret=SECRET, late_s=0, header=None, changed=b""):
    """The answer to a text as the gateway signs it."""
    body = json.dumps(sent).encode()
    clock.advance(-late_s)
    signature = sign(secret, body, clock.now()) if header is None else header
    clock.advance(late_s)
    headers = {HEADER: signature} if signature else {}
    return client.post(PATH, data=body + changed, headers=headers, content_type="application/json")


def test_a_signed_text_is_an_alert_and_the_same_one_again(client, clock):
    first = hand_over(client, clock, TEXT)
    assert first.status_code == 200
    assert first.json["outcome"] == "alert"
    again = hand_over(client, clock, TEXT)
    assert again.json == {"outcome": "duplicate", "alert_id": first.json["alert_id"]}
    assert hand_over(client, clock, TEXT | {"id": "gw-2", "text": " "}).json == {"outcome": "ignored", "alert_id": None}
    assert hand_over(client, clock, TEXT | {"id": "gw-3"}).json["outcome"] == "message"


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "guessed"},
        {"late_s": 301},
        {"late_s": -301},
        {"changed": b" "},
        {"header": ""},
        {"header": "t=1,v1=00"},
        {"header": "v1="},
        {"header": "t=99999999999999999999,v1=00"},
    ],
    ids=str,
)
def test_whoever_cannot_sign_is_refused_and_nothing_is_stored(client, clock, wrong):
    refused = hand_over(client, clock, TEXT, **wrong)
    assert (refused.status_code, refused.json["code"]) == (401, "signature_invalid")
    assert "X-Vigie-Signature" in refused.json["hint"]
    assert hand_over(client, clock, TEXT).json["outcome"] == "alert", "it was not taken before"


@pytest.mark.parametrize("late_s", [299, -299])
def test_clocks_may_differ_a_little(client, clock, late_s):
    assert hand_over(client, clock, TEXT, late_s=late_s).status_code == 200


def test_without_a_secret_there_is_no_way_in(database_url, clock):
    made = wire(migrated.settings(database_url), clock)
    try:
        app = create_app(made)
        check_answers(app, made.contract)
        for secret in (SECRET, ""):
            refused = hand_over(app.test_client(), clock, TEXT, secret=secret)
            assert (refused.status_code, refused.json["code"]) == (404, "not_found")
    finally:
        made.database.dispose()


@pytest.mark.parametrize("field", ["id", "from", "text"])
@pytest.mark.parametrize("value", [None, 7, ["x"], {}])
def test_a_gateway_that_leaves_something_out_is_told_what(client, clock, field, value):
    refused = hand_over(client, clock, TEXT | {field: value})
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, "invalid", f"/{field}")


@pytest.mark.parametrize("text", ["x" * 5000, "\x00", "\ud800 help", "RTM=1;", "🆘", "\u202eagression"])
@pytest.mark.parametrize("received_at", [None, "yesterday", 7, "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_nothing_in_a_text_refuses_it(client, clock, text, received_at):
    taken = hand_over(client, clock, TEXT | {"text": text, "received_at": received_at})
    assert taken.status_code == 200


def test_a_body_beyond_all_measure_is_refused_before_it_is_read(client, clock):
    refused = hand_over(client, clock, TEXT | {"text": "x" * 70_000})
    assert (refused.status_code, refused.json["code"]) == (413, "body_too_large")


def test_not_a_word_of_a_text_is_logged(client, clock, capsys):
    hand_over(client, clock, TEXT)
    hand_over(client, clock, TEXT, secret="guessed")
    hand_over(client, clock, TEXT | {"id": 7})
    said = capsys.readouterr()
    assert "/v1/sms/inbound" in said.out + said.err
    for secret in ("612345678", "agression", "castellane", "gw-1", SECRET):
        assert secret not in said.out + said.err


@pytest.mark.parametrize(
    ("network", "name"),
    [("RTM", "RTM"), ("Île-de-France Mobilités", "ILEDEFRANCEMOBIL"), ("42", "VIGIE"), ("T", "VIGIE")],
)
def test_an_app_is_told_where_to_text_and_how_to_begin(database_url, clock, network, name):
    settings = replace(
        migrated.settings(database_url), sms_secret=SECRET, sms_number="+33639980000", network_name=network
    )
    made = wire(settings, clock)
    try:
        app = create_app(made)
        check_answers(app, made.contract)
        told = app.test_client().get("/v1/meta").json["text_to"]
        assert told == {"number": "+33639980000", "name": name}
        assert read_text(f"{name}=1;c=A", NO_NAMES, clock.now()).compact
    finally:
        made.database.dispose()


def test_an_app_is_told_when_there_is_nowhere_to_text(client):
    assert client.get("/v1/meta").json["text_to"] is None


@pytest.mark.parametrize("number", ["114", "112", "17", "3117", "31177", "RTM", "0612345678", "+33 6 39 98 00 00"])
def test_texts_of_alerts_never_go_to_a_number_of_others(number):
    with pytest.raises(SettingsRefused, match="VIGIE_SMS_NUMBER"):
        Settings.from_env({"VIGIE_SMS_NUMBER": number, "VIGIE_SMS_SECRET": SECRET})


def test_a_number_for_texts_needs_the_gateways_secret():
    with pytest.raises(SettingsRefused, match="VIGIE_SMS_SECRET"):
        Settings.from_env({"VIGIE_SMS_NUMBER": "+33639980000"})
    assert Settings.from_env({"VIGIE_SMS_NUMBER": "36360", "VIGIE_SMS_SECRET": SECRET}).sms_number == "36360"


def test_no_phone_can_register_as_the_row_of_a_number(client):
    assert client.post("/v1/devices", json={"platform": "sms"}).status_code == 422


def test_a_phone_gets_a_secret_of_its_own_for_its_texts(client):
    secrets = {client.post("/v1/devices", json={"platform": "ios"}).json["sms_secret"] for _ in range(5)}
    assert len(secrets) == 5
    assert {len(one) for one in secrets} == {27}
