"""Live processes as they are deployed: gunicorn, gevent, two workers, PostgreSQL, and a web process beside them."""

import contextlib
import os
import runpy
import signal
import struct
import time
from pathlib import Path

import pytest
import requests

from backend import feed
from backend.clock import SystemClock
from backend.database import Database
from backend.people import sessions
from backend.people.models import Staff
from backend.wiring import wire
from tests.migrated import settings
from tests.processes import ROOT, Gunicorn
from tests.sockets import Bare, Closed, Phone, eventually

pytestmark = [pytest.mark.postgres_only, pytest.mark.slow]


def resident(worker: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def start(database_url, tmp_path):
    started: list[Gunicorn] = []

    def one(what: str, *more: str, workers: int = 1) -> Gunicorn:
        made = Gunicorn(database_url, what, tmp_path / f"{len(started)}.log", *more, workers=workers)
        started.append(made)
        eventually(made.ready, timeout=30, what="starting")
        eventually(lambda: len(made.workers()) == workers, timeout=10)
        return made

    yield one
    for made in started:
        made.stop()


@pytest.fixture
def phone_at():
    """Makes phones that hang up after the test, whatever came of it."""
    made: list[Phone] = []

    def one(live: Gunicorn, token: str) -> Phone:
        made.append(Phone(live.url, "/control", token))
        return made[-1]

    yield one
    for phone in made:
        phone.close()


@pytest.fixture
def people(database_url):
    """A wiring of our own to make people with and write to the feed."""
    wiring = wire(settings(database_url), SystemClock())
    yield wiring
    wiring.database.dispose()


def operator_token(wiring) -> str:
    now = wiring.clock.now()
    with wiring.database.transaction() as session:
        person = Staff(login="op", display_name="op", role="operator", created_at=now)
        session.add(person)
        session.flush()
        return sessions.sign_in(session, person.id, now, valid_hours=14).access_token


def put(database: Database, number: int) -> None:
    with database.transaction() as session:
        feed.put(session, feed.CONTROL, "message.added", {"n": number}, SystemClock().now())


@contextlib.contextmanager
def asleep(worker: int):
    """A worker that takes no connection: which of several idle ones does is the kernel's choice, often always the same."""
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def test_what_is_committed_elsewhere_reaches_the_sockets_of_every_worker(start, people, phone_at):
    live, web = start("create_live", workers=2), start("create_web")
    token = operator_token(people)
    phones = []
    for worker in live.workers():
        with asleep(worker):
            phones += [phone_at(live, token) for _ in range(3)]
            for phone in phones:
                phone.hears("welcome")
    assert [live.sockets_of(worker) for worker in live.workers()] == [3, 3]
    device = requests.post(f"{web.url}/v1/devices", json={"platform": "android"}, timeout=5).json()
    headers = {"Authorization": f"Bearer {device['access_token']}"}
    alert = requests.post(f"{web.url}/v1/alerts", json={"category": "threat"}, headers=headers, timeout=5).json()
    for phone in phones:
        phone.hears("alert.raised", where=lambda data: data["alert"]["id"] == alert["id"])
    upgrade = requests.get(f"{web.url}/socket.io/?EIO=4&transport=websocket", timeout=5)
    assert upgrade.status_code == 404, "the web process has no websocket route at all"
    assert not list(live.log.parent.rglob("*.ctl")), "gunicorn's control socket stays off"


def test_sigterm_tells_every_socket_and_ends_soon(start, people, phone_at):
    live = start("create_live", workers=2)
    token = operator_token(people)
    phones = [phone_at(live, token) for _ in range(6)]
    for phone in phones:
        phone.hears("welcome")
    live.process.send_signal(signal.SIGTERM)
    for phone in phones:
        assert phone.hears("server.leaving")["retry_in_ms"] <= 1_000
        phone.hears("disconnect")
    live.process.wait(9)  # gunicorn itself kills what stays after 10 s
    assert live.process.returncode == 0


def test_a_reload_sends_sockets_to_the_new_workers_without_a_gap(start, people, phone_at):
    live = start("create_live", workers=2)
    token = operator_token(people)
    before = set(live.workers())
    phone = phone_at(live, token)
    seq = phone.hears("welcome")["seq"]
    live.process.send_signal(signal.SIGHUP)
    number = 0
    while not phone.all_heard("server.leaving"):
        put(people.database, number)
        number += 1
        time.sleep(0.05)
        assert number < 200
    heard = {data["n"] for data in phone.all_heard("message.added")}
    eventually(lambda: before.isdisjoint(live.workers()), timeout=30)
    eventually(live.ready, timeout=30)
    again = phone_at(live, token)
    welcome = again.hears("welcome")
    with people.database.reading() as session:
        caught_up = feed.read_after(session, seq, 500, [feed.CONTROL])
    put(people.database, number)
    again.hears("message.added", where=lambda data: data["n"] == number)
    assert welcome["seq"] >= seq
    assert len(heard | {n for n, _ in enumerate(caught_up)}) == number, "the feed has what the old socket missed"


def test_hostile_sockets_are_freed_and_cost_no_memory(start, people):
    live = start("create_live")
    worker = live.workers()[0]
    token = operator_token(people)
    warm = [Bare(live.url) for _ in range(20)]
    for bare in warm:
        bare.ws.shutdown()
    usual = resident(worker)
    bare = Bare(live.url)
    bare.ws.sock.sendall(struct.pack("!BBQ", 0x81, 0x80 | 127, 60_000_000) + b"\0\0\0\0")
    with contextlib.suppress(OSError):
        for _ in range(900):
            bare.ws.sock.sendall(b" " * 65_536)
    assert resident(worker) - usual < 8_000_000
    assert requests.get(f"{live.url}/livez", timeout=20).ok
    bare.ws.shutdown()

    half_open = Bare(live.url)
    half_open.sign_in("/control", token)
    greedy = Bare(live.url)  # never reads again
    greedy.sign_in("/control", token)
    for number in range(300):
        with people.database.transaction() as session:
            feed.put(session, feed.CONTROL, "message.added", {"n": number, "text": "x" * 15_000}, SystemClock().now())
    assert resident(worker) - usual < 24_000_000

    eventually(lambda: live.sockets_of(worker) == 0, timeout=60, what="freeing peers that answer nothing")
    for one in (half_open, greedy):
        one.ws.shutdown()


def test_a_peer_that_vanishes_without_a_word_is_closed(start, people):
    live = start("create_live")
    silent = Bare(live.url)
    silent.sign_in("/control", operator_token(people))
    silent.ws.settimeout(60)  # the kernel by itself would take a quarter of an hour
    began = time.monotonic()
    ended: Closed | str = "open"
    while ended == "open":
        try:
            if not silent.ws.sock.recv(4096):  # reads, and answers nothing: not even pings
                ended = "end of stream"
        except OSError:
            ended = "reset"
    assert time.monotonic() - began > 4
    silent.ws.shutdown()


def test_preload_is_refused(database_url, tmp_path):
    made = Gunicorn(database_url, "create_live", tmp_path / "log", "--preload")
    made.process.wait(20)
    assert made.process.returncode != 0
    assert "--preload cannot serve Vigie" in made.log.read_text()


def test_a_process_may_hold_thousands_of_sockets():
    conf = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    assert conf["worker_class"] == "gevent"
    assert conf["worker_connections"] >= 12_000
    assert conf["graceful_timeout"] == 10
    assert conf["control_socket_disable"] is True
