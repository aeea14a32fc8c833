"""The dead man's switch: signs of life while all that must work does, from one worker; then silence."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from backend.crew import crew_of
from backend.watch.auditing import Auditor
from backend.watch.dead_man import DeadMan
from backend.wiring import wire
from tests import migrated
from tests.provider_server import Answer, Provider

EVERY_S = 10
ROOT = Path(__file__).resolve().parents[2]


class Receiver(Provider):
    """Somebody outside who waits for signs of life."""

    def deserved(self, _heard):
        return Answer(200)


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture
def wiring(database_url, clock, receiver):
    settings = replace(migrated.settings(database_url), dead_man_url=f"{receiver.url}/alive", dead_man_every_s=EVERY_S)
    made = wire(settings, clock)
    yield made
    made.database.dispose()


def test_a_sign_of_life_goes_out_every_ten_seconds_while_somebody_audits(wiring, clock, receiver):
    auditor, dead_man = Auditor(wiring), DeadMan(wiring)
    for _ in range(25):
        auditor.turn()
        dead_man.turn()
        clock.advance(1)
    assert len(receiver.heard) == 3
    assert {(one.path, one.body) for one in receiver.heard} == {("/alive", b"")}, "nothing is told but the sign itself"


def test_it_falls_silent_when_nobody_audits(wiring, clock, receiver):
    auditor, dead_man = Auditor(wiring), DeadMan(wiring)
    assert not dead_man.turn(), "nobody has looked yet"
    auditor.turn()
    assert dead_man.turn()
    for _ in range(60):
        clock.advance(1)
        dead_man.turn()
    assert len(receiver.heard) == 1
    auditor.turn()
    assert dead_man.turn()


def test_it_falls_silent_when_the_database_takes_no_write(wiring, clock, receiver, copies, database_url):
    auditor, dead_man = Auditor(wiring), DeadMan(wiring)
    auditor.turn()
    assert dead_man.turn()
    if wiring.database.is_postgresql:
        copies.drop(database_url)
    else:
        wiring.database.dispose()
        Path(str(make_url(database_url).database)).write_bytes(b"not a database at all" * 1000)
    clock.advance(EVERY_S)
    with pytest.raises(SQLAlchemyError):
        dead_man.turn()
    assert len(receiver.heard) == 1


def test_one_of_several_workers_sends_and_another_takes_over(wiring, clock, receiver):
    auditor, first, second = Auditor(wiring), DeadMan(wiring), DeadMan(wiring)
    for _ in range(21):
        auditor.turn()
        first.turn()
        second.turn()
        clock.advance(1)
    assert len(receiver.heard) == 3
    gap = 0
    while len(receiver.heard) == 3:  # the first is dead
        auditor.turn()
        second.turn()
        clock.advance(1)
        gap += 1
    assert gap <= 30, "before whoever listens has to call a person"


def test_a_sign_that_did_not_arrive_is_sent_again_soon_and_nothing_is_said_of_its_address(
    wiring, clock, receiver, capsys
):
    auditor, dead_man = Auditor(wiring), DeadMan(wiring)
    receiver.answers(Answer(500), Answer(307, headers={"Location": f"{receiver.url}/elsewhere"}))
    auditor.turn()
    assert not dead_man.turn()
    clock.advance(1)
    auditor.turn()
    assert not dead_man.turn(), "a redirect is no arrival, and is not followed"
    clock.advance(1)
    auditor.turn()
    assert dead_man.turn()
    assert [one.path for one in receiver.heard] == ["/alive"] * 3
    assert str(receiver.port) not in capsys.readouterr().out


def test_a_receiver_that_hangs_holds_up_nobody_else(wiring, receiver):
    auditor, dead_man = Auditor(wiring), DeadMan(wiring)
    receiver.always(Answer(200, delay_s=600))
    auditor.turn()
    failed = []

    def send():
        try:
            dead_man.turn()
        except OSError as error:
            failed.append(error)

    sending = threading.Thread(target=send)
    sending.start()
    receiver.wait_for(1)
    assert auditor.turn() is not None, "no transaction is open while it waits"
    sending.join(10)
    assert not sending.is_alive()
    assert len(failed) == 1, "it gave up by itself"


def test_a_worker_process_runs_it_only_when_there_is_an_address(wiring, database_url, clock):
    assert "DeadMan" in [type(loop).__name__ for loop in crew_of(wiring).loops]
    without = wire(migrated.settings(database_url), clock)
    assert "DeadMan" not in [type(loop).__name__ for loop in crew_of(without).loops]
    without.database.dispose()


@pytest.mark.postgres_only
def test_when_every_worker_is_killed_the_signs_of_life_stop(database_url, receiver):
    workers = [worker(database_url, receiver) for _ in range(2)]
    try:
        receiver.wait_for(1, timeout_s=30)
    finally:
        for one in workers:
            os.kill(one.pid, signal.SIGKILL)
            one.wait(10)
    heard = len(receiver.heard)
    with pytest.raises(AssertionError):
        receiver.wait_for(heard + 1, timeout_s=6)


def worker(database_url, receiver):
    """A real worker process."""
    environment = os.environ | {
        "DATABASE_URL": database_url, "VIGIE_ENVIRONMENT": "test", "VIGIE_DEAD_MAN_URL": f"{receiver.url}/alive",
        "VIGIE_DEAD_MAN_EVERY_S": "5", "VIGIE_LOG_FORMAT": "quiet",
    }  # fmt: skip
    command = [sys.executable, "-m", "flask", "--app", "backend.app", "worker"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
