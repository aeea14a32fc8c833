"""Who may do what: the table that everybody can read, and the application held to it."""

import re
import uuid
from pathlib import Path

import pytest
from flask import Flask

from backend.access import PUBLIC, STAFF, UndeclaredRoute, allow, allowed_roles, refuse_undeclared, role_matrix
from backend.app import create_app
from backend.people import sessions
from backend.people.roles import EVERYBODY, Role
from backend.socket_events import declared_events
from backend.wiring import wire
from tests import migrated
from tests.contract.inhabited import inhabit
from tests.fakes import FakeClock
from tests.people import add_staff, add_team

MATRIX = Path(__file__).parents[1] / "access_matrix.txt"


@pytest.fixture(scope="module")
def people(sqlite_copies):
    url = sqlite_copies.copy(migrated.HEAD)
    wiring = wire(migrated.settings(url), FakeClock())
    yield inhabit(create_app(wiring, ("web", "live")), wiring)
    wiring.database.dispose()
    sqlite_copies.drop(url)


def matrix(app):
    return role_matrix(app, [(event.namespace, event.name, event.roles) for event in declared_events()])


def test_the_table_in_the_repository_is_the_one_that_is_served(people):
    found = matrix(people.app)
    wanted = MATRIX.read_text(encoding="utf-8").splitlines()
    assert found == wanted, "look at each line, then: .venv/bin/flask --app backend.app access-matrix > tests/access_matrix.txt"


def test_the_command_prints_the_same_table(people):
    printed = people.app.test_cli_runner().invoke(args=["access-matrix"])
    assert printed.output.splitlines() == matrix(people.app)


def test_an_application_with_an_undeclared_route_does_not_start():
    app = Flask("forgetful", static_folder=None)
    app.add_url_rule("/open", "open", allow(PUBLIC)(lambda: ""))
    refuse_undeclared(app)
    app.add_url_rule("/secret", "secret", lambda: "")
    with pytest.raises(UndeclaredRoute, match="/secret"):
        refuse_undeclared(app)


def test_a_route_cannot_be_declared_for_nobody():
    with pytest.raises(UndeclaredRoute):
        allow()
    assert allowed_roles(allow(Role.AGENT)(lambda: "")) == {Role.AGENT}


def routes(app):
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, rule.rule, allowed_roles(app.view_functions[rule.endpoint])


def filled(people, rule):
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda part: people.ids.get(part[1], str(uuid.uuid4())), rule)


def test_every_route_answers_403_to_every_role_that_it_does_not_serve(people):
    wrong, tried = [], 0
    for method, rule, roles in routes(people.app):
        if roles == PUBLIC:
            continue
        for role in sorted(set(Role) - roles):
            answer = people.ask(role.value, method, filled(people, rule), {})
            tried += 1
            if (answer.status_code, answer.json["code"]) != (403, "role_forbidden"):
                wrong.append(f"{role} {method} {rule}: {answer.status_code}")
    assert wrong == []
    assert tried > 150


def test_every_route_that_serves_somebody_answers_401_to_nobody(people):
    for method, rule, roles in routes(people.app):
        if roles != PUBLIC:
            answer = people.ask(None, method, filled(people, rule), {})
            assert (answer.status_code, answer.json["code"]) == (401, "token_missing"), f"{method} {rule}"


def test_the_public_routes_are_these_and_no_more(people):
    public = {f"{method} {rule}" for method, rule, roles in routes(people.app) if roles == PUBLIC and "/v1/" in rule}
    assert public == {
        "GET /v1/meta", "GET /v1/network/lines", "GET /v1/network/lines/<line_id>",
        "GET /v1/network/lines/<line_id>/stops", "GET /v1/network/map", "GET /v1/network/near",
        "GET /v1/network/stops", "POST /v1/devices", "POST /v1/invitations/accept", "POST /v1/sessions",
        "POST /v1/sms/inbound",  # signed by the gateway
    }  # fmt: skip


@pytest.mark.parametrize("role", sorted(EVERYBODY))
def test_nobody_reads_anothers_feed(people, role):
    items = people.ask(role.value, "GET", "/v1/feed?after=0").json["items"]
    kinds = {item["type"] for item in items}
    if role in (Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN):
        assert "alert.raised" in kinds
    else:
        assert "alert.raised" not in kinds
    if role is Role.DRIVER:
        assert kinds == {"night_stop.requested"}, "of the driver's own vehicle"


class Strangers:
    """A second rider and a second team, who know every identifier of the first ones."""

    def __init__(self, people):
        now = people.wiring.clock.now()
        with people.wiring.database.transaction() as session:
            self.rider = sessions.register_device(session, "ios", now, valid_days=1).access_token
            number = uuid.uuid4().hex[:8]
            staff = add_staff(session, f"stranger{number}", Role.AGENT, now, team=add_team(session, number, now))
            self.agent = sessions.sign_in(session, staff.id, now, valid_hours=1).access_token
        self.client = people.app.test_client()

    def ask(self, token, method, path, body):
        return self.client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def strangers(people):
    return Strangers(people)


BODIES = {
    "messages": {"id": "0190a5a0-0000-7000-8000-000000000001", "text": "hello"},
    "positions": {"points": [{"latitude": 43.2, "longitude": 5.3, "point_seq": 1}]},
}


def test_anothers_objects_do_not_exist(people, strangers):
    """S11: 404 and not 403, so that nobody learns that they exist."""
    for method, rule, roles in routes(people.app):
        if "<alert_id>" in rule and roles == {Role.RIDER}:
            token, code = strangers.rider, "alert_unknown"
        elif "<assignment_id>" in rule:
            token, code = strangers.agent, "assignment_unknown"
        elif "<delivery_id>" in rule:
            token, code = strangers.agent, "delivery_unknown"
        else:
            continue
        answer = strangers.ask(token, method, filled(people, rule), BODIES.get(rule.rpartition("/")[2], {}))
        assert (answer.status_code, answer.json["code"]) == (404, code), f"{method} {rule}: {answer.text}"
        unknown = strangers.ask(
            token, method, re.sub(r"<\w+>", str(uuid.uuid4()), rule), BODIES.get(rule.rpartition("/")[2], {})
        )
        if method != "PUT":
            same = {"title", "detail", "code", "status"}
            assert {k: unknown.json[k] for k in same} == {k: answer.json[k] for k in same}


def test_an_operator_cannot_make_anybody_an_admin(people):
    for role in (Role.OPERATOR, Role.SUPERVISOR):
        answer = people.ask(role.value, "PATCH", f"/v1/staff/{people.ids['staff_id']}", {"role": "admin"})
        assert answer.status_code == 403


@pytest.mark.parametrize("role", sorted(STAFF))
def test_a_signed_out_token_serves_nothing(people, role):
    now = people.wiring.clock.now()
    with people.wiring.database.transaction() as session:
        staff = add_staff(session, f"leaver.{role}{uuid.uuid4().hex[:6]}", role, now)
        token = sessions.sign_in(session, staff.id, now, valid_hours=1).access_token
        sessions.revoke_sessions(session, staff.id, now)
    answer = people.app.test_client().get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")
