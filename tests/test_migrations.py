"""Migrations: they reach the models, go up and down one by one with data, and never run twice at once."""

import threading
import uuid

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import OperationalError

from backend import schema
from backend.database import Database
from backend.people.models import Team
from tests import migrated

MIGRATION_LOCK = 0x56494D47  # as in migrations/env.py, which only Alembic can import


@pytest.fixture
def bare(copies):
    """A database with nothing in it yet."""
    url = copies.copy(migrated.BARE)
    database = Database(migrated.settings(url))
    yield database
    database.dispose()
    copies.drop(url)


def revisions(database) -> list[str]:
    """Every revision, oldest first."""
    scripts = ScriptDirectory.from_config(schema.alembic_config(database))
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def tables(database) -> set[str]:
    with database.engine.connect() as connection:
        found = set(inspect(connection).get_table_names())
    return found - {"spatial_ref_sys", "alembic_version"}


def test_models_equal_head(database):
    assert schema.differences(database) == []


def test_a_missing_column_would_be_noticed(database):
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE devices DROP COLUMN locale"))
    assert "locale" in str(schema.differences(database))


def test_the_revisions_are_numbered_in_one_line(bare):
    numbers = [revision[:4] for revision in revisions(bare)]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


def test_every_step_goes_up_and_down_and_up_again(bare):
    seen = [tables(bare)]
    steps = revisions(bare)
    for revision in steps:
        schema.upgrade(bare, revision)
        assert schema.present_revision(bare) == revision
        seen.append(tables(bare))
    for revision, expected in zip([*reversed(steps[:-1]), "base"], reversed(seen[:-1]), strict=True):
        schema.downgrade(bare, revision)
        assert tables(bare) == expected
    schema.upgrade(bare)
    assert tables(bare) == seen[-1]
    assert schema.differences(bare) == []


def test_the_steps_after_the_first_keep_the_rows(bare, clock):
    first = revisions(bare)[0]
    schema.upgrade(bare, first)
    kept = uuid.uuid4()
    with bare.engine.begin() as connection:
        row = {"id": kept.hex if not bare.is_postgresql else kept, "at": clock.now().replace(tzinfo=None)}
        connection.execute(
            text("INSERT INTO teams (id, name, call_sign, active, created_at) VALUES (:id, 'Nord', 'N1', true, :at)"),
            row,
        )
    schema.upgrade(bare)
    with bare.reading() as session:
        assert session.scalars(select(Team.id)).all() == [kept]
    schema.downgrade(bare, first)
    with bare.engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM teams")).scalars().all() == ["Nord"]


def test_migrating_twice_changes_nothing(database):
    before = tables(database)
    schema.upgrade(database)
    assert tables(database) == before


@pytest.mark.postgres_only
def test_two_processes_migrate_one_after_the_other(bare):
    other = Database(bare.settings)
    second = threading.Thread(target=schema.upgrade, args=(other,))
    with bare.engine.connect() as first:  # stands for a process in the middle of its migrations
        first.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
        second.start()
        second.join(1.0)
        assert second.is_alive(), "the second migration did not wait for the first"
        assert tables(bare) == set()
        first.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": MIGRATION_LOCK})
        second.join(20)
    other.dispose()
    assert schema.present_revision(bare) == schema.head()


@pytest.mark.postgres_only
def test_a_migration_gives_up_rather_than_queue_behind_a_lock(database):
    with database.engine.connect() as holder:
        holder.execute(text("LOCK TABLE devices IN ACCESS SHARE MODE"))
        other = Database(database.settings)
        with pytest.raises(OperationalError, match="lock timeout"):
            schema.downgrade(other, "base")
        other.dispose()
        holder.rollback()
    assert schema.present_revision(database) == schema.head()
