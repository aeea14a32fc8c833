"""Bad inputs and the clear answer to each (B01-B26, B33, B34), in both languages, on both databases, by HTTP.

An alert with a valid identity is stored with `warnings` whatever is wrong with its optional fields. B27 (stop requests),
B28-B30 (media), B35 (push) and B36 (terminal) belong to other tests; B31 and B32 are in test_sockets.py.
"""

import json
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import update

from backend.alerts.models import Alert, AlertMessage
from backend.app import create_app
from backend.people.models import Device
from backend.problem_texts import PROBLEMS
from backend.wiring import wire
from tests import migrated
from tests.contract.conformance import check_answers
from tests.contract.inhabited import inhabit
from tests.fakes import FakeClock

HERE = {"latitude": 43.2951, "longitude": 5.374}
NEW = "/v1/alerts/{new}"
CANARY = "canary-7f3a"


class Callers:
    """Sends whatever a test wants to send, as whoever."""

    def __init__(self, app, wiring):
        self.client, self.wiring = app.test_client(), wiring
        self.people = inhabit(app, wiring)

    def send(
        self, method, path, body=None, *, role="rider", raw=None, language="en", kind="application/json", **headers
    ):
        if "{new}" in path:
            path = path.replace("{new}", str(uuid.uuid4()))
        path = path.format(**self.people.ids)
        data = raw if raw is not None else json.dumps(body).encode()
        token = headers.pop("token", None) or self.people.tokens.get(role)
        sent = {"Accept-Language": language, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return self.client.open(path, method=method, data=data, content_type=kind, headers=sent)


@pytest.fixture(scope="module")
def callers(engine_name, request):
    """One application for the whole table: nothing in it changes what the next one is answered."""
    copies = request.getfixturevalue(f"{engine_name}_copies")
    url = copies.copy(migrated.HEAD)
    wiring = wire(migrated.settings(url), FakeClock())
    app = create_app(wiring)
    check_answers(app, wiring.contract)
    yield Callers(app, wiring)
    wiring.database.dispose()
    copies.drop(url)


@pytest.fixture
def own(app, wiring):
    """An application for one test that changes what others would find."""
    return Callers(app, wiring)


def position(**said):
    return {"category": "theft", "position": {**HERE, **said}}


# id, body of the alert as text or value, the codes of its warnings
STORED = [
    ("B01", '{"category":"theft","position":{"latitude":NaN,"longitude":5.3}}', {"location_invalid"}),
    ("B02", '{"category":"theft","position":{"latitude":1e999,"longitude":5.3}}', {"location_invalid"}),
    ("B03", position(latitude=True), {"location_invalid"}),
    ("B04", position(latitude="43.2951"), {"location_repaired"}),
    ("B04", position(latitude="43,29"), {"location_repaired"}),
    ("B04", position(latitude="43°17"), {"location_invalid"}),
    ("B05", position(latitude=0, longitude=0), {"out_of_area"}),
    ("B05", position(latitude=91), {"location_invalid"}),
    ("B06", position(accuracy_m=-1), {"accuracy_invalid"}),
    ("B06", position(accuracy_m=0), {"accuracy_invalid"}),
    ("B06", position(accuracy_m=50_000), {"location_vague"}),
    ("B07", {**position(), "observed_at": "1970-01-01T00:00:00Z"}, {"device_time_invalid"}),
    ("B07", {**position(), "observed_at": "2026-11-25T21:00:00Z"}, {"device_time_invalid"}),
    ("B07", {**position(), "observed_at": "2026-11-22T21:00:00"}, {"device_time_invalid"}),
    ("B08", {**position(), "category": "harassment"}, {"category_unknown"}),
    ("B09", {**position(), "description": "é" * 9_000}, {"text_cut"}),
    ("B13", {**position(), "description": "a\u0000b"}, {"text_cleaned"}),
    ("B13", {**position(), "observed_at": "\u0000"}, {"device_time_invalid"}),
    ("B13", {**position(), "place": {"stop_id": "\u0000"}}, set()),
    ("B14", {**position(), "description": "a\ud800b", "observed_at": "\udfff"}, {"text_cleaned", "device_time_invalid"}),
    ("B15", {**position(), "description": "\u202eabc\u200b e" + "\u0301" * 200 + " 🆘"}, set()),
    ("B16", b"\xef\xbb\xbf" + json.dumps(position()).encode(), set()),
    ("S13", {**position(), "role": "admin", "state": "closed", "priority": 4}, {"field_ignored"}),
    ("none", {}, {"location_missing"}),
]  # fmt: skip


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(("number", "body", "codes"), STORED, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(STORED)])
def test_an_alert_is_stored_whatever_is_wrong_with_it(callers, number, body, codes, language):
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    answer = callers.send("PUT", NEW, raw=raw, language=language)
    assert answer.status_code == 201, answer.text
    assert {warning["code"] for warning in answer.json["warnings"]} == codes
    for warning in answer.json["warnings"]:
        assert warning["detail"] == PROBLEMS[warning["code"]].detail[language]
    seen = callers.send("GET", f"/v1/control/alerts/{answer.json['id']}", role="operator").json["alert"]
    if number in ("B01", "B02", "B03"):
        assert seen["position"] is None
    if number == "B15":
        assert seen["description"] == body["description"]


# id, method, path, what is sent (body, or raw, with headers), status, code
PROBLEM = [
    ("B09", "PUT", NEW, {"raw": b'{"description":"' + b"x" * 10_000_000 + b'"}'}, 413, "body_too_large"),
    ("B10", "PUT", NEW, {"raw": b"[" * 60_000}, 400, "json_too_deep"),
    ("B11", "PUT", NEW, {"raw": b'{"armed":true,"armed":false}'}, 400, "duplicate_key"),
    ("B12", "PUT", NEW, {"raw": b'{"queued_ms":' + b"1" * 5_000 + b"}"}, 400, "number_invalid"),
    ("B16", "PUT", NEW, {"raw": '{"category":"theft"}'.encode("utf-16")}, 400, "encoding"),
    ("B16", "PUT", NEW, {"raw": '{"description":"volé"}'.encode("latin-1")}, 400, "encoding"),
    ("B17", "PUT", NEW, {"raw": b"null"}, 400, "body_object_expected"),
    ("B17", "PUT", NEW, {"raw": b"[]"}, 400, "body_object_expected"),
    ("B17", "PUT", NEW, {"raw": b'""'}, 400, "body_object_expected"),
    ("B17", "PUT", NEW, {"raw": b""}, 400, "body_object_expected"),
    ("B17", "PUT", NEW, {"raw": b'{"category":'}, 400, "json_invalid"),
    ("B18", "PUT", NEW, {"raw": b'{"category":"theft"}', "kind": "text/plain"}, 415, "media_type"),
    ("B21", "PUT", "/v1/alerts/1", {"body": {}}, 400, "id_invalid"),
    ("B21", "PUT", f"/v1/alerts/{'x' * 10_000}", {"body": {}}, 400, "id_invalid"),
    ("B21", "PUT", f"/v1/alerts/{uuid.uuid4().hex}", {"body": {}}, 400, "id_invalid"),
    ("B22", "PUT", NEW, {"body": {}, "role": None}, 401, "token_missing"),
    ("B23", "PUT", NEW, {"body": {}, "token": "eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ."}, 401, "token_invalid"),
    ("B23", "PUT", NEW, {"body": {}, "token": "vd_" + "A" * 43}, 401, "token_invalid"),
    ("B23", "PUT", NEW, {"body": {}, "token": "x" * 6_000}, 401, "token_invalid"),
    ("B26", "POST", f"/v1/deliveries/{uuid.uuid4()}/received", {"body": {}, "role": "agent"}, 404, "delivery_unknown"),
    ("B26", "POST", "/v1/deliveries/{delivery_id}/seen", {"body": {}, "role": "rider"}, 404, "delivery_unknown"),
    ("B33", "GET", "/v1/feed?after=999999999", {}, 400, "cursor_invalid"),
    ("B33", "GET", "/v1/feed?after=-1", {}, 400, "cursor_invalid"),
    ("B33", "GET", "/v1/feed?after=1%20OR%201", {}, 400, "cursor_invalid"),
    ("B33", "GET", "/v1/feed?after=" + "9" * 30, {}, 400, "cursor_invalid"),
    ("B33", "GET", "/v1/feed?after=٣", {}, 400, "cursor_invalid"),
    ("B33", "GET", "/v1/control/alerts?cursor=AAAA", {"role": "operator"}, 400, "cursor_invalid"),
    ("B33", "GET", "/v1/control/alerts?state=secret", {"role": "operator"}, 400, "query_invalid"),
    ("404", "GET", "/v1/nothing", {}, 404, "not_found"),
    ("405", "DELETE", "/v1/alerts", {}, 405, "method_not_allowed"),
    ("422", "POST", "/v1/control/alerts/{alert_id}/close", {"body": {"closing_code": "won"}, "role": "operator"}, 422, "invalid"),
    ("422", "POST", "/v1/control/alerts/{alert_id}/close", {"body": {}, "role": "operator"}, 422, "invalid"),
    ("400", "POST", "/v1/control/alerts/{alert_id}/seen", {"body": {}, "role": "operator", "If_Match": "new"}, 400, "header_invalid"),
    ("412", "POST", "/v1/control/alerts/{alert_id}/seen", {"body": {}, "role": "operator", "If_Match": '"99"'}, 412, "version_conflict"),
]  # fmt: skip


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(
    ("number", "method", "path", "sent", "status", "code"),
    PROBLEM,
    ids=[f"{one[0]}-{i}" for i, one in enumerate(PROBLEM)],
)
def test_what_cannot_be_meant_is_answered_with_one_clear_problem(
    callers, number, method, path, sent, status, code, language
):
    answer = callers.send(method, path, language=language, X_Request_Id="req-12345678", **sent)
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert answer.mimetype == "application/problem+json"
    problem = answer.json
    assert problem["type"] == f"/problems/{code}"
    assert problem["status"] == status
    assert problem["title"] == PROBLEMS[code].title
    assert problem["detail"] == PROBLEMS[code].detail[language]
    assert problem["retryable"] == PROBLEMS[code].retryable
    assert problem["request_id"] == answer.headers["X-Request-Id"] == "req-12345678"
    assert answer.headers["Content-Language"] == language
    if path.startswith("/v1/alerts"):
        assert problem["emergency_numbers"], "whatever went wrong, a phone can always offer a number"
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert set(problem) <= {
            "type",
            "title",
            "status",
            "code",
            "detail",
            "retryable",
            "request_id",
            "emergency_numbers",
        }
    if code in ("body_object_expected", "media_type", "cursor_invalid"):
        assert problem["hint"]
    if status == 405:
        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"


def test_b09_a_body_that_is_announced_too_big_is_refused_before_it_is_read(callers):
    class Never:
        def read(self, *_):
            raise AssertionError("it was read")

        readline = readlines = read

    announced = {"CONTENT_LENGTH": "10000000", "wsgi.input": Never()}
    headers = {"Authorization": f"Bearer {callers.people.tokens['rider']}"}
    answer = callers.client.put(
        f"/v1/alerts/{uuid.uuid4()}", content_type="application/json", headers=headers, environ_overrides=announced
    )
    assert answer.json["code"] == "body_too_large"


def test_b19_without_an_id_the_server_gives_one_and_a_second_sending_is_the_same_alert(own):
    first, second = (own.send("POST", "/v1/alerts", position()) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json["id"] == second.json["id"]
    assert [warning["code"] for warning in first.json["warnings"]] == ["id_derived"]
    own.wiring.clock.advance(61)
    assert own.send("POST", "/v1/alerts", position()).json["id"] != first.json["id"]


def test_b20_the_same_id_with_other_words_shows_the_alert_that_has_it(callers):
    path = f"/v1/alerts/{uuid.uuid4()}"
    assert callers.send("PUT", path, position()).status_code == 201
    replay = callers.send("PUT", path, {**position(), "queued_ms": 4})
    assert (replay.status_code, replay.headers["Idempotent-Replayed"]) == (200, "true")
    other = callers.send("PUT", path, {"category": "assault"})
    assert (other.status_code, other.json["code"]) == (409, "key_reused")
    assert path.endswith(other.json["alert_id"])


@pytest.mark.parametrize(("days_ago", "status"), [(1, 201), (6.9, 201), (7.1, 401)])
def test_b22_a_token_that_has_just_expired_still_raises_an_alert(own, days_ago, status):
    with own.wiring.database.transaction() as session:
        session.execute(update(Device).values(expires_at=own.wiring.clock.now() - timedelta(days=days_ago)))
    answer = own.send("PUT", NEW, position())
    assert answer.status_code == status
    if status == 201:
        assert [warning["code"] for warning in answer.json["warnings"]] == ["identity_stale"]
    else:
        assert answer.json["code"] == "token_invalid"
        assert answer.json["emergency_numbers"]
    assert own.send("GET", "/v1/alerts").status_code == 401, "for anything else it is over"


def test_b24_what_another_team_has_or_what_is_over_cannot_be_accepted(own):
    path = "/v1/assignments/{assignment_id}/accept"
    missing = own.send("POST", f"/v1/assignments/{uuid.uuid4()}/accept", {}, role="agent")
    assert (missing.status_code, missing.json["code"]) == (404, "assignment_unknown")
    closed = {"closing_code": "unfounded"}
    assert own.send("POST", "/v1/control/alerts/{alert_id}/close", closed, role="operator").status_code == 200
    over = own.send("POST", path, {}, role="agent")
    assert (over.status_code, over.json["code"], over.json["by"]) == (409, "already_taken", None)


def test_b25_to_accept_twice_is_to_accept_once(own):
    first, second = (own.send("POST", "/v1/assignments/{assignment_id}/accept", {}, role="agent") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json == second.json


@pytest.mark.parametrize(
    ("limit", "applied"),
    [("1e9", "500"), ("0", "1"), ("-5", "1"), ("nan", "200"), ("many", "200"), ("7", None), ("", "200")],
)
def test_b33_a_wish_for_too_much_is_cut_and_said(callers, limit, applied):
    answer = callers.send("GET", f"/v1/feed?limit={limit}")
    assert answer.status_code == 200
    assert answer.headers.get("X-Limit-Applied") == applied


NASTY = [
    "'; DROP TABLE alerts;--",
    "<script>alert(1)</script>",
    "=HYPERLINK(1)",
    "a\r\nlevel=error",
    "{{7*7}}",
    "%s%n",
    "../../x",
]


@pytest.mark.parametrize("text", NASTY)
def test_b34_words_are_only_words(callers, text):
    body = {**position(), "description": text, "place": {"station": text, "carriage": text}}
    alert_id = callers.send("PUT", NEW, body).json["id"]
    said = callers.send("POST", f"/v1/alerts/{alert_id}/messages", {"id": str(uuid.uuid4()), "text": text})
    assert said.json["text"] == text
    with callers.wiring.database.reading() as session:
        stored = session.get_one(Alert, uuid.UUID(alert_id))
        assert (stored.description, stored.station, stored.carriage) == (text, text.strip(), text.strip())
        assert session.get_one(AlertMessage, uuid.UUID(said.json["id"])).text == text


@pytest.mark.parametrize(
    ("header", "language"),
    [("fr", "fr"), ("en-GB,en;q=0.9", "en"), ("de,en;q=0.5,fr;q=0.4", "en"), ("de", "fr"), ("", "fr"), ("en;q=x", "fr"),
     ("*;q=1, en;q=0.1", "en"), ("x" * 5000, "fr")],
)  # fmt: skip
def test_the_language_is_the_one_that_was_wished(callers, header, language):
    assert callers.send("GET", "/v1/nothing", language=header).headers["Content-Language"] == language


@pytest.mark.parametrize("given", ["", "short", "a b c d e f g h", "x" * 65, "line\tfeed-12345", "<script>x</script>"])
def test_a_request_number_that_could_forge_a_log_is_replaced(callers, given):
    assert uuid.UUID(callers.send("GET", "/v1/meta", X_Request_Id=given).headers["X-Request-Id"])


@pytest.mark.parametrize(
    "path", ["//v1/meta", "/v1//meta", "/v1/meta/", "/%2e%2e/etc/passwd", "/v1/alerts/%00", "/v1/%ff"]
)
def test_a_strange_address_is_never_our_mistake(callers, path):
    answer = callers.send("GET", path)
    assert answer.status_code < 500, answer.text


def test_no_words_places_or_tokens_in_logs_and_problems(callers, capfd):
    token = callers.people.tokens["rider"]
    nasty = {
        "description": CANARY,
        "position": {"latitude": 43.123456, "longitude": 5.654321},
        "place": {"station": CANARY},
    }
    alert_id = callers.send("PUT", NEW, nasty).json["id"]
    answers = [
        callers.send("PUT", f"/v1/alerts/{alert_id}", {"description": f"{CANARY} again"}),
        callers.send("PUT", NEW, raw=f'{{"description":"{CANARY}'.encode()),
        callers.send("PUT", NEW, raw=f'{{"description":"{CANARY}","description":"{CANARY}"}}'.encode()),
        callers.send("POST", f"/v1/alerts/{alert_id}/messages", {"id": CANARY, "text": CANARY}),
        callers.send("POST", f"/v1/alerts/{alert_id}/cancel", {"pin": f"1{CANARY}"}),
        callers.send("POST", "/v1/sessions", {"login": CANARY, "password": CANARY}, role=None),
        callers.send("GET", "/v1/feed?after=" + CANARY),
        callers.send("PUT", NEW, {}, token=f"vd_{CANARY}"),
    ]
    problems = "".join(answer.text for answer in answers)
    logs = "".join(capfd.readouterr())
    for secret in (CANARY, "43.123456", "5.654321", token, "GAP Centre"):
        assert secret not in logs
        assert secret not in problems, [answer.text for answer in answers if secret in answer.text]
