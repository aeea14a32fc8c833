"""The units as they are shipped: systemd accepts them, and what they start works with the example's environment."""

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from backend.settings import Settings
from tests.migrated import HEAD
from tests.postgres import free_port
from tests.processes import ROOT
from tests.sockets import eventually

UNITS = ROOT / "deploy" / "systemd"
EXAMPLE = ROOT / "deploy" / "vigie.env.example"
PROCESSES = ("vigie-web@", "vigie-live@", "vigie-worker@")


def lines_of(unit):
    """Each assignment of a unit: (section, name) and its value, in order."""
    section, found = "", []
    for line in (UNITS / unit).read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.append(((section, name), value))
    return found


def value(unit, name, section="Service"):
    return dict(lines_of(unit))[section, name]


def example(*, commented=True):
    """The names and values of the example, also those that stand in it as comments."""
    pattern = r"^#?([A-Z][A-Z_]+)=(.*)$" if commented else r"^([A-Z][A-Z_]+)=(.*)$"
    return {name: text.strip('"') for name, text in re.findall(pattern, EXAMPLE.read_text(), re.MULTILINE)}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_accepts_every_unit(tmp_path):
    """On a tree of the units' own, so that neither this machine's units nor a missing /opt/vigie speak."""
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "vigie").symlink_to(ROOT)
    made = []
    for unit in sorted(UNITS.iterdir()):
        text = (
            unit.read_text().replace("/opt/vigie/.venv", sys.prefix).replace("/opt/vigie", str(tmp_path / "opt/vigie"))
        )
        made.append(tmp_path / unit.name.replace("@.", "@8001."))
        made[-1].write_text(text)
    assert len(made) >= 6
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(f"./{one.name}" for one in made)],
        cwd=tmp_path, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", [f"{name}.service" for name in PROCESSES])
def test_a_process_is_always_started_again_and_given_time_to_drain(unit):
    assert value(unit, "Restart") == "always"
    assert value(unit, "RestartSec") == "1"
    assert value(unit, "StartLimitIntervalSec", "Unit") == "0", "after a database's minute away, systemd would give up"
    assert value(unit, "KillSignal") == "SIGTERM"
    assert int(value(unit, "LimitNOFILE")) >= 12_500
    conf: dict[str, int] = {}
    exec((ROOT / "gunicorn.conf.py").read_text(), conf)  # our own file, as gunicorn reads it
    assert int(value(unit, "TimeoutStopSec")) > conf["graceful_timeout"]
    assert value(unit, "PartOf", "Unit") == "vigie.target"


@pytest.mark.parametrize("unit", sorted(one.name for one in UNITS.glob("*.service")))
def test_a_process_may_touch_nothing_but_what_it_needs(unit):
    for name, wanted in (
        ("NoNewPrivileges", "yes"), ("ProtectSystem", "strict"), ("ProtectHome", "yes"), ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""), ("User", "vigie"), ("UMask", "0077"),
        ("EnvironmentFile", "/etc/vigie/vigie.env"),
    ):  # fmt: skip
        assert value(unit, name) == wanted, name


def test_each_process_of_the_procfile_has_a_unit_with_the_same_command():
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    for kind in ("web", "live", "worker"):
        started = shlex.split(value(f"vigie-{kind}@.service", "ExecStart"))
        started[0] = Path(started[0]).name
        assert [part for part in started if part not in ("--bind", "127.0.0.1:%i")] == shlex.split(procfile[kind])


def test_the_example_names_settings_that_exist_with_their_defaults():
    known = {f"VIGIE_{name.upper()}": name for name in Settings.__dataclass_fields__} | {"DATABASE_URL": "database_url"}
    assert set(example()) <= set(known)
    Settings.from_env(example(commented=False))  # refuses what production must not start with
    by_example, usual = Settings.from_env({**example(), "VIGIE_DISPATCH_PLAN": ""}), Settings()
    must_be_set = {"environment", "database_url", "public_url", "forwarded_hops", "allowed_origins"}
    for name in {known[each] for each in example()} - must_be_set:
        if getattr(usual, name) != "":  # what is off by itself stands there with an example of how to set it
            assert getattr(by_example, name) == getattr(usual, name), f"{name}: what is commented out is the default"


def test_a_shell_reads_the_example_as_systemd_does(tmp_path):
    every = tmp_path / "vigie.env"
    every.write_text(re.sub(r"^#(?=[A-Z][A-Z_]+=)", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    shown = ["bash", "-ec", f"set -a; . {every}; exec env -0"]
    done = subprocess.run(shown, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    read = dict(one.split("=", 1) for one in done.stdout.split("\0") if one)
    assert {name: read[name] for name in example()} == example()


@pytest.mark.slow
def test_what_the_units_start_works(postgres_copies, tmp_path):
    url = postgres_copies.copy(HEAD)
    heard, ports = {}, {}
    with contextlib.ExitStack() as stack:
        for kind in ("web", "live", "worker"):
            ports[kind] = free_port()
            line = heard[kind] = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            line.bind(str(tmp_path / kind))
            line.settimeout(60)
            unit = f"vigie-{kind}@.service"
            command = value(unit, "ExecStart").replace("%i", str(ports[kind])).replace("/opt/vigie/.venv", sys.prefix)
            process = subprocess.Popen(
                shlex.split(command),
                cwd=value(unit, "WorkingDirectory").replace("/opt/vigie", str(ROOT)),
                env={
                    "PATH": "/usr/bin:/bin", **example(commented=False),
                    "DATABASE_URL": url, "NOTIFY_SOCKET": line.getsockname(),
                },
            )  # fmt: skip
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
        for line in heard.values():
            assert b"READY=1" in line.recv(200)

        def ready():
            answers = [requests.get(f"http://127.0.0.1:{ports[kind]}/readyz", timeout=5) for kind in ("web", "live")]
            return all(answer.ok and answer.json()["database"] == "ok" for answer in answers)

        eventually(lambda: _listening(ports["web"]) and _listening(ports["live"]), timeout=60)
        eventually(ready, timeout=30)
    postgres_copies.drop(url)


def _listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
