"""Each of the sixteen checks has its code, and the first that fails in their order gives it."""

import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from shapely.geometry import Polygon

from backend.geo import distance_m
from backend.network.timetable import NightWindow
from backend.night_stops.checks import between, place_failure
from backend.night_stops.exclusions import Exclusion, ExclusionRefused, read_exclusion, read_measures
from backend.night_stops.policy import judge, proposal
from backend.night_stops.wishes import CODES, Bus, Planned, Situation, spot_at
from tests.night_line import NOW, PARIS, RETURN, STRAIGHT, place, rules, wish

TUNNEL = Exclusion("segment", "tunnel", path=replace(STRAIGHT).way.from_points([place(2_200), place(2_300)]))
CROSSING = Exclusion("point", "crossing", point=place(2_250), radius_m=30)
WORKS = Exclusion("area", "works", area=Polygon([(place(2_200).longitude, 43.29), (place(2_300).longitude, 43.29),
                                                 (place(2_300).longitude, 43.31), (place(2_200).longitude, 43.31)]))  # fmt: skip
OTHER = uuid.uuid4()


def with_rules(situation: Situation, **changes: Any) -> Situation:
    return replace(situation, rules=[replace(one, **changes) for one in situation.rules])


# Each takes a situation in which everything passes and breaks one check of it, in the order of the checks.
BREAK = {
    "service_disabled": lambda s: replace(s, enabled=False),
    "line_not_eligible": lambda s: with_rules(s, valid_until=date(2026, 11, 2)),
    "outside_hours": lambda s: with_rules(s, window=NightWindow(time(1), time(5))),
    "mode_not_eligible": lambda s: replace(s, mode="tram"),
    "not_on_board": lambda s: replace(s, bus=None),
    "off_route": lambda s: replace(s, wanted=place(2_250, 60)),
    "behind_vehicle": lambda s: replace(s, bus=Bus(STRAIGHT, 2_400.0)),
    "too_late": lambda s: with_rules(s, min_metres=1_300),
    "too_close_to_stop": lambda s: with_rules(s, near_stop_m=260),
    "excluded_segment": lambda s: with_rules(s, exclusions=(TUNNEL,)),
    "excluded_point": lambda s: with_rules(s, exclusions=(CROSSING,)),
    "slot_taken": lambda s: replace(s, planned=[Planned(OTHER, 2_120.0)]),
    "vehicle_limit": lambda s: replace(s, stops_made=6),
    "weather_suspended": lambda s: replace(s, suspended=True),
    "rate_limited": lambda s: replace(s, has_open_request=True),
}
ORDER = list(BREAK)


def test_everything_passes_where_nothing_is_wrong():
    verdict = judge(wish())
    assert verdict.possible
    assert verdict.spot.measure_m == pytest.approx(2_250, abs=1)
    assert (verdict.spot.after.name, verdict.spot.before.name) == ("Stop 4", "Stop 5")
    assert verdict.instead == ()


def test_the_order_is_that_of_the_rules():
    assert [code for code in CODES if code != "already_passed"] == ORDER


@pytest.mark.parametrize("code", ORDER)
def test_a_check_has_its_code(code):
    assert judge(BREAK[code](wish())).code == code


@given(some.sets(some.sampled_from(ORDER), min_size=1))
def test_the_first_check_that_fails_gives_the_code(broken):
    situation = wish()
    for code in sorted(broken, key=ORDER.index, reverse=True):  # an earlier check's fault is not mended by a later one
        situation = BREAK[code](situation)
    if {"excluded_segment", "excluded_point"} <= broken:
        situation = with_rules(situation, exclusions=(CROSSING, TUNNEL))
    elif "excluded_segment" in broken:
        situation = with_rules(situation, exclusions=(TUNNEL,))
    assert judge(situation).code == min(broken, key=ORDER.index)


CASES = [
    ("behind_vehicle", wish(900)),
    ("already_passed", wish(900, waited=True)),
    ("too_late", wish(1_450)),  # no regular stop between the bus and the place
    ("too_late", wish(1_600, bus=Bus(STRAIGHT, 1_450.0))),  # a stop between, but only 150 m
    ("too_late", wish(2_250, bus=Bus(STRAIGHT, 1_960.0, 10.0))),  # 290 m, but 29 s
    (None, wish(2_250, bus=Bus(STRAIGHT, 1_960.0, 6.0))),
    ("too_close_to_stop", wish(2_055)),
    (None, wish(2_061)),
    ("too_close_to_stop", wish(2_460)),  # the stop after it
    ("excluded_segment", with_rules(wish(), exclusions=(WORKS,))),
    ("excluded_segment", with_rules(wish(), exclusions=(CROSSING, WORKS))),
    (None, with_rules(wish(), exclusions=(replace(WORKS, valid_until=date(2026, 11, 21)),))),
    ("excluded_segment", with_rules(wish(), exclusions=(replace(WORKS, valid_until=date(2026, 11, 22)),))),
    (None, with_rules(wish(), exclusions=(replace(TUNNEL, direction_id=1),))),
    ("excluded_segment", with_rules(wish(), part_from=frozenset({"S6"}), part_to=frozenset({"S9"}))),
    ("excluded_segment", with_rules(wish(), part_from=frozenset({"elsewhere"}))),
    (None, with_rules(wish(), part_from=frozenset({"S3"}), part_to=frozenset({"S9"}))),
    (None, with_rules(wish(), part_from=frozenset({"S9"}), part_to=frozenset({"S3"}))),  # named the other way round
    (None, wish(planned=[Planned(OTHER, 2_700.0)])),  # between other stops
    ("vehicle_limit", wish(planned=[Planned(uuid.uuid4(), 2_700.0 + 500 * n) for n in range(5)], stops_made=1)),
    ("rate_limited", wish(refused_measures=[2_400.0])),  # the same piece was refused
    (None, wish(refused_measures=[2_600.0])),
]


@pytest.mark.parametrize(("code", "situation"), CASES)
def test_what_a_situation_comes_to(code, situation):
    assert judge(situation).code == code


def test_a_ramp_is_a_question_and_never_a_refusal():
    assert judge(wish(ramp=True)).question == "ramp"
    assert judge(wish(ramp=True)).possible
    assert judge(wish()).question is None


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "code"),
    [
        (date(2026, 11, 22), date(2026, 11, 22), None),  # half past midnight belongs to the evening before
        (date(2026, 11, 23), None, "outside_hours"),  # its first night has not begun
        (date(2026, 11, 1), date(2026, 11, 21), "line_not_eligible"),
        (date(2026, 12, 1), None, "line_not_eligible"),
    ],
)
def test_validity_is_of_service_days(valid_from, valid_until, code):
    assert judge(with_rules(wish(), valid_from=valid_from, valid_until=valid_until)).code == code


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (datetime(2026, 3, 29, 0, 45, tzinfo=UTC), None),  # 01:45, fifteen minutes before the clocks jump
        (datetime(2026, 3, 29, 2, 59, tzinfo=UTC), None),  # 04:59 in summer time
        (datetime(2026, 3, 29, 3, 0, tzinfo=UTC), "outside_hours"),  # 05:00, though only six hours have gone
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), None),  # 02:30 the first time
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), None),  # 02:30 the second time
        (datetime(2026, 10, 25, 3, 59, tzinfo=UTC), None),  # 04:59 in winter time
        (datetime(2026, 10, 25, 4, 0, tzinfo=UTC), "outside_hours"),
    ],
)
def test_nights_in_which_the_clocks_change(now, code):
    assert judge(with_rules(wish(now=now), valid_from=date(2026, 1, 1))).code == code


def test_weekdays_are_those_on_which_the_night_begins():
    friday_and_saturday = NightWindow(time(22), time(5), frozenset({5, 6}))
    sunday_early = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
    assert judge(with_rules(wish(now=sunday_early), window=friday_and_saturday)).code is None
    assert judge(with_rules(wish(now=sunday_early + timedelta(days=1)), window=friday_and_saturday)).code == "outside_hours"


def test_the_policy_that_lets_a_wish_go_furthest_counts():
    north, south = rules(part_to=frozenset({"S3"})), rules(part_from=frozenset({"S3"}))
    closed = rules(window=NightWindow(time(1), time(2)))
    verdict = judge(wish(rules=[closed, north, south]))
    assert (verdict.code, verdict.rules.id) == (None, south.id)


def test_a_second_rider_joins_a_stop_that_is_near():
    verdict = judge(wish(planned=[Planned(OTHER, 2_160.0)], stops_made=6))
    assert (verdict.code, verdict.joins) == (None, OTHER)
    assert verdict.spot.measure_m == 2_160


def test_on_a_way_there_and_back_the_branch_to_come_is_meant():
    def measure(bus_m: float) -> float:
        return judge(wish(2_250, 2, bus=Bus(RETURN, bus_m))).spot.measure_m

    assert measure(1_000) == pytest.approx(2_250, abs=1)
    assert measure(2_400) == pytest.approx(3_750, abs=1)
    assert measure(2_100) == pytest.approx(3_750, abs=1)  # too late for the first passage, in time for the second
    assert judge(wish(2_250, 2, bus=Bus(RETURN, 4_000))).code == "behind_vehicle"


@some.composite
def situations(draw) -> Situation:
    """Any wish in any bus, with any of the other stops, exclusions and refusals that a night can have."""
    measure = some.floats(0, 6_000)
    gaps = draw(some.sets(some.integers(0, 11), max_size=4))
    planned = [Planned(uuid.uuid4(), 500.0 * gap + draw(some.floats(61, 439))) for gap in gaps]
    bus = Bus(draw(some.sampled_from([STRAIGHT, RETURN])), draw(measure), draw(some.floats(0, 16)))
    holes = tuple(Exclusion("point", "parking", point=place(draw(measure)), radius_m=draw(some.floats(5, 200)))
                  for _ in range(draw(some.integers(0, 3))))  # fmt: skip
    return wish(
        draw(some.floats(-200, 6_200)), draw(some.floats(-80, 80)), bus=bus, rules=[rules(exclusions=holes)],
        planned=[one for one in planned if one.measure_m > bus.measure_m], stops_made=draw(some.integers(0, 6)),
        refused_measures=draw(some.lists(measure, max_size=2)), waited=draw(some.booleans()),
        suspended=draw(some.sampled_from([False, False, False, True])))  # fmt: skip


@given(situations())
def test_what_is_offered_instead_can_be_asked(situation):
    verdict = judge(situation)
    for one in verdict.instead:
        assert one.spot.measure_m > situation.bus.measure_m
        if one.kind == "regular_stop":
            assert any(stop.name == one.name for stop in situation.bus.pattern.stops)
            continue
        asked = judge(replace(situation, wanted=one.spot.point))
        assert asked.possible, (one.kind, asked.code)
        assert place_failure(situation.rules[0], situation.bus.pattern, one.spot, NOW.astimezone(PARIS).date()) is None


@given(situations())
def test_a_refused_wish_names_a_regular_stop_while_one_is_to_come(situation):
    verdict = judge(situation)
    reading = situation.bus.measure_m + 15 * situation.bus.speed_mps
    if not verdict.possible and any(stop.measure_m > reading for stop in situation.bus.pattern.stops):
        assert [one.kind for one in verdict.instead].count("regular_stop") == 1


@given(some.data())
def test_never_two_extra_stops_between_two_regular_stops(data):
    planned: list[Planned] = []
    for _ in range(8):
        situation = wish(data.draw(some.floats(1_200, 5_900)), planned=planned, rules=[rules(max_extra_stops=50)])
        verdict = judge(situation)
        if verdict.possible and verdict.joins is None:
            planned = [*planned, Planned(uuid.uuid4(), verdict.spot.measure_m)]
    pieces = [between(STRAIGHT, one.measure_m) for one in planned]
    assert len(pieces) == len(set(pieces))


@given(some.floats(1_300, 5_900), some.floats(0, 16))
def test_a_possible_place_is_on_the_way_ahead_and_clear_of_the_stops(measure, speed):
    situation = wish(measure, bus=Bus(STRAIGHT, 1_000.0, speed))
    verdict = judge(situation)
    if verdict.possible:
        ahead = verdict.spot.measure_m - 1_000
        assert ahead >= 200
        assert speed <= 1 or ahead / speed >= 45
        assert min(abs(stop.measure_m - verdict.spot.measure_m) for stop in STRAIGHT.stops) >= 60
        assert distance_m(verdict.spot.point, situation.wanted) <= 50.5


class TestProposal:
    """What a driver offers in place of what was asked."""

    def test_is_the_next_permitted_place_before_the_next_stop(self):
        tunnel = rules(exclusions=(TUNNEL,))
        found = proposal(tunnel, Bus(STRAIGHT, 1_000.0), 2_250, NOW.date())
        assert found.measure_m == pytest.approx(2_320, abs=5)
        assert place_failure(tunnel, STRAIGHT, found, NOW.date()) is None

    def test_is_the_next_stop_where_no_place_is_left(self):
        found = proposal(rules(), Bus(STRAIGHT, 1_000.0), 2_420, NOW.date())
        assert found.measure_m == 2_500
        assert found.after.name == "Stop 5"

    def test_lies_before_the_bus(self):
        assert proposal(rules(), Bus(STRAIGHT, 2_280.0), 2_250, NOW.date()).measure_m == pytest.approx(2_310)

    @given(some.floats(1_300, 5_990), some.floats(1_000, 6_000))
    def test_stays_between_the_same_two_stops(self, measure, bus_m):
        found = proposal(rules(), Bus(STRAIGHT, bus_m), measure, NOW.date())
        if found is not None:
            assert found.measure_m <= STRAIGHT.stop_after(measure).measure_m
            assert found.measure_m > bus_m


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"kind": "circle", "reason": "works"}, "kind"),
        ({"kind": "point", "reason": "mood"}, "reason"),
        ({"kind": "point", "reason": "works"}, "point"),
        ({"kind": "point", "reason": "works", "point": {"latitude": 0, "longitude": 0}}, "point"),
        ({"kind": "point", "reason": "works", "point": {"latitude": 43, "longitude": 5, "radius_m": 900}}, "radius"),
        ({"kind": "segment", "reason": "works"}, "measures"),
        ({"kind": "area", "reason": "works", "area": {"type": "Polygon", "coordinates": [[[5, 43], [6, 44], [6, 43], [5, 44], [5, 43]]]}}, "cross"),
        ({"kind": "area", "reason": "works", "area": {"type": "Point", "coordinates": [5, 43]}}, "polygon"),
        ({"kind": "area", "reason": "works", "area": {"type": "Polygon", "coordinates": [[5]]}}, "polygon"),
        ({"kind": "area", "reason": "works", "area": None}, "polygon"),
        ({"kind": "point", "reason": "works", "point": {"latitude": 43, "longitude": 5}, "valid_until": "soon"}, "valid_until"),
        ({"kind": "point", "reason": "works", "point": {"latitude": 43, "longitude": 5}, "direction_id": 2}, "direction"),
    ],
)  # fmt: skip
def test_an_exclusion_that_cannot_be_meant_is_refused_with_a_reason(raw, words):
    with pytest.raises(ExclusionRefused, match=words):
        read_exclusion(raw)


@pytest.mark.parametrize("measures", [None, [1], [5, 5], [9, 3], [-1, 5], [6_000, 6_100]])
def test_a_piece_that_is_not_on_the_line_is_refused(measures):
    with pytest.raises(ExclusionRefused):
        read_measures(measures, 6_000)


def test_a_piece_ends_with_the_line():
    assert read_measures([5_900, 9_000], 6_000) == (5_900, 6_000)
    assert spot_at(STRAIGHT, 6_000).before is None
