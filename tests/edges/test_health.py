"""Health says what is so: ready, degraded by whom, or down; and figures without a person in them."""

import uuid
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.engine import make_url

from backend.alerts.models import Alert
from tests.night import Night


@pytest.fixture
def night(wiring, clock):
    return Night(wiring, clock)


@pytest.fixture
def web(wiring):
    """A web process, which has no sockets that could be blind."""
    from backend.app import create_app

    return create_app(wiring).test_client()


def ready(web):
    answer = web.get("/readyz")
    return answer.status_code, answer.json["status"], set(answer.json["degraded"])


def test_with_a_worker_at_work_all_is_ready(web, night):
    night.worker.beat()
    assert ready(web) == (200, "ready", set())


def test_without_any_worker_it_is_said_and_alerts_are_still_taken(web, night):
    assert ready(web) == (200, "degraded", {"worker_silent"})


def test_a_worker_that_has_stopped_is_said_within_five_seconds(web, night, clock):
    night.worker.beat()
    clock.advance(4)
    assert ready(web)[1] == "ready"
    clock.advance(1)
    assert ready(web) == (200, "degraded", {"worker_silent"})


def test_a_round_that_nobody_runs_is_said(web, night, clock):
    night.raises()
    clock.advance(6)
    night.worker._beaten = -10
    night.worker.beat()
    status, word, degraded = ready(web)
    assert (status, word) == (200, "degraded")
    assert "round_overdue" in degraded
    assert web.get("/readyz").json["overdue_round_s"] == 6


def test_an_alert_that_is_over_is_not_late(web, night, clock):
    alert_id = night.raises()
    night.cancels(alert_id)
    with night.session() as session:
        session.execute(update(Alert).where(Alert.id == alert_id).values(state="cancelled", next_round_at=None))
    clock.advance(60)
    assert "round_overdue" not in ready(web)[2]


def test_without_its_database_a_process_is_down_and_still_alive(web, night, wiring, copies, database_url):
    if wiring.database.is_postgresql:
        copies.drop(database_url)
    else:
        wiring.database.dispose()
        Path(str(make_url(database_url).database)).write_bytes(b"not a database at all" * 1000)
    assert ready(web) == (503, "down", {"database_away"})
    assert web.get("/livez").json["status"] == "alive"
    assert b"vigie_database_up 0.0" in web.get("/metrics").data
    phone = web.post("/v1/devices", json={"platform": "android"})
    assert (phone.status_code, phone.json["retryable"]) == (503, True)
    assert phone.headers["Retry-After"]
    assert phone.json["emergency_numbers"], "the phone can offer a number"


def test_figures_name_no_person_no_team_and_no_place(web, night):
    team = night.team()
    alert_id = night.raises(description="canary words", place={"station": "canary station"})
    night.taken(team, alert_id)
    text = web.get("/metrics").text
    assert 'vigie_alerts{exercise="false",state="assigned"} 1.0' in text
    assert "vigie_alerts_unseen 1.0" in text
    assert "vigie_teams_placed 1.0" in text
    device = night.alert(alert_id).device_id
    for secret in ("canary", str(alert_id), str(team.id), team.call_sign, str(device), "43.29", "operator"):
        assert secret not in text
    labels = {part.partition("=")[0] for line in text.splitlines() if "{" in line and not line.startswith("#")
              for part in line[line.index("{") + 1 : line.index("}")].split(",")}  # fmt: skip
    assert labels <= {"exercise", "state", "code", "role", "timer", "process", "why", "channel", "outcome", "stage",
                      "quantile", "reason", "category", "source", "audience", "le"}  # fmt: skip


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 404)])
def test_figures_are_for_this_machine_only_unless_opened(web, address, status):
    answer = web.get("/metrics", environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == status


def test_health_itself_tells_nothing_of_alerts(web, night):
    alert_id = night.raises(description="canary words")
    text = web.get("/readyz").text + web.get("/livez").text
    assert str(alert_id) not in text
    assert "canary" not in text
    assert uuid.UUID(web.get("/livez").headers["X-Request-Id"])
