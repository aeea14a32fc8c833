"""Who can be at a coming stop before the vehicle: never later than it, never at a stop that it has passed."""

import uuid

from hypothesis import given
from hypothesis import strategies as some

from backend.dispatch.intercept import Coming, Meeting, Pace, meeting, still_holds
from backend.dispatch.plan import RoundPlan
from backend.dispatch.policy import AskTeams, Candidate, Situation, next_step, rank, reasons
from tests.fakes import OPENING_NIGHT as NOW

PACE = Pace()


def line(*etas):
    return [Coming(f"S{number}", f"Stop {number}", 43.3, 5.4, eta) for number, eta in enumerate(etas)]


ETAS = some.lists(some.integers(0, 2000), max_size=20).map(sorted)
METRES = some.lists(some.floats(0, 20_000), min_size=20, max_size=20)


def to(metres):
    return lambda stop: metres[int(stop.stop_id[1:])]


@given(ETAS, METRES)
def test_a_meeting_is_the_first_stop_where_the_team_comes_first(etas, metres):
    coming = line(*etas)
    found = meeting(coming, to(metres), PACE)
    possible = [
        stop
        for stop in coming
        if stop.eta_s <= PACE.within_s and PACE.travel_s(to(metres)(stop)) + PACE.margin_s <= stop.eta_s
    ]
    assert (found.stop if found else None) == (possible[0] if possible else None)
    if found is not None:
        assert found.spare_s >= PACE.margin_s


@given(ETAS, METRES)
def test_what_was_agreed_holds_as_long_as_the_team_comes_first(etas, metres):
    coming = line(*etas)
    found = meeting(coming, to(metres), PACE)
    if found is not None:
        assert still_holds(found.stop.stop_id, coming, to(metres), PACE) == found
    for stop in coming:
        held = still_holds(stop.stop_id, coming, to(metres), PACE)
        assert (held is not None) == (PACE.travel_s(to(metres)(stop)) <= stop.eta_s)


@given(ETAS, METRES, some.integers(0, 900))
def test_time_that_passes_never_makes_a_passed_stop_a_meeting(etas, metres, passed):
    coming = line(*etas)
    agreed = meeting(coming, to(metres), PACE)
    later = [Coming(s.stop_id, s.name, s.latitude, s.longitude, s.eta_s - passed) for s in coming if s.eta_s > passed]
    held = still_holds(agreed.stop.stop_id, later, to(metres), PACE) if agreed else None
    assert held is None or held.stop in later
    again = meeting(later, to(metres), PACE)
    assert again is None or again.stop in later


@given(some.floats(61, 999), some.floats(1_000, 30_000))
def test_near_teams_walk_and_far_ones_drive(near, far):
    assert PACE.travel_s(near) == near * 1.35 / 1.6
    assert PACE.travel_s(far) == far * 1.35 / 5
    assert PACE.travel_s(40) == 0


def test_a_team_that_waits_ahead_outranks_a_nearer_one_behind():
    stop = Coming("S3", "Castellane", 43.28, 5.38, 300)
    behind = Candidate(uuid.UUID(int=1), 150.0)
    ahead = Candidate(uuid.UUID(int=2), 1_900.0, meeting=Meeting(stop, 120.0))
    aboard = Candidate(uuid.UUID(int=3), 0.0, same_vehicle=True, meeting=Meeting(stop, 0.0))
    assert sorted([behind, ahead, aboard], key=rank) == [aboard, ahead, behind]
    assert reasons(ahead, 0)[0] == {"code": "intercept_stop", "value": 300, "stop": "Castellane", "stop_id": "S3"}
    assert {"code": "distance", "value": 1900} in reasons(ahead, 0)
    codes = [reason["code"] for reason in reasons(aboard, 0)]
    assert codes[0] == "same_vehicle"
    assert "intercept_stop" not in codes


def test_a_team_that_can_meet_the_vehicle_is_asked_whatever_its_distance():
    far = Candidate(uuid.UUID(int=2), 9_000.0, meeting=Meeting(Coming("S", "S", 43.0, 5.0, 800), 600.0))
    asked = next_step(Situation((RoundPlan(500, 1, 20),), 0, None, None, [far]), NOW, 30)
    assert isinstance(asked, AskTeams)
    assert [one.team_id for one in asked.teams] == [far.team_id]
