"""What each audience may see. Under duress the phone shows what it shows after any cancel, event by event."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.alerts import views
from backend.alerts.lifecycle import AlertState, AssignmentState
from backend.alerts.models import Alert, AlertMessage, Assignment
from backend.alerts.views import AssignmentCard
from backend.times import stamp

NOW = datetime(2026, 11, 22, 21, tzinfo=UTC)
ALERT, TEAM = uuid.uuid4(), uuid.uuid4()


def alert(**said):
    known = {
        "id": ALERT, "device_id": uuid.uuid4(), "version": 3, "state": AlertState.OPEN, "category": "assault",
        "reporter_role": "victim", "contact_mode": "cannot_talk", "description": "canary words", "received_at": NOW,
        "observed_at": NOW, "duress": False, "suspect": True, "exercise": False, "late": False, "out_of_area": False,
        "priority": 1, "priority_reasons": [], "similar": [], "warnings": [], "round_no": 1, "needs_human": False,
        "lat": 43.2951, "lon": 5.374, "accuracy_m": 8.0, "position_at": NOW, "provider": "gnss",
    }  # fmt: skip
    return Alert(**{**known, **said})


def card(state=AssignmentState.EN_ROUTE, at=NOW):
    assignment = Assignment(
        id=uuid.uuid4(), alert_id=ALERT, team_id=TEAM, delivery_id=uuid.uuid4(), slot=1, version=2, state=state,
        by_hand=False, round_no=1, distance_m=240.4, reasons=[{"code": "same_vehicle"}], offered_at=NOW,
        answer_by=NOW + timedelta(seconds=20), accepted_at=at, changed_at=at,
    )  # fmt: skip
    return AssignmentCard(assignment, "GAP 3")


PROGRESS = st.lists(
    st.sampled_from(
        ["seen", "acknowledged", "assigned", "en_route", "on_scene", "released", "needs_human", "resolved"]
    ),
    max_size=8,
)


def happens(one, cards, what, at):
    """Something that others do: what it leaves in the alert, whichever way she cancelled."""
    one.version += 1
    if what == "seen":
        one.seen_at = one.seen_at or at
    elif what == "acknowledged":
        one.acknowledged_at = at
    elif what == "needs_human":
        one.needs_human, one.needs_human_since = True, at
    elif what in ("released", "resolved"):
        one.state, cards[:] = {"released": "open", "resolved": "resolved"}[what], []
    else:
        one.state = what
        cards[:] = [card(AssignmentState.ACCEPTED if what == "assigned" else AssignmentState(what), at)]


def cancels(one, at, *, duress):
    one.cancel_requested_at, one.cancel_version = at, one.version + 1
    one.version += 1
    if duress:
        one.duress, one.cancel_how = True, "duress"
    else:
        one.cancel, one.cancel_how = "requested", "pin"


@given(PROGRESS, PROGRESS, st.booleans())
def test_whatever_happens_a_cancel_under_duress_looks_like_a_cancel(before, after, decided):
    phones = []
    for duress in (False, True):
        one, cards, seen, at = alert(), [], [], NOW
        for what in before:
            at += timedelta(seconds=1)
            happens(one, cards, what, at)
        at += timedelta(seconds=1)
        cancels(one, at, duress=duress)
        seen.append(views.rider_view(one, cards))
        for what in after:
            at += timedelta(seconds=1)
            happens(one, cards, what, at)
            seen.append(views.rider_view(one, cards))
        if decided:
            at += timedelta(seconds=1)
            one.version += 1
            one.closed_at = at
            # An operator confirms the one; the other ends like any alert.
            one.state, one.cancel = ("closed", None) if duress else ("cancelled", "confirmed")
            seen.append(views.rider_view(one, []))
        phones.append([{**view, "id": None} for view in seen])
    ordinary, forced = phones
    assert ordinary == forced
    for view in ordinary[: len(after) + 1]:
        assert view["state"] == "cancel_requested"
        assert all(fact in ordinary[0]["facts"] for fact in view["facts"]), "nothing new until somebody decides"


def test_a_cancel_before_it_went_out_looks_the_same_under_duress():
    at = NOW + timedelta(seconds=2)
    ordinary = alert(state=AlertState.CANCELLED, cancel="confirmed", cancel_how="pin", closed_at=at, version=2,
                     cancel_requested_at=at, cancel_version=2, armed_until=NOW + timedelta(seconds=5))  # fmt: skip
    forced = alert(state=AlertState.ASSIGNED, duress=True, cancel_how="duress_armed", version=9,
                   cancel_requested_at=at, cancel_version=2, armed_until=NOW + timedelta(seconds=5))  # fmt: skip
    assert views.rider_view(ordinary, []) == views.rider_view(forced, [card()])


def test_an_alert_taken_up_again_after_duress_stays_cancelled_on_the_phone():
    at, end = NOW + timedelta(seconds=2), NOW + timedelta(seconds=60)
    one = alert(duress=True, cancel_how="duress", cancel_requested_at=at, cancel_version=4, closed_at=end,
                state=AlertState.CLOSED)  # fmt: skip
    closed = views.rider_view(one, [])
    one.state = AlertState.REOPENED
    assert views.rider_view(one, [card()]) == closed
    assert closed["state"] == "cancelled"


def test_a_refused_cancel_shows_again_how_help_comes():
    one = alert(state=AlertState.EN_ROUTE, cancel="refused", cancel_how="pin", cancel_requested_at=NOW, version=5)
    view = views.rider_view(one, [card()])
    assert (view["state"], view["cancel"], view["team"]) == ("en_route", "refused", {"call_sign": "GAP 3"})


@given(st.sampled_from(AssignmentState), st.sampled_from(AlertState))
def test_a_rider_never_learns_where_a_team_is_or_what_the_operators_think(team_state, state):
    told = str(views.rider_view(alert(state=state), [card(team_state)]))
    for secret in ("distance", "240", "latitude", "43.2951", "suspect", "priority", str(TEAM), "canary"):
        assert secret not in told


AGENT = {
    "id", "delivery_id", "state", "version", "offered_at", "answer_by", "distance_m", "reasons", "alert",
}  # fmt: skip
AGENTS_ALERT = {
    "id", "category", "reporter_role", "contact_mode", "priority", "position", "place", "description", "received_at",
    "exercise",
}  # fmt: skip


@pytest.mark.parametrize("state", list(AssignmentState))
def test_a_team_reads_the_riders_own_words_only_while_it_works_for_her(state):
    view = views.agent_view(card(state).assignment, alert())
    working = state in (AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE)
    assert view["alert"]["description"] == ("canary words" if working else None)
    assert set(view) >= AGENT
    assert not {"duress", "suspect", "device_id", "cancel", "similar", "warnings"} & (set(view) | set(view["alert"]))


def test_a_rider_never_learns_which_operator_wrote():
    message = AlertMessage(
        id=uuid.uuid4(), alert_id=ALERT, author="control_room", author_id=TEAM, text="?", sent_at=NOW
    )
    assert set(views.message_view(message)) == {"id", "author", "text", "sent_at"}
    assert str(TEAM) not in str(views.message_view(message))


def test_instants_are_written_in_utc_with_milliseconds():
    paris = NOW.astimezone()
    assert stamp(paris) == "2026-11-22T21:00:00.000Z"
    assert stamp(None) is None
