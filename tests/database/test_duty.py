"""On duty and off: who is told, what is forgotten, and when leaving is refused."""

import threading

import pytest
from sqlalchemy import select

from backend.errors import Refused
from backend.people import duty, staff, stored_positions, views
from backend.people.fixes import Fix
from backend.people.models import DutyShift, TeamPosition, Vehicle, VehiclePosition
from backend.people.positions import Movement, Mover
from backend.people.roles import Role
from backend.people.sessions import sign_in, who
from tests.people import Alerts, add_staff, add_team, fed


class Crew:
    """Two teams, three agents, two drivers, one admin; each call its own transaction."""

    def __init__(self, database, clock):
        self.database, self.clock, self.alerts = database, clock, Alerts()
        now = clock.now()
        with database.transaction() as session:
            self.team, self.other = add_team(session, "GAP 1", now), add_team(session, "GAP 2", now)
            self.anna, self.bilal = (add_staff(session, name, Role.AGENT, now, team=self.team) for name in ("anna", "bilal"))
            self.chloe = add_staff(session, "chloe", Role.AGENT, now)
            self.dris, self.emma = (add_staff(session, name, Role.DRIVER, now) for name in ("dris", "emma"))
            self.admin = add_staff(session, "admin", Role.ADMIN, now)

    def do(self, action, *args, **kwargs):
        with self.database.transaction() as session:
            return action(session, *args, **kwargs)

    def clock_in(self, person):
        return self.do(duty.clock_in, person.id, self.clock.now(), self.alerts.work)

    def clock_out(self, person):
        return self.do(duty.clock_out, person.id, self.clock.now(), self.alerts.work)

    def change(self, person, **changes):
        return self.do(staff.change_staff, person.id, changes, self.clock.now(), self.alerts.work)

    def drive(self, person, number, line_id=None):
        return self.do(duty.start_driving, person.id, number, line_id, self.clock.now())

    def place(self, mover, person):
        fix = Fix(43.3, 5.37, self.clock.now(), 10.0)
        self.do(stored_positions.flush, [Movement(mover, person.id, fix)], self.clock.now())

    def heard(self, audience="control"):
        return self.do(fed, audience)

    def rows(self, model):
        return self.do(lambda session: session.scalars(select(model)).all())


@pytest.fixture
def crew(database, clock):
    return Crew(database, clock)


class TestAgents:
    def test_clocking_in_tells_the_team_and_the_control_room(self, crew):
        shift, is_new = crew.clock_in(crew.anna)
        assert is_new
        assert crew.heard(f"team:{crew.team.id}") == [("shift.changed", {"shift": views.shift_view(shift)})]
        assert crew.heard() == [
            ("team.changed", {"team": {
                "id": str(crew.team.id), "name": "Team GAP 1", "call_sign": "GAP 1", "on_duty": True, "agents": ["Anna"],
                "position": None, "engaged_on": None,
            }}),
        ]  # fmt: skip

    def test_clocking_in_twice_is_once(self, crew):
        first, _ = crew.clock_in(crew.anna)
        crew.clock.advance(60)
        again, is_new = crew.clock_in(crew.anna)
        assert (again.id, is_new) == (first.id, False)
        assert len(crew.heard()) == 1

    def test_clocking_in_ten_times_at_once_is_one_shift(self, crew):
        results = []

        def clock_in():
            results.append(crew.clock_in(crew.anna)[1])

        threads = [threading.Thread(target=clock_in) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == [False] * 5 + [True]
        assert len(crew.rows(DutyShift)) == 1

    def test_without_an_active_team_there_is_no_duty(self, crew):
        with pytest.raises(Refused, match="team_required"):
            crew.clock_in(crew.chloe)
        crew.do(staff.change_team, crew.team.id, {"active": False}, crew.clock.now(), crew.alerts.work)
        with pytest.raises(Refused, match="team_required"):
            crew.clock_in(crew.anna)

    def test_clocking_out_forgets_where_the_team_was(self, crew):
        crew.clock_in(crew.anna)
        crew.place(Mover("team", crew.team.id), crew.anna)
        assert crew.do(views.team_news, crew.team.id, None)[1]["position"]["latitude"] == 43.3
        crew.clock.advance(3600)
        shift = crew.clock_out(crew.anna)
        assert (shift.ended_at, shift.ended_why) == (crew.clock.now(), "clocked_out")
        assert crew.rows(TeamPosition) == []
        assert crew.heard()[-1][1]["team"] | {"on_duty": False, "agents": [], "position": None} == crew.heard()[-1][1]["team"]
        assert not crew.do(duty.team_on_duty, crew.team.id)
        assert crew.alerts.released == [(crew.team.id, "off_duty")]

    def test_a_phone_that_asks_again_gets_the_same_end(self, crew):
        crew.clock_in(crew.anna)
        ended = crew.clock_out(crew.anna)
        crew.clock.advance(5)
        assert crew.clock_out(crew.anna).id == ended.id
        with pytest.raises(Refused, match="off_duty"):
            crew.clock_out(crew.bilal)

    def test_the_team_stays_on_duty_with_its_other_agent(self, crew):
        crew.clock_in(crew.anna)
        crew.clock_in(crew.bilal)
        crew.place(Mover("team", crew.team.id), crew.bilal)
        crew.alerts.engaged[crew.team.id] = crew.team.id
        crew.clock_out(crew.anna)
        assert crew.do(duty.team_on_duty, crew.team.id)
        assert len(crew.rows(TeamPosition)) == 1
        assert crew.alerts.released == []
        assert crew.heard()[-1][1]["team"]["agents"] == ["Bilal"]
        assert crew.heard()[-1][1]["team"]["engaged_on"] == str(crew.team.id)

    def test_the_last_agent_cannot_walk_away_from_an_alert(self, crew):
        crew.clock_in(crew.anna)
        crew.alerts.engaged[crew.team.id] = crew.team.id
        with pytest.raises(Refused, match="team_engaged"):
            crew.clock_out(crew.anna)
        assert crew.do(duty.team_on_duty, crew.team.id)
        crew.alerts.engaged.clear()
        assert crew.clock_out(crew.anna).ended_at is not None

    def test_two_who_leave_together_do_not_both_count_on_the_other(self, crew):
        for person in (crew.anna, crew.bilal):
            crew.clock_in(person)
        crew.alerts.engaged[crew.team.id] = crew.team.id
        results, start = [], threading.Barrier(2)

        def leave(person):
            start.wait()
            try:
                results.append(crew.clock_out(person).ended_why)
            except Refused as refused:
                results.append(refused.code)

        threads = [threading.Thread(target=leave, args=(person,)) for person in (crew.anna, crew.bilal)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["clocked_out", "team_engaged"]

    def test_a_clock_set_back_does_not_break_the_end(self, crew):
        crew.clock_in(crew.anna)
        crew.clock.advance(-30)
        shift = crew.clock_out(crew.anna)
        assert shift.ended_at == shift.started_at


class TestAdministration:
    def test_a_new_team_ends_shift_and_sessions(self, crew):
        crew.clock_in(crew.anna)
        token = crew.do(sign_in, crew.anna.id, crew.clock.now(), valid_hours=14).access_token
        crew.change(crew.anna, team_id=str(crew.other.id))
        assert crew.do(who, token, crew.clock.now(), stale_days=7) is None
        assert not crew.do(duty.team_on_duty, crew.team.id)
        assert crew.clock_in(crew.anna)[0].team_id == crew.other.id

    def test_what_does_not_change_ends_nothing(self, crew):
        crew.clock_in(crew.anna)
        changed = crew.change(crew.anna, team_id=str(crew.team.id), role="agent", display_name="  Anna B. ", disabled=False)
        assert changed.display_name == "Anna B."
        assert crew.do(duty.team_on_duty, crew.team.id)

    def test_a_disabled_agent_is_out_at_once_and_the_alert_goes_on(self, crew):
        crew.clock_in(crew.anna)
        crew.alerts.engaged[crew.team.id] = crew.team.id
        with pytest.raises(Refused, match="team_engaged"):
            crew.change(crew.anna, team_id=None)
        changed = crew.change(crew.anna, disabled=True)
        assert views.staff_view(changed)["disabled"]
        assert crew.alerts.released == [(crew.team.id, "off_duty")]
        assert crew.heard()[-1][1]["team"]["engaged_on"] is None
        assert not views.staff_view(crew.change(crew.anna, disabled=False))["disabled"]

    def test_the_last_admin_stays(self, crew):
        for changes in ({"disabled": True}, {"role": "operator"}):
            with pytest.raises(Refused, match="last_admin"):
                crew.change(crew.admin, **changes)
        with crew.database.transaction() as session:
            add_staff(session, "second", Role.ADMIN, crew.clock.now())
        assert crew.change(crew.admin, disabled=True).disabled_at is not None

    @pytest.mark.parametrize(
        ("login", "role", "code"),
        [("anna", Role.AGENT, "login_taken"), (" ANNA ", Role.DRIVER, "login_taken"), (" x ", Role.AGENT, "invalid")],
    )
    def test_logins_are_one_each(self, crew, login, role, code):
        with pytest.raises(Refused, match=code):
            crew.do(staff.create_staff, login, "Name", role, crew.clock.now())

    def test_a_team_that_does_not_exist(self, crew):
        with pytest.raises(Refused, match="team_unknown"):
            crew.do(staff.create_staff, "zoe", "Zoé", Role.AGENT, crew.clock.now(), team_id=crew.anna.id)
        with pytest.raises(Refused, match="staff_unknown"):
            crew.do(staff.find_staff, crew.team.id)

    def test_names_of_teams_are_one_each(self, crew):
        with pytest.raises(Refused, match="team_taken"):
            crew.do(staff.create_team, "Third", "GAP 2", crew.clock.now(), crew.alerts.work)
        with pytest.raises(Refused, match="team_taken"):
            crew.do(staff.change_team, crew.team.id, {"name": "Team GAP 2"}, crew.clock.now(), crew.alerts.work)
        renamed = crew.do(staff.change_team, crew.team.id, {"call_sign": "GAP 11"}, crew.clock.now(), crew.alerts.work)
        assert renamed.call_sign == "GAP 11"
        assert [team.call_sign for team in crew.do(staff.all_teams)] == ["GAP 2", "GAP 11"]

    def test_a_team_on_an_alert_stays_in_service(self, crew):
        crew.clock_in(crew.anna)
        crew.alerts.engaged[crew.team.id] = crew.team.id
        with pytest.raises(Refused, match="team_engaged"):
            crew.do(staff.change_team, crew.team.id, {"active": False}, crew.clock.now(), crew.alerts.work)
        crew.alerts.engaged.clear()
        crew.do(staff.change_team, crew.team.id, {"active": False}, crew.clock.now(), crew.alerts.work)
        assert not crew.do(duty.team_on_duty, crew.team.id)
        assert [card["call_sign"] for card in crew.do(views.teams_snapshot)] == ["GAP 2"]


class TestDrivers:
    def test_a_vehicle_is_made_on_first_use_and_kept(self, crew):
        bus, is_new = crew.drive(crew.dris, "1234", "B1")
        assert (bus.number, bus.line_id, bus.driver_id, is_new) == ("1234", "B1", crew.dris.id, True)
        again, is_new = crew.drive(crew.dris, "1234", "B2")
        assert (again.id, again.line_id, is_new) == (bus.id, "B2", False)
        assert crew.do(duty.stop_driving, crew.dris.id) == bus.id
        assert crew.do(duty.stop_driving, crew.dris.id) is None
        assert crew.drive(crew.emma, "1234")[0].id == bus.id

    def test_the_next_driver_relieves_the_first(self, crew):
        bus, _ = crew.drive(crew.dris, "1234")
        crew.place(Mover("vehicle", bus.id), crew.dris)
        crew.drive(crew.emma, "1234")
        assert crew.rows(VehiclePosition) == []
        assert crew.do(duty.stop_driving, crew.dris.id) is None
        assert [(each.number, each.driver_id) for each in crew.rows(Vehicle)] == [("1234", crew.emma.id)]

    def test_a_driver_has_one_vehicle(self, crew):
        crew.drive(crew.dris, "1")
        crew.drive(crew.emma, "2")
        crew.drive(crew.dris, "2")
        found = {each.number: each.driver_id for each in crew.rows(Vehicle)}
        assert found == {"1": None, "2": crew.dris.id}
        assert [card["number"] for card in crew.do(views.vehicles_snapshot)] == ["2"]

    def test_a_disabled_driver_drives_no_more(self, crew):
        bus, _ = crew.drive(crew.dris, "1234")
        crew.place(Mover("vehicle", bus.id), crew.dris)
        assert crew.do(views.vehicles_snapshot)[0]["position"]["longitude"] == 5.37
        crew.change(crew.dris, disabled=True)
        assert crew.do(views.vehicles_snapshot) == []
        assert crew.rows(VehiclePosition) == []
