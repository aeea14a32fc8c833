"""The live feed: numbered in commit order, read without a gap, each audience with its own fields."""

import threading

import pytest
from sqlalchemy import insert, text

from backend import feed
from backend.control_room import actions
from tests.night import seqs

CONTROL_ONLY = {
    "priority_reasons", "needs_human", "duress", "suspect", "similar", "shortfall", "assignments", "warnings", "seen_by",
}  # fmt: skip


@pytest.mark.postgres_only
def test_a_reader_never_goes_past_a_number_that_is_still_to_be_committed(database, clock):
    """F32: A takes its number and sleeps, B takes the next and commits; nobody reads B's and then misses A's."""
    row = {"at": clock.now(), "audience": feed.CONTROL, "type": "slow", "data": b"{}"}
    read: list[list[str]] = []

    def look():
        with database.reading() as session:
            up_to = feed.last_seq(session)
            read.append([entry.type for entry in feed.read_after(session, 0, 10, up_to=up_to)])

    with database.reading() as session:
        settled = feed.last_seq(session)
    with database.engine.begin() as slow:
        # As `number_entries` does at the end of a transaction; then the commit takes its time.
        slow.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": feed._LOCK})
        slow.execute(insert(feed.FeedEntry), [row])
        with database.transaction() as session:
            feed.put(session, feed.CONTROL, "quick", {}, clock.now())
        with database.reading() as session:
            assert feed.read_after(session, 0, 10, up_to=settled) == [], "the quick one has a higher number"
        reader = threading.Thread(target=look)
        reader.start()
        reader.join(0.2)
        assert read == [], "it waits rather than to skip"
    reader.join(5)
    assert read == [["slow", "quick"]]


def test_readers_beside_many_writers_miss_nothing(database, clock):
    done, last, read = threading.Event(), 0, []

    def write(name):
        for number in range(15):
            with database.transaction() as session:
                for part in range(2):
                    feed.put(session, feed.CONTROL, "news", {"who": f"{name}-{number}-{part}"}, clock.now())

    writers = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for writer in writers:
        writer.start()
    watcher = threading.Thread(target=lambda: ([writer.join() for writer in writers], done.set()))
    watcher.start()
    while True:
        finished = done.is_set()
        with database.reading() as session:
            up_to = feed.last_seq(session)
            for entry in feed.read_after(session, last, 7, up_to=up_to):
                read.append(entry.seq)
                last = entry.seq
        if finished and last == up_to:
            break
    watcher.join()
    with database.reading() as session:
        assert read == seqs(session)
    assert len(read) == 4 * 15 * 2


def test_what_is_rolled_back_is_never_told(database, clock):
    def fails():
        with database.transaction() as session:
            feed.put(session, feed.CONTROL, "never", {}, clock.now())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with database.transaction() as session:
        feed.put(session, feed.CONTROL, "told", {}, clock.now())
    with database.reading() as session:
        assert [entry.type for entry in feed.read_after(session, 0, 10)] == ["told"]


def test_an_audience_reads_its_own_entries_in_pages(database, clock):
    with database.transaction() as session:
        for number in range(10):
            feed.put(session, "team:a" if number % 2 else "team:b", "news", {"number": number}, clock.now())
    with database.reading() as session:
        page = feed.read_after(session, 0, 3, ["team:a"])
        rest = feed.read_after(session, page[-1].seq, 10, ["team:a"])
        assert [entry.seq for entry in (*page, *rest)] == [2, 4, 6, 8, 10]
        assert feed.last_seq(session) == 10


def fields(value):
    if isinstance(value, dict):
        return set(value) | {name for each in value.values() for name in fields(each)}
    if isinstance(value, list):
        return {name for each in value for name in fields(each)}
    return set()


def test_each_audience_hears_its_own_fields_and_no_others(night):
    """S12: one alert from the phone to the scene and back; what each audience was told, field by field."""
    team, passer_by = night.team(2500), night.team(2600)
    alert_id = night.raises(description="canary words", place={"vehicle_number": "A-101"})
    night.works()
    night.moves(alert_id, 40, 1)
    night.operates(actions.acknowledge, alert_id)
    mission = night.offer_to(team, alert_id)
    for step in ("accept", "set_off", "arrive", "clear"):
        night.does(step, team, mission)
    night.operates(actions.close, alert_id, closing_code="victim_safe", legal_class=None, note=None)

    rider, patrol = night.heard_by_rider(alert_id, None), night.heard_by_team(team)
    other, control = night.heard_by_team(passer_by), night.heard(feed.CONTROL)
    assert fields(rider) == {
        "type", "alert", "id", "state", "version", "category", "reporter_role", "contact_mode", "received_at",
        "armed_until", "seen_at", "acknowledged_at", "team", "call_sign", "team_state", "closed_at", "cancel", "facts",
        "code", "at",
    }  # fmt: skip
    assert not CONTROL_ONLY & fields(patrol)
    assert not CONTROL_ONLY & fields(other)
    assert fields(control) >= CONTROL_ONLY
    assert "canary" not in str(rider)
    assert "canary" not in str(other)
    for data in patrol:
        shown = data.get("assignment", {})
        assert ("canary" in str(data)) == (shown.get("state") in ("accepted", "en_route", "on_scene")), data["type"]
    assert str(night.operator_id) not in str(rider) + str(patrol) + str(other)
    assert "43.29" not in str(rider)
