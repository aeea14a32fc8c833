"""What is lost when a process is killed."""
from bench.report import Report


def measure(found: Report, *, rate: float, quick: bool) -> None:
    """Not yet."""
