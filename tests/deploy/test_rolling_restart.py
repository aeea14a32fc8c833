"""The rolling restart: one after the other, and not one more once one stays away."""

import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.processes import ROOT, Gunicorn
from tests.sockets import eventually

SCRIPT = ROOT / "deploy" / "rolling-restart"


@pytest.fixture(scope="module")
def rolling():
    loader = importlib.machinery.SourceFileLoader("rolling_restart", str(SCRIPT))
    made = importlib.util.module_from_spec(importlib.util.spec_from_loader("rolling_restart", loader))
    previous, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(made)
    sys.dont_write_bytecode = previous
    return made


class Machine:
    """Instances that are ready some looks after their restart, or never; remembers what was done in which order."""

    def __init__(self, *, looks=2, never=(), schema="ok", fails=()):
        self.done, self.said = [], []
        self._looks, self._never, self._schema, self._fails = looks, never, schema, fails
        self._away: dict[str, int] = {}

    def restart(self, instance):
        self.done.append(instance)
        self._away[instance] = self._looks
        return instance not in self._fails

    def probe(self, instance):
        if self._away.get(instance, 0) > 0:
            self._away[instance] -= 0 if instance in self._never else 1
            self.done.append("…")
            return None
        return {"status": "degraded", "schema": self._schema}


def test_the_next_is_touched_only_when_the_last_is_ready(rolling):
    machine = Machine()
    rolling.roll(["worker@1", "web@1", "web@2"], machine.restart, machine.probe, machine.said.append, look_s=0)
    assert machine.done == ["worker@1", "web@1", "…", "…", "web@2", "…", "…"]
    assert [line.split()[:2] for line in machine.said] == [["1/3", "worker@1"], ["2/3", "web@1"], ["3/3", "web@2"]]


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        (Machine(never=("web@1",)), "web@1 is not ready"),
        (Machine(fails=("web@1",)), "journalctl -u vigie-web@1"),
        (Machine(schema="behind"), "db upgrade"),
    ],
)
def test_it_stops_at_the_first_that_does_not_come_back(rolling, machine, says):
    with pytest.raises(rolling.NotRestarted, match=says):
        rolling.roll(
            ["web@1", "web@2"], machine.restart, machine.probe, machine.said.append, patience_s=0.05, look_s=0.001
        )
    assert "web@2" not in machine.done


def test_workers_come_first_and_sockets_last(rolling):
    assert rolling.in_order(["live@8101", "web@8002", "web@8001", "worker@1"]) == [
        "worker@1", "web@8001", "web@8002", "live@8101",
    ]  # fmt: skip


def test_it_says_what_it_could_not_do(tmp_path):
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\nexit 0\n")
    systemctl.chmod(0o755)
    for arguments in ([], ["web"], ["postgres@1"]):
        done = subprocess.run(
            [sys.executable, SCRIPT, *arguments],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done


@pytest.mark.postgres_only
@pytest.mark.slow
def test_two_web_processes_one_after_the_other(database_url, tmp_path):
    """Without systemd: a command of ours ends the process of a port and starts another there."""
    webs = [Gunicorn(database_url, "create_web", tmp_path / f"{number}.log") for number in range(2)]
    for one in webs:
        eventually(one.ready, timeout=60)
    pids = tmp_path / "pids.json"
    pids.write_text(json.dumps({str(one.port): one.process.pid for one in webs}))
    restart = tmp_path / "restart.py"
    restart.write_text(
        f"""
import json, os, signal, subprocess, sys, time
port = sys.argv[1].partition("@")[2]
pids = json.load(open({str(pids)!r}))
os.kill(pids[port], signal.SIGTERM)
while os.path.exists(f"/proc/{{pids[port]}}") and open(f"/proc/{{pids[port]}}/stat").read().split()[2] != "Z":
    time.sleep(0.02)
log = open({str(tmp_path / "again.log")!r}, "ab")
pids[port] = subprocess.Popen(
    [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{{port}}", "backend.app:create_web()"],
    cwd={str(ROOT)!r}, stdout=log, stderr=log,
).pid
json.dump(pids, open({str(pids)!r}, "w"))
"""
    )
    before = json.loads(pids.read_text())
    names = [f"web@{one.port}" for one in webs]
    try:
        done = subprocess.run(
            [sys.executable, SCRIPT, "--restart", f"{sys.executable} {restart} {{instance}}", *names],
            env={**os.environ, "DATABASE_URL": database_url, "VIGIE_ENVIRONMENT": "test"},
            capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.split()[1] for line in done.stdout.splitlines()] == names
        after = json.loads(pids.read_text())
        assert set(before.values()).isdisjoint(after.values())
        assert all(one.ready() for one in (_At(port) for port in after))
    finally:
        for pid in json.loads(pids.read_text()).values():
            os.kill(pid, 15)
        for one in webs:
            one.process.wait(20)


class _At(Gunicorn):
    def __init__(self, port):
        self.url, self.process = f"http://127.0.0.1:{port}", None
