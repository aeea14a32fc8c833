"""Failpoints: nothing without the setting, exactly what is armed with it, never in production."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend import failpoints
from backend.settings import Settings, SettingsRefused

BACKEND = Path(failpoints.__file__).parent


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoints.arm("")


def strikes(name: str, times: int) -> int:
    """How often a failpoint that raises does so."""
    count = 0
    for _ in range(times):
        try:
            failpoints.hit(name)
        except failpoints.InjectedError:
            count += 1
    return count


def test_nothing_happens_without_the_setting():
    assert strikes("alert.after_commit", 3) == 0


def test_a_failpoint_strikes_as_often_as_it_says_and_no_other_does():
    failpoints.arm("alert.after_commit=raise*2, live.before_emit=raise")
    assert strikes("alert.after_commit", 5) == 2
    assert strikes("live.before_emit", 5) == 5
    assert strikes("alert.before_commit", 5) == 0


@pytest.mark.parametrize(
    "wrong",
    ["alert.after_comit=raise", "alert.after_commit", "alert.after_commit=explode", "alert.after_commit=raise*0", "@/no/such/folder"],
)
def test_what_does_not_exist_is_refused_at_the_start(wrong):
    with pytest.raises(SettingsRefused):
        failpoints.arm(wrong)


def test_a_folder_arms_a_running_process_and_counts_across_processes(tmp_path):
    failpoints.arm(f"@{tmp_path}")
    assert strikes("live.before_emit", 2) == 0
    (tmp_path / "live.before_emit").write_text("raise*2")
    assert strikes("live.before_emit", 1) == 1
    other = "import sys; from tests.faults.test_failpoints import strikes, failpoints as f; f.arm(sys.argv[1]); print(strikes('live.before_emit', 5))"
    said = subprocess.run([sys.executable, "-c", other, f"@{tmp_path}"], cwd=BACKEND.parent, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "1"
    assert strikes("live.before_emit", 2) == 0
    assert [line.split()[:2] for line in (tmp_path / failpoints.STRUCK).read_text().splitlines()] == [["live.before_emit", "raise"]] * 2


@pytest.mark.parametrize(("action", "ending"), [("kill9", -signal.SIGKILL), ("sleep:0.01", 0)])
def test_a_process_dies_or_waits_on_the_spot(action, ending):
    program = "import sys; from backend import failpoints as f; f.arm(sys.argv[1]); f.hit('alert.before_commit'); f.hit('alert.after_commit')"
    done = subprocess.run([sys.executable, "-c", program, f"alert.after_commit={action}"], cwd=BACKEND.parent, timeout=60)
    assert done.returncode == ending


def test_production_never_starts_with_failpoints():
    settings = Settings(environment="production", database_url="postgresql://nowhere/vigie", failpoints="alert.after_commit=kill9")
    with pytest.raises(SettingsRefused, match="FAILPOINTS"):
        settings.refuse_absurd()


def test_every_failpoint_has_its_place_in_the_code_and_every_place_its_line():
    placed = {
        name
        for path in BACKEND.rglob("*.py")
        for name in re.findall(r"failpoints\.hit\(\"([a-z_.]+)\"\)", path.read_text())
    }
    assert placed == set(failpoints.POINTS)
