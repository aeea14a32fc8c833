"""People over HTTP: phones, sign-in, invitations, staff and teams, duty and positions."""

import pytest

from backend.people import sessions
from backend.people.flusher import PositionFlusher
from backend.people.models import Device, TeamPosition
from backend.people.passwords import TEST_COST, Passwords
from backend.people.roles import Role
from backend.people.tokens import TokenKind, new_token
from tests.people import add_staff, add_team

PASSWORD = "le chat gris dort"
STORED = Passwords(TEST_COST).hash(PASSWORD)
HERE = {"latitude": 43.2965, "longitude": 5.3698, "accuracy_m": 10}


class Desk:
    """Asks the application as one caller after another, and holds every answer against the contract."""

    def __init__(self, client, wiring):
        self.client, self.wiring = client, wiring
        now = wiring.clock.now()
        with wiring.database.transaction() as session:
            self.team = add_team(session, "GAP 1", now)
            for login, role in (("anna", Role.AGENT), ("dris", Role.DRIVER), ("olga", Role.OPERATOR), ("boss", Role.ADMIN)):
                team = self.team if role is Role.AGENT else None
                setattr(self, login, add_staff(session, login, role, now, team=team, password_hash=STORED))

    def ask(self, method, path, json=None, *, token=None, network="198.51.100.7", language="en", rule=None):
        headers = {"Accept-Language": language} | ({"Authorization": f"Bearer {token}"} if token else {})
        answer = self.client.open(path, method=method, json=json, headers=headers, environ_base={"REMOTE_ADDR": network})
        operation = self.wiring.contract.operation(method, rule or path)
        assert operation is not None, f"{method} {rule or path} is not in the contract"
        assert operation.response_errors(answer.status_code, answer.get_json(silent=True)) == []
        return answer

    def token(self, login):
        answer = self.ask("POST", "/v1/sessions", {"login": login, "password": PASSWORD})
        assert answer.status_code == 201, answer.json
        return answer.json["access_token"]

    def phone(self):
        return self.ask("POST", "/v1/devices", {"platform": "android"}).json


@pytest.fixture
def desk(client, wiring):
    return Desk(client, wiring)


class TestPhones:
    def test_a_phone_registers_sets_its_pins_and_is_forgotten(self, desk):
        answer = desk.ask("POST", "/v1/devices", {"platform": "ios", "app_version": "1.2", "locale": "fr-FR"})
        assert answer.status_code == 201
        assert answer.json["expires_at"] == "2027-11-22T21:00:00.000Z"
        token = answer.json["access_token"]
        with desk.wiring.database.reading() as session:
            assert session.query(Device).one().platform == "ios"
        assert desk.ask("PUT", "/v1/devices/me/pins", {"pin": "1234", "duress_pin": "4321"}, token=token).status_code == 204
        refused = desk.ask("PUT", "/v1/devices/me/pins", {"pin": "1234", "duress_pin": "1234"}, token=token)
        assert (refused.status_code, refused.json["code"]) == (422, "pins_equal")
        assert desk.ask("DELETE", "/v1/devices/me", token=token).status_code == 204
        assert desk.ask("DELETE", "/v1/devices/me", token=token).status_code == 401

    @pytest.mark.parametrize(
        "pins",
        [{"pin": "123", "duress_pin": "4321"}, {"pin": "1234"}, {"pin": "12a4", "duress_pin": "1"}, {"pin": 1234, "duress_pin": 1}],
    )
    def test_pins_are_four_to_eight_digits(self, desk, pins):
        answer = desk.ask("PUT", "/v1/devices/me/pins", pins, token=desk.phone()["access_token"])
        assert answer.status_code == 422

    def test_a_stale_phone_may_not_change_anything(self, desk):
        token = desk.phone()["access_token"]
        desk.wiring.clock.advance(365 * 86_400)
        answer = desk.ask("DELETE", "/v1/devices/me", token=token)
        assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")
        assert answer.json["emergency_numbers"]

    def test_a_machine_that_registers_is_slowed_down(self, desk):
        with desk.wiring.database.transaction() as session:
            for _ in range(300):
                sessions_of_network(session, desk.wiring.clock.now())
        answer = desk.ask("POST", "/v1/devices", {"platform": "ios"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert desk.ask("POST", "/v1/devices", {"platform": "ios"}, network="203.0.113.1").status_code == 201


def sessions_of_network(session, now):
    from backend.people.throttle import charge_registration

    charge_registration(session, "198.51.100.7", now)


class TestSigningIn:
    def test_a_right_password_opens_a_session(self, desk):
        answer = desk.ask("POST", "/v1/sessions", {"login": " Anna ", "password": PASSWORD})
        assert answer.json["staff"] == {
            "id": str(desk.anna.id), "login": "anna", "display_name": "Anna", "role": "agent",
            "team_id": str(desk.team.id), "disabled": False, "phone": None,
        }  # fmt: skip
        assert answer.json["expires_at"] == "2026-11-23T11:00:00.000Z"
        me = desk.ask("GET", "/v1/me", token=answer.json["access_token"]).json
        assert me["staff"] == answer.json["staff"]
        assert me["team"]["call_sign"] == "GAP 1"
        assert me["shift"] is None

    def test_wrong_login_and_wrong_password_look_alike(self, desk):
        answers = [
            desk.ask("POST", "/v1/sessions", {"login": login, "password": password}).json | {"request_id": ""}
            for login, password in (("anna", "wrong wrong wrong"), ("nobody", PASSWORD), ("anna' --", "x"))
        ]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0]["code"] == "login_failed"

    def test_guessing_is_slowed_and_the_owner_gets_in(self, desk):
        wrong = {"login": "anna", "password": "wrong wrong wrong"}
        codes = [desk.ask("POST", "/v1/sessions", wrong, network="203.0.113.9").json["code"] for _ in range(6)]
        assert codes == ["login_failed"] * 3 + ["login_delayed"] * 3
        right = {"login": "anna", "password": PASSWORD}
        delayed = desk.ask("POST", "/v1/sessions", right, network="203.0.113.9")
        assert (delayed.status_code, delayed.headers["Retry-After"], delayed.json["retryable"]) == (429, "1", True)
        assert desk.ask("POST", "/v1/sessions", right).status_code == 201
        desk.wiring.clock.advance(1)
        assert desk.ask("POST", "/v1/sessions", right, network="203.0.113.9").status_code == 201

    def test_a_forwarded_address_does_not_fool_the_throttle(self, desk):
        codes = set()
        for number in range(6):
            answer = desk.client.post(
                "/v1/sessions", json={"login": "anna", "password": "wrong wrong wrong"},
                headers={"X-Forwarded-For": f"192.0.2.{number}"},
            )  # fmt: skip
            codes.add(answer.json["code"])
        assert codes == {"login_failed", "login_delayed"}

    def test_signing_out(self, desk):
        token = desk.token("olga")
        answer = desk.ask("DELETE", "/v1/sessions/current", token=token)
        assert (answer.status_code, answer.data) == (204, b"")
        assert desk.ask("GET", "/v1/me", token=token).status_code == 401

    @pytest.mark.parametrize(
        "token",
        ["x", "vs_", new_token(TokenKind.STAFF), new_token(TokenKind.DEVICE), new_token(TokenKind.INVITATION),
         "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ."],
    )  # fmt: skip
    def test_a_forged_token_is_refused_without_detail(self, desk, token):
        answer = desk.ask("GET", "/v1/me", token=token)
        assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")
        assert "hint" not in answer.json

    def test_a_rider_is_not_staff(self, desk):
        answer = desk.ask("GET", "/v1/me", token=desk.phone()["access_token"])
        assert (answer.status_code, answer.json["code"]) == (403, "role_forbidden")


class TestAdministration:
    def test_from_an_invitation_to_a_signed_in_agent(self, desk):
        admin = desk.token("boss")
        new = {"login": "Zoe", "display_name": "Zoé", "role": "agent", "team_id": str(desk.team.id)}
        made = desk.ask("POST", "/v1/staff", new, token=admin)
        assert made.status_code == 201
        assert made.json["invitation_expires_at"] == "2026-11-25T21:00:00.000Z"
        accept = {"invitation": made.json["invitation"], "login": "zoe", "display_name": "Zoé", "password": "zoezoezoe2026"}
        weak = desk.ask("POST", "/v1/invitations/accept", accept)
        assert (weak.status_code, weak.json["code"]) == (422, "password_weak")
        accept["password"] = "sept petits tramways"
        accepted = desk.ask("POST", "/v1/invitations/accept", accept)
        assert accepted.status_code == 201
        assert desk.ask("GET", "/v1/me", token=accepted.json["access_token"]).json["staff"]["login"] == "zoe"
        again = desk.ask("POST", "/v1/invitations/accept", accept)
        assert (again.status_code, again.json["code"]) == (410, "invitation_invalid")

    @pytest.mark.parametrize(
        ("method", "path", "json"),
        [("GET", "/v1/staff", None), ("POST", "/v1/staff", {"login": "zoe", "display_name": "Z", "role": "admin"}),
         ("POST", "/v1/teams", {"name": "x", "call_sign": "y"})],
    )  # fmt: skip
    @pytest.mark.parametrize("login", ["anna", "dris", "olga"])
    def test_only_an_admin_administers(self, desk, login, method, path, json):
        assert desk.ask(method, path, json, token=desk.token(login)).status_code == 403

    def test_disabling_ends_the_session_at_once(self, desk):
        admin, anna = desk.token("boss"), desk.token("anna")
        rule = "/v1/staff/{staff_id}"
        changed = desk.ask("PATCH", f"/v1/staff/{desk.anna.id}", {"disabled": True}, token=admin, rule=rule)
        assert changed.json["disabled"] is True
        assert desk.ask("GET", "/v1/me", token=anna).status_code == 401
        assert desk.ask("POST", "/v1/sessions", {"login": "anna", "password": PASSWORD}).status_code == 401
        last = desk.ask("PATCH", f"/v1/staff/{desk.boss.id}", {"disabled": True}, token=admin, rule=rule)
        assert (last.status_code, last.json["code"]) == (409, "last_admin")

    def test_fields_that_nobody_may_set_change_nothing(self, desk):
        admin, rule = desk.token("boss"), "/v1/staff/{staff_id}"
        sent = {"login": "root", "password_hash": "x", "id": str(desk.team.id), "display_name": "Anna B."}
        changed = desk.ask("PATCH", f"/v1/staff/{desk.anna.id}", sent, token=admin, rule=rule).json
        assert (changed["login"], changed["id"], changed["display_name"]) == ("anna", str(desk.anna.id), "Anna B.")

    def test_sessions_are_revoked(self, desk):
        admin, anna, rule = desk.token("boss"), desk.token("anna"), "/v1/staff/{staff_id}/revoke-sessions"
        answer = desk.ask("POST", f"/v1/staff/{desk.anna.id}/revoke-sessions", token=admin, rule=rule)
        assert answer.status_code == 204
        assert desk.ask("GET", "/v1/me", token=anna).status_code == 401
        assert desk.ask("POST", f"/v1/staff/{desk.team.id}/revoke-sessions", token=admin, rule=rule).status_code == 404
        assert desk.ask("POST", "/v1/staff/anna/revoke-sessions", token=admin, rule=rule).json["code"] == "id_invalid"

    def test_teams(self, desk):
        admin, rule = desk.token("boss"), "/v1/teams/{team_id}"
        made = desk.ask("POST", "/v1/teams", {"name": "Nuit", "call_sign": "GAP 10"}, token=admin)
        assert made.status_code == 201
        assert desk.ask("POST", "/v1/teams", {"name": "Nuit", "call_sign": "GAP 11"}, token=admin).json["code"] == "team_taken"
        path = f"/v1/teams/{made.json['id']}"
        assert desk.ask("PATCH", path, {"call_sign": "GAP 2"}, token=admin, rule=rule).json["call_sign"] == "GAP 2"
        assert desk.ask("PATCH", path, {"active": False}, token=admin, rule=rule).json["active"] is False
        listed = desk.ask("GET", "/v1/teams", token=desk.token("olga")).json["items"]
        assert [team["call_sign"] for team in listed] == ["GAP 1", "GAP 2"]


class TestDuty:
    def test_an_agents_shift_and_positions(self, desk):
        token, database = desk.token("anna"), desk.wiring.database
        flusher = PositionFlusher(database, desk.wiring.positions, desk.wiring.clock.now)
        before = desk.ask("POST", "/v1/agent/positions", {"points": [HERE, HERE]}, token=token).json
        assert before == {"accepted": 0, "refused": [{"index": 0, "code": "off_duty"}, {"index": 1, "code": "off_duty"}]}
        assert desk.ask("POST", "/v1/agent/shift/end", token=token).json["code"] == "off_duty"
        started = desk.ask("POST", "/v1/agent/shift", token=token)
        assert started.status_code == 201
        again = desk.ask("POST", "/v1/agent/shift", token=token)
        assert (again.status_code, again.json) == (200, started.json)
        assert desk.ask("GET", "/v1/me", token=token).json["shift"] == started.json
        points = [HERE | {"fix_age_ms": 5000}, HERE | {"latitude": "x"}, HERE | {"fix_age_ms": 6000}, HERE]
        answer = desk.ask("POST", "/v1/agent/positions", {"points": points}, token=token).json
        assert answer == {
            "accepted": 2, "refused": [{"index": 1, "code": "invalid"}, {"index": 2, "code": "older_than_last"}],
        }  # fmt: skip
        assert flusher.flush_now()
        with database.reading() as session:
            assert session.get(TeamPosition, desk.team.id)
        ended = desk.ask("POST", "/v1/agent/shift/end", token=token)
        assert ended.json["ended_at"] == "2026-11-22T21:00:00.000Z"
        assert flusher.flush_now()
        with database.reading() as session:
            assert session.get(TeamPosition, desk.team.id) is None
        assert desk.ask("POST", "/v1/agent/positions", {"points": [HERE]}, token=token).json["accepted"] == 0

    @pytest.mark.parametrize("points", [None, "x", 5, {}, [HERE] * 51])
    def test_points_are_a_list_of_fifty(self, desk, points):
        answer = desk.ask("POST", "/v1/agent/positions", {"points": points}, token=desk.token("anna"))
        assert (answer.status_code, answer.json["code"]) == (422, "invalid")

    def test_a_drivers_shift(self, desk):
        token = desk.token("dris")
        started = desk.ask("POST", "/v1/driver/shift", {"vehicle_number": " 1234 ", "line_id": "B1"}, token=token)
        assert started.status_code == 201
        assert started.json["vehicle"] | {"number": "1234", "line_id": "B1"} == started.json["vehicle"]
        assert desk.ask("POST", "/v1/driver/shift", {"vehicle_number": "1234"}, token=token).status_code == 200
        assert desk.ask("POST", "/v1/driver/positions", {"points": [HERE]}, token=token).json == {"accepted": 1, "refused": []}
        assert desk.ask("POST", "/v1/driver/shift/end", token=token).status_code == 204
        assert desk.ask("POST", "/v1/driver/positions", {"points": [HERE]}, token=token).json["accepted"] == 0
        assert desk.ask("POST", "/v1/driver/shift", {"vehicle_number": "  "}, token=token).status_code == 422

    @pytest.mark.parametrize(("login", "path"), [("dris", "/v1/agent/shift"), ("olga", "/v1/agent/shift"), ("anna", "/v1/driver/shift/end")])
    def test_duty_is_for_its_own_role(self, desk, login, path):
        assert desk.ask("POST", path, token=desk.token(login)).status_code == 403


def test_a_session_outlives_its_process(desk):
    token = desk.token("olga")
    with desk.wiring.database.reading() as session:
        assert sessions.who(session, token, desk.wiring.clock.now(), stale_days=7).id == desk.olga.id
