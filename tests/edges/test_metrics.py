"""Whatever a rule or a dashboard asks for is shown; whatever may be found wrong, and each rule, is in the runbook."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from backend.app import create_app
from backend.watch.findings import CODES
from tests.night import Night

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/vigie.rules.yml"
CONFIG = ROOT / "deploy/prometheus/prometheus.yml"
DASHBOARD = ROOT / "deploy/grafana/vigie.json"
RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
NOT_OURS = {"up"}


def rules():
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def asked_by_dashboard():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def names(expression):
    return set(re.findall(r"\bvigie_[a-z_]+\b", re.sub(r'"[^"]*"', "", expression)))


def labels(expression):
    """(metric, label) of each matcher, as in vigie_alerts{state="open"}."""
    found = re.findall(r"(vigie_[a-z_]+)\{([^}]*)\}", expression)
    return {
        (name, matcher.partition("=")[0].strip("!~ ")) for name, matchers in found for matcher in matchers.split(",")
    }


@pytest.fixture
def shown(wiring, client):
    """The text of /metrics of a process with web and live in it, on an installation where something has happened."""
    night = Night(wiring, wiring.clock)
    night.taken(night.team(), night.raises())
    token = client.post("/v1/devices", json={"platform": "android"}).json["access_token"]
    sent = client.post("/v1/alerts", json={}, headers={"Authorization": f"Bearer {token}"})
    assert sent.status_code == 201
    return client.get("/metrics").text


@pytest.fixture
def known(shown):
    found = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", shown, re.MULTILINE):
        found |= {name} if kind == "gauge" else {name.removesuffix("_total") + suffix for suffix in SUFFIXES[kind]}
    return found


def test_every_metric_of_the_rules_and_the_dashboard_is_shown(known):
    asked = [rule["expr"] for rule in rules()] + asked_by_dashboard()
    assert len(asked) > 30
    missing = {name for expression in asked for name in names(expression) - known}
    assert missing == set()


def test_a_metric_that_nobody_shows_would_be_noticed(known):
    assert names('max(vigie_alerts_forgotten{why="vigie_no"}) > 0') - known == {"vigie_alerts_forgotten"}


def test_every_label_that_is_asked_for_is_there(shown):
    for name, label in {
        pair for text in [*asked_by_dashboard(), *(rule["expr"] for rule in rules())] for pair in labels(text)
    }:
        samples = [line for line in shown.splitlines() if line.startswith(f"{name}{{")]
        # Some only appear once messages were sent by a channel: then there is nothing to compare with.
        assert all(f'{label}="' in line for line in samples), f"{name} has no label {label}"


def test_rules_stand_on_findings_by_code(shown):
    for code in CODES:
        assert f'vigie_findings{{code="{code}"}}' in shown, "also while it is not found: absent means blind"


def test_every_rule_says_how_bad_it_is_and_where_to_read_on():
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        anchor = rule["annotations"]["runbook"].partition("#")[2]
        headings = {re.sub(r"[^a-z0-9_ -]", "", line.lower()).strip().replace(" ", "-")
                    for line in re.findall(r"^#+ (.+)$", RUNBOOK, re.MULTILINE)}  # fmt: skip
        assert anchor in headings, f"{rule['alert']}: docs/runbook.md has no #{anchor}"


@pytest.mark.parametrize("code", CODES)
def test_every_finding_has_a_paragraph(code):
    assert paragraph(f"### `{code}`") > 80


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_has_a_paragraph(rule):
    assert paragraph(f"### {rule['alert']}") > 20


def test_the_runbook_explains_nothing_that_is_not_there():
    explained = set(re.findall(r"^### `?(\w+)`?$", RUNBOOK, re.MULTILINE))
    assert explained == set(CODES) | {rule["alert"] for rule in rules()}


def paragraph(heading):
    """How many characters stand under a heading."""
    lines = RUNBOOK.split(f"{heading}\n")
    assert len(lines) == 2, f"docs/runbook.md: {heading} once"
    return len(lines[1].partition("\n#")[0].strip())


def test_prometheus_takes_rules_and_configuration():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian's package prometheus) to check the rules")
    for what, path in (("rules", RULES), ("config", CONFIG)):
        done = subprocess.run([promtool, "check", what, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_web_process_shows_the_same_findings_as_one_with_sockets(wiring, client):
    web = create_app(wiring).test_client()
    findings = re.compile(r"^vigie_findings.*$", re.MULTILINE)
    assert findings.findall(web.get("/metrics").text) == findings.findall(client.get("/metrics").text)
