"""The benchmark still runs: one row of its table, in seconds, without a word about speed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_the_way_of_an_alert_is_measured_and_every_one_is_stored(tmp_path):
    page = tmp_path / "benchmark.md"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", "--database", "postgresql", "--rows", "way,nearest", "--write", page],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "BENCH_FIRST": "0"}, timeout=160,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line for line in page.read_text().splitlines() if line.startswith("| PostgreSQL")]
    assert len(rows) >= 4
    (way,) = [line for line in done.stderr.splitlines() if line.startswith("PostgreSQL way")]
    stored = way.partition("answered ")[2].split()[0].split("/")
    assert stored[0] == stored[1] != "0", way
    assert f"stored {stored[0]} " in way
