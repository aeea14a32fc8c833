"""Waiting for news: woken by a commit, by the end, and by nothing else; the poll goes on when the server is away."""

import subprocess
import sys
import threading

import psycopg
import pytest

from backend.database import wake

FOREVER = 100.0  # longer than a test may take: who is not woken fails by the test's own limit


class Waiting:
    """Somebody in another thread who waits for news, once."""

    def __init__(self, waker):
        self.said = []
        self.thread = threading.Thread(target=lambda: self.said.append(waker.wait(FOREVER)), daemon=True)
        self.thread.start()

    def answer(self):
        self.thread.join(20)
        assert not self.thread.is_alive(), "still asleep"
        return self.said[0]


@pytest.fixture
def waker(database):
    made = database.waker("feed")
    if database.is_postgresql:
        assert made.wait(FOREVER), "the first look is due at once: what came before the LISTEN was not heard"
    yield made
    made.close()


def test_a_commit_wakes_who_waits_for_it(database, waker):
    waiting = Waiting(waker)
    with database.transaction() as session:
        wake(session, "due")
    with database.transaction() as session:
        wake(session, "feed")
    assert waiting.answer() is True
    if database.is_postgresql:
        assert waker.wait(0) is False, "one commit is heard once"


def test_news_that_came_while_nobody_waited_is_heard_at_once(database, waker):
    with database.transaction() as session:
        wake(session, "feed")
    assert waker.wait(FOREVER) is True


def test_closing_wakes_the_waiter_at_once_and_for_good(database, waker):
    waiting = Waiting(waker)
    waker.close()
    waiting.answer()
    if database.is_postgresql:
        assert waker.wait(FOREVER) is False
        assert listeners(database) == 0
    waker.close()


@pytest.mark.postgres_only
def test_closed_before_it_ever_waited(database):
    waker = database.waker("due")
    waker.close()
    assert waker.wait(FOREVER) is False


@pytest.mark.postgres_only
def test_a_server_that_ends_the_connection_is_listened_to_again(database, waker):
    waiting = Waiting(waker)
    with database.engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'vigie-listen' AND datname = current_database()"
        )
    assert waiting.answer() is False, "the poll is the truth: it may look now"
    while not waker.wait(FOREVER):
        pass  # its last words, then the end of the stream; after that it listens again and says: look
    with database.transaction() as session:
        wake(session, "feed")
    assert waker.wait(FOREVER) is True


@pytest.mark.postgres_only
def test_greenlets_of_a_process_go_on_while_one_waits_and_closing_wakes_it(database):
    """As in `live`: gevent's patches come first, and a wait that blocks in C would stop every socket of the process."""
    script = f"""
from gevent import monkey; monkey.patch_all()
import gevent
from sqlalchemy.engine import make_url
from backend.wakers import PostgresWaker
waker = PostgresWaker(make_url({database.url.render_as_string(hide_password=False)!r}), "feed")
waker.wait({FOREVER})
waiting = gevent.spawn(waker.wait, {FOREVER})
for _ in range(50):
    gevent.sleep(0)
waker.close()
print(waiting.get())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "False", done.stderr


def listeners(database):
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    question = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vigie-listen' AND datname = current_database()"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        deadline = 100
        while (found := connection.execute(question).fetchone()[0]) and deadline:
            deadline -= 1
            connection.execute("SELECT pg_sleep(0.05)")
        return found
