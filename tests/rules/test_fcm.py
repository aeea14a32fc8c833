"""FCM: what we send obeys Google's own schema, and each of its answers leads to the right outcome."""

import json
import uuid
from datetime import timedelta
from functools import cache

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.delivery import payloads
from backend.delivery.channels import (
    NEWS,
    OFFER,
    SUPERVISOR,
    TEST,
    TROUBLE,
    Address,
    AddressDead,
    GiveUp,
    Message,
    RetryAt,
    Sent,
)
from backend.delivery.fcm_answers import outcome_of
from backend.delivery.words import words
from tests.conftest import DATA
from tests.fakes import OPENING_NIGHT as NOW

RESPONSES = "fcm/fcm-v1-responses.json"
DISCOVERY = "fcm/fcm.v1.discovery.json"
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"


def message(kind=OFFER, *, address_kind="fcm_token", useful_s=45.0, language="fr", **changes):
    given = {
        "delivery_id": uuid.UUID(int=7), "kind": kind, "address": Address(address_kind, "an-address"), "language": language,
        "useful_until": NOW + timedelta(seconds=useful_s), "urgent": kind in {OFFER, SUPERVISOR}, "title": "Vigie",
        "text": words(kind, language), "alert_id": uuid.UUID(int=8), "assignment_id": uuid.UUID(int=9),
    }  # fmt: skip
    return Message(**given | changes)


# What each recorded answer must lead to, in the words with which the file tells it.
MEANT = {
    "invalid argument: drop, do not retry": GiveUp("INVALID_ARGUMENT", ours=True),
    "not found": GiveUp("project", ours=True),
    "token is dead: delete it": AddressDead("UNREGISTERED"),
    "token is dead although status says INVALID_ARGUMENT: errorCode wins": AddressDead("UNREGISTERED"),
    "token of another project: delete": AddressDead("SENDER_ID_MISMATCH"),
    "back off, honour Retry-After": RetryAt("QUOTA_EXCEEDED", 30),
    "retry with back-off, honour Retry-After": RetryAt("http_503", 30),
    "unknown errorCode: fall back on HTTP status": RetryAt("http_500", 30),
    "APNs credentials wrong: operator alarm, not a dead token": GiveUp("apns_credentials", ours=True),
    "empty JSON": RetryAt("http_500", 30),
    "non-JSON body": RetryAt("http_503", 30),
    "sent": Sent("projects/p/messages/message-id"),
}


@pytest.mark.needs_data(RESPONSES)
def test_every_recorded_answer_leads_to_the_right_outcome():
    recorded = json.loads((DATA / RESPONSES).read_text())
    assert {one["client"] for one in recorded} == set(MEANT)
    for one in recorded:
        body = one["body"] if isinstance(one["body"], str) else json.dumps(one["body"])
        assert outcome_of(one["http"], body.encode(), 30) == MEANT[one["client"]], one["client"]


def refusal(http, status="X", code=None, **more):
    details = [{"@type": FCM_ERROR, "errorCode": code}] if code else []
    details += more.pop("details", [])
    return http, json.dumps({"error": {"code": http, "status": status, "message": "m", "details": details} | more})


def violation(field):
    return {"details": [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field}]}]}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal(400, code="INVALID_ARGUMENT", **violation("message.token")), AddressDead("INVALID_ARGUMENT")),
        (refusal(400, code="INVALID_ARGUMENT", **violation("message.fid")), AddressDead("INVALID_ARGUMENT")),
        (refusal(400, code="INVALID_ARGUMENT", **violation("message.data[0].value")), GiveUp("INVALID_ARGUMENT", ours=True)),
        (refusal(400, message="The registration token is not a valid FCM registration token"), AddressDead("INVALID_ARGUMENT")),
        (refusal(401), GiveUp("credentials", ours=True)),
        (refusal(403, "PERMISSION_DENIED"), GiveUp("forbidden", ours=True)),
        (refusal(404, "NOT_FOUND", details=[{"reason": "UNREGISTERED"}]), GiveUp("project", ours=True)),
        (refusal(429), RetryAt("http_429", 60.0)),
        (refusal(429, code="QUOTA_EXCEEDED"), RetryAt("QUOTA_EXCEEDED", 60.0)),
        (refusal(503, code="UNAVAILABLE"), RetryAt("UNAVAILABLE")),
        (refusal(500, code="INTERNAL"), RetryAt("INTERNAL")),
        ((502, "<html>Bad Gateway</html>"), RetryAt("http_502")),
        ((200, "<html>Log in to the hotel's network</html>"), RetryAt("answer_unreadable")),
        ((200, "{}"), RetryAt("answer_unreadable")),
        ((200, "[]"), RetryAt("answer_unreadable")),
        ((302, ""), GiveUp("http_302", ours=True)),
        ((404, "UNREGISTERED"), GiveUp("project", ours=True)),
    ],
)  # fmt: skip
def test_answers_that_are_told_apart(answer, outcome):
    status, body = answer
    assert outcome_of(status, body.encode(), None) == outcome


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["error", "details", "errorCode", "message", "fieldViolations", "field", "name"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(status=st.integers(200, 599), value=json_values)
def test_whatever_comes_back_has_an_outcome_and_no_phone_is_lost_by_it(status, value):
    outcome = outcome_of(status, json.dumps(value).encode(), None)
    assert not isinstance(outcome, AddressDead)
    assert not isinstance(outcome, Sent) or status == 200


@cache
def official():
    """Google's discovery document as JSON Schema; unlike Google's server it refuses fields that it does not name."""
    schemas = json.loads((DATA / DISCOVERY).read_text())["schemas"]

    def rewritten(node):
        if isinstance(node, list):
            return [rewritten(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return {"$ref": f"#/$defs/{node['$ref']}"}
        found = {
            key: rewritten(value)
            for key, value in node.items()
            if key in {"type", "enum", "items", "additionalProperties", "pattern"}
        }
        if found.get("type") == "any":
            del found["type"]
        if isinstance(node.get("properties"), dict):
            found["properties"] = {snake(key): rewritten(value) for key, value in node["properties"].items()}
            found.setdefault("additionalProperties", False)
        if node.get("format") == "google-duration":
            found["pattern"] = r"^[0-9]+(\.[0-9]{1,9})?s$"
        return found

    return jsonschema_rs.validator_for(
        {"$ref": "#/$defs/SendMessageRequest", "$defs": {name: rewritten(schema) for name, schema in schemas.items()}}
    )


def snake(name):
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@pytest.mark.needs_data(DISCOVERY)
@given(
    kind=st.sampled_from([OFFER, SUPERVISOR, NEWS, TEST, TROUBLE]),
    address_kind=st.sampled_from(["fcm_token", "fcm_fid"]),
    useful_s=st.floats(-10, 1e8),
    language=st.sampled_from(["fr", "en"]),
    alert=st.booleans(),
)
def test_what_we_send_obeys_the_official_schema(kind, address_kind, useful_s, language, alert):
    made = message(
        kind,
        address_kind=address_kind,
        useful_s=useful_s,
        language=language,
        **({} if alert else {"alert_id": None, "assignment_id": None}),
    )
    built = payloads.fcm(made, NOW)
    sent = {"message": built, "validate_only": False}
    assert [error.message for error in official().iter_errors(sent)] == []
    # What the schema cannot say.
    assert sum(target in built for target in ("token", "fid", "topic", "condition")) == 1
    assert all(isinstance(value, str) for value in built["data"].values())
    assert not any(key in {"from", "message_type"} or key.startswith(("google.", "gcm.")) for key in built["data"])
    assert len(json.dumps(built["data"])) < 2048
    assert 0 <= int(built["android"]["ttl"].rstrip("s")) <= 2_419_200
    assert len(built["apns"]["headers"]["apns-collapse-id"]) <= 64
    assert built["apns"]["headers"]["apns-priority"] in {"5", "10"}


@pytest.mark.needs_data(DISCOVERY)
def test_the_schema_refuses_what_google_refuses():
    for wrong in (
        {"data": {"n": 5}},
        {"tokn": "x"},
        {"android": {"priority": "urgent"}},
        {"android": {"ttl": 60}},
        {"android": {"ttl": "1m"}},
    ):
        assert not official().is_valid({"message": {"token": "x"} | wrong}), wrong


def test_a_push_says_nothing_but_ids_and_neutral_words():
    built = payloads.data(message())
    assert built == {
        "v": "1", "kind": "offer", "delivery_id": str(uuid.UUID(int=7)), "alert_id": str(uuid.UUID(int=8)),
        "assignment_id": str(uuid.UUID(int=9)), "exp": str(int((NOW + timedelta(seconds=45)).timestamp())),
        "title": "Vigie", "text": "Nouveau message",
    }  # fmt: skip


def test_an_installation_id_goes_where_google_wants_it():
    assert payloads.fcm(message(address_kind="fcm_fid"), NOW)["fid"] == "an-address"
    assert payloads.fcm(message(address_kind="fcm_token"), NOW)["token"] == "an-address"


@pytest.mark.parametrize(("kind", "high"), [(OFFER, True), (TEST, True), (NEWS, False)])
def test_who_is_woken_from_deep_sleep(kind, high):
    built = payloads.fcm(message(kind), NOW)
    assert built["android"]["priority"] == ("HIGH" if high else "NORMAL")
    assert built["apns"]["headers"]["apns-priority"] == ("10" if high else "5")
    assert payloads.webpush_headers(message(kind))["Urgency"] == ("high" if high else "normal")


def test_a_push_dies_with_its_use():
    assert payloads.fcm(message(useful_s=45.9), NOW)["android"]["ttl"] == "45s"
    assert payloads.useful_s(message(useful_s=-3), NOW) == 0


def test_topics_tell_a_push_service_nothing_about_who_is_called_together():
    one, other = (message(address=Address("subscription", text)) for text in ("a", "b"))
    topics = [payloads.webpush_headers(each)["Topic"] for each in (one, other, one)]
    assert topics[0] == topics[2] != topics[1]
    assert len(topics[0]) == 32
    assert topics[0].replace("-", "").replace("_", "").isalnum()
