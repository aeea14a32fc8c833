"""What rules are tried on: the shapes of real feeds."""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from backend.geo import Point


@cache
def _shapes(feed: Path) -> list[list[Point]]:
    rows: dict[str, list[tuple[int, Point]]] = defaultdict(list)
    with zipfile.ZipFile(feed) as zipped, zipped.open("shapes.txt") as raw:
        for row in csv.DictReader(io.TextIOWrapper(raw, "utf-8-sig")):
            place = Point(float(row["shape_pt_lat"]), float(row["shape_pt_lon"]))
            rows[row["shape_id"]].append((int(row["shape_pt_sequence"]), place))
    return [[point for _, point in sorted(found)] for found in rows.values() if len(found) > 1]


@pytest.fixture(scope="session")
def real_shapes() -> Callable[[Path], list[list[Point]]]:
    """Reads the shapes of a feed, each as its points in order."""
    return _shapes
