"""Service days and night windows, on ordinary days and on the nights when the clocks change; trips by time."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.network.runs import PatternRuns, Repeats, Trip
from backend.network.timetable import NightWindow, ServiceDays, day_begins, days_at, instant, running

PARIS = ZoneInfo("Europe/Paris")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)
NIGHT = NightWindow(time(22), time(5))
INSTANTS = some.integers(1_767_225_600, 1_830_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))


def local(day, hour, minute=0, fold=0):
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=PARIS, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "begins"),
    [
        (date(2026, 11, 22), "2026-11-21T23:00"),
        (SPRING, "2026-03-28T22:00"),  # 23:00 of the evening before
        (AUTUMN, "2026-10-24T23:00"),  # 01:00 of the day itself
        (date(2026, 7, 1), "2026-06-30T22:00"),
    ],
)
def test_a_service_day_begins_twelve_hours_before_noon(day, begins):
    assert day_begins(day, PARIS) == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert instant(day, 12 * 3600, PARIS) == local(day, 12)


def test_a_bus_after_midnight_runs_on_the_evening_before():
    now = local(date(2026, 11, 23), 1, 10)
    assert days_at(now, PARIS) == [(date(2026, 11, 22), 25 * 3600 + 600), (date(2026, 11, 23), 4200)]


def test_the_first_hour_of_the_spring_day_is_the_evening_before():
    assert (SPRING, 1800) in days_at(local(SPRING - timedelta(days=1), 23, 30), PARIS)


@pytest.mark.parametrize(("fold", "second"), [(0, 25 * 3600 + 5400), (1, 25 * 3600 + 9000)])
def test_the_double_hour_of_autumn_is_two_different_hours(fold, second):
    now = local(AUTUMN, 2, 30, fold)
    found = dict(days_at(now, PARIS))
    assert found[AUTUMN - timedelta(days=1)] == second
    assert found[AUTUMN] == second - 25 * 3600


@given(INSTANTS)
def test_every_instant_has_a_service_day_and_comes_back_from_it(now):
    found = days_at(now, PARIS)
    assert found
    for day, second in found:
        assert instant(day, second, PARIS) == now


@pytest.mark.parametrize(
    ("day", "hour", "minute", "fold", "open_on"),
    [
        (date(2026, 11, 22), 21, 59, 0, None),
        (date(2026, 11, 22), 22, 0, 0, date(2026, 11, 22)),
        (date(2026, 11, 23), 4, 59, 0, date(2026, 11, 22)),
        (date(2026, 11, 23), 5, 0, 0, None),
        (SPRING, 3, 0, 0, SPRING - timedelta(days=1)),
        (SPRING, 4, 59, 0, SPRING - timedelta(days=1)),
        (SPRING, 5, 0, 0, None),
        (AUTUMN, 2, 30, 0, AUTUMN - timedelta(days=1)),
        (AUTUMN, 2, 30, 1, AUTUMN - timedelta(days=1)),
        (AUTUMN, 4, 59, 0, AUTUMN - timedelta(days=1)),
        (AUTUMN, 5, 0, 0, None),
    ],
)
def test_the_night_belongs_to_its_evening(day, hour, minute, fold, open_on):
    assert NIGHT.day_of(local(day, hour, minute, fold), PARIS) == open_on


@pytest.mark.parametrize(
    ("evening", "hours"), [(date(2026, 11, 21), 7), (SPRING - timedelta(days=1), 6), (AUTUMN - timedelta(days=1), 8)]
)
def test_a_night_is_as_long_as_the_clocks_say(evening, hours):
    first, last = NIGHT.opening(evening, PARIS)
    assert last - first == timedelta(hours=hours)


def test_a_window_ends_where_the_clocks_jump_over_its_end():
    jump = datetime(2026, 3, 29, 1, tzinfo=UTC)
    late = NightWindow(time(23), time(2, 30))
    assert late.opening(SPRING - timedelta(days=1), PARIS)[1] == jump
    early = NightWindow(time(2, 30), time(6))
    assert early.opening(SPRING, PARIS)[0] == jump
    assert early.day_of(local(SPRING, 3), PARIS) == SPRING


def test_a_window_that_ends_in_the_double_hour_ends_with_the_second():
    window = NightWindow(time(23), time(2, 30))
    evening = AUTUMN - timedelta(days=1)
    assert window.day_of(local(AUTUMN, 2, 45, 0), PARIS) == evening
    assert window.day_of(local(AUTUMN, 2, 29, 1), PARIS) == evening
    assert window.day_of(local(AUTUMN, 2, 30, 1), PARIS) is None


@given(
    some.dates(date(2026, 1, 1), date(2027, 12, 31)), some.times(), some.times(),
    INSTANTS,
)  # fmt: skip
def test_the_day_of_a_window_is_one_on_which_it_is_open(day, starts, ends, now):
    window = NightWindow(starts.replace(second=0, microsecond=0), ends.replace(second=0, microsecond=0))
    first, last = window.opening(day, PARIS)
    assert first <= last
    found = window.day_of(now, PARIS)
    if found is not None:
        first, last = window.opening(found, PARIS)
        assert first <= now < last


def test_weekdays_and_exceptions_decide_what_runs():
    weekdays = ServiceDays(0b0011111, date(2026, 11, 1), date(2026, 11, 30), {date(2026, 11, 11): False})
    extra = ServiceDays(0, date(2026, 11, 11), date(2026, 11, 11), {date(2026, 11, 11): True})
    services = {"week": weekdays, "extra": extra}
    assert running(services, date(2026, 11, 10)) == {"week"}
    assert running(services, date(2026, 11, 11)) == {"extra"}
    assert running(services, date(2026, 11, 14)) == set()
    assert running(services, date(2026, 12, 1)) == set()


class TestRuns:
    """A pattern of three stops, 1,000 m apart, ten minutes each, a minute at the one between."""

    measures = (0.0, 1000.0, 2000.0)

    def trip(self, start, name="t", repeats=(), service="s"):
        return Trip(name, service, [start, start, start + 600, start + 660, start + 1260, start + 1260], repeats)

    def test_the_trip_that_is_due_here(self):
        runs = PatternRuns(self.measures, [self.trip(36_000, "ten"), self.trip(37_800, "half past")])
        out = dict(runs.out_at(500.0, 36_300, {"s"}))
        assert out == {"ten": 0.0}
        assert dict(runs.out_at(500.0, 37_500, {"s"})) == {"ten": 1200.0, "half past": -600.0}
        assert not list(runs.out_at(500.0, 36_300, {"other"}))

    def test_where_a_trip_is_due(self):
        runs = PatternRuns(self.measures, [self.trip(36_000)])
        places = [runs.place_at("t", 36_000 + second) for second in (-5, 0, 300, 600, 630, 660, 960, 1260, 5000)]
        assert places == [0.0, 0.0, 500.0, 1000.0, 1000.0, 1000.0, 1500.0, 2000.0, 2000.0]
        assert runs.place_at("no", 5) is None
        assert runs.due_s("no", 5) is None
        assert "t" in runs
        assert "no" not in runs

    @given(some.integers(0, 100_000), some.integers(-300, 1500))
    def test_place_and_time_say_the_same(self, start, into):
        runs = PatternRuns(self.measures, [self.trip(start)])
        place = runs.place_at("t", start + into)
        due = runs.due_s("t", place)
        if 0 < into < 1260 and not 600 <= into <= 660:
            assert due == pytest.approx(start + into, abs=0.01)

    def test_a_trip_that_repeats_is_out_as_often(self):
        repeated = self.trip(0, "often", (Repeats(36_000, 39_600, 600),))
        runs = PatternRuns(self.measures, [repeated])
        for start in range(36_000, 39_600, 600):
            assert dict(runs.out_at(500.0, start + 310, {"s"})) == {"often": 10.0}
        assert dict(runs.out_at(500.0, 39_000 + 300 + 900, {"s"})) == {"often": 900.0}, "no start at 11:00 itself"

    def test_an_empty_pattern_runs_nothing(self):
        assert not list(PatternRuns((), []).out_at(0, 0, {"s"}))
