"""Dispatch plans: what an installation may write, and how a mistake in one is said."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.alerts.categories import Category
from backend.dispatch.plan import DispatchPlan, PlanRefused, RoundPlan, read_plan

ROUND = {"radius_m": 1_000, "teams": 2, "answer_s": 20}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_an_empty_plan_is_the_one_that_ships():
    assert read_plan({}) == DispatchPlan()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "an object"),
        (None, "an object"),
        ({"rounds": []}, "an object"),
        ({"by_priority": []}, "by_priority"),
        ({"by_category": "theft"}, "by_category"),
        ({"by_priority": {"5": []}}, "by_priority.5"),
        ({"by_priority": {"one": []}}, "by_priority.one"),
        ({"by_priority": {"1": []}}, "at least one round"),
        ({"by_priority": {"2": {}}}, "by_priority.2"),
        ({"by_priority": {"2": [ROUND] * 9}}, "at most 8"),
        ({"by_priority": {"2": [{**ROUND, "teams": 0}]}}, r"by_priority.2\[0\].teams"),
        ({"by_priority": {"2": [{**ROUND, "teams": True}]}}, r"by_priority.2\[0\].teams"),
        ({"by_priority": {"2": [{**ROUND, "radius_m": 99}]}}, "radius_m"),
        ({"by_priority": {"2": [{**ROUND, "radius_m": 100_001}]}}, "radius_m"),
        ({"by_priority": {"2": [{**ROUND, "answer_s": 4}]}}, "answer_s"),
        ({"by_priority": {"2": [{**ROUND, "answer_s": 20.5}]}}, "answer_s"),
        ({"by_priority": {"2": [{"radius_m": 500}]}}, "exactly"),
        ({"by_priority": {"2": [{**ROUND, "channel": "sms"}]}}, "exactly"),
        ({"by_priority": {"2": [{**ROUND, "radius_m": 900}, {**ROUND, "radius_m": 800}]}}, "shrink"),
        ({"by_category": {"thefts": [ROUND]}}, "no such category"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_with_the_place_of_the_mistake(document, said):
    with pytest.raises(PlanRefused, match=said):
        read_plan(document)


@given(values | st.fixed_dictionaries({"by_priority": values, "by_category": values}))
def test_no_document_does_anything_but_be_read_or_refused(document):
    try:
        plan = read_plan(document)
    except PlanRefused as refused:
        assert str(refused)
        return
    assert plan.rounds(1, None)


def test_a_category_has_its_own_rounds_unless_somebody_is_in_immediate_danger():
    plan = read_plan(json.loads(json.dumps({"by_category": {"theft": []}, "by_priority": {"3": [ROUND]}})))
    assert plan.rounds(2, Category.THEFT) == ()
    assert plan.rounds(1, Category.THEFT) == DispatchPlan().by_priority[1]
    assert plan.rounds(3, Category.ANTISOCIAL) == (RoundPlan(1_000, 2, 20),)
