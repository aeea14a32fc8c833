"""The drill on a database: what it makes, what it leaves, and that it meets nobody else's alerts and teams."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from backend import feed
from backend.alerts.intake import read_alert
from backend.alerts.models import Alert, Assignment, LogEntry
from backend.alerts.raising import raise_alert
from backend.control_room import snapshot
from backend.delivery.models import Delivery
from backend.people import sessions, staff, stored_positions
from backend.people.models import Device, DutyShift, Staff, StaffSession, Team, TeamPosition
from backend.people.roles import DRILL_PLATFORM
from backend.watch import drill
from backend.watch.models import DrillRun
from tests.night import Night


@pytest.fixture
def night(wiring, clock):
    return Night(wiring, clock)


def prepares(night):
    with night.session() as session:
        return drill.prepare(session, night.now)


def raises(night, prepared):
    """The drill's phone has sent its alert, and the worker has looked at it."""
    with night.session() as session:
        me = sessions.who(session, prepared.device_token, night.now, stale_days=1)
        body = {"position": prepared.place._asdict() | {"accuracy_m": 5}, "exercise": True}
        raise_alert(
            session, prepared.alert_id, me.id, read_alert(body, night.now), night.now, source="drill", drill=me.drill
        )
    night.works()


def finishes(night, prepared, failed_step=None):
    with night.session() as session:
        return drill.finish(
            session, prepared.run_id, prepared.alert_id, night.now, failed_step=failed_step, steps_ms={"reached": 50}
        )


def counts(night):
    with night.database.reading() as session:
        tables = (Team, Staff, Device, StaffSession, DutyShift, TeamPosition)
        return {table.__tablename__: session.scalar(select(func.count()).select_from(table)) for table in tables}


def drill_team(night):
    with night.database.reading() as session:
        return session.scalars(select(Team).where(Team.drill)).one()


def test_its_team_is_on_duty_while_it_runs_and_gone_afterwards(night):
    prepared = prepares(night)
    during = counts(night)
    assert (during["duty_shifts"], during["team_positions"], during["staff_sessions"]) == (1, 1, 1)
    raises(night, prepared)
    assert [one.team_id for one in night.asked(prepared.alert_id)] == [drill_team(night).id]
    assert finishes(night, prepared)
    after = counts(night)
    assert (after["duty_shifts"], after["team_positions"], after["staff_sessions"]) == (0, 0, 0)
    assert night.alert(prepared.alert_id).state == "closed"
    with night.database.reading() as session:
        assert session.scalars(select(Delivery.settled_at).where(Delivery.settled_at.is_(None))).all() == []


def test_a_thousand_runs_need_one_team_one_agent_and_one_phone(night, clock):
    for _ in range(4):
        prepared = prepares(night)
        raises(night, prepared)
        finishes(night, prepared)
        clock.advance(30)
    assert counts(night) == {"teams": 1, "staff": 2, "devices": 1, "staff_sessions": 0, "duty_shifts": 0,
                             "team_positions": 0}  # fmt: skip


def test_old_drills_are_forgotten_and_nothing_else_is(night, clock):
    kept = night.raises()
    old = prepares(night)
    raises(night, old)
    finishes(night, old)
    clock.advance(3_601)
    new = prepares(night)
    raises(night, new)
    finishes(night, new)
    with night.database.reading() as session:
        assert set(session.scalars(select(Alert.id))) == {kept, new.alert_id}
        assert old.alert_id not in set(session.scalars(select(LogEntry.alert_id)))
        assert old.alert_id not in set(session.scalars(select(Assignment.alert_id)))
        assert len(session.scalars(select(DrillRun)).all()) == 2, "what became of a run is kept for a week"
    clock.advance(7 * 86_400 + 1)
    prepares(night)
    with night.database.reading() as session:
        assert len(session.scalars(select(DrillRun)).all()) == 1


def test_a_run_whose_worker_died_is_cleared_away_by_the_next(night, clock):
    dead = prepares(night)
    raises(night, dead)
    clock.advance(60)
    following = prepares(night)
    assert night.alert(dead.alert_id).state == "closed"
    with night.database.reading() as session:
        run = session.get_one(DrillRun, dead.run_id)
        assert (run.ok, run.failed_step) == (False, "abandoned")
    assert finishes(night, dead) is False, "it comes back too late and changes nothing"
    assert counts(night)["team_positions"] == 1, "the team is on duty for the one that runs"
    assert finishes(night, following)


def test_an_alert_that_arrives_after_its_run_is_closed_by_the_next(night, clock):
    late = prepares(night)
    finishes(night, late, failed_step="raised")
    raises(night, late)
    assert night.alert(late.alert_id).state == "open"
    clock.advance(30)
    prepares(night)
    assert night.alert(late.alert_id).state == "closed"


def at(prepared):
    """Where the drill happens, as a rider's phone says it."""
    return prepared.place._asdict() | {"accuracy_m": 5}


def test_a_drill_never_takes_a_team_from_a_rider_nor_the_other_way_round(night):
    patrol, prepared = night.team(), prepares(night)
    with night.session() as session:
        standing = session.get_one(TeamPosition, patrol.id)
        standing.lat, standing.lon = prepared.place
    # All of them at one place: only what they are keeps them apart.
    alert_id = night.raises(position=at(prepared))
    raises(night, prepared)
    assert [one.team_id for one in night.asked(alert_id)] == [patrol.id]
    assert [one.team_id for one in night.asked(prepared.alert_id)] == [drill_team(night).id]


def test_a_rider_for_whom_only_the_drills_team_is_there_has_nobody(night):
    prepared = prepares(night)
    alert_id = night.raises(position=at(prepared))
    night.works()
    assert night.asked(alert_id) == []
    assert night.alert(alert_id).needs_human
    assert "no_team_on_duty" in str(night.alert(alert_id).shortfall)


def test_no_list_no_map_no_feed_and_no_call_shows_it(night, clock):
    prepared = prepares(night)
    raises(night, prepared)
    night.wait(90)  # nobody answers, nobody looks: for a rider, this is when everybody is called
    alert = night.alert(prepared.alert_id)
    assert alert.state == "open"
    assert night.heard(feed.CONTROL) == []
    with night.database.reading() as session:
        assert snapshot.live_alerts(session) == []
        assert snapshot.teams(session) == []
        assert snapshot.page_of_alerts(session, "all", 10, None)["items"] == []
        assert staff.all_teams(session) == []
        assert [one.login for one in staff.all_staff(session)] == ["operator"]
        assert stored_positions.moved_since(session, night.now - timedelta(hours=1)).teams == []
        assert session.scalars(select(Delivery).where(Delivery.kind == "supervisor")).all() == []


def test_a_rider_at_the_same_place_is_not_like_a_drill(night):
    prepared = prepares(night)
    raises(night, prepared)
    alert_id = night.raises(exercise=True, position=at(prepared))
    night.works()
    assert night.alert(alert_id).similar == []
    assert night.alert(prepared.alert_id).similar == []


def test_only_the_drills_phone_is_one(night):
    prepared = prepares(night)
    with night.session() as session:
        token = sessions.register_device(session, "android", night.now, valid_days=1).access_token
        assert sessions.who(session, prepared.device_token, night.now, stale_days=1).drill
        assert not sessions.who(session, token, night.now, stale_days=1).drill
        assert session.scalars(select(Device.platform).where(Device.platform == DRILL_PLATFORM)).all() == ["drill"]


def test_nobody_can_ever_sign_in_as_its_agent(night):
    prepares(night)
    with night.database.reading() as session:
        assert sessions.credentials(session, drill.NAME).password_hash is None


def test_a_real_alert_is_never_closed_by_it(night):
    alert_id = night.raises()
    with night.session() as session:
        drill.close(session, alert_id, night.now)
        drill.close(session, uuid.uuid4(), night.now)
    assert night.alert(alert_id).state == "open"


def test_it_is_due_by_its_last_beginning_also_after_a_clock_was_put_back(night, clock):
    def due():
        with night.database.reading() as session:
            return drill.is_due(session, 30, night.now)

    assert due()
    prepared = prepares(night)
    assert not due()
    finishes(night, prepared)
    clock.advance(29)
    assert not due()
    clock.advance(1)
    assert due()
    clock.advance(-3_600)
    assert due()


def test_one_that_failed_is_run_again_soon(night, clock):
    def due():
        with night.database.reading() as session:
            return drill.is_due(session, 3_600, night.now)

    finishes(night, prepares(night), failed_step="offered")
    clock.advance(4)
    assert not due()
    clock.advance(1)
    assert due()
    finishes(night, prepares(night))
    clock.advance(60)
    assert not due()
