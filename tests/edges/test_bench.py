"""The benchmark still runs: every row and every drill once, in seconds, without a word about speed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("what", [["--database", "postgresql"], ["--database", "embedded"], ["kill"]], ids="-".join)
def test_every_row_is_measured(what, tmp_path):
    page = tmp_path / "benchmark.md"
    done = subprocess.run(
        [sys.executable, "-m", "bench", *what, "--quick", "--write", str(page)],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "BENCH_FIRST": "0"}, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = [line for line in page.read_text().splitlines() if line.startswith(("| PostgreSQL", "| embedded"))]
    assert len(rows) == (3 if what == ["kill"] else 5)
    for row in rows:
        assert "p50 0.0 ms" not in row
        assert "; lost at any step: 0" in row or "sustained" not in row
        assert "lost 0;" in row or "kill -9" not in row
