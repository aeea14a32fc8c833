"""The status on the sockets and by HTTP, and what only the drill's own device may do."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from backend import socket_status
from backend.alerts.models import Alert
from backend.heartbeats import Heartbeat, beat
from backend.people import sessions
from backend.people.models import Device, DutyShift, Presence
from backend.people.roles import DRILL_PLATFORM, Role
from backend.watch import drill
from tests.people import add_staff
from tests.sockets import LiveServer, eventually

WORKER = uuid.uuid4()


@pytest.fixture
def live(database_url, clock, monkeypatch):
    """A live process whose turns the test takes itself: two at the same moment would say the same thing twice."""
    monkeypatch.setattr(socket_status, "EVERY_S", 3_600)
    with LiveServer(database_url, clock).running() as running:
        yield running


def works(live):
    """A worker gives a sign of life."""
    with live.database.transaction() as session:
        beat(session, WORKER, "worker", live.clock.now())


def codes(told):
    return [one["code"] for one in told["findings"]]


def test_the_control_room_hears_of_dead_workers_without_any_worker(live, clock):
    works(live)
    _, token = live.staff("operator")
    operator = live.phone("/control", token)
    operator.hears("welcome")
    live.live.board.turn()
    operator.hears("status", where=lambda told: codes(told) == [])
    clock.advance(4.5)
    live.live.board.turn()
    told = operator.hears("status", where=lambda told: codes(told) == ["worker_silent"])
    assert told["findings"][0]["value"] >= 4
    works(live)
    count = len(operator.all_heard("status"))
    live.live.board.turn()
    eventually(lambda: any(codes(one) == [] for one in operator.all_heard("status")[count:]))


def test_nobody_but_the_control_room_hears_the_status(live):
    _, token = live.staff("operator")
    operator = live.phone("/control", token)
    _, agent_token = live.staff("agent")
    agent, rider = live.phone("/agent", agent_token), live.phone("/rider", live.rider()[1])
    for one in (operator, agent, rider):
        one.hears("welcome")
    live.live.board.turn()
    operator.hears("status")
    for one in (agent, rider):
        one.tell("ping_app")  # what was said before its answer has been heard by now
    assert agent.all_heard("status") == []
    assert rider.all_heard("status") == []


def test_a_live_process_says_who_of_the_staff_has_a_socket_and_that_it_lives(live, clock):
    agent, token = live.staff("agent")
    phone, rider = live.phone("/agent", token), live.phone("/rider", live.rider()[1])
    phone.hears("welcome")
    rider.hears("welcome")
    live.live.board.turn()
    with live.database.reading() as session:
        assert session.scalars(select(Presence.staff_id)).all() == [agent.id], "no rider is in any list"
        assert session.scalar(select(Heartbeat.at).where(Heartbeat.kind == "live")) == clock.now()
    phone.close()
    eventually(lambda: not [one for one in live.live.sockets.connections.values() if one.caller.role is Role.AGENT])
    before = clock.now()
    clock.advance(60)
    live.live.board.turn()
    with live.database.reading() as session:
        assert session.scalars(select(Presence.at)).one() == before


def test_it_is_said_again_every_few_seconds_and_at_once_when_something_changes(live, clock):
    works(live)
    _, token = live.staff("operator")
    operator = live.phone("/control", token)
    operator.hears("welcome")

    def said_after(seconds):
        before = len(operator.all_heard("status"))
        clock.advance(seconds)
        works(live)
        live.live.board.turn()
        operator.tell("ping_app")  # what was said before its answer has been heard by now
        return operator.all_heard("status")[before:]

    said_after(5)
    assert said_after(3) == []
    assert [codes(one) for one in said_after(1)][:1] == [[]]
    agent, _ = live.staff("agent")
    with live.database.transaction() as session:
        session.add(DutyShift(staff_id=agent.id, team_id=agent.team_id, started_at=clock.now()))
    told = said_after(1)[0]
    assert [(one["name"], one["why"]) for one in told["deaf"]] == [(agent.display_name, "unreachable")]


def test_without_a_database_the_control_room_is_told_so(database_url, clock, copies):
    with LiveServer(database_url, clock).running() as live:
        _, token = live.staff("operator")
        operator = live.phone("/control", token)
        operator.hears("welcome")
        live.live.board.turn()
        live.wiring.database.dispose()
        take_away(live, copies, database_url)
        live.live.board.turn()
        clock.advance(6)
        live.live.board.turn()
        told = operator.hears("status", timeout=10, where=lambda told: "database_away" in codes(told))
        assert codes(told)[0] == "database_away"


def take_away(live, copies, database_url):
    if live.database.is_postgresql:
        copies.drop(database_url)
    else:
        Path(str(make_url(database_url).database)).write_bytes(b"not a database at all" * 1000)


# -- by HTTP -----------------------------------------------------------------------------------------------------


@pytest.fixture
def operator(client, wiring, clock):
    with wiring.database.transaction() as session:
        staff = add_staff(session, "ope", Role.OPERATOR, clock.now())
        token = sessions.sign_in(session, staff.id, clock.now(), valid_hours=1).access_token

    def ask(path):
        return client.get(path, headers={"Authorization": f"Bearer {token}"})

    return ask


def test_the_status_by_http_is_in_the_contract(operator):
    told = operator("/v1/control/status").json
    assert [one["code"] for one in told["findings"]] == ["worker_silent"]
    assert set(told) == {"findings", "deaf", "drill", "channels"}


def test_the_canary_says_how_long_the_whole_way_took(client, wiring, clock):
    nothing = client.get("/health/canary")
    assert (nothing.status_code, nothing.json["ok"]) == (200, None)
    wanted = replace(wiring, settings=replace(wiring.settings, drill_every_s=30))
    run(wanted, clock, failed_step=None, steps_ms={"raised": 9, "reached": 41})
    told = client.get("/health/canary").json
    assert (told["ok"], told["took_ms"], told["steps_ms"]) == (True, 41, {"raised": 9, "reached": 41})
    clock.advance(7)
    assert client.get("/health/canary").json["age_s"] == 7


def run(wiring, clock, **ended):
    """One drill that has ended, however it went; its id and its alert's."""
    with wiring.database.transaction() as session:
        prepared = drill.prepare(session, clock.now())
    with wiring.database.transaction() as session:
        drill.finish(session, prepared.run_id, prepared.alert_id, clock.now(), **ended)
    return prepared


def test_no_phone_can_register_as_the_drill(client):
    answer = client.post("/v1/devices", json={"platform": DRILL_PLATFORM})
    assert answer.status_code == 422


def test_what_a_body_says_makes_no_drill(client, wiring):
    token = client.post("/v1/devices", json={"platform": "android"}).json["access_token"]
    said = {"drill": True, "source": "drill", "platform": DRILL_PLATFORM, "category": "assault"}
    answer = client.post("/v1/alerts", json=said, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201
    with wiring.database.reading() as session:
        alert = session.scalars(select(Alert)).one()
    assert (alert.drill, alert.source) == (False, "app")


def test_the_drills_device_makes_drills_by_http_and_its_token_changes_with_each_run(client, wiring, clock):
    with wiring.database.transaction() as session:
        prepared = drill.prepare(session, clock.now())
    sent = client.put(
        f"/v1/alerts/{prepared.alert_id}", json={}, headers={"Authorization": f"Bearer {prepared.device_token}"}
    )
    assert sent.status_code == 201
    with wiring.database.reading() as session:
        alert = session.get_one(Alert, prepared.alert_id)
        assert (alert.drill, alert.source) == (True, "drill")
    with wiring.database.transaction() as session:
        drill.finish(session, prepared.run_id, prepared.alert_id, clock.now(), failed_step=None, steps_ms={})
        drill.prepare(session, clock.now())
        assert len(session.scalars(select(Device).where(Device.platform == DRILL_PLATFORM)).all()) == 1
    again = client.get("/v1/alerts", headers={"Authorization": f"Bearer {prepared.device_token}"})
    assert again.status_code == 401
