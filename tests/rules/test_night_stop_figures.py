"""Figures about places and hours; whatever is asked, nobody among fewer than five can be told."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from backend.night_stops.figures import FEWEST, Wished, aggregate, hide


def wished(state="alighted", hour=23, stop="Castellane", reason=None, code=None, walk=120.0):
    accepted = state in ("accepted", "approaching", "alighted", "missed", "withdrawn")
    return Wished(state, hour, "509", stop, code, reason, accepted, walk)


def test_a_month_of_night_stops():
    month = [*[wished() for _ in range(30)], *[wished("refused", 0, reason="works") for _ in range(6)],
             *[wished("refused", 0, "Prado", reason="traffic") for _ in range(2)],
             *[wished("refused", 1, "Baille", reason="traffic") for _ in range(3)],
             *[wished("rejected", 5, code="too_late") for _ in range(9)]]  # fmt: skip
    found = aggregate(month)
    assert (found["requests"], found["asked"], found["accepted"], found["accepted_share"]) == (50, 41, 30, 0.732)
    assert found["by_code"] == [{"code": "alighted", "count": 30}, {"code": "refused", "count": 11}, {"code": "too_late", "count": 9}]
    assert found["by_refusal_and_place"] == [{"line_id": "509", "after_stop": "Castellane", "reason": "works", "count": 6}]
    assert found["hidden_places"] == 2
    assert found["metres_of_walking_avoided"] == 3_600
    # three wishes at one o'clock are hidden, and with them the next smallest hour: else the total would tell
    assert found["by_hour"] == [None, None, 0, 0, 0, 9, *[0] * 17, 30]


def test_nothing_happened():
    found = aggregate([])
    assert (found["requests"], found["accepted_share"], found["by_hour"]) == (0, None, [0] * 24)


def test_four_are_too_few_to_be_told():
    found = aggregate([wished() for _ in range(4)])
    assert found["requests"] is None
    assert found["metres_of_walking_avoided"] is None
    assert found["by_hour"][23] is None


@given(some.dictionaries(some.integers(), some.integers(1, 40)))
def test_no_hidden_cell_can_be_computed_from_the_others(cells):
    shown = hide(cells)
    assert set(shown) == set(cells)
    assert all(count is None or count == cells[cell] >= FEWEST for cell, count in shown.items())
    hidden = [cell for cell, count in shown.items() if count is None]
    assert len(hidden) != 1 or len(cells) == 1


STATES = ["alighted", "refused", "rejected", "expired", "missed", "cancelled"]


@given(some.lists(some.builds(
    wished, some.sampled_from(STATES), some.integers(0, 23), some.sampled_from(["A", "B", None]),
    some.sampled_from([None, "works", "traffic"]), some.sampled_from(["too_late", "off_route"])), max_size=60))
def test_what_is_shown_is_true_and_of_five_or_more(wishes):
    found = aggregate(wishes)
    for place in found["by_refusal_and_place"]:
        true = Counter((one.after_stop, one.refusal_reason) for one in wishes if one.state != "rejected")
        assert place["count"] == true[place["after_stop"], place["reason"]] >= FEWEST
    for hour, count in enumerate(found["by_hour"]):
        assert count is None or count in (0, sum(one.hour == hour for one in wishes))
        assert count is None or count == 0 or count >= FEWEST
    for name in ("requests", "asked", "accepted"):
        assert found[name] is None or found[name] == 0 or found[name] >= FEWEST
