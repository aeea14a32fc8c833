"""Positions: taken while on duty, stored once a second, newest first, and gone with the shift."""

import threading
import uuid
from datetime import timedelta

import orjson
import pytest
from sqlalchemy import select, text

from backend.people import duty, stored_positions, views
from backend.people.fixes import Fix
from backend.people.flusher import PositionFlusher
from backend.people.models import TeamPosition, VehiclePosition
from backend.people.positions import Movement, Mover, PositionBuffer
from backend.people.roles import Caller, Role
from tests.people import Alerts, add_staff, add_team, caller_of

HERE = {"latitude": 43.2965, "longitude": 5.3698, "accuracy_m": 10, "accuracy_confidence": 95, "fix_age_ms": 0}


class Street:
    """A team of two on duty, a bus, and the buffer of one process."""

    def __init__(self, database, clock):
        self.database, self.clock, self.work = database, clock, Alerts().work
        self.buffer = PositionBuffer()
        self.flusher = PositionFlusher(database, self.buffer, clock.now, every_s=0.01)
        now = clock.now()
        with database.transaction() as session:
            self.team = add_team(session, "GAP 1", now)
            self.anna, self.bilal = (add_staff(session, name, Role.AGENT, now, team=self.team) for name in ("anna", "bilal"))
            self.dris = add_staff(session, "dris", Role.DRIVER, now)
            duty.clock_in(session, self.anna.id, now, self.work)
            self.bus, _ = duty.start_driving(session, self.dris.id, "1234", "B1", now)

    def offer(self, person, **changes):
        return self.buffer.offer_raw(caller_of(person), HERE | changes, self.clock.now())

    def flush(self):
        assert self.flusher.flush_now()

    def team_row(self):
        with self.database.reading() as session:
            return session.get(TeamPosition, self.team.id)

    def end(self, person):
        with self.database.transaction() as session:
            duty.clock_out(session, person.id, self.clock.now(), self.work)


@pytest.fixture
def street(database, clock):
    return Street(database, clock)


def test_a_fix_is_stored_as_sent(street):
    street.flush()
    changes = {"heading_deg": 90, "speed_mps": 1.5, "provider": "gnss", "vehicle_number": "1234", "stop_id": "S1"}
    assert street.offer(street.anna, **changes, fix_age_ms=1500) is None
    assert street.offer(street.dris) is None
    street.flush()
    row = street.team_row()
    assert (row.lat, row.lon, row.accuracy_m, row.heading_deg, row.speed_mps) == (43.2965, 5.3698, 10, 90, 1.5)
    assert (row.provider, row.vehicle_number, row.stop_id) == ("gnss", "1234", "S1")
    assert row.fix_at == street.clock.now() - timedelta(seconds=1.5)
    assert row.received_at == street.clock.now()
    with street.database.reading() as session:
        assert session.get_one(VehiclePosition, street.bus.id).lat == 43.2965


def test_the_next_fix_replaces_the_last(street):
    for step in range(5):
        assert street.offer(street.anna, latitude=43.3 + step / 10_000) is None
        street.flush()
        street.clock.advance(1)
    assert street.team_row().lat == pytest.approx(43.3004)


@pytest.mark.parametrize("known", [False, True])
def test_off_duty_there_is_no_position(street, known):
    if known:
        street.flush()
        assert street.offer(street.bilal) == "off_duty"
    else:
        # A process that has not asked the database yet takes it, and the database refuses it.
        street.offer(street.bilal)
    street.flush()
    assert street.team_row() is None
    assert street.offer(street.bilal) == "off_duty"


@pytest.mark.parametrize("role", [Role.RIDER, Role.OPERATOR, Role.AGENT, Role.DRIVER])
def test_who_moves_nothing_has_no_position(street, role):
    nobody = Caller(role, uuid.uuid4(), vehicle_id=None)
    assert street.buffer.offer_raw(nobody, HERE, street.clock.now()) == "off_duty"


def test_an_agent_off_duty_does_not_move_a_team_that_is(street):
    street.flush()
    street.offer(street.anna)
    street.flush()
    street.clock.advance(1)
    assert street.offer(street.bilal, latitude=43.2966) == "off_duty"
    movement = Movement(Mover("team", street.team.id), street.bilal.id, Fix(43.2966, 5.37, street.clock.now()))
    with street.database.transaction() as session:
        stored_positions.flush(session, [movement], street.clock.now())
    assert street.team_row().lat == 43.2965


def test_the_end_of_the_shift_is_the_end_of_positions(street):
    street.flush()
    street.offer(street.anna)
    street.flush()
    street.clock.advance(1)
    street.offer(street.anna)
    street.end(street.anna)
    assert street.team_row() is None
    street.flush()
    assert street.team_row() is None
    street.clock.advance(1)
    assert street.offer(street.anna) == "off_duty"
    assert street.buffer._tracks.keys() <= {street.bus.id}


def test_ending_here_counts_at_once_and_an_older_answer_does_not_undo_it(street):
    street.flush()
    changes = street.buffer.changes
    with street.database.reading() as session:
        answer = stored_positions.on_duty(session)
    street.offer(street.anna)
    street.buffer.end(street.anna.id)
    street.buffer.refresh_duty(answer, changes)
    assert street.offer(street.anna) == "off_duty"
    assert street.buffer.take_dirty() == []


def test_beginning_here_counts_at_once(street):
    street.flush()
    with street.database.transaction() as session:
        duty.clock_in(session, street.bilal.id, street.clock.now(), street.work)
    assert street.offer(street.bilal) == "off_duty"
    street.buffer.begin(street.bilal.id, Mover("team", street.team.id))
    assert street.offer(street.bilal) is None


def test_a_position_left_over_by_a_race_is_swept(street):
    street.offer(street.anna)
    street.flush()
    with street.database.transaction() as session:
        # What a flush leaves that read "on duty" before the shift's end and wrote after it.
        session.execute(text("UPDATE duty_shifts SET ended_at = started_at"))
    with street.database.reading() as session:
        assert views.team_news(session, street.team.id, None)[1]["position"] is None
        assert stored_positions.moved_since(session, street.clock.now()).teams == []
    street.offer(street.dris)
    street.flush()
    assert street.team_row() is None


def test_an_older_fix_of_another_process_does_not_win(street):
    newer, older = street.clock.now(), street.clock.now() - timedelta(seconds=5)
    for at, latitude in ((newer, 43.4), (older, 43.3), (newer, 43.5)):
        movement = Movement(Mover("team", street.team.id), street.anna.id, Fix(latitude, 5.37, at))
        with street.database.transaction() as session:
            stored_positions.flush(session, [movement], newer)
    assert street.team_row().lat == 43.4


def test_refusals_are_counted_and_never_raised(street):
    street.flush()
    street.offer(street.anna)
    for raw in (None, [], "x", 5, {}, {"latitude": "43"}, {"latitude": float("nan"), "longitude": 5}):
        assert street.buffer.offer_raw(caller_of(street.anna), raw, street.clock.now()) == "invalid"
    assert street.offer(street.anna) == "older_than_last"
    street.clock.advance(1)
    assert street.offer(street.anna, latitude=44.0) == "implausible"
    assert street.offer(street.anna, accuracy_m=5000) == "inaccurate"
    assert street.offer(street.anna, fix_age_ms=61_000) == "stale"
    assert dict(street.buffer.refused) == {
        "invalid": 7, "older_than_last": 1, "implausible": 1, "inaccurate": 1, "stale": 1,
    }  # fmt: skip
    assert street.buffer.accepted == 1


def test_an_outage_loses_nothing_but_what_is_overtaken(street):
    street.flush()
    street.offer(street.anna)
    street.offer(street.dris)
    good, street.flusher._database = street.flusher._database, None
    assert not street.flusher.flush_now()
    street.clock.advance(1)
    street.offer(street.anna, latitude=43.2966)
    assert not street.flusher.flush_now()
    assert street.flusher.failures == 2
    street.flusher._database = good
    street.flush()
    assert street.team_row().lat == 43.2966
    with street.database.reading() as session:
        assert session.get_one(VehiclePosition, street.bus.id).lat == 43.2965
    assert street.flusher.failures == 0


def test_the_thread_stores_what_is_left_when_it_stops(street):
    street.flusher.start()
    street.offer(street.anna)
    street.flusher.stop()
    assert not street.flusher.is_alive()
    assert street.team_row() is not None


def test_what_moved_is_one_frame(street):
    street.flush()
    street.offer(street.anna, heading_deg=90)
    street.offer(street.dris)
    street.flush()
    at = int(street.clock.now().timestamp() * 1000)
    with street.database.reading() as session:
        moved = stored_positions.moved_since(session, street.clock.now())
        assert orjson.loads(moved.frame()) == {
            "teams": [[str(street.team.id), 5.3698, 43.2965, 90, 10, at]],
            "vehicles": [[str(street.bus.id), "1234", 5.3698, 43.2965, None, at]],
            "gone": [],
        }
        assert stored_positions.moved_since(session, street.clock.now() + timedelta(seconds=1)) == stored_positions.Moved(
            [], [], []
        )
    street.clock.advance(60)
    street.end(street.anna)
    with street.database.reading() as session:
        assert stored_positions.moved_since(session, street.clock.now()).gone == [str(street.team.id)]


def test_two_processes_that_store_the_same_rows_do_not_deadlock(database, clock):
    now = clock.now()
    with database.transaction() as session:
        movements = []
        for number in range(60):
            team = add_team(session, f"GAP {number}", now)
            agent = add_staff(session, f"agent{number}", Role.AGENT, now, team=team)
            duty.clock_in(session, agent.id, now, Alerts().work)
            movements.append(Movement(Mover("team", team.id), agent.id, Fix(43.3, 5.37, now)))
    failures = []

    def store(order):
        for second in range(1, 15):
            at = now + timedelta(seconds=second)
            moved = [each._replace(fix=Fix(43.3, 5.37, at)) for each in movements][::order]
            try:
                with database.transaction() as session:
                    stored_positions.flush(session, moved, at)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other thread must hear of it
                failures.append(error)

    threads = [threading.Thread(target=store, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.reading() as session:
        assert {row.fix_at for row in session.scalars(select(TeamPosition))} == {now + timedelta(seconds=14)}
