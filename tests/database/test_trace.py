"""The trace: one line of time of all that happened to an alert, for the control room and for the terminal."""

import uuid
from datetime import timedelta

import pytest

from backend.alerts import receiving
from backend.control_room import deliveries
from backend.database import new_id
from backend.delivery import receipts
from backend.delivery.models import Delivery, DeliveryAttempt
from backend.errors import Refused
from backend.people.roles import Caller, Role


def test_the_way_of_an_alert_is_told_in_order(night):
    team = night.team()
    alert_id = night.raises()
    night.clock.advance(0.1)
    night.works()
    offer = night.asked(alert_id)[0]
    with night.database.transaction() as session:
        push = Delivery(
            id=new_id(), audience=f"team:{team.id}", channel="fcm", alert_id=alert_id, created_at=night.now,
            useful_until=night.now + timedelta(seconds=20), about=offer.delivery_id, staff_id=team.agent_id,
            due_at=night.now,
        )  # fmt: skip
        session.add(push)
        session.add(
            DeliveryAttempt(
                delivery_id=push.id, number=1, channel="fcm", at=night.now + timedelta(seconds=2), took_ms=80,
                outcome="retry", code="UNAVAILABLE",
            )
        )  # fmt: skip
        receipts.note_emitted(session, [(offer.delivery_id, night.now + timedelta(seconds=0.01))])
    night.clock.advance(3)
    agent = Caller(Role.AGENT, team.agent_id, team_id=team.id)
    with night.database.transaction() as session:
        receiving.receipt(session, offer.delivery_id, agent, night.now, seen=True)
    night.clock.advance(1)
    night.does("accept", team, offer.id)
    with night.database.reading() as session:
        moments = deliveries.trace(session, alert_id)
        facts = deliveries.of_alert(session, alert_id)
    told = [moment.what for moment in moments]
    assert told[:4] == ["stored", "offered", "emitted", "fcm retry"]
    assert told[4:6] == ["received", "seen"]
    assert set(told[6:]) == {"accepted (open → assigned)", "fcm ended"}
    assert moments[3].more == "80 ms, UNAVAILABLE"
    assert [one["channel"] for one in facts] == ["socket", "fcm"]
    assert facts[1]["attempts"][0]["outcome"] == "retry"
    assert facts[1]["settled_why"] == "accepted"


def test_a_trace_holds_no_word_and_no_place_of_the_rider(night):
    night.team()
    alert_id = night.raises(description="Homme, veste rouge")
    night.works()
    with night.database.reading() as session:
        text = repr(deliveries.trace(session, alert_id))
    assert "veste" not in text
    assert "43.29" not in text


def test_a_trace_of_nothing_is_refused(night):
    with night.database.reading() as session, pytest.raises(Refused, match="alert_unknown"):
        deliveries.trace(session, uuid.uuid4())


def test_the_command_prints_it(night, app):
    runner = app.test_cli_runner()
    night.team()
    alert_id = night.raises()
    night.works()
    shown = runner.invoke(args=["trace", str(alert_id)])
    assert shown.exit_code == 0, shown.output
    assert "stored" in shown.output
    assert "offered" in shown.output
    as_json = runner.invoke(args=["trace", "--json", str(alert_id)])
    assert as_json.output.startswith('{"at":')
    unknown = runner.invoke(args=["trace", str(uuid.uuid4())])
    assert unknown.exit_code == 1
    assert "There is no alert" in unknown.output
