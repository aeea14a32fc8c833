"""The simulated town's pure parts: chances, ways, streets and recorded tracks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.night_stops.lifecycle import REFUSAL_REASONS
from backend.simulation.behaviour import DEFAULT_CATEGORIES, REFUSALS, WISHES, Dice, Profile, load_profile
from backend.simulation.streets import Streets
from backend.simulation.tracks import LONGEST_GAP_S, Replay, load_tracks, moved_to
from backend.simulation.ways import Place, Way, metres_between, moved

HERE = Place(43.2956, 5.3740)
PROFILE = {
    "by_hour": {"3": 10, "22": 30},
    "by_category": {"medical": 3, "robbery": 1, "something new": 1},
    "by_category_and_hour": {"medical": {"22": 5}, "robbery": {"22": 0}},
}


def test_the_same_seed_makes_the_same_choices_and_another_name_other_ones():
    def life(seed, name):
        dice = Dice(seed, name)
        return [dice.alert(Profile(), 22) for _ in range(5)], dice.next_alert_s(3), dice.answer()

    assert life(7, "rider 1") == life(7, "rider 1")
    assert life(7, "rider 1") != life(7, "rider 2")


def test_alerts_come_by_chance_at_the_wished_rate():
    dice = Dice(1, "alerts")
    waits = [dice.next_alert_s(6.0) for _ in range(5000)]
    assert sum(waits) / len(waits) == pytest.approx(10, rel=0.05)
    assert max(waits) > 40, "a Poisson process has long pauses"
    assert dice.next_alert_s(0) >= 3600


def test_every_part_of_an_alert_is_one_that_the_contract_knows():
    dice = Dice(3, "riders")
    alerts = [dice.alert(Profile(), 23) for _ in range(500)]
    assert {alert["category"] for alert in alerts} == set(DEFAULT_CATEGORIES)
    assert {alert.get("contact_mode") for alert in alerts} == {None, "can_talk", "cannot_talk"}
    assert {answer.what for answer in (dice.answer() for _ in range(200))} == {"accept", "decline", "silence"}


def test_drivers_and_riders_of_night_buses_do_all_that_people_do_and_the_same_seed_the_same():
    def night(seed, name):
        dice = Dice(seed, name)
        return [(dice.driver_answer(), dice.promise(), dice.night_wish()) for _ in range(600)]

    assert night(7, "driver1") == night(7, "driver1")
    assert night(7, "driver1") != night(7, "driver2")
    answers, promises, wishes = zip(*night(7, "driver1"), strict=True)
    assert {one.what for one in answers} == {"accept", "propose", "refuse", "silence"}
    assert all(2 <= one.after_s <= 12 for one in answers if one.what != "silence")
    assert {one.reason for one in answers if one.what == "refuse"} == set(REFUSALS)
    assert {one.what for one in promises} == {"stop", "withdraw", "drive_on"}
    assert {wish.kind for wish in wishes} == set(WISHES)
    assert sum(wish.kind == "ahead" for wish in wishes) > 350, "most wishes can be granted"
    assert all(wish.home_timer_s is None or 300 <= wish.home_timer_s <= 7200 for wish in wishes)


def test_every_reason_of_a_simulated_driver_is_one_that_the_server_knows():
    assert set(REFUSALS) <= set(REFUSAL_REASONS)


def test_a_place_that_a_loop_passes_twice_is_found_ahead():
    loop = Way([HERE, moved(HERE, 1000, 0), moved(HERE, 1000, 200), moved(HERE, 0, 200), HERE, moved(HERE, 1000, 0)])
    corner = moved(HERE, 500, 5)
    assert loop.nearest(corner) == pytest.approx((500, 5), abs=1)
    assert loop.nearest(corner, 600) == pytest.approx((2900, 5), abs=1)
    assert loop.nearest(corner, 2950)[1] == pytest.approx(50, abs=1)


def test_a_profile_follows_its_hours_and_speaks_our_words(tmp_path):
    path = tmp_path / "load.json"
    path.write_text(json.dumps(PROFILE))
    profile = load_profile(path)
    assert (profile.rate_factor(22), profile.rate_factor(3), profile.rate_factor(12)) == (18, 6, 0)
    assert profile.by_category == {"medical": 3, "theft": 1, "other": 1}
    assert Dice(1, "x").category(profile, 22) == "medical"
    assert {Dice(n, "x").category(profile, 3) for n in range(60)} == {"medical", "theft", "other"}


@pytest.mark.needs_data("incidents/alert-load-profile.json")
def test_a_metro_s_security_log_is_a_profile(data):
    profile = load_profile(data / "incidents" / "alert-load-profile.json")
    assert set(profile.by_category) <= set(DEFAULT_CATEGORIES)
    assert profile.rate_factor(1) > 1.4
    assert profile.rate_factor(4) < 0.15


NEAR = st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000)).map(lambda xy: moved(HERE, *xy))


@given(st.lists(NEAR, min_size=2, max_size=12), st.floats(0, 1))
def test_a_place_on_a_way_is_found_again(points, share):
    way = Way(points)
    place = way.at(way.length_m * share)
    metres, off = way.nearest(place)
    assert off < 0.5
    assert metres_between(way.at(metres), place) < 0.5


@given(NEAR, NEAR)
def test_the_way_through_the_streets_goes_from_here_to_there(start, end):
    cross = [Way([moved(HERE, -3000, 0), moved(HERE, 3000, 0)]), Way([moved(HERE, 0, -3000), moved(HERE, 0, 3000)])]
    way = Streets(cross).way(start, end)
    assert metres_between(way.points[0], start) < 1
    assert metres_between(way.points[-1], end) < 1
    assert way.length_m >= metres_between(start, end) - 1


def test_streets_turn_at_crossings_and_towns_without_lines_go_straight():
    east_west = Way([moved(HERE, -2000, 0), moved(HERE, 2000, 0)])
    north_south = Way([moved(HERE, 0, -2000), moved(HERE, 0, 2000)])
    around = Streets([east_west, north_south]).way(moved(HERE, -1800, 10), moved(HERE, 10, 1800))
    assert around.length_m == pytest.approx(3600, rel=0.1)
    assert len(Streets([]).way(HERE, moved(HERE, 900, 0)).points) == 2


GPX = """\ufeff<gpx xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
<trkpt lat="48.0" lon="11.0"><time>2024-01-01T10:00:00Z</time><hdop>2.0</hdop></trkpt>
<trkpt lat="48.001" lon="11.0"><time>2024-01-01T10:00:10Z</time></trkpt>
<trkpt lat="48.002" lon="11.0"><time>2024-01-01T12:00:00Z</time></trkpt></trkseg></trk></gpx>"""
NMEA = """$GPGGA,102929.00,5327.04024,N,00214.41560,W,1,08,1.16,36.3,M,48.5,M,,*7E
$GPGGA,102930.00,5327.05024,N,00214.41560,W,1,08,1.16,36.3,M,48.5,M,,*00
$GNGGA,,,,,,0,00,99.99,,,,,,*56
"""


def test_tracks_keep_gaps_and_accuracy_and_say_what_is_no_track(tmp_path):
    (tmp_path / "a.gpx").write_text(GPX)
    (tmp_path / "b.log").write_text(NMEA)
    (tmp_path / "c.json").write_text('{"no": "track"}')
    (tmp_path / "d.txt").write_text("notes")
    said = []
    tracks = load_tracks(tmp_path, said.append)
    assert [fix.at_s for fix in tracks[0]] == [0, 10, 10 + LONGEST_GAP_S]
    assert tracks[0][0].accuracy_m == 10
    assert len(tracks) == 1
    assert [line.split(":")[0] for line in said] == ["b.log", "c.json"]


def test_a_moved_track_keeps_its_size(tmp_path):
    (tmp_path / "a.gpx").write_text(GPX)
    track = load_tracks(tmp_path, print)[0]
    away = moved_to(track, HERE)
    assert metres_between(away[0].place, away[2].place) == pytest.approx(222.4, rel=0.01)
    assert metres_between(away[1].place, HERE) < 1


def test_a_replay_goes_there_and_back_for_ever(tmp_path):
    (tmp_path / "a.gpx").write_text(GPX)
    track = load_tracks(tmp_path, print)[0]
    replay = Replay(track)
    heard = [fix.place.latitude for _ in range(600) for fix in replay.advance(1)]
    assert heard[:5] == [48.001, 48.002, 48.001, 48.0, 48.001]
    assert replay.place in [fix.place for fix in track]


@pytest.mark.needs_data("gps")
def test_recorded_journeys_are_read(data):
    said = []
    tracks = load_tracks(data / "gps", said.append)
    assert len(tracks) >= 4
    assert any(len(track) == 80 for track in tracks), "80 fixes of a drive through a town"
    assert said, "receivers without a fix and test vectors are no journeys"
