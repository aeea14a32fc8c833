"""Connections to PostgreSQL: what becomes of them when the server ends, or vanishes without a word."""

import os
import select
import socket
import threading

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from backend.postgresql import in_one_message
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
    with database.reading() as session:
        ended = session.connection().connection.driver_connection
    with psycopg.connect(ended.info.dsn, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [ended.info.backend_pid])
    line = select.poll()
    line.register(ended.fileno(), select.POLLRDHUP)
    assert line.poll(5_000), "the server has closed it"
    with database.reading() as session:
        assert session.scalar(text("SELECT 1")) == 1
        assert session.connection().connection.driver_connection is not ended
