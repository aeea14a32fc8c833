"""The clock: the database's time for all processes, whatever their machines say."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from backend import clock as clock_module
from backend.clock import DatabaseClock
from backend.database import Database
from backend.settings import Settings
from tests.postgres import free_port
from tests.sockets import eventually

pytestmark = pytest.mark.postgres_only


class WrongDatetime(datetime):
    """What a machine says whose clock is an hour late."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(hours=1)


def database_time(database) -> datetime:
    clock = DatabaseClock(database)
    clock.look()
    return clock.now()


def test_a_machine_whose_clock_is_wrong_takes_the_databases_time(database, monkeypatch):
    truth = datetime.now(UTC)
    monkeypatch.setattr(clock_module, "datetime", WrongDatetime)
    clock = DatabaseClock(database)
    clock.look()
    assert abs(clock.now() - truth) < timedelta(minutes=1)


def test_a_clock_that_is_put_right_during_a_countdown_changes_nothing(database, monkeypatch):
    clock = DatabaseClock(database)
    clock.look()
    before = clock.now()
    monkeypatch.setattr(clock_module, "datetime", WrongDatetime)
    assert timedelta(0) <= clock.now() - before < timedelta(minutes=1)


def test_time_never_goes_back_by_the_noise_of_asking(database):
    clock = DatabaseClock(database)
    clock.look()
    seen = []
    for _ in range(20):
        seen.append(clock.now())
        clock.look()
    assert seen == sorted(seen)
    assert abs(database_time(database) - clock.now()) < timedelta(seconds=5)


def test_a_database_that_is_away_leaves_the_clock_going():
    nobody = Database(Settings(database_url=f"postgresql+psycopg://vigie@127.0.0.1:{free_port()}/vigie"))
    clock = DatabaseClock(nobody)
    following = threading.Thread(target=clock.run)
    before = datetime.now(UTC)
    following.start()
    assert clock.now() >= before
    clock.stop()
    following.join(10)
    assert not following.is_alive()


def test_whoever_asks_first_is_told_the_databases_time_at_once(database, monkeypatch):
    truth = datetime.now(UTC)
    monkeypatch.setattr(clock_module, "datetime", WrongDatetime)
    assert abs(DatabaseClock(database).now() - truth) < timedelta(minutes=1)


def test_a_database_that_comes_back_is_asked_again_within_a_moment(database, monkeypatch):
    truth, away = datetime.now(UTC), True
    monkeypatch.setattr(clock_module, "datetime", WrongDatetime)
    monkeypatch.setattr(clock_module, "FIRST_LOOK_S", 0.01)
    clock, look = DatabaseClock(database), DatabaseClock.look

    def at_times(self):
        if away:
            raise OSError("nobody there")
        look(self)

    monkeypatch.setattr(DatabaseClock, "look", at_times)
    assert truth - clock.now() > timedelta(minutes=59)
    away = False
    following = threading.Thread(target=clock.run)
    following.start()
    eventually(lambda: abs(clock.now() - truth) < timedelta(minutes=1))
    clock.stop()
    following.join(10)
