"""What a phone in distress may send: never refused, each mistake named, nothing stored that cannot be (B01-B09, B13-B15)."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.alerts.categories import Category
from backend.alerts.intake import content_hash, read_alert, read_details
from backend.alerts.reading import MAX_TEXT
from backend.problem_texts import PROBLEMS

NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
OLD_PORT = {"latitude": 43.2951, "longitude": 5.374}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats()
    | st.text(max_size=30)
    | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
positions = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("latitude", "longitude", "accuracy_m", "accuracy_confidence", "fix_age_ms", "provider", "precise"), anything
    ),
)
places = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("line_id", "direction_id", "vehicle_number", "stop_id", "station", "carriage"), anything),
)
bodies = st.dictionaries(st.text(max_size=8), anything, max_size=3) | st.fixed_dictionaries(
    {},
    optional={
        "category": anything | st.sampled_from([one.value for one in Category]),
        "reporter_role": anything,
        "contact_mode": anything,
        "armed": anything,
        "exercise": anything,
        "description": anything,
        "position": anything | positions,
        "place": anything | places,
        "observed_at": anything,
        "sent_at": anything,
        "queued_ms": anything,
        "state": anything,
        "priority": anything,
    },
)


def storable(text, longest):
    return text is None or (len(text) <= longest and "\x00" not in text and text.encode("utf-8") is not None)


@given(bodies)
@example({"category": []})
@example({"observed_at": "\x00\ud800"})
@example({"place": {"direction_id": 1.0}})
@example({"position": {**OLD_PORT, "accuracy_m": 1e308, "accuracy_confidence": 68}})
@example({"sent_at": "0001-01-01T00:00:00+14:00", "observed_at": "9999-12-31T23:59:59-14:00"})
def test_no_alert_is_refused_and_all_that_is_kept_can_be_stored(body):
    found = read_alert(body, NOW)
    assert all(code in PROBLEMS for code, _ in found.warnings)
    assert len(set(found.warnings)) == len(found.warnings)
    assert found.category is None or found.category in Category
    assert found.reporter_role in ("victim", "witness")
    assert found.contact_mode in ("can_talk", "cannot_talk")
    assert storable(found.description, MAX_TEXT)
    assert storable(found.device_observed_at, 40)
    for name, longest in (("line_id", 80), ("vehicle_number", 40), ("stop_id", 80), ("station", 80), ("carriage", 40)):
        assert storable(getattr(found.place, name), longest), name
    assert found.place.direction_id in (None, 0, 1)
    assert not isinstance(found.place.direction_id, bool | float)
    assert found.observed_at.tzinfo is UTC
    assert NOW - timedelta(days=30) <= found.observed_at <= NOW
    assert found.skew_ms is None or abs(found.skew_ms) < 2**31
    assert len(found.content_hash) == 32
    if found.position is not None:
        assert abs(found.position.latitude) <= 90
        assert abs(found.position.longitude) <= 180
        assert found.position.accuracy_m is None or 0 < found.position.accuracy_m < 50_000_000
        assert 0 <= found.position.age_ms <= 86_400_000


@given(bodies)
def test_details_are_never_refused_either(body):
    found = read_details(body)
    assert all(code in PROBLEMS for code, _ in found.warnings)
    assert storable(found.description, MAX_TEXT)
    assert found.reporter_role in (None, "victim", "witness")
    assert found.contact_mode in (None, "can_talk", "cannot_talk")


def codes(body):
    return {code for code, _ in read_alert(body, NOW).warnings}


@pytest.mark.parametrize(
    "latitude", [math.nan, math.inf, -math.inf, True, "north", "", None, 91, -90.01, [], {}, 10**400]
)
def test_a_position_that_is_none_leaves_the_alert_without_one(latitude):
    found = read_alert({"position": {**OLD_PORT, "latitude": latitude}}, NOW)
    assert found.position is None
    assert [code for code, _ in found.warnings] == ["location_invalid"]


@pytest.mark.parametrize(("text", "meant"), [("43.2951", 43.2951), ("43,29", 43.29), (" -5.5 ", -5.5), ("+7", 7.0)])
def test_a_number_written_as_text_is_read_when_it_can_only_mean_one(text, meant):
    found = read_alert({"position": {"latitude": text, "longitude": 5.374}}, NOW)
    assert found.position.latitude == meant
    assert codes({"position": {"latitude": text, "longitude": 5.374}}) == {"location_repaired"}


@pytest.mark.parametrize("text", ["43.29.51", "1,234.5", "4e1", "0x2b", "43°17'", "nan", "43.29N"])
def test_a_number_that_could_mean_something_else_is_not_guessed(text):
    assert codes({"position": {"latitude": text, "longitude": 5.374}}) == {"location_invalid"}


def test_nowhere_is_not_the_gulf_of_guinea():
    found = read_alert({"position": {"latitude": 0, "longitude": 0.0}}, NOW)
    assert found.position is None
    assert found.position_odd
    assert codes({"position": {"latitude": 0, "longitude": 0}}) == {"out_of_area"}


@pytest.mark.parametrize(
    ("accuracy", "kept", "warned"),
    [(-1, None, {"accuracy_invalid"}), (0, None, {"accuracy_invalid"}), ("far", None, {"accuracy_invalid"}),
     (50_000, 50_000, {"location_vague"}), (501, 501, {"location_vague"}), (500, 500, set()), (None, None, set())],
)  # fmt: skip
def test_the_circle_of_doubt_is_kept_or_left_out(accuracy, kept, warned):
    body = {"position": {**OLD_PORT, "accuracy_m": accuracy, "accuracy_confidence": 95}}
    assert read_alert(body, NOW).position.accuracy_m == kept
    assert codes(body) == warned


@pytest.mark.parametrize("said", [{"accuracy_confidence": 68}, {"accuracy_confidence": None}, {}])
def test_a_radius_of_68_percent_becomes_one_of_95(said):
    position = {**OLD_PORT, "accuracy_m": 100, **said}
    assert read_alert({"position": position}, NOW).position.accuracy_m == pytest.approx(162)


@pytest.mark.parametrize(
    "claim", ["1970-01-01T00:00:00Z", "2026-11-25T21:00:00Z", "2026-11-22T21:00:00", "soon", 7, []]
)
def test_a_phone_with_a_wrong_clock_does_not_decide_when_it_was(claim):
    found = read_alert({"position": OLD_PORT, "observed_at": claim}, NOW)
    assert found.observed_at == NOW
    assert found.device_observed_at == str(claim)
    assert [code for code, _ in found.warnings] == ["device_time_invalid"]


def test_an_alert_that_waited_in_a_tunnel_is_as_old_as_the_phone_says_it_waited():
    queued = read_alert({"position": OLD_PORT, "queued_ms": 90_000}, NOW)
    assert queued.observed_at == NOW - timedelta(seconds=90)
    by_both_times = read_alert(
        {"position": OLD_PORT, "observed_at": "2031-01-01T00:00:00Z", "sent_at": "2031-01-01T00:01:30Z"}, NOW
    )
    assert by_both_times.observed_at == NOW - timedelta(seconds=90), "two times of one wrong clock still tell how long"
    assert "late" in codes({"position": OLD_PORT, "queued_ms": 601_000})
    assert "late" not in codes({"position": OLD_PORT, "queued_ms": 599_000})


def test_an_unknown_category_is_another_one():
    for unknown in ("harassment", "", 7, ["assault"], "x" * 1000):
        found = read_alert({"category": unknown, "position": OLD_PORT}, NOW)
        assert found.category == Category.OTHER
        assert found.warnings == (("category_unknown", "category"),)


def test_words_are_cut_and_cleaned_and_otherwise_kept():
    assert codes({"position": OLD_PORT, "description": "x" * 2_001}) == {"text_cut"}
    for text, kept in (("a\x00b", "ab"), ("a\ud800b", "a?b")):
        found = read_alert({"position": OLD_PORT, "description": text}, NOW)
        assert found.description == kept
        assert found.warnings == (("text_cleaned", "description"),)
    for text in ("\u202eabc", "a\u200bb", "e" + "\u0301" * 200, "🆘🆘", "'; DROP TABLE alerts;--", "=1+1", "a\r\nb"):
        found = read_alert({"position": OLD_PORT, "description": text}, NOW)
        assert found.description == text
        assert found.warnings == ()


def test_fields_that_only_the_server_writes_are_ignored_and_named():
    body = {"position": OLD_PORT, "role": "admin", "state": "closed", "priority": 4}
    assert read_alert(body, NOW).warnings == tuple(("field_ignored", name) for name in ("priority", "role", "state"))


def test_without_any_place_somebody_must_ask_for_one():
    assert codes({}) == {"location_missing"}
    assert codes({"place": {"line_id": "83"}}) == {"location_missing"}
    assert codes({"place": {"vehicle_number": 4242}}) == set()


@given(bodies, st.integers(0, 10**6), st.booleans())
def test_a_retry_is_the_same_alert_whatever_its_clock_says_and_whether_it_still_waits(body, queued_ms, armed):
    retry = {**body, "queued_ms": queued_ms, "sent_at": "2026-11-22T21:00:09Z", "armed": armed}
    assert content_hash(retry) == content_hash(body)
    assert content_hash({**body, "description": "canary"}) != content_hash(body) or body.get("description") == "canary"
