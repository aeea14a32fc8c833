"""From a pilot's file to a network's PostgreSQL: every row, once, and the feed goes on from where it was."""

import pytest
from sqlalchemy import func, select

from backend import copying, feed, schema
from backend.control_room import actions
from backend.database import Database
from backend.people.models import Team
from backend.wiring import wire
from faults.invariants import check
from tests import migrated
from tests.fakes import FakeClock
from tests.night import Night


@pytest.fixture
def pilot(sqlite_copies):
    url = sqlite_copies.copy(migrated.HEAD)
    clock = FakeClock()
    wiring = wire(migrated.settings(url), clock)
    night = Night(wiring, clock)
    team = night.team()
    mission = night.raises(description="Ça va très mal 🆘 '; --", place={"vehicle_number": "A-101"}, queued_ms=5)
    night.taken(team, mission)
    merged = night.raises()
    night.operates(lambda s, a, me, now: actions.merge(s, a, mission, me, now), merged)
    night.raises(at=None, observed_at="1970-01-01T00:00:00Z")
    night.wait(31)
    yield night
    wiring.database.dispose()
    sqlite_copies.drop(url)


@pytest.fixture
def target(postgres_copies):
    url = postgres_copies.copy(migrated.HEAD)
    wiring = wire(migrated.settings(url), FakeClock())
    yield wiring
    wiring.database.dispose()
    postgres_copies.drop(url)


def rows(database: Database, table):
    with database.engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()]


def test_every_row_arrives_as_it_was(pilot, target):
    counts = dict(copying.copy(pilot.database, target.database))
    assert counts["alerts"] == 3
    for table in schema.metadata.sorted_tables:
        there = rows(target.database, table)
        assert len(there) == counts[table.name]
        assert there == rows(pilot.database, table), table.name
    with target.database.reading() as session:
        check(session)


def test_the_feed_goes_on_with_the_next_number(pilot, target):
    list(copying.copy(pilot.database, target.database))
    with target.database.transaction() as session:
        before = feed.last_seq(session)
        feed.put(session, feed.CONTROL, "alert.changed", {}, pilot.now)
    with target.database.reading() as session:
        assert feed.last_seq(session) == before + 1


def test_a_target_with_rows_is_left_alone(pilot, target):
    with target.database.transaction() as session:
        session.add(Team(name="there before", call_sign="X", created_at=pilot.now))
    with pytest.raises(copying.CopyRefused, match="teams"):
        list(copying.copy(pilot.database, target.database))
    with target.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Team)) == 1


def test_a_target_that_is_not_migrated_is_refused(pilot, postgres_copies):
    url = postgres_copies.copy(migrated.BARE)
    bare = Database(migrated.settings(url))
    with pytest.raises(copying.CopyRefused, match="empty"):
        list(copying.copy(pilot.database, bare))
    bare.dispose()
    postgres_copies.drop(url)
