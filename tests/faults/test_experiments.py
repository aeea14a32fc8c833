"""Every experiment of priority 1: whatever breaks, each invariant holds. Times are printed, never asserted."""

import pytest

from faults.registry import all_experiments
from faults.running import line, stage

FIRST = [one for one in all_experiments() if one.priority == 1]
# Those that need an installation of their own come last, so that the others share one.
FIRST.sort(key=lambda one: one.alone)


@pytest.fixture(scope="module")
def on():
    with stage() as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("one", FIRST, ids=lambda one: one.id)
def test_every_invariant_holds(one, on, capsys):
    found = on.run(one)
    with capsys.disabled():
        print(f"\n{line(one, found)}")
    assert found.faults == []


def test_the_list_is_whole():
    known = {one.id for one in all_experiments()}
    wanted = {f"F{number:02}" for number in range(1, 37)}
    assert wanted - known == set()
    assert all(one.title and one.fault and one.bar and one.invariants for one in all_experiments())
