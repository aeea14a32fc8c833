"""Names as typed, colours that can be read, the order of stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import LineString

from backend.network.line_looks import color_of, mode_of, text_color_on
from backend.network.names import folded
from backend.network.patterns import order_of_stops, shapes_for_map


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("Sainte-Marguerite – Dromel", "ste marguerite DROMEL"),
        ("L'Estaque", "l estaque"),
        ("Cinq Avenues · Longchamp", "cinq avenues longchamp"),
        ("Sacré-Cœur", "sacre coeur"),
        ("Gèze", "GEZE"),
    ],
)
def test_a_name_is_found_as_riders_type_it(written, typed):
    assert folded(written) == folded(typed)


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(name):
    assert folded(folded(name)) == folded(name)


@pytest.mark.parametrize(
    ("code", "mode"),
    [(0, "tram"), (1, "metro"), (2, "other"), (3, "bus"), (4, "ferry"), (11, "bus"), (401, "metro"), (704, "bus"),
     (900, "tram"), (1000, "ferry"), (1700, "other"), (99, "other")],
)  # fmt: skip
def test_every_route_type_is_a_mode(code, mode):
    assert mode_of(code) == mode


def test_a_colour_that_cannot_be_read_gives_way():
    assert color_of("#1F8FD6", "metro") == "#1f8fd6"
    assert color_of("blue", "metro").startswith("#")
    assert text_color_on("#213965", "000000") == "#ffffff", "black on navy cannot be read"
    assert text_color_on("#ffdd00", "") == "#000000"


PATTERN = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True).map(tuple)


@given(st.lists(st.tuples(PATTERN, st.integers(1, 9)), min_size=1, max_size=6))
def test_every_stop_is_told_and_the_most_usual_way_keeps_its_order(patterns):
    order = order_of_stops(patterns)
    assert set(order) == {stop for stops, _ in patterns for stop in stops}
    assert len(order) == len(set(order))
    usual = max(patterns, key=lambda p: (p[1], len(p[0])))[1]
    best = [stops for stops, trips in patterns if trips == usual]
    assert any([stop for stop in order if stop in stops] == list(stops) for stops in best)


def test_a_loop_keeps_the_stop_where_it_begins_and_ends():
    assert order_of_stops([((1, 2, 3, 1), 3)]) == [1, 2, 3, 1]


def test_only_ways_that_add_something_are_drawn():
    whole = LineString([(5.0, 43.0), (5.1, 43.0)])
    part = LineString([(5.02, 43.0001), (5.06, 43.0001)])
    branch = LineString([(5.05, 43.0), (5.05, 43.05)])
    assert shapes_for_map([("part", 1, part), ("whole", 9, whole), ("branch", 2, branch)]) == {"whole", "branch"}
