"""What the compiled contract answers, and that it costs microseconds."""

import time

import pytest

from backend.contract import Contract, ContractBroken, FieldError, template_of

CONTRACT = Contract.load()
ALERT = {
    "category": "sexual_contact",
    "contact_mode": "cannot_talk",
    "position": {"latitude": 43.2951, "longitude": 5.3801, "accuracy_m": 40, "fix_age_ms": 48000},
    "place": {"line_id": "M1", "station": "Noailles"},
    "observed_at": "2026-11-22T22:00:00.004+01:00",
}


def pointers(errors):
    return [error.pointer for error in errors]


def test_an_operation_is_found_by_flask_rule_and_by_template():
    found = CONTRACT.operation("PUT", "/v1/alerts/<uuid:alert_id>")
    assert found is CONTRACT.operation("PUT", "/v1/alerts/{alert_id}")
    assert found.operation_id == "raise_alert"
    assert found.roles == {"rider"}
    assert found.lenient
    assert not found.public
    assert CONTRACT.operation("PUT", "/v1/nothing") is None
    assert CONTRACT.operation("GET", "/v1/meta").public


def test_flask_rules_become_templates():
    assert template_of("/v1/a/<uuid:alert_id>/b/<line_id>") == "/v1/a/{alert_id}/b/{line_id}"
    assert template_of("/v1/<string(length=2):code>") == "/v1/{code}"


def test_a_good_body_has_no_errors_and_nothing_is_missed_in_a_bad_one():
    put = CONTRACT.operation("PUT", "/v1/alerts/{alert_id}")
    assert put.body_errors(ALERT) == []
    assert put.body_errors({}) == []
    bad = {**ALERT, "category": "x", "position": {"latitude": 91}, "observed_at": "2026-11-22T22:00:00"}
    assert set(pointers(put.body_errors(bad))) == {"/category", "/position", "/position/latitude", "/observed_at"}


@pytest.mark.parametrize("value", [None, [], "", 1, True])
def test_only_an_object_is_a_body(value):
    assert pointers(CONTRACT.operation("PUT", "/v1/alerts/{alert_id}").body_errors(value)) == [""]


def test_an_optional_body_may_be_away():
    accept = CONTRACT.operation("POST", "/v1/assignments/{assignment_id}/accept")
    assert accept.body_optional
    assert accept.body_errors(None) == []
    assert not CONTRACT.operation("POST", "/v1/control/alerts/{alert_id}/seen").has_body


def test_null_is_the_same_as_nothing():
    fields = CONTRACT.property_names("AlertRequest")
    assert CONTRACT.operation("PUT", "/v1/alerts/{alert_id}").body_errors(dict.fromkeys(fields)) == []


def test_errors_never_repeat_what_was_sent():
    pins = CONTRACT.operation("PUT", "/v1/devices/me/pins")
    errors = pins.body_errors({"pin": "secret-pin", "duress_pin": ["secret-pin"]})
    assert len(errors) == 2
    assert not [error for error in errors if "secret" in error.message + error.pointer]


@pytest.mark.parametrize(
    "number", [float("nan"), float("inf"), True, "43.2", 10**30, -(10**400)], ids=lambda n: str(n)[:8]
)
def test_what_is_no_latitude_is_an_error(number):
    assert CONTRACT.property_errors("AlertPosition", "latitude", number) != []


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\udfff"])
def test_text_that_no_database_stores_is_refused_in_strict_bodies_only(text):
    body = {"id": "01935b1f-0000-7abc-8def-000000000e01", "text": text}
    message = CONTRACT.operation("POST", "/v1/alerts/{alert_id}/messages")
    assert pointers(message.body_errors(body)) == ["/text"]
    alert = CONTRACT.operation("PUT", "/v1/alerts/{alert_id}")
    assert alert.body_errors({"description": text}) == [], "a cry for help is cleaned, not refused"


def test_half_a_surrogate_in_a_list_of_values_is_an_error_not_an_exception():
    assert CONTRACT.property_errors("AlertRequest", "category", "\ud800") != []


def test_keys_that_are_no_text_are_an_error_not_an_exception():
    assert CONTRACT.schema("AlertRequest").errors({1: 2}) == [FieldError("", "value cannot be written as JSON")]


def test_one_property_is_judged_alone():
    assert CONTRACT.property_errors("AlertRequest", "category", "assault") == []
    assert pointers(CONTRACT.property_errors("AlertRequest", "category", "x")) == [""]
    assert CONTRACT.property_errors("AlertRequest", "not_in_the_contract", object()) == []
    assert CONTRACT.property_errors("AlertRaiseEvent", "alert_id", "x") != [], "allOf is looked into"


def test_events_differ_by_namespace_and_direction():
    rider = CONTRACT.event("/rider", "alert.changed", "send")
    control = CONTRACT.event("/control", "alert.changed", "send")
    assert (rider.name, control.name) == ("RiderAlertChangedEvent", "ControlAlertChangedEvent")
    assert CONTRACT.event("/rider", "alert.changed", "receive") is None
    assert CONTRACT.ack("/agent", "assignment.accept").name == "AssignmentAck"
    assert CONTRACT.ack("/agent", "nothing") is None


def test_a_reference_to_nothing_stops_the_start():
    document = {
        "info": {"version": "1"},
        "paths": {},
        "components": {"schemas": {"A": {"$ref": "#/components/schemas/B"}}},
    }
    with pytest.raises(ContractBroken, match="B"):
        Contract(document, {"channels": {}, "operations": {}})


def test_pointers_are_escaped():
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    document = {"info": {"version": "1"}, "paths": {}, "components": {"schemas": {"A": schema}}}
    contract = Contract(document, {"channels": {}, "operations": {}})
    assert pointers(contract.schema("A").errors({"a/b~c": "x"})) == ["/a~1b~0c"]


def test_a_check_costs_microseconds():
    put = CONTRACT.operation("PUT", "/v1/alerts/{alert_id}")
    best = min(_seconds_for(1_000, put.body_errors, ALERT) for _ in range(5))
    assert best / 1_000 < 20e-6, "about 1 µs on an idle machine"


def _seconds_for(times, check, value):
    begin = time.perf_counter()
    for _ in range(times):
        check(value)
    return time.perf_counter() - begin
