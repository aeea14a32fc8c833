"""How urgent an alert is, and why."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.alerts.categories import PRIORITY, Category, urgency

everything = st.fixed_dictionaries(
    {
        "witness": st.booleans(),
        "silent": st.booleans(),
        "duress": st.booleans(),
        "corroborated": st.booleans(),
        "set_by_operator": st.none() | st.integers(1, 4),
    }
)
categories = st.none() | st.sampled_from(Category)


def test_every_category_has_a_priority():
    assert set(PRIORITY) == set(Category)


@given(categories, everything)
def test_a_priority_is_always_known_and_always_has_a_reason(category, said):
    found = urgency(category, **said)
    assert 1 <= found.priority <= 4
    assert found.reasons
    assert len(set(found.reasons)) == len(found.reasons)


@given(categories, everything)
def test_duress_is_always_the_worst_whatever_an_operator_had_set(category, said):
    assert urgency(category, **{**said, "duress": True}).priority == 1


@given(categories, everything, st.integers(1, 4))
def test_an_operator_knows_better_than_the_table(category, said, wished):
    found = urgency(category, **{**said, "duress": False, "set_by_operator": wished})
    assert (found.priority, found.reasons) == (wished, ("operator",))


@given(everything)
def test_an_alert_that_says_nothing_is_held_to_be_the_worst(said):
    assert urgency(None, **{**said, "set_by_operator": None}).priority == 1


@pytest.mark.parametrize("category", list(Category))
@pytest.mark.parametrize(("silent", "corroborated"), list(itertools.product((False, True), repeat=2)))
def test_more_danger_never_lowers_the_priority(category, silent, corroborated):
    def weighed(**said):
        return urgency(category, **{"witness": False, "silent": False, "duress": False, **said}).priority

    assert weighed(silent=silent, corroborated=True) <= weighed(silent=silent)
    assert weighed(silent=True, corroborated=corroborated) <= weighed(corroborated=corroborated)
    assert weighed(silent=silent) <= weighed(silent=silent, witness=True)
