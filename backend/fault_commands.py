"""flask faults: the fault experiments of a checkout, from the same command line as everything else."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click
from flask.cli import AppGroup


def fault_commands() -> AppGroup:
    """`flask faults list` and `flask faults run F12`; the experiments are not part of what is deployed."""
    group = AppGroup("faults", help="Break an installation of its own in every way that is known, and look.")

    @group.command("list")
    def list_experiments() -> None:
        """Say which experiments there are, and what each one breaks."""
        sys.exit(_program().main(["list"]))

    @group.command("run")
    @click.argument("names", nargs=-1, required=True)
    @click.option("--runs", default=1, show_default=True, help="How often each; the worst counts.")
    def run(names: tuple[str, ...], runs: int) -> None:
        """Run experiments by NAME: F12 …, p1, p2 or all. They start processes and a PostgreSQL of their own."""
        sys.exit(_program().main(["run", *names, "--runs", str(runs)]))

    return group


def _program() -> Any:
    try:
        return importlib.import_module("faults.__main__")
    except ModuleNotFoundError as missing:
        # A deployment has neither the experiments nor what they need; a checkout has both.
        raise click.ClickException(
            f"The fault experiments need a checkout with its development packages ({missing.name} is not here): "
            "clone the project and run `make faults`."
        ) from None
