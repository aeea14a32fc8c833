"""The feed over sockets: in commit order, without a gap, through outages; and the map beside it."""

import json
import random
import threading
import time

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import OperationalError

from backend import feed
from backend.people import duty, stored_positions
from backend.people.duty import TeamWork
from backend.people.fixes import Fix
from backend.people.models import Staff
from backend.people.positions import Movement, Mover
from tests.sockets import LiveServer, eventually

IDLE = TeamWork(lambda _session, _team: None, lambda *_: None)


@pytest.fixture
def live(database_url, clock):
    with LiveServer(database_url, clock).running() as server:
        yield server


def test_whoever_comes_before_the_feed_was_first_read_is_told_its_true_number(live):
    for number in range(3):
        live.put(feed.CONTROL, "message.added", {"n": number})
    _, token = live.staff("operator")
    eventually(lambda: live.live.last_seq == 3, what="reading the feed")
    live.live.tail.last_seq = 0
    live.live.tail.ready.clear()  # as in the first moment of a process
    assert live.phone("/control", token).hears("welcome")["seq"] == 3


def test_no_entry_is_skipped_when_commits_overtake_each_other(live):
    _, token = live.staff("operator")
    phone = live.phone("/control", token)
    phone.hears("welcome")

    def write(writer: int) -> None:
        for number in range(15):
            with live.database.transaction() as session:
                feed.put(session, feed.CONTROL, "message.added", {"who": [writer, number]}, live.clock.now())
                if live.database.is_postgresql:
                    session.execute(text("SELECT pg_sleep(:s)"), {"s": random.random() / 20})

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    eventually(lambda: len(phone.all_heard("message.added")) == 90, what="hearing all 90")
    heard = [data["seq"] for data in phone.all_heard("message.added")]
    assert heard == sorted(heard)
    with live.database.reading() as session:
        assert heard == [entry.seq for entry in feed.read_after(session, 0, 500)]


@pytest.mark.postgres_only
def test_an_entry_that_commits_late_is_not_overtaken_by_a_higher_number(live):
    _, token = live.staff("operator")
    phone = live.phone("/control", token)
    phone.hears("welcome")
    row = {"at": live.clock.now(), "audience": feed.CONTROL, "type": "message.added", "data": b'{"who":"slow"}'}
    with live.database.engine.begin() as slow:
        # As a writer does at the end of its transaction; the network then takes a second to bring the commit.
        slow.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": feed._LOCK})
        slow.execute(insert(feed.FeedEntry), [row])
        quick = threading.Thread(target=live.put, args=(feed.CONTROL, "message.added", {"who": "quick"}))
        quick.start()
        time.sleep(0.5)
    quick.join()
    eventually(lambda: len(phone.all_heard("message.added")) == 2)
    assert [data["who"] for data in phone.all_heard("message.added")] == ["slow", "quick"]


def test_an_outage_of_the_database_loses_nothing(live, monkeypatch):
    _, token = live.staff("operator")
    phone = live.phone("/control", token)
    phone.hears("welcome")
    settled_after, away = feed.settled_after, threading.Event()

    def flaky(*arguments, **options):
        if away.is_set():
            raise OperationalError("", {}, Exception("server closed the connection"))
        return settled_after(*arguments, **options)

    monkeypatch.setattr(feed, "settled_after", flaky)
    away.set()
    for number in range(20):
        live.put(feed.CONTROL, "message.added", {"n": number})
    time.sleep(0.3)
    assert not phone.all_heard("message.added")
    away.clear()
    phone.hears("message.added", where=lambda data: data["n"] == 19)
    assert [data["n"] for data in phone.all_heard("message.added")] == list(range(20))
    eventually(lambda: live.live.lag() == 0)


@pytest.mark.postgres_only
def test_connections_cut_by_the_server_are_made_again(live):
    _, token = live.staff("operator")
    phone = live.phone("/control", token)
    phone.hears("welcome")
    for number in range(3):
        with live.database.reading() as session:
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        live.put(feed.CONTROL, "message.added", {"n": number})
        phone.hears("message.added", where=lambda data, number=number: data["n"] == number)
    assert phone.tell("ping_app")["ok"]


def test_who_comes_back_misses_nothing_and_hears_nothing_unknown(live):
    device_id, token = live.rider()
    audience = feed.device(device_id)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            live.put(audience, "message.added", {"n": number})
            number += 1
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    have: set[int] = set()
    applied = 0
    for _ in range(5):
        phone = live.phone("/rider", token)
        phone.hears("welcome")
        with live.database.reading() as session:
            have |= {entry.seq for entry in feed.read_after(session, applied, 500, [audience])}
        time.sleep(0.15)
        phone.close()
        have |= {data["seq"] for data in phone.all_heard("message.added")}
        applied = max(have)
    stop.set()
    writer.join()
    with live.database.reading() as session:
        stored = {entry.seq for entry in feed.read_after(session, 0, 500) if entry.seq <= applied}
    assert have == stored


def test_a_burst_goes_out_in_batches_and_in_order(live):
    _, token = live.staff("operator")
    phone = live.phone("/control", token)
    phone.hears("welcome")
    with live.database.transaction() as session:
        for number in range(1_200):
            feed.put(session, feed.CONTROL, "message.added", {"n": number}, live.clock.now())
    phone.hears("message.added", timeout=15, where=lambda data: data["n"] == 1_199)
    eventually(lambda: len(phone.all_heard("message.added")) == 1_200)
    eventually(lambda: live.live.figures()["last_seq"] == 1_200)


def test_a_feed_that_nobody_here_listens_to_is_not_even_read_out(live):
    device_id, _ = live.rider()
    live.put(feed.device(device_id), "message.added", {})
    live.put("somebody:else", "message.added", {})
    eventually(lambda: live.live.last_seq == 2)
    assert live.live.figures()["emitted"] == 0


# -- the map ----------------------------------------------------------------------------------------------


def test_the_map_moves_once_a_second_for_the_control_room_only(live):
    agent, agent_token = live.staff("agent")
    with live.database.transaction() as session:
        duty.clock_in(session, agent.id, live.clock.now(), IDLE)
    patrol, operator = live.phone("/agent", agent_token), live.phone("/control", live.staff("operator")[1])
    operator.hears("welcome")

    def move(latitude: float) -> None:
        with live.database.transaction() as session:
            fix = Fix(latitude, 5.37, live.clock.now(), accuracy_m=12.0)
            stored_positions.flush(session, [Movement(Mover("team", agent.team_id), agent.id, fix)], live.clock.now())

    move(43.29)
    text_of_frame = operator.hears("positions", timeout=20)
    frame = json.loads(text_of_frame)
    assert not live.wiring.contract.positions_frame.errors(frame)
    assert frame["teams"][0][:3] == [str(agent.team_id), 5.37, 43.29]
    live.clock.advance(30)
    with live.database.transaction() as session:
        duty.clock_out(session, agent.id, live.clock.now(), IDLE)
    gone = operator.hears("positions", timeout=20, where=lambda text: json.loads(text)["gone"])
    assert json.loads(gone)["gone"] == [str(agent.team_id)]
    assert not patrol.all_heard("positions")
    live.clock.advance(30)

    def nothing_is_sent() -> bool:
        before = len(operator.all_heard("positions"))
        time.sleep(1.5)  # longer than the map's own turn
        return len(operator.all_heard("positions")) == before

    eventually(nothing_is_sent, timeout=10, what="silence while nothing moves")


def test_a_position_by_socket_is_taken_or_refused_with_a_reason(live):
    agent, token = live.staff("agent")
    phone = live.phone("/agent", token)
    with live.database.transaction() as session:
        duty.clock_in(session, agent.id, live.clock.now(), IDLE)
    live.wiring.positions.begin(agent.id, Mover("team", agent.team_id))
    assert phone.tell("position", {"latitude": 43.3, "longitude": 5.4}) == {"ok": True}
    old = phone.tell("position", {"latitude": 43.3, "longitude": 5.4, "fix_age_ms": 120_000})
    assert (old["ok"], old["code"]) == (False, "stale")
    assert phone.tell("position", {"latitude": 430, "longitude": 5.4})["code"] == "event_invalid"
    live.wiring.positions.refresh_duty({}, live.wiring.positions.changes)
    assert phone.tell("position", {"latitude": 43.3, "longitude": 5.4})["code"] == "off_duty"


def test_a_driver_hears_the_vehicle_taken_out_after_signing_in(live):
    driver, token = live.staff("driver")
    phone = live.phone("/driver", token)
    phone.hears("welcome")
    with live.database.transaction() as session:
        session.get_one(Staff, driver.id)
        vehicle, _ = duty.start_driving(session, driver.id, "A-7", None, live.clock.now())
    rooms = live.live.server.manager
    eventually(lambda: rooms.members("/driver", feed.vehicle(vehicle.id)) == 1, what="entering the vehicle's room")
    with live.database.transaction() as session:
        duty.stop_driving(session, driver.id)
    eventually(lambda: rooms.members("/driver", feed.vehicle(vehicle.id)) == 0, what="leaving it")
    assert rooms.members("/driver", feed.staff(driver.id)) == 1, "what is said to the driver herself goes on"
