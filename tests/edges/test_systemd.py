"""A worker under systemd: it says when it works, goes on saying so only while it does, and says when it ends."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from backend.systemd import Supervised, supervised
from tests.processes import ROOT


@pytest.fixture
def systemd(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(60)
        yield line


def said(systemd):
    return systemd.recv(100).decode()


@pytest.mark.postgres_only
@pytest.mark.slow
def test_a_worker_says_that_it_works_and_that_it_ends(systemd, database_url, tmp_path):
    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "VIGIE_ENVIRONMENT": "test",
        "NOTIFY_SOCKET": systemd.getsockname(),
    }
    worker = subprocess.Popen([sys.executable, "-m", "flask", "--app", "backend.app", "worker"], cwd=ROOT, env=env)
    try:
        assert said(systemd) == "READY=1"
        assert said(systemd) == "WATCHDOG=1"
        worker.send_signal(signal.SIGTERM)
        while (heard := said(systemd)) == "WATCHDOG=1":
            pass
        assert heard == "STOPPING=1"
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()


def test_work_that_has_not_begun_or_hangs_is_not_called_alive(systemd):
    asked, works = threading.Semaphore(0), threading.Event()

    def working():
        asked.release()
        return works.is_set()

    supervisor = Supervised(systemd.getsockname(), working)
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    for _ in range(3):
        asked.acquire(timeout=20)
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        said(systemd)
    systemd.settimeout(20)
    works.set()
    assert said(systemd) == "READY=1"
    supervisor.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_without_systemd_nothing_is_said_and_nothing_breaks(tmp_path):
    assert supervised(lambda: True, {}) == []
    Supervised(str(tmp_path / "nobody"), lambda: True).stop()
