"""Sockets from the outside: who gets in, who hears what, and what becomes of anything that can be sent."""

import json
import threading
import time
import uuid

import pytest
import websocket
from engineio.base_server import BaseServer
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError, OperationalError

from backend import access, feed
from backend.alerts.models import Alert
from backend.errors import Refused
from backend.live import create_socketio
from backend.people import sessions
from backend.people.models import Staff, StaffSession
from backend.people.roles import Role
from backend.settings import Settings, SettingsRefused
from backend.socket_desk import Desk
from backend.socket_events import declared_events
from backend.sockets import declare
from backend.wiring import wire
from tests.sockets import QUICK, Closed, LiveServer, eventually


@pytest.fixture
def live(database_url, clock):
    with LiveServer(database_url, clock).running() as server:
        yield server


@pytest.fixture
def quick(database_url, clock):
    with LiveServer(database_url, clock, QUICK).running() as server:
        yield server


# -- who gets in -------------------------------------------------------------------------------------------


def test_a_socket_is_welcomed_with_the_place_in_the_feed_from_which_it_hears(live):
    live.put(feed.CONTROL, "alert.changed", {"alert": {}})
    eventually(lambda: live.live.last_seq == 1)
    _, token = live.rider()
    welcome = live.phone("/rider", token).hears("welcome")
    assert welcome["seq"] == 1
    assert not live.wiring.contract.event("/rider", "welcome", "send").errors(welcome)


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({}, "token_missing"),
        ({"token": ""}, "token_missing"),
        ({"token": 7}, "token_missing"),
        ({"token": "vd_nobody"}, "token_invalid"),
        ({"token": "x" * 5000}, "token_invalid"),
        (["token"], "token_missing"),
    ],
)
def test_without_a_good_token_nobody_gets_in(live, auth, code):
    bare = live.bare()
    bare.ws.send(f"40/rider,{json.dumps(auth)}")
    kind, refusal = bare.text().split(",", 1)
    assert kind == "44/rider"
    assert json.loads(refusal)["data"]["code"] == code
    assert not live.wiring.contract.schema("ConnectRefusal").errors(json.loads(refusal)["data"])
    assert not live.live.sockets.connections


@pytest.mark.parametrize("role", ["rider", "agent", "driver", "operator", "supervisor", "admin"])
def test_each_namespace_lets_in_its_roles_only(live, role):
    token = live.rider()[1] if role == "rider" else live.staff(role)[1]
    own = {"rider": "/rider", "agent": "/agent", "driver": "/driver"}.get(role, "/control")
    assert live.phone(own, token).hears("welcome")
    for other in {"/rider", "/agent", "/driver", "/control"} - {own}:
        assert live.phone(other, token).refusal["data"]["code"] == "role_forbidden"


def test_a_stale_phone_still_gets_in_and_a_revoked_one_does_not(live):
    device_id, token = live.rider()
    live.clock.advance(31 * 86_400)
    assert live.phone("/rider", token).hears("welcome")
    with live.database.transaction() as session:
        sessions.forget_device(session, device_id, live.clock.now())
    assert live.phone("/rider", token).refusal["data"]["code"] == "token_invalid"


def test_a_refusal_speaks_the_language_that_the_phone_asked_for(live):
    assert live.phone("/rider", "nobody", language="en").refusal["data"]["detail"].startswith("This token")
    assert live.phone("/rider", "nobody").refusal["data"]["detail"].startswith("Cette identification")


@pytest.mark.parametrize("namespace", ["/", "/admin", "/rider2", "/" + "x" * 500])
def test_there_are_four_namespaces_and_no_other(live, namespace):
    bare = live.bare()
    bare.ws.send(f'40{namespace},{{"token":"{live.rider()[1]}"}}' if namespace != "/" else "40")
    assert bare.text().startswith("44")
    assert not live.live.sockets.connections


def test_an_unauthenticated_socket_is_closed_in_time(quick):
    never_asks = quick.bare()
    is_refused = quick.bare()
    is_refused.ws.send('40/rider,{"token":"wrong"}')
    for bare in (never_asks, is_refused):
        closed = bare.closing()
        assert (closed.code, closed.reason) == (1008, "not authenticated in time")
    eventually(lambda: not quick.live.server.eio.sockets)


def test_a_slow_database_is_not_the_phones_fault(quick, monkeypatch):
    who = sessions.who

    def slow(*arguments, **options):
        time.sleep(2 * QUICK.authenticate_within_s)
        return who(*arguments, **options)

    monkeypatch.setattr(sessions, "who", slow)
    assert quick.phone("/rider", quick.rider()[1]).hears("welcome")


@pytest.mark.parametrize(("trouble", "reason"), [(OperationalError, "busy"), (IntegrityError, "failed")])
def test_trouble_at_the_door_lets_the_phone_try_again_by_itself(live, monkeypatch, trouble, reason):
    def broken(*_, **__):
        raise trouble("", {}, Exception("gone"))

    monkeypatch.setattr(sessions, "who", broken)
    bare = live.bare()
    bare.ws.send('40/rider,{"token":"x"}')
    closed = bare.closing()
    assert (closed.code, closed.reason) == (1013, reason)
    eventually(lambda: not live.live.server.manager.rooms)


def test_a_crowd_beyond_the_desk_is_sent_away_at_once():
    desk, at_work, go_on = Desk(at_work=1, waiting=1, patience_s=60), threading.Event(), threading.Event()

    def work() -> None:
        at_work.set()
        go_on.wait()

    threads = [threading.Thread(target=desk.run, args=(job,)) for job in (work, lambda: None)]
    threads[0].start()
    assert at_work.wait(5)
    threads[1].start()
    eventually(lambda: desk._line._value == 0, what="standing in line")
    with pytest.raises(Refused, match="busy"):
        desk.run(lambda: None)
    assert threads[1].is_alive(), "the refusal did not wait for the line to move"
    go_on.set()
    for thread in threads:
        thread.join()
    assert desk.run(lambda: 7) == 7


def test_nobody_waits_at_the_desk_for_ever():
    desk, at_work, go_on = Desk(at_work=1, waiting=1, patience_s=0.05), threading.Event(), threading.Event()

    def work() -> None:
        at_work.set()
        go_on.wait()

    thread = threading.Thread(target=desk.run, args=(work,))
    thread.start()
    assert at_work.wait(5)
    with pytest.raises(Refused, match="busy"):
        desk.run(lambda: None)
    go_on.set()
    thread.join()
    assert desk.run(lambda: 7) == 7


def test_a_socket_that_leaves_its_only_namespace_is_closed(live):
    bare = live.bare()
    bare.sign_in("/rider", live.rider()[1])
    bare.ws.send("41/rider,")
    assert bare.closing().code == 1000
    eventually(lambda: not live.live.sockets.connections)


def test_a_foreign_origin_gets_no_socket(live):
    with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
        live.bare(origin="https://evil.example")
    assert live.bare(origin=live.url).opened["sid"]
    assert live.bare(origin=live.url.replace("127.0.0.1", "localhost")).opened["sid"]
    assert live.bare().opened["sid"], "phones send no origin"


def test_vigie_does_not_start_with_open_origins(database_url):
    for origins in (("*",), ("https://a.example", "*")):
        settings = Settings(environment="test", database_url=database_url, allowed_origins=origins)
        with pytest.raises(SettingsRefused):
            create_socketio(wire(settings), "threading")


def test_long_polling_is_not_served(live):
    import requests

    assert requests.get(f"{live.url}/socket.io/?EIO=4&transport=polling", timeout=5).status_code == 400
    assert BaseServer.valid_transports == ["polling", "websocket"]


# -- who hears what ----------------------------------------------------------------------------------------


def test_everybody_hears_their_own_feed_and_nothing_else(live):
    first_id, first_token = live.rider()
    second_id, second_token = live.rider()
    agent, agent_token = live.staff("agent")
    _, operator_token = live.staff("operator")
    phones = {
        feed.device(first_id): live.phone("/rider", first_token),
        feed.device(second_id): live.phone("/rider", second_token),
        feed.team(agent.team_id): live.phone("/agent", agent_token),
        feed.CONTROL: live.phone("/control", operator_token),
    }
    for phone in phones.values():
        phone.hears("welcome")
    for audience in phones:
        live.put(audience, "message.added", {"for": audience})
    for audience, phone in phones.items():
        phone.hears("message.added")
        time.sleep(0.05)
        assert [data["for"] for data in phone.all_heard("message.added")] == [audience]


def test_a_client_cannot_put_itself_into_a_room(live):
    victim_id, _ = live.rider()
    phone = live.phone("/rider", live.rider()[1])
    for event in ("join", "enter_room", "subscribe", "room", "connect", "disconnect"):
        assert phone.tell(event, {"room": feed.device(victim_id), "token": "x"})["code"] == "event_unknown"
    live.put(feed.device(victim_id), "message.added", {})
    live.put(feed.CONTROL, "message.added", {})
    eventually(lambda: live.live.last_seq == 2)
    time.sleep(0.1)
    assert not phone.all_heard("message.added")
    assert len(live.live.sockets.connections) == 1, "a forged `disconnect` must not sign anybody out"


def test_nothing_is_heard_before_authentication(live, monkeypatch):
    inside, go_on = threading.Event(), threading.Event()
    who = sessions.who

    def slow(*arguments, **options):
        inside.set()
        go_on.wait(5)
        return who(*arguments, **options)

    device_id, token = live.rider()
    monkeypatch.setattr(sessions, "who", slow)
    bare = live.bare()
    bare.ws.send(f'40/rider,{{"token":"{token}"}}')
    assert inside.wait(5)
    live.put(feed.device(device_id), "message.added", {"secret": True})
    eventually(lambda: live.live.last_seq == 1)
    with pytest.raises(ValueError, match="names its room"):
        live.live.server.emit("alert", {}, namespace="/rider")
    go_on.set()
    assert bare.text().startswith("40/rider")
    assert '"seq":1' in bare.text(), "the welcome says from where to catch up"


def test_an_event_says_exactly_what_was_stored(live):
    device_id, token = live.rider()
    phone = live.phone("/rider", token)
    phone.hears("welcome")
    live.put(feed.device(device_id), "message.added", {})
    live.put(feed.device(device_id), "alert.changed", {"text": 'é "quoted" \u2028 \\', "n": [1.5, None, True]})
    heard = phone.hears("alert.changed")
    assert heard == {"seq": 2, "at": "2026-11-22T21:00:00.000Z", "text": 'é "quoted" \u2028 \\', "n": [1.5, None, True]}
    assert phone.hears("message.added") == {"seq": 1, "at": "2026-11-22T21:00:00.000Z"}


# -- what they say -----------------------------------------------------------------------------------------


def test_the_whole_way_is_open(live):
    answer = live.phone("/rider", live.rider()[1]).tell("ping_app")
    assert answer == {"ok": True, "server_time": "2026-11-22T21:00:00.000Z"}


SENSELESS = [
    ('["nope",{}]', "event_unknown"),
    ('["ping_app"]', "event_invalid"),
    ('["ping_app",{},{}]', "event_invalid"),
    ('["ping_app",' + ",".join(["{}"] * 50) + "]", "event_invalid"),
    ('["ping_app","text"]', "event_invalid"),
    ('["ping_app",null]', "event_invalid"),
    ('["ping_app",[]]', "event_invalid"),
    ("[]", "event_invalid"),
    ("[7,{}]", "event_invalid"),
    ("{}", "event_invalid"),
    ('"ping_app"', "event_invalid"),
    ("[null]", "event_invalid"),
    ('["connect",{},{"token":"x"}]', "event_unknown"),
    ('["alert.message",{"alert_id":7}]', "event_invalid"),
    ('["alert.position",{"latitude":NaN}]', "number_invalid"),
    ('["alert.message",{}]', "event_invalid"),
]


def test_what_makes_no_sense_is_answered_and_harms_nobody(live):
    bare = live.bare()
    bare.sign_in("/rider", live.rider()[1])
    for packet, code in SENSELESS:
        answer = bare.ack(packet, "/rider")
        assert (packet, answer["ok"], answer["code"]) == (packet, False, code)
        assert answer["detail"]
        assert not live.wiring.contract.schema("Ack").errors(answer)
        assert bare.ack('["ping_app",{}]', "/rider", 8)["ok"], f"the socket lives on after {packet}"


NO_PACKETS = [
    "",
    "9",
    "x",
    "4",
    "4x",
    "48",
    "42/rider,7{",
    "42/rider,7" + "[" * 60_000,
    '451-/rider,["a",{"_placeholder":true,"num":0}]',
    "4" + "5" * 50,
    "42" + "9" * 200,
    "42/rider," + "1" * 101 + '["ping_app",{}]',
    "42/rider,7[1e999999]x",
    "40/rider,{",
    "6",
    "0",
    "42/rider,7[" + "9" * 9_000 + "]",
    "44/rider,{}",
    "b4eA==",
    "4²/rider,",
    "42/rider,²[]",
    "42/rider,7\x00",
]


def test_what_is_no_packet_ends_its_own_connection_only(live):
    other = live.phone("/rider", live.rider()[1])
    token = live.rider()[1]
    for frame in NO_PACKETS:
        bare = live.bare()
        bare.sign_in("/rider", token)
        bare.ws.send(frame)
        assert (frame[:40], bare.closing().code) in [(frame[:40], 1002), (frame[:40], 1003)]
        assert other.tell("ping_app")["ok"]
    eventually(lambda: len(live.live.sockets.connections) == 1)


def test_binary_frames_are_refused(live):
    bare = live.bare()
    bare.sign_in("/rider", live.rider()[1])
    bare.ws.send_binary(b"\x04bytes")
    assert bare.closing().code == 1003


def test_events_of_a_socket_that_nobody_let_in_are_not_answered(live):
    bare = live.bare()
    bare.ws.send('42/rider,1["ping_app",{}]')
    bare.ws.send('40/rider,{"token":"wrong"}')
    assert bare.text().startswith("44/rider")
    bare.ws.send('42/rider,2["ping_app",{}]')
    bare.ws.send(f'40/rider,{{"token":"{live.rider()[1]}"}}')
    assert bare.text().startswith("40/rider")


def test_a_storm_is_told_to_slow_down_and_then_cut_off(live):
    bare = live.bare()
    bare.sign_in("/agent", live.staff("agent")[1])
    for number in range(400):
        bare.ws.send(f'42/agent,{number}["position",{{"latitude":43.3,"longitude":5.4}}]')
    codes, closed = [], None
    while closed is None:
        try:
            text = bare.text()
            codes.append(json.loads(text[text.index("[") :])[0].get("code"))
        except Closed as error:
            closed = error
    assert codes.count("event_budget") > 100
    # Which of the two budgets ends first depends on how much of the storm the machine reads at a time.
    assert closed.code == 1008
    assert closed.reason in ("event_budget", "too many frames")
    assert live.phone("/agent", live.staff("agent")[1]).hears("welcome"), "nobody else notices"


def test_a_cry_for_help_gets_through_the_storm_of_its_own_phone(live):
    bare = live.bare()
    bare.sign_in("/rider", live.rider()[1])
    for _ in range(100):
        bare.ws.send('42/rider,1["ping_app",{}]')
    answer = bare.ack(json.dumps(["alert.raise", {"alert_id": str(uuid.uuid4())}]), "/rider", 2)
    assert answer["ok"]


def test_sign_ins_in_a_loop_are_cut_off(live):
    bare = live.bare()
    for _ in range(20):
        bare.ws.send('40/rider,{"token":"guess"}')
    assert bare.closing().reason == "event_budget"


def test_a_thousand_events_start_no_thread(live, monkeypatch):
    phones = [live.phone("/rider", live.rider()[1]) for _ in range(4)]
    before = threading.active_count()
    most = 0
    for number in range(50):
        for phone in phones:
            phone.client.emit(
                "alert.message",
                {"alert_id": str(uuid.uuid4()), "id": str(uuid.uuid4()), "text": str(number)},
                namespace="/rider",
            )
        most = max(most, threading.active_count())
    for phone in phones:
        phone.tell("ping_app")
    assert most <= before + 2


def test_a_handler_that_breaks_ends_nothing(live, monkeypatch):
    phone = live.phone("/rider", live.rider()[1])
    monkeypatch.setattr("backend.socket_alerts.raise_alert", lambda *_, **__: 1 / 0)
    answer = phone.tell("alert.raise", {"alert_id": str(uuid.uuid4())})
    assert (answer["ok"], answer["code"]) == (False, "failed")
    assert answer["emergency_numbers"][0]["number"] == "17"
    assert phone.tell("ping_app")["ok"]


def test_a_database_that_is_away_is_a_reason_to_come_again(live, monkeypatch):
    phone = live.phone("/rider", live.rider()[1])

    def away(*_, **__):
        raise OperationalError("", {}, Exception("gone"))

    monkeypatch.setattr("backend.socket_alerts.raise_alert", away)
    answer = phone.tell("alert.raise", {"alert_id": str(uuid.uuid4())})
    assert (answer["code"], answer["retry_after_s"]) == ("busy", 1)


def test_an_alert_by_socket_is_the_alert_by_http(live):
    phone = live.phone("/rider", live.rider()[1])
    alert_id = str(uuid.uuid4())
    sent = {
        "alert_id": alert_id,
        "category": "threat",
        "position": {"latitude": float("nan"), "longitude": 5},
        "state": "x",
    }
    first, again = phone.tell("alert.raise", sent), phone.tell("alert.raise", sent)
    assert (first["ok"], first["replayed"], again["replayed"]) == (True, False, True)
    assert {"field_ignored", "location_invalid"} <= {warning["code"] for warning in first["alert"]["warnings"]}
    assert not live.wiring.contract.ack("/rider", "alert.raise").errors(first)
    with live.database.reading() as session:
        assert session.get_one(Alert, uuid.UUID(alert_id)).category == "threat"
    stranger = live.phone("/rider", live.rider()[1])
    assert stranger.tell("alert.raise", sent)["code"] == "alert_unknown"
    assert (
        stranger.tell("alert.message", {"alert_id": alert_id, "id": str(uuid.uuid4()), "text": "hi"})["code"]
        == "alert_unknown"
    )
    point = {"alert_id": alert_id, "point_seq": 1, "latitude": 43.3, "longitude": 5.4}
    assert stranger.tell("alert.position", point)["code"] == "alert_unknown"
    assert phone.tell("alert.position", point) == {"ok": True}
    message = phone.tell("alert.message", {"alert_id": alert_id, "id": str(uuid.uuid4()), "text": "carriage 2"})
    assert message["message"]["text"] == "carriage 2"
    assert phone.hears("message.added")["message"]["text"] == "carriage 2"


def test_an_alert_without_an_id_is_stored_all_the_same(live):
    phone = live.phone("/rider", live.rider()[1])
    first = phone.tell("alert.raise", {"alert_id": "nonsense", "category": "theft"})
    again = phone.tell("alert.raise", {"category": "theft"})
    assert first["ok"]
    assert first["alert"]["id"] == again["alert"]["id"]
    assert "id_derived" in {warning["code"] for warning in first["alert"]["warnings"]}


@pytest.mark.parametrize("step", ["accept", "decline", "en_route", "on_scene", "clear"])
def test_a_forged_assignment_or_delivery_does_not_exist(live, step):
    phone = live.phone("/agent", live.staff("agent")[1])
    assert phone.tell(f"assignment.{step}", {"assignment_id": str(uuid.uuid4())})["code"] == "assignment_unknown"
    assert phone.tell("received", {"delivery_id": str(uuid.uuid4())})["code"] == "delivery_unknown"
    assert phone.tell("seen", {"delivery_id": str(uuid.uuid4())})["code"] == "delivery_unknown"


def test_the_control_room_marks_an_alert_as_seen(live):
    rider = live.phone("/rider", live.rider()[1])
    alert_id = rider.tell("alert.raise", {})["alert"]["id"]
    operator = live.phone("/control", live.staff("operator")[1])
    assert operator.tell("seen", {"alert_id": alert_id}) == {"ok": True}
    assert rider.hears("alert.changed", where=lambda data: data["alert"]["seen_at"] is not None)
    assert operator.tell("seen", {"alert_id": str(uuid.uuid4())})["code"] == "alert_unknown"


def test_an_event_without_a_declared_role_does_not_start():
    with pytest.raises(access.UndeclaredRoute):
        declare("/agent", "position", lambda _: {"ok": True})
    with pytest.raises(access.UndeclaredRoute):
        declare("/agent", "position", access.allow(Role.DRIVER)(lambda _: {"ok": True}))


def test_the_contract_and_the_server_know_the_same_events(live):
    declared = {(event.namespace, event.name) for event in declared_events()}
    written = {(event.namespace, event.name) for event in live.wiring.contract.events() if event.direction == "receive"}
    assert declared == written


# -- how it ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["revoked", "disabled", "expired"])
def test_a_session_that_is_over_ends_its_socket_within_five_seconds(live, how):
    agent, token = live.staff("agent")
    _, other_token = live.staff("agent")
    phone, other = live.phone("/agent", token), live.phone("/agent", other_token)
    assert phone.hears("welcome")
    assert other.hears("welcome")
    with live.database.transaction() as session:
        if how == "expired":
            session.execute(
                update(StaffSession).where(StaffSession.staff_id == agent.id).values(expires_at=live.clock.now())
            )
        else:
            session.execute(
                update(Staff).where(Staff.id == agent.id, how == "disabled").values(disabled_at=live.clock.now())
            )
            sessions.revoke_sessions(session, agent.id, live.clock.now())
    ended = phone.hears("session.ended")
    assert ended["code"] == ("expired" if how == "expired" else "revoked")
    assert not live.wiring.contract.event("/agent", "session.ended", "send").errors(ended)
    phone.hears("disconnect")
    assert other.tell("ping_app")["ok"]
    assert live.phone("/agent", token).refusal["data"]["code"] == "token_invalid"


def test_a_phone_that_is_forgotten_is_told(live):
    device_id, token = live.rider()
    phone = live.phone("/rider", token)
    assert phone.hears("welcome")
    with live.database.transaction() as session:
        sessions.forget_device(session, device_id, live.clock.now())
    assert phone.hears("session.ended")["code"] == "forgotten"


def test_a_process_that_leaves_tells_its_sockets_when_to_come_back(live):
    phones = [live.phone("/rider", live.rider()[1]) for _ in range(5)]
    for phone in phones:
        phone.hears("welcome")
    assert live.live.leave() == 5
    delays = [phone.hears("server.leaving")["retry_in_ms"] for phone in phones]
    assert all(50 <= delay <= 1000 for delay in delays)
    assert len(set(delays)) > 1, "all at the same moment would be a storm"
    for phone in phones:
        phone.hears("disconnect")
    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        live.bare()
