"""What is wrong, as a table: from which figure on, by which code, and nothing else."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.watch.findings import (
    CODES,
    LIMITS,
    ChannelFigures,
    DrillFigures,
    Figures,
    is_failing,
    judge,
)

WELL = Figures(worker_silence_s=0.3, live_silence_s=1.9)
DRILLS = DrillFigures(every_s=30, age_s=12, ok=True, took_ms=180)


def codes(**figures):
    return [(one.code, one.subject) for one in judge(replace(WELL, **figures))]


def test_nothing_is_found_where_all_is_well():
    assert judge(WELL) == []
    assert codes(drill=DRILLS, channels=[ChannelFigures("fcm", 12, 3)], held_deaths=[("fcm", 0)]) == []


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        ({"overdue_round_s": 3.6}, [("round_overdue", "")]),
        ({"overdue_attention_s": 3.6}, [("attention_overdue", "")]),
        ({"overdue_night_stop_s": 4.1}, [("night_stop_overdue", "")]),
        ({"pending_delivery_s": 4.1}, [("delivery_stuck", "")]),
        ({"unheard_offer_s": 4.1}, [("feed_lag", "")]),
        ({"blind_s": 4.1}, [("feed_lag", "")]),
        ({"blind_s": 4.1, "unheard_offer_s": 9}, [("feed_lag", "")]),
        ({"database_away_s": 4.1}, [("database_away", "")]),
        ({"overdue_round_s": 3.5}, []),
        ({"worker_silence_s": 4.1}, [("worker_silent", "")]),
        ({"worker_silence_s": None}, [("worker_silent", "")]),
        ({"live_silence_s": 4.1}, [("live_silent", "")]),
        ({"live_silence_s": None}, []),
        ({"quarantined": 1}, [("quarantined", "")]),
        ({"under_review": 2}, [("restored", "")]),
        ({"channels": [ChannelFigures("fcm", 0, 5)]}, [("channel_failing", "fcm")]),
        ({"channels": [ChannelFigures("fcm", 0, 4)]}, []),
        ({"channels": [ChannelFigures("fcm", 1, 500)]}, []),
        ({"channels": [ChannelFigures("fcm", 0, 1, 1)]}, [("channel_failing", "fcm")]),
        ({"channels": [ChannelFigures("fcm", 1, 1, 1)]}, []),
        ({"channels": [ChannelFigures("sms", 0, 9), ChannelFigures("fcm", 0, 9)]},
         [("channel_failing", "fcm"), ("channel_failing", "sms")]),
        ({"held_deaths": [("webpush", 7)]}, [("address_deaths", "webpush")]),
        ({"drill": replace(DRILLS, ok=False, failed_step="offered")}, [("drill_failed", "offered")]),
        ({"drill": replace(DRILLS, age_s=80)}, []),
        ({"drill": replace(DRILLS, age_s=81)}, [("drill_late", "")]),
        ({"drill": replace(DRILLS, every_s=0, age_s=9_999, ok=False)}, []),
        ({"drill": DrillFigures(every_s=30)}, []),
        ({"drill": replace(DRILLS, certificate_days=21.0)}, []),
        ({"drill": replace(DRILLS, certificate_days=20.9)}, [("certificate_soon", "")]),
        ({"drill": replace(DRILLS, certificate_days=-1.0)}, [("certificate_soon", "")]),
    ],
)  # fmt: skip
def test_each_finding_by_its_figure(figures, found):
    assert codes(**figures) == found


LATE = [field.name for field in fields(Figures) if field.name.endswith("_s")]
FIGURES = st.builds(
    Figures,
    **{name: st.floats(0, 1e6) for name in LATE},
    channels=st.lists(
        st.builds(ChannelFigures, st.sampled_from(["fcm", "sms"]), st.integers(0, 9), st.integers(0, 9)),
        max_size=2, unique_by=lambda one: one.channel,
    ),
    held_deaths=st.lists(st.tuples(st.sampled_from(["fcm", "webpush"]), st.integers(0, 9)), max_size=2,
                         unique_by=lambda one: one[0]),
    quarantined=st.integers(0, 3),
    drill=st.builds(DrillFigures, st.integers(0, 60), st.none() | st.floats(0, 1e6), st.none() | st.booleans()),
)  # fmt: skip


@given(FIGURES)
def test_a_finding_is_known_by_code_and_subject_once_and_the_worst_comes_first(figures):
    found = judge(figures)
    assert len({one.key for one in found}) == len(found)
    places = [CODES.index(one.code) for one in found]
    assert places == sorted(places)


@given(FIGURES, st.sampled_from(LATE), st.floats(0, 1e6))
def test_what_gets_later_never_makes_anything_well(figures, name, more):
    before = {one.key for one in judge(figures)}
    after = {one.key for one in judge(replace(figures, **{name: (getattr(figures, name) or 0) + more}))}
    assert before <= after


@given(st.floats(0, 1e6))
def test_what_is_stuck_for_five_seconds_has_been_found(seconds):
    # The auditor looks every second.
    found = any(judge(replace(WELL, pending_delivery_s=max(0.0, seconds - 1))))
    assert found or seconds <= 5


@given(st.integers(0, 50), st.integers(0, 50))
def test_a_channel_through_which_anything_goes_does_not_fail(sent, failed):
    assert is_failing(ChannelFigures("fcm", sent, failed)) == (sent == 0 and failed >= LIMITS.attempts)
