"""`flask db backup`, `restore`, `restored`: files that are whole or not there, and refusals in one line."""

import stat
from datetime import timedelta

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from backend import schema
from backend.backups import archive
from backend.backups.cli import add_backup_commands
from backend.database import wake
from backend.feed import CONTROL, FeedEntry, last_seq, oldest_seq, put
from backend.people.models import Team
from backend.people.roles import Role
from backend.watch import restored
from backend.wiring import wire
from tests import migrated
from tests.people import add_staff, add_team


@pytest.fixture
def empty(copies, clock):
    """A database of the same kind with nothing in it."""
    url = copies.copy(migrated.BARE)
    made = wire(migrated.settings(url), clock)
    yield made
    made.database.dispose()
    copies.drop(url)


def run(wiring, *arguments):
    group = click.Group("db")
    add_backup_commands(group, wiring)
    return CliRunner().invoke(group, [str(one) for one in arguments])


def fails(done, words, code=1):
    assert done.exit_code == code, done.output
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr


def test_what_goes_in_comes_out(wiring, empty, clock, tmp_path):
    with wiring.database.transaction() as session:
        team = add_team(session, "Équipe n° 1", clock.now())
        add_staff(session, "anna", Role.AGENT, clock.now(), team=team)
        put(session, CONTROL, "news", {"é": 1}, clock.now())
        wake(session, "feed")
    steps = []
    size = archive.make(wiring.database, tmp_path / "one.vigie", lambda done, of: steps.append((done, of)))
    assert size == (tmp_path / "one.vigie").stat().st_size
    assert steps[-1][0] == steps[-1][1], "it comes to its end"
    assert stat.S_IMODE((tmp_path / "one.vigie").stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["one.vigie"], "nothing half-made is left"

    done = run(empty, "restore", tmp_path / "one.vigie")
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    assert "ready to start" in done.stdout
    assert schema.present_revision(empty.database) == schema.head()
    assert schema.differences(empty.database) == []
    with empty.database.reading() as session:
        assert session.scalars(select(Team.call_sign)).all() == ["Équipe n° 1"]


def test_numbers_of_the_feed_begin_far_beyond_those_that_were_given_out(wiring, clock):
    with wiring.database.transaction() as session:
        for number in range(3):
            put(session, CONTROL, "news", {"n": number}, clock.now())
    with wiring.database.reading() as session:
        before = last_seq(session)
    for _ in range(2):
        with wiring.database.transaction() as session:
            restored.review(session, clock.now())
        with wiring.database.transaction() as session:
            put(session, CONTROL, "news", {}, clock.now())
        with wiring.database.reading() as session:
            assert session.scalar(select(func.count()).select_from(FeedEntry)) == 1
            assert oldest_seq(session) == last_seq(session) > before + 999_999_999
            before = last_seq(session)


def test_an_empty_feed_after_a_restore_knows_no_number_of_before(wiring, client, clock):
    token = client.post("/v1/devices", json={"platform": "android"}).json["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    with wiring.database.transaction() as session:
        put(session, CONTROL, "news", {}, clock.now())
    with wiring.database.transaction() as session:
        restored.review(session, clock.now(), timedelta(minutes=5))
    assert client.get("/v1/feed?after=1", headers=headers).json["code"] == "cursor_invalid"
    assert client.get("/v1/feed?after=0", headers=headers).status_code == 200


def test_what_cannot_be_written(wiring, tmp_path):
    there = tmp_path / "there.vigie"
    there.write_text("kept")
    fails(run(wiring, "backup", there), "never written over another")
    assert there.read_text() == "kept"
    fails(run(wiring, "backup", tmp_path / "no" / "such.vigie"), "is not a folder")


def test_what_cannot_be_put_back(wiring, empty, tmp_path):
    fails(run(empty, "restore", tmp_path / "missing.vigie"), "is not a backup that Vigie has made")
    (tmp_path / "text.vigie").write_text("hello")
    fails(run(empty, "restore", tmp_path / "text.vigie"), "is not a backup that Vigie has made")
    assert run(wiring, "backup", tmp_path / "good.vigie").exit_code == 0
    other = b"SQLite format 3\x00" if wiring.database.is_postgresql else b"PGDMP"
    (tmp_path / "other.vigie").write_bytes(other + b"\0" * 100)
    fails(run(empty, "restore", tmp_path / "other.vigie"), "see also db copy")
    words = "is not empty" if wiring.database.is_postgresql else "exists: move it away"
    fails(run(wiring, "restore", tmp_path / "good.vigie"), words)

    damaged = tmp_path / "damaged.vigie"
    content = (tmp_path / "good.vigie").read_bytes()
    damaged.write_bytes(content[: len(content) // 2])
    done = run(empty, "restore", damaged)
    assert done.exit_code == 1, done.output
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert run(empty, "restore", tmp_path / "good.vigie").exit_code == 0, "nothing of the damaged one was kept"


def test_a_database_that_was_not_marked_must_not_be_started(empty, monkeypatch):
    def gone(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(schema, "upgrade", gone)
    fails(run(empty, "restored"), "Start nothing: run `flask db restored`", code=2)


def test_the_address_of_the_server_is_in_no_command_line_with_its_password(wiring):
    if not wiring.database.is_postgresql:
        pytest.skip("an embedded database has no password")
    wiring.database.url = wiring.database.url.set(password="a-secret")
    assert "a-secret" not in " ".join(archive._reach(wiring.database))


@pytest.fixture
def embedded(wiring):
    """The embedded database: what is told of its file."""
    if wiring.database.is_postgresql:
        pytest.skip("PostgreSQL has no file of its own: pg_dump sees one instant")
    return wiring


def test_a_copy_comes_to_its_end_while_everybody_writes(embedded, clock, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_PAGES", 5)
    steps = []

    def another_process_writes(done, of):
        steps.append(done)
        assert len(steps) < 1_000, "it begins again and again"
        with embedded.database.transaction() as session:
            add_team(session, f"GAP {len(steps)}", clock.now())

    archive.make(embedded.database, tmp_path / "one.vigie", another_process_writes)
    assert steps == sorted(steps)
    assert len(steps) > 3


@pytest.mark.parametrize("left", ["-wal", "-shm", "-journal"])
def test_nothing_is_put_back_beside_what_is_left_of_another_database(embedded, empty, tmp_path, left):
    assert run(embedded, "backup", tmp_path / "good.vigie").exit_code == 0
    file = empty.settings.sqlite_path
    empty.database.dispose()
    file.unlink(missing_ok=True)
    file.with_name(file.name + left).write_bytes(b"alerts of another night")
    fails(run(empty, "restore", tmp_path / "good.vigie"), "move it away first")
