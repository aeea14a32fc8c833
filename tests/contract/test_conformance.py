"""What holds the code to the contract does catch what lies outside it."""

import pytest

from backend import feed
from backend.app import create_app
from backend.settings import Settings
from backend.wiring import wire
from tests.contract.conformance import Broken, ack_faults, check_answers, event_faults, feed_faults, watch_answers
from tests.contract.documents import EXAMPLES
from tests.fakes import FakeClock


@pytest.fixture
def bare():
    """An application whose database is never opened."""
    return create_app(wire(Settings(environment="test"), FakeClock()))


def test_a_wrong_answer_fails_who_asked(bare, monkeypatch):
    check_answers(bare, bare.extensions["wiring"].contract)
    bare.test_client().get("/v1/meta")
    monkeypatch.setattr("backend.meta_routes.CONTRACT_VERSION", 1)
    with pytest.raises(Broken, match="/contract_version"):
        bare.test_client().get("/v1/meta")


def test_a_wrong_answer_is_gathered(bare, monkeypatch):
    gathered = watch_answers(bare, bare.extensions["wiring"].contract)
    bare.test_client().get("/v1/meta")
    assert gathered == []
    monkeypatch.setattr("backend.meta_routes.CONTRACT_VERSION", 1)
    bare.test_client().get("/v1/meta")
    assert len(gathered) == 1
    assert "/contract_version" in gathered[0]


def test_an_undeclared_status_is_caught(bare):
    operation = bare.extensions["wiring"].contract.operation("PUT", "/v1/alerts/<alert_id>")
    assert operation.response_errors(201, EXAMPLES["AlertReceipt.first"][1]) == []
    assert operation.response_errors(429, EXAMPLES["Problem.wrong-pin"][1]) != []
    assert operation.response_errors(204, None) != []


def test_a_wrong_event_is_caught(bare):
    contract = bare.extensions["wiring"].contract
    assert event_faults(contract, "/rider", "welcome", {"seq": 1, "server_time": "2026-11-22T21:00:00.000Z"}) == []
    assert event_faults(contract, "/rider", "welcome", {"seq": 1}) != []
    assert event_faults(contract, "/rider", "positions", "{}") == ["/rider positions is not in the contract"]
    assert event_faults(contract, "/control", "positions", "{}") != []


def test_a_wrong_acknowledgement_is_caught(bare):
    contract = bare.extensions["wiring"].contract
    assert ack_faults(contract, "/agent", "received", {"ok": True}) == []
    assert ack_faults(contract, "/agent", "received", {"ok": "yes"}) != []
    assert ack_faults(contract, "/agent", "no_such_event", {"ok": False, "code": "event_unknown"}) == []
    assert ack_faults(contract, "/agent", "no_such_event", None) != []


def test_a_wrong_entry_of_the_feed_is_caught(wiring):
    with wiring.database.transaction() as session:
        feed.put(session, feed.CONTROL, "alert.unseen", {"alert_id": "no id"}, wiring.clock.now())
    faults = feed_faults(wiring.contract, wiring.database)
    assert any("alert_id" in fault for fault in faults)
    assert any("since" in fault for fault in faults)
