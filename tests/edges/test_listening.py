"""When a process takes connections: while somebody is there to serve them, and not before or after."""

import os
import signal
import socket

import pytest

from tests.processes import Gunicorn
from tests.sockets import eventually

APPLICATION = """
import pathlib, time

def create(gate):
    while not pathlib.Path(gate).exists():
        time.sleep(0.02)
    def application(environ, start_response):
        start_response("200 OK", [("Content-Length", "0")])
        return []
    return application
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def gate(tmp_path):
    """The application is loaded while this file is there."""
    (tmp_path / "gated.py").write_text(APPLICATION)
    return tmp_path / "open"


@pytest.fixture
def served(tmp_path, gate):
    made = Gunicorn("sqlite://", f"gated:create({str(gate)!r})", tmp_path / "log", "--pythonpath", str(tmp_path))
    eventually(lambda: "Booting worker" in made.log.read_text(), timeout=20)
    yield made
    made.stop()


def refuses(process: Gunicorn) -> bool:
    try:
        socket.create_connection(("127.0.0.1", process.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_process_that_still_loads_its_code_refuses_at_once_and_then_serves(served, gate):
    assert refuses(served), "nginx would have given it a cry for help that nobody reads yet"
    gate.touch()
    eventually(served.ready, timeout=20)


def test_a_process_whose_last_worker_died_refuses_until_the_next_one_serves(served, gate):
    gate.touch()
    eventually(served.ready, timeout=20)
    gate.unlink()
    (worker,) = served.workers()
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: refuses(served), timeout=20)
    eventually(lambda: served.workers() not in ([], [worker]), timeout=20, what="another worker")
    assert refuses(served)
    gate.touch()
    eventually(served.ready, timeout=20)


def test_a_worker_that_dies_before_it_has_loaded_its_code_is_followed_by_another(served, gate):
    (worker,) = served.workers()
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: served.workers() not in ([], [worker]), timeout=20, what="another worker")
    assert refuses(served)
    gate.touch()
    eventually(served.ready, timeout=20)


def test_an_upgrade_in_place_never_refuses(served, gate):
    gate.touch()
    eventually(served.ready, timeout=20)
    gate.unlink()
    before = served.workers()
    served.process.send_signal(signal.SIGUSR2)
    eventually(lambda: served.log.read_text().count("Booting worker") == 2, timeout=20)
    assert served.ready(), "the old worker serves the socket that both have"
    (successor,) = set(served.workers()) - set(before)
    gate.touch()
    os.kill(successor, signal.SIGKILL)
    eventually(lambda: served.workers() == before, timeout=20)
    assert served.ready()
