"""The code and the contract say the same: routes, roles, events, codes. Each is compared both ways."""

import ast
from pathlib import Path

import pytest

from backend.access import PUBLIC, allowed_roles
from backend.alerts.categories import Category, ClosingCode, LegalClass
from backend.alerts.lifecycle import AlertState, AssignmentState
from backend.contract import Contract, template_of
from backend.meta_routes import CONTRACT_VERSION
from backend.people.roles import STAFF, Role
from backend.problem_texts import PROBLEMS
from backend.settings import Settings
from backend.socket_events import declared_events
from backend.watch.findings import CODES
from backend.watch.status import BEYOND_THE_SOCKET
from tests.contract.documents import SCHEMAS

BACKEND = Path(__file__).resolve().parents[2] / "backend"
CONTRACT = Contract.load()
STATES = {"positions", "status"}  # of the control room: the next replaces the last
CONNECTION_EVENTS = {"welcome", "session.ended", "server.leaving"} | STATES  # said to a socket, not by the feed


def routes(app):
    """(method, path template, view) of everything under /v1."""
    return [
        (method, template_of(rule.rule), app.view_functions[rule.endpoint])
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/v1")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def test_every_route_is_an_operation_and_the_reverse(contract_app):
    served = {(method, path) for method, path, _ in routes(contract_app)}
    promised = set(CONTRACT.openapi_paths())
    assert sorted(served - promised) == [], "served, but not in the contract"
    assert sorted(promised - served) == [], "in the contract, but not served"


def test_every_route_serves_the_roles_of_its_operation(contract_app):
    wrong = []
    for method, path, view in routes(contract_app):
        operation = CONTRACT.operation(method, path)
        roles = allowed_roles(view)
        names = {"public"} if roles == PUBLIC else {role.value for role in roles or ()}
        if operation is not None and names != operation.roles:
            wrong.append(f"{method} {path}: code {sorted(names)}, contract {sorted(operation.roles)}")
    assert not wrong, "\n".join(wrong)


def test_every_route_is_as_lenient_as_its_operation(contract_app):
    wrong = [
        f"{method} {path}"
        for method, path, view in routes(contract_app)
        if (operation := CONTRACT.operation(method, path))
        and operation.has_body
        and getattr(view, "lenient", False) != operation.lenient
    ]
    assert not wrong, "x-lenient and @lenient differ: " + ", ".join(wrong)


def test_every_inbound_event_is_handled_and_the_reverse():
    handled = {(event.namespace, event.name) for event in declared_events()}
    promised = {(event.namespace, event.name) for event in CONTRACT.events() if event.direction == "receive"}
    assert sorted(handled - promised) == [], "handled, but not in the contract"
    assert sorted(promised - handled) == [], "in the contract, but not handled"


@pytest.mark.parametrize("declared", declared_events(), ids=lambda event: f"{event.namespace} {event.name}")
def test_every_inbound_event_serves_the_roles_of_its_namespace(declared):
    assert {role.value for role in declared.roles} == CONTRACT.namespace_roles[declared.namespace]
    promised = next(
        event
        for event in CONTRACT.events()
        if (event.namespace, event.name, event.direction) == (declared.namespace, declared.name, "receive")
    )
    assert declared.lenient == promised.lenient


def emitted(kind):
    """The event names that the code hands to `kind` (feed.put, server.emit) as plain texts, or by `type_`."""
    for path in sorted(BACKEND.rglob("*.py")):
        if "simulation" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(kind):
                yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
            if kind == "feed.put" and isinstance(node, ast.keyword) and node.arg == "type_":
                yield from (
                    a.value for a in ast.walk(node.value) if isinstance(a, ast.Constant) and isinstance(a.value, str)
                )


def test_every_entry_of_the_feed_is_an_event_and_the_reverse():
    # `announce` says alert.changed unless told otherwise
    put = {name for name in emitted("feed.put") if "." in name} | {"alert.changed"}
    promised = {event.name for event in CONTRACT.events() if event.direction == "send"} - CONNECTION_EVENTS
    assert sorted(put - promised) == [], "put into the feed, but not in the contract"
    assert sorted(promised - put) == [], "in the contract, but nobody puts it into the feed"


def test_what_is_said_to_a_socket_is_in_the_contract():
    said = set(emitted("server.emit"))
    assert said <= CONNECTION_EVENTS
    for namespace in CONTRACT.namespace_roles:
        for name in CONNECTION_EVENTS - STATES:
            assert CONTRACT.event(namespace, name, "send") is not None


def test_the_server_tells_the_version_of_its_contract():
    assert CONTRACT.version == CONTRACT_VERSION


def test_every_code_is_in_the_contract_and_the_reverse():
    refusals = {code for code, text in PROBLEMS.items() if text.status >= 400}
    assert refusals == set(SCHEMAS["ProblemCode"]["enum"])
    assert set(PROBLEMS) - refusals == set(SCHEMAS["WarningCode"]["enum"])


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ("AlertCategory", {one.value for one in Category}),
        ("ClosingCode", {one.value for one in ClosingCode}),
        ("LegalClass", {one.value for one in LegalClass}),
        # a cancel that waits is a flag in the code and a state for the rider
        ("AlertState", {one.value for one in AlertState} | {"cancel_requested"}),
        ("AssignmentState", {one.value for one in AssignmentState}),
        ("Role", {role.value for role in Role}),
        ("StaffRole", {role.value for role in STAFF}),
        ("FindingCode", set(CODES)),
        ("ChannelName", set(BEYOND_THE_SOCKET)),
        ("EmergencyNumberKind", {number.kind for number in Settings().emergency_numbers}),
    ],
)
def test_lists_of_values_are_the_same(schema, values):
    assert set(SCHEMAS[schema]["enum"]) == values
