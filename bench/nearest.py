"""Nearest."""
from bench.report import Report


def measure(found: Report, *, embedded: bool, teams: int, seconds: float, repeats: int) -> None:
    """Not yet."""
