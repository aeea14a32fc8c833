"""Fixes: what a phone may send, what is believed, and why the rest is not."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.people.fixes import Fix, accuracy_95, judge, judge_in_series, metres_between, read_fix
from tests.fakes import OPENING_NIGHT as NOW

HERE = {"latitude": 43.2965, "longitude": 5.3698}
DEGREE_M = 111_195.08


def seconds(amount):
    return NOW + timedelta(seconds=amount)


def fix(east_m=0.0, at=0.0, accuracy_m=10.0):
    longitude = 5.3698 + east_m / (DEGREE_M * math.cos(math.radians(43.2965)))
    return Fix(43.2965, longitude, seconds(at), accuracy_m)


class TestReading:
    def test_a_whole_fix(self):
        raw = HERE | {
            "accuracy_m": 8, "accuracy_confidence": 68, "heading_deg": 360, "speed_mps": 1.5, "provider": "gnss",
            "fix_age_ms": 1500, "vehicle_number": " 1234 ", "stop_id": "S1",
        }  # fmt: skip
        found = read_fix(raw, NOW)
        assert found.accuracy_m == pytest.approx(12.97, abs=0.01)
        assert found == Fix(43.2965, 5.3698, seconds(-1.5), found.accuracy_m, 0.0, 1.5, "gnss", "1234", "S1")

    def test_two_numbers_are_enough(self):
        assert read_fix(HERE, NOW) == Fix(43.2965, 5.3698, NOW)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"latitude": math.nan}, {"latitude": math.inf}, {"longitude": -math.inf}, {"latitude": True}, {"latitude": "43.2"},
            {"latitude": 91}, {"longitude": 181}, {"latitude": 0, "longitude": 0}, {"latitude": None}, {"latitude": 10**400},
            {"latitude": [43.2]}, {"fix_at": "yesterday"}, {"fix_at": "2026-11-22T21:00:00"}, {"fix_at": 5}, {"fix_age_ms": -1},
            {"fix_age_ms": True}, {"fix_age_ms": math.nan}, {"fix_age_ms": "12"}, {"fix_at": "0001-01-01T00:00:00+23:59"},
        ],
        ids=repr,
    )  # fmt: skip
    def test_no_place_or_no_time_is_no_fix(self, wrong):
        assert read_fix(HERE | wrong, NOW) is None

    @pytest.mark.parametrize(
        ("wrong", "name", "value"),
        [
            ({"accuracy_m": 0}, "accuracy_m", None), ({"accuracy_m": -1}, "accuracy_m", None),
            ({"accuracy_m": math.inf}, "accuracy_m", None), ({"accuracy_m": "5"}, "accuracy_m", None),
            ({"heading_deg": -1}, "heading_deg", None), ({"heading_deg": 720}, "heading_deg", None),
            ({"speed_mps": -1}, "speed_mps", None), ({"speed_mps": 900}, "speed_mps", None),
            ({"provider": "magic"}, "provider", "unknown"), ({"provider": 3}, "provider", "unknown"),
            ({"vehicle_number": ""}, "vehicle_number", None), ({"vehicle_number": "x" * 41}, "vehicle_number", None),
            ({"vehicle_number": "a\x00b"}, "vehicle_number", None), ({"stop_id": 7}, "stop_id", None),
        ],
        ids=repr,
    )  # fmt: skip
    def test_a_wrong_optional_field_is_left_out(self, wrong, name, value):
        assert getattr(read_fix(HERE | wrong, NOW), name) == value

    def test_the_age_counts_before_the_phones_clock(self):
        raw = HERE | {"fix_age_ms": 2000, "fix_at": "1970-01-01T00:00:00Z"}
        assert read_fix(raw, NOW).fix_at == seconds(-2)

    def test_a_clock_a_little_ahead_is_put_right(self):
        assert read_fix(HERE | {"fix_at": "2026-11-22T21:00:09Z"}, NOW).fix_at == NOW
        ahead = read_fix(HERE | {"fix_at": "2026-11-22T21:00:11Z"}, NOW)
        assert judge(ahead, None, NOW) == "future"

    def test_accuracy_is_that_of_95_percent(self):
        assert accuracy_95(10, 68) == pytest.approx(16.21, abs=0.01)
        assert accuracy_95(10, 95) == 10

    @pytest.mark.parametrize("left_out", [None, "95", 0])
    def test_accuracy_without_a_confidence_is_that_of_68_percent(self, left_out):
        # As the contract says: Android and iOS mean 68 %, only browsers mean 95 %, and ours say so.
        assert accuracy_95(10, left_out) == accuracy_95(10) == accuracy_95(10, 68)

    @given(st.dictionaries(
        st.sampled_from(["latitude", "longitude", "fix_at", "fix_age_ms", "accuracy_m", "accuracy_confidence", "heading_deg",
                         "speed_mps", "provider", "vehicle_number", "stop_id"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()) | st.datetimes().map(str),
    ))  # fmt: skip
    def test_nothing_that_a_phone_sends_raises(self, raw):
        found = read_fix(raw, NOW)
        if found is not None:
            judge(found, fix(), NOW)


class TestJudging:
    @pytest.mark.parametrize(
        ("this", "last", "code"),
        [
            (fix(), None, None),
            (fix(at=-60), None, None),
            (fix(at=-60.001), None, "stale"),
            (fix(at=10), None, None),
            (fix(at=10.001), None, "future"),
            (fix(accuracy_m=1000), None, None),
            (fix(accuracy_m=1001), None, "inaccurate"),
            (Fix(0, 0, NOW), None, "invalid"),
            (Fix(math.nan, 5, NOW), None, "invalid"),
            (fix(at=0), fix(at=0), "older_than_last"),
            (fix(at=-1), fix(at=0), "older_than_last"),
            (fix(east_m=700 + 15, at=0), fix(at=-10), None),
            (fix(east_m=700 + 25, at=0), fix(at=-10), "implausible"),
            (fix(east_m=7000, at=0, accuracy_m=None), fix(at=-1, accuracy_m=None), "implausible"),
            (fix(east_m=160, at=0, accuracy_m=None), fix(at=-1, accuracy_m=None), None),
            (Fix(43.0, 179.999, NOW, 10), Fix(43.0, -179.999, seconds(-5), 10), None),
        ],
    )
    def test_table(self, this, last, code):
        assert judge(this, last, NOW) == code

    def test_metres(self):
        assert metres_between(fix(), fix(east_m=1000)) == pytest.approx(1000, rel=1e-6)


def follow(fixes):
    doubted: tuple[Fix, ...] = ()
    last, codes = None, []
    for each in fixes:
        code, doubted = judge_in_series(each, last, doubted, each.fix_at)
        last = each if code is None else last
        codes.append(code)
    return codes, last


class TestSeries:
    def test_one_glitch_is_refused_and_forgotten(self):
        codes, last = follow([fix(0, 0), fix(9000, 1), fix(2, 2), fix(9000, 3), fix(4, 4)])
        assert codes == [None, "implausible", None, "implausible", None]
        assert last == fix(4, 4)

    def test_three_that_agree_are_believed(self):
        codes, last = follow([fix(0, 0), fix(9000, 1), fix(9010, 2), fix(9020, 3), fix(9030, 4)])
        assert codes == [None, "implausible", "implausible", None, None]
        assert last == fix(9030, 4)

    def test_three_wild_ones_are_not(self):
        codes, last = follow([fix(0, 0), fix(9000, 1), fix(-9000, 2), fix(20_000, 3), fix(1, 4)])
        assert codes == [None, *["implausible"] * 3, None]
        assert last == fix(1, 4)

    def test_the_same_doubted_fix_three_times_is_one(self):
        codes, _ = follow([fix(0, 0), fix(9000, 1), fix(9000, 1), fix(9000, 1)])
        assert codes == [None, *["implausible"] * 3]

    @given(st.lists(st.tuples(st.floats(-50_000, 50_000), st.floats(0, 3)), max_size=30))
    def test_doubt_never_grows_and_time_never_runs_back(self, steps):
        doubted: tuple[Fix, ...] = ()
        last, at = None, 0.0
        for east_m, later in steps:
            at += later
            this = fix(east_m, at)
            code, doubted = judge_in_series(this, last, doubted, seconds(at))
            assert len(doubted) < 3
            if code is None:
                assert last is None or this.fix_at > last.fix_at
                last = this
