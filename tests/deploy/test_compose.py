"""The containers, as far as they can be looked at without an engine: nothing here was built or started."""

import re
import shlex
import subprocess

import pytest
import yaml

from backend.settings import Settings
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())


@pytest.mark.parametrize(
    ("service", "process"),
    [
        ("migrate", "release"),
        ("web", "web"),
        ("web2", "web"),
        ("live", "live"),
        ("live2", "live"),
        ("worker", "worker"),
    ],
)
def test_each_service_runs_a_process_of_the_procfile(service, process):
    command = [part for part in SERVICES[service]["command"] if part not in ("--bind", "0.0.0.0:8001")]
    assert command == shlex.split(PROCFILE[process])


def test_two_of_each_and_nothing_before_the_migration():
    assert SERVICES["worker"]["deploy"]["replicas"] == 2
    for name in ("web", "web2", "live", "live2", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert SERVICES[name]["restart"] == "always"
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["front"], (
        "nobody else is reached from outside"
    )


def test_the_environment_names_settings_that_exist():
    known = {f"VIGIE_{name.upper()}" for name in Settings.__dataclass_fields__} | {"DATABASE_URL", "POSTGRES_PASSWORD"}
    example = dict(re.findall(r"^(\w+)=(.*)$", (DEPLOY / "compose.env.example").read_text(), re.MULTILINE))
    here = {**SERVICES["web"]["environment"], **example}
    assert set(here) <= known
    settings = Settings.from_env({name: value for name, value in here.items() if name != "POSTGRES_PASSWORD"})
    assert (settings.environment, settings.forwarded_hops) == ("production", 1)
    assert example["POSTGRES_PASSWORD"] in settings.database_url, "the same password on both sides"
    assert "@database/vigie" in settings.database_url
    assert SERVICES["database"]["environment"] == {"POSTGRES_USER": "vigie", "POSTGRES_DB": "vigie"}


def test_the_image_holds_what_the_processes_need_and_runs_as_nobody_special():
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    assert "--require-hashes" in next(line for line in lines if "pip install" in line)
    assert lines.index("USER vigie") > max(
        number for number, line in enumerate(lines) if line.startswith(("RUN", "COPY"))
    )
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {word for line in lines if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]}
    assert copied == let_in, "what is copied is what the build is shown, and nothing more"
    for name in copied:
        assert (ROOT / name).exists(), name


def test_the_front_is_the_one_that_is_tested_with_names_instead_of_ports():
    shipped = (DEPLOY / "nginx" / "vigie.conf").read_text()
    command = ["sed", "-f", str(DEPLOY / "compose-nginx.sed"), str(DEPLOY / "nginx" / "vigie.conf")]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    servers = re.findall(r"server (\S+) max_fails=0;", made)
    assert sorted(servers) == ["live2:8001", "live:8001", "web2:8001", "web:8001"]
    assert all(name.partition(":")[0] in SERVICES for name in servers)
    assert "127.0.0.1" not in made
    assert len(made.splitlines()) == len(shipped.splitlines())
    assert "letsencrypt" not in made
    mounted = {one.split(":")[1] for one in SERVICES["front"]["volumes"]}
    assert re.search(r"include (\S+);", made)[1] in mounted
    assert "/etc/nginx/certificate" in mounted
