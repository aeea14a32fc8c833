"""Reports that wait for a slow database take no connection from somebody who cries for help."""

import threading
import uuid
from dataclasses import replace

import pytest
from sqlalchemy import text

from backend.app import create_app
from backend.http import KEPT_FREE
from backend.people import sessions
from backend.people.models import Staff
from backend.wiring import wire
from tests import migrated
from tests.sockets import eventually

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.mark.postgres_only
def test_an_alert_is_taken_while_every_report_waits(database_url, clock):
    settings = replace(migrated.settings(database_url), lock_timeout_s=30, statement_timeout_s=30, pool_size=4, pool_overflow=4)
    wiring = wire(settings, clock)
    app = create_app(wiring)
    with wiring.database.transaction() as session:
        person = Staff(login="op", display_name="op", role="operator", created_at=clock.now())
        session.add(person)
        session.flush()
        operator = sessions.sign_in(session, person.id, clock.now(), valid_hours=14).access_token
        rider = sessions.register_device(session, "android", clock.now(), valid_days=30).access_token
    answers = []

    def report():
        answer = app.test_client().get("/v1/control/snapshot", headers={"Authorization": f"Bearer {operator}"})
        answers.append(answer.status_code)

    threads = [threading.Thread(target=report) for _ in range(12)]
    with wiring.database.engine.connect() as holder:
        holder.execute(text("LOCK TABLE vehicles IN ACCESS EXCLUSIVE MODE"))
        for thread in threads:
            thread.start()
        # One of the kept ones holds the lock; the others that were not let in are told to come back.
        eventually(lambda: len(answers) == 12 - (8 - KEPT_FREE), timeout=20, what="the refusals")
        assert set(answers) == {503}
        assert holder.execute(text(WAITING)).scalar() == 8 - KEPT_FREE
        raised = app.test_client().put(
            f"/v1/alerts/{uuid.uuid4()}", json={"category": "theft"}, headers={"Authorization": f"Bearer {rider}"}
        )
        holder.rollback()
    for thread in threads:
        thread.join(20)
    assert raised.status_code == 201
    assert sorted(answers) == [200] * (8 - KEPT_FREE) + [503] * (12 - (8 - KEPT_FREE))
    wiring.database.dispose()
