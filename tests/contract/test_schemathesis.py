"""Hundreds of requests made from the contract, valid ones and broken ones: no fault of the server, no answer outside it.

The application itself fails a request whose answer breaks the contract (`check_answers`), and in the test environment
it lets its own mistakes through, so that they fail here with their traceback.
"""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.contract.conformance import feed_faults
from tests.contract.documents import OPENAPI, operations

SCHEMA = schemathesis.openapi.from_dict(OPENAPI)
CASES = [(method, path) for method, path, _ in operations()]
ENDS_ITS_TOKEN = {"forget_device", "sign_out"}
UNKNOWN = {"alert_unknown", "assignment_unknown", "delivery_unknown", "night_stop_unknown", "policy_unknown",
           "staff_unknown"}  # fmt: skip
MODES = [GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
bounded = settings(
    max_examples=8,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking and explaining a failure takes longer than all the rest
    suppress_health_check=list(HealthCheck),
)


def role_of(operation):
    roles = operation["x-roles"]
    if roles == ["public"]:
        return None
    return "agent" if "agent" in roles else roles[0]


def send(inhabited, case, token):
    """The answer to a generated case."""
    sent = case.as_transport_kwargs(base_url="http://localhost")
    headers = {
        name: value
        for name, value in (sent.get("headers") or {}).items()
        if name.lower() not in ("authorization", "user-agent", "accept-encoding") and isinstance(value, str) and value.isprintable()
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = {"json": sent["json"]} if "json" in sent else {"data": sent.get("data") or b""}
    if isinstance(body.get("data"), dict):
        body = {"data": json.dumps(body["data"])}
    path = case.formatted_path
    return inhabited.app.test_client().open(
        path, method=case.method, headers=headers, query_string=sent.get("params") or {}, **body
    )


@pytest.mark.parametrize(("method", "path"), CASES, ids=lambda value: value)
def test_every_operation_answers_within_the_contract(inhabited, method, path):
    described = OPENAPI["paths"][path][method]
    operation, role = SCHEMA[path][method.upper()], role_of(described)
    real = {name: value for name, value in inhabited.ids.items() if "{" + name + "}" in path}
    can_be_broken = "{" in path or "requestBody" in described
    token = inhabited.tokens.get(role)

    @bounded
    @given(data=st.data())
    def ask(data):
        nonlocal token
        mode = data.draw(st.sampled_from(MODES)) if can_be_broken else GenerationMode.POSITIVE
        known = real and data.draw(st.booleans())
        case = data.draw(operation.as_strategy(mode, path_parameters=real if known else None))
        if known and mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body |= {name: value for name, value in inhabited.ids_in_bodies.items() if name in case.body}
        if described["operationId"] in ENDS_ITS_TOKEN:
            token = inhabited.fresh_token(role)
        answer = send(inhabited, case, token)
        told = answer.get_data(as_text=True)
        assert answer.status_code < 500, told
        if mode is GenerationMode.POSITIVE and described["operationId"] != "sign_in":
            assert answer.status_code not in (401, 403, 405, 413, 415), told
            assert answer.status_code != 400 or answer.json["code"] == "cursor_invalid", told
        if known and mode is GenerationMode.POSITIVE:
            assert answer.get_json(silent=True) is None or answer.json.get("code") not in UNKNOWN, told

    ask()


@pytest.mark.parametrize(("method", "path"), CASES, ids=lambda value: value)
def test_every_operation_wants_its_token_and_its_role(inhabited, method, path):
    described = OPENAPI["paths"][path][method]
    if described["x-roles"] == ["public"]:
        return
    address = path
    for name, value in inhabited.ids.items():
        address = address.replace("{" + name + "}", value)
    assert inhabited.ask(None, method.upper(), address, {}).status_code == 401
    for role in sorted(inhabited.tokens.keys() - set(described["x-roles"])):
        assert inhabited.ask(role, method.upper(), address, {}).status_code == 403, role


def test_every_entry_of_the_feed_was_within_the_contract(inhabited):
    assert feed_faults(inhabited.wiring.contract, inhabited.wiring.database) == []
