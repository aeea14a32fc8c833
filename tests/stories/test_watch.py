"""The watch, told as stories: a drill that goes the whole way, and a worker that stops."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from backend.alerts.models import Alert
from backend.people.models import DutyShift, Staff, StaffSession, Team, TeamPosition
from backend.watch import drill, figures
from backend.watch.drill_runner import DrillRunner
from backend.watch.findings import judge
from backend.watch.models import DrillRun
from backend.wiring import wire
from tests import migrated

EVERY_S = 30
STEPS = ["connected", "raised", "offered", "received", "reached", "accepted", "cleared"]


@pytest.fixture
def wiring(database_url, clock, request):
    """An installation that proves the whole way twice a minute."""
    more = getattr(request, "param", {})
    made = wire(replace(migrated.settings(database_url), drill_every_s=EVERY_S, **more), clock)
    yield made
    made.database.dispose()


def runner(town, **more):
    """A worker's drill runner that knows the town's address."""
    settings = replace(town.wiring.settings, public_url=town.url)
    return DrillRunner(replace(town.wiring, settings=settings), **more)


def while_the_worker_works(town, act):
    """What `act` returns, while rounds go on as in any installation."""
    found = []
    acting = threading.Thread(target=lambda: found.append(act()))
    acting.start()
    while acting.is_alive():
        town.work()
        acting.join(0.02)
    return found[0]


def codes(town):
    with town.wiring.database.reading() as session:
        return [one.code for one in judge(figures.look(session, town.clock.now()))]


def test_a_drill_goes_the_whole_way_and_no_person_sees_it(town):
    operator, team, rider = town.operator("admin"), town.team(), town.rider()
    assert while_the_worker_works(town, runner(town).turn) is True

    with town.wiring.database.reading() as session:
        run = drill.last_run(session)
        alert = session.scalars(select(Alert)).one()
        assert (run.ok, run.failed_step, sorted(run.steps_ms)) == (True, None, sorted(STEPS))
        assert (alert.drill, alert.source, alert.exercise) == (True, "drill", True)
        assert (alert.state, alert.closing_code) == ("closed", "drill")
        standing = [str(team_id) for team_id in session.scalars(select(TeamPosition.team_id))]
        assert standing == [team.team_id], "the drill's own team has gone home"
        assert len(session.scalars(select(DutyShift)).all()) == 1, "of the other team alone"
    # The control room, the other team and the rider have heard nothing of it.
    for kind in ("alert.raised", "alert.changed", "alert.unseen", "alert.needs_human"):
        operator.hears_nothing(kind, seconds=0.1)
    operator.hears_nothing("team.changed", lambda data: data["team"]["call_sign"] != team.call_sign, seconds=0.1)
    team.hears_nothing("assignment.offered", seconds=0.1)
    snapshot = operator.get("/v1/control/snapshot")
    assert snapshot["alerts"] == []
    assert [one["call_sign"] for one in snapshot["teams"]] == [team.call_sign]
    assert operator.get("/v1/control/alerts?state=all")["items"] == []
    assert operator.ask("GET", f"/v1/control/alerts/{alert.id}").status_code == 404
    assert [one["call_sign"] for one in operator.get("/v1/teams")["items"]] == [team.call_sign]
    assert drill.NAME not in [one["login"] for one in operator.get("/v1/staff")["items"]]
    assert rider.get("/v1/alerts")["items"] == []


@pytest.mark.parametrize("wiring", [{"allowed_origins": ("https://vigie.example",)}], indirect=True)
def test_a_drill_is_an_app_and_no_page_where_sockets_have_an_address_of_their_own(town):
    assert while_the_worker_works(town, runner(town).turn) is True


def test_a_drill_and_a_rider_in_danger_never_take_each_others_team(town):
    team, rider = town.team(), town.rider()
    assert while_the_worker_works(town, runner(town).turn) is True
    alert = rider.raises()
    team.offered(alert)


def test_a_drill_that_finds_nobody_at_work_fails_in_time_and_is_cleared_away(town):
    # No worker works here: no round runs, so that no phone hears of the alert.
    assert runner(town, takes_s=1.0).turn() is False
    with town.wiring.database.reading() as session:
        run = drill.last_run(session)
        assert (run.ok, run.failed_step) == (False, "offered")
        assert session.scalars(select(Alert.state)).one() == "closed"
        assert session.scalars(select(StaffSession).where(StaffSession.staff_id.in_(drill_staff(session)))).all() == []
    assert "drill_failed" in codes(town)
    town.wait(EVERY_S)
    assert while_the_worker_works(town, runner(town).turn) is True
    assert "drill_failed" not in codes(town)


def drill_staff(session):
    return session.scalars(select(Staff.id).join(Team, Team.id == Staff.team_id).where(Team.drill)).all()


def test_drills_are_run_one_at_a_time_and_not_too_often(town):
    first, second = runner(town), runner(town)
    assert while_the_worker_works(town, first.turn) is True
    assert second.turn() is None, "the next is not due yet"
    town.wait(EVERY_S)
    prepared = first._begin()
    assert prepared is not None
    assert second._begin() is None, "another worker is at it"
    # The one that was at it died: after its lease, the next one clears away what it left.
    town.wait(EVERY_S + 1)
    assert while_the_worker_works(town, second.turn) is True
    with town.wiring.database.reading() as session:
        steps = session.scalars(select(DrillRun.failed_step).order_by(DrillRun.started_at)).all()
    assert list(steps) == [None, "abandoned", None]


def test_a_drill_that_is_broken_off_because_its_worker_ends_says_nothing(town):
    ending = runner(town)
    ending.stop()
    assert ending.turn() is None
    with town.wiring.database.reading() as session:
        assert drill.last_run(session) is None


def test_drills_that_do_not_come_any_more_are_found(town):
    assert while_the_worker_works(town, runner(town).turn) is True
    town.wait(2 * EVERY_S + 19)
    assert "drill_late" not in codes(town)
    town.wait(2)
    assert "drill_late" in codes(town)


def test_a_worker_that_stops_is_found_and_shown(town):
    operator = town.operator()
    town.work()
    operator.hears("status", lambda told: told["findings"] == [])
    stopped, town._work = town._work, lambda: None
    town.clock.advance(5)
    told = operator.hears("status", lambda told: told["findings"] != [])
    assert [(one["code"], one["subject"]) for one in told["findings"]] == [("worker_silent", "")]
    assert [one["code"] for one in operator.get("/v1/control/status")["findings"]] == ["worker_silent"]
    town._work = stopped
    town.clock.advance(1)
    operator.hears("status", lambda told: told["findings"] == [])
