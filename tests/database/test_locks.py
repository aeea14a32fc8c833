"""Locks that must not stand in each other's way: found by fault experiments as deadlocks of a second each."""

import pytest
from sqlalchemy import text

from backend.alerts.register import locked
from backend.delivery.models import Delivery
from tests.sockets import eventually


@pytest.mark.postgres_only
def test_who_writes_down_what_became_of_a_message_does_not_wait_for_who_holds_its_alert(night):
    night.team()
    alert_id = night.raises()
    night.works()
    delivery_id = night.asked(alert_id)[0].delivery_id
    with night.database.transaction() as holder:
        locked(holder, alert_id)
        with night.database.transaction() as session:
            message = session.get_one(Delivery, delivery_id)
            message.attempts += 1
            session.flush()
            # A row that is written twice in one transaction has its foreign keys checked again.
            message.emitted_at = night.now
            session.flush()


@pytest.mark.postgres_only
def test_a_round_that_meets_a_lock_is_tried_again_and_calls_nobody(night):
    night.team()
    alert_id = night.raises()
    with night.database.transaction() as holder:
        holder.execute(text("LOCK TABLE assignments IN ACCESS EXCLUSIVE MODE"))
        night.works()
    assert not night.alert(alert_id).needs_human
    eventually(lambda: night.works() and night.asked(alert_id), what="the next round")
    assert "dispatch_failed" not in night.actions(alert_id)
