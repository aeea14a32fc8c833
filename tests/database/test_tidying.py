"""What has served its purpose is forgotten, and what belongs to an alert stays with it."""

from datetime import timedelta

from sqlalchemy import select

from backend.alerts.models import ReceivedText
from backend.database import new_id
from backend.delivery.models import Delivery
from backend.watch import tidying
from backend.watch.models import Finding


def test_only_what_is_old_and_belongs_to_no_alert_goes(night):
    alert_id = night.raises()
    old, week = night.now - timedelta(days=8), night.now - timedelta(days=7)
    with night.database.transaction() as session:
        for made_at in (old, night.now):
            for about in (None, alert_id):
                session.add(
                    Delivery(
                        id=new_id(), audience="staff:x", channel="log", kind="test", alert_id=about, created_at=made_at,
                        useful_until=made_at, settled_at=made_at, settled_why="no_receipt",
                    )
                )  # fmt: skip
        session.add(ReceivedText(id="old", received_at=old))
        session.add(ReceivedText(id="new", received_at=night.now))
        ages = {"open": None, "fresh": night.now, "gone": night.now - timedelta(days=98)}
        for code, over_at in ages.items():
            session.add(Finding(code=code, found_at=night.now - timedelta(days=99), over_at=over_at))
    with night.database.transaction() as session:
        assert tidying.forget(session, week) == 3
    with night.database.reading() as session:
        assert session.scalars(select(ReceivedText.id)).all() == ["new"]
        assert set(session.scalars(select(Finding.code))) == {"open", "fresh"}
        kept = session.scalars(select(Delivery.alert_id).where(Delivery.channel == "log")).all()
    assert sorted(kept, key=str) == sorted([None, alert_id, alert_id], key=str)
