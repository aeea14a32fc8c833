"""Connections to PostgreSQL: what becomes of them when the server ends, or vanishes without a word."""

import os
import socket
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from backend.database import in_one_message
from tests.sockets import eventually

pytestmark = pytest.mark.postgres_only


def test_a_server_that_ends_in_the_middle_of_its_answers_leaves_no_connection_that_cannot_be_used(database, caplog):
    def asks():
        with pytest.raises(OperationalError), database.reading() as session:
            in_one_message(session, ("SELECT 1", ()), ("SELECT pg_sleep(20)", ()), ("SELECT 2", ()))

    end_it = text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    asking = threading.Thread(target=asks)
    asking.start()
    with database.reading() as session:
        eventually(lambda: session.scalar(end_it) == 1)
    asking.join(5)
    with database.reading() as session:
        assert in_one_message(session, ("SELECT 1", ()), ("SELECT 2", ())) == [[(1,)], [(2,)]]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_server_that_vanishes_without_a_word_is_given_up_after_seconds(database):
    with database.reading() as session:
        descriptor = session.connection().connection.driver_connection.fileno()
        with socket.socket(fileno=os.dup(descriptor)) as line:
            if line.family not in (socket.AF_INET, socket.AF_INET6):
                pytest.skip("this server is reached by a local socket, at the other end of which nobody vanishes")
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 8_000


def test_a_connection_that_the_server_has_ended_is_noticed_without_a_ping(database):
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    for _ in range(3):
        with database.reading() as session:
            session.execute(text(f"{end_all} AND pid <> pg_backend_pid()"))
        with database.reading() as one, database.reading() as other:
            assert one.scalar(text("SELECT 1")) == other.scalar(text("SELECT 1")) == 1
