"""Holds the source tree to its rules, and each rule to catching what it is there for."""

import subprocess
from pathlib import Path

import pytest

from tests import architecture
from tests.architecture import RULES, Source

ROOT = Path(__file__).resolve().parents[1]
BACKEND = ROOT / "backend"
OWN_SUFFIXES = {".py", ".js", ".mjs", ".html", ".css", ".md", ".yaml"}


def sources() -> list[Source]:
    """Every Python file of backend/."""
    files = sorted(BACKEND.rglob("*.py"))
    return [Source(file.relative_to(BACKEND).with_suffix("").as_posix(), file.read_text()) for file in files]


def own_files() -> list[str]:
    """Every file of the project, tracked or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [name for name in listed if Path(name).suffix in OWN_SUFFIXES and (ROOT / name).exists()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_obeys(rule):
    wrong = [f"backend/{source.name}.py: {fault}" for source in sources() for fault in rule(source)]
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_in_a_ring():
    assert not architecture.cycles(sources())


def test_a_ring_is_caught():
    ring = [
        Source("alerts/actions", "from backend.alerts import register"),
        Source("alerts/register", "from backend.alerts.views import seen_by"),
        Source("alerts/views", "def f():\n    from backend.alerts.actions import raise_alert"),
    ]
    assert architecture.cycles(ring) == ["alerts/actions → alerts/register → alerts/views → alerts/actions"]
    assert not architecture.cycles(ring[:2])


def test_every_pure_file_is_there():
    names = {source.name for source in sources()}
    assert set(architecture.PURE + architecture.GEOMETRIC) <= names, "a pure file was renamed: name it in tests/architecture.py"


def test_no_name_says_nothing():
    wrong = [fault for name in own_files() for fault in architecture.bad_words(name)]
    assert not wrong, "\n".join(wrong)


def test_scripts_and_styles_are_short():
    long = [
        name
        for name in own_files()
        if Path(name).suffix in {".js", ".mjs", ".css"} and _lines(name) > architecture.LONGEST
    ]
    assert not long


def _lines(name: str) -> int:
    return (ROOT / name).read_text().count("\n")


PLANTED = [
    ("edges_are_not_imported", "alerts/actions", "from backend.alerts.routes import blueprint"),
    ("edges_are_not_imported", "dispatch/rounds", "from backend import wiring"),
    ("edges_are_not_imported", "people/duty", "def f():\n    import backend.sockets"),
    ("arrows_point_down", "alerts/actions", "from backend.dispatch import policy"),
    ("arrows_point_down", "alerts/actions", "from ..dispatch.policy import next_step"),
    ("arrows_point_down", "people/duty", "from backend.network.models import Line"),
    ("arrows_point_down", "feed", "from backend.alerts.models import Alert"),
    ("arrows_point_down", "weather/rain", "import math"),
    ("outsiders_use_the_contract", "simulation/town", "from backend.database import Database"),
    ("pure_files_are_pure", "alerts/lifecycle", "from sqlalchemy import select"),
    ("pure_files_are_pure", "dispatch/policy", "from backend.alerts.models import Alert"),
    ("pure_files_are_pure", "dispatch/policy", "import random"),
    ("geometry_decides_alone", "night_stops/policy", "from sqlalchemy.orm import Session"),
    ("geometry_decides_alone", "night_stops/checks", "from backend.network.index import network_of"),
    ("geometry_decides_alone", "night_stops/policy", "import random"),
    ("libraries_have_their_place", "alerts/actions", "from flask import g"),
    ("libraries_have_their_place", "alerts/models", "from geoalchemy2 import Geometry"),
    ("libraries_have_their_place", "worker", "import pyfcm"),
    ("core_never_commits", "alerts/actions", "session.commit()"),
    ("core_never_commits", "alerts/routes", "session.commit()"),
    ("core_never_commits", "alerts/actions", "with database.transaction() as session: pass"),
    ("only_the_clock_reads_the_clock", "alerts/actions", "datetime.now(UTC)"),
    ("only_the_clock_reads_the_clock", "alerts/routes", "datetime.utcnow()"),
    ("only_the_clock_reads_the_clock", "worker", "time.time()"),
    ("emits_name_a_room", "sockets", "server.emit('alert.raised', data, namespace='/control')"),
    ("calls_outside_have_a_timeout", "delivery/sms", "requests.post(url, json=body)"),
    ("calls_outside_have_a_timeout", "cli", "urllib.request.urlopen(url)"),
    ("says_what_it_owns", "feed", "import math"),
    ("is_short", "feed", '"""One."""\n' + "x = 1\n" * 300),
]


@pytest.mark.parametrize(
    ("rule", "name", "text"), PLANTED, ids=[f"{rule}-{number}" for number, (rule, _, _) in enumerate(PLANTED)]
)
def test_a_planted_fault_is_caught(rule, name, text):
    assert list(getattr(architecture, rule)(Source(name, text)))


def test_every_rule_has_a_planted_fault():
    assert {rule.__name__ for rule in RULES} == {rule for rule, _, _ in PLANTED}


ALLOWED = [
    (
        "alerts/routes",
        '"""."""\nfrom flask import g\nfrom backend.access import allow\nfrom backend.dispatch import rounds',
    ),
    (
        "dispatch/rounds",
        '"""."""\nfrom backend.alerts.models import Alert\nfrom backend import feed\nfrom backend.database import Base',
    ),
    ("dispatch/policy", '"""."""\nimport math\nfrom backend.alerts.lifecycle import State'),
    ("clock", '"""."""\ndatetime.now(UTC)'),
    ("sockets", '"""."""\nserver.emit("alert.raised", data, to="control")'),
    ("simulation/town", '"""."""\nfrom backend.simulation import roads\nclient.emit("position", fix)'),
]


@pytest.mark.parametrize(("name", "text"), ALLOWED, ids=[name for name, _ in ALLOWED])
def test_what_is_allowed_passes(name, text):
    assert not [fault for rule in RULES for fault in rule(Source(name, text))]


@pytest.mark.parametrize(
    "path", ["backend/utils.py", "tests/alert_helpers/x.py", "backend/core/a.py", "pages/base.html"]
)
def test_an_empty_name_is_caught(path):
    assert list(architecture.bad_words(path))
