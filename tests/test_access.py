"""Who may do what: one line per route and socket event, so that a change of it is seen in review."""

from pathlib import Path

import pytest
from flask import Flask

from backend.access import PUBLIC, Role, UndeclaredRoute, allow, allowed_roles, refuse_undeclared, role_matrix
from backend.app import create_app
from backend.socket_events import declared_events
from backend.wiring import wire
from tests import migrated

MATRIX = Path(__file__).with_name("access_matrix.txt")


@pytest.fixture(scope="module")
def whole_app():
    wiring = wire(migrated.settings("sqlite:///:memory:"))
    yield create_app(wiring, ("web", "live"))
    wiring.database.dispose()


def test_nobody_may_more_than_the_matrix_says(whole_app):
    events = [(event.namespace, event.name, event.roles) for event in declared_events()]
    found = "\n".join(role_matrix(whole_app, events)) + "\n"
    assert found == MATRIX.read_text(), "meant? .venv/bin/flask --app backend.app access-matrix > tests/access_matrix.txt"


def test_every_route_declares_its_roles(whole_app):
    refuse_undeclared(whole_app)


def test_a_route_without_roles_stops_the_start():
    app = Flask("forgetful", static_folder=None)
    app.add_url_rule("/v1/open", "open", allow(PUBLIC)(lambda: ""))
    refuse_undeclared(app)
    app.add_url_rule("/v1/forgotten", "forgotten", lambda: "")
    with pytest.raises(UndeclaredRoute, match="/v1/forgotten"):
        refuse_undeclared(app)


def test_allow_without_a_role_is_refused():
    with pytest.raises(UndeclaredRoute):
        allow()
    assert allowed_roles(allow(Role.AGENT)(lambda: "")) == {Role.AGENT}
