"""`flask faults` lists and runs experiments where they are, and says clearly where they are not."""

import sys

import pytest

from faults.__main__ import main
from faults.registry import chosen, experiment


def test_the_list_is_printed(capsys):
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert "F05  P1" in told
    assert "F29  P2" in told


def test_what_does_not_exist_is_said(capsys):
    assert main(["run", "F99"]) == 2
    assert "F99" in capsys.readouterr().err


def test_names_of_many():
    first, second, everything = (chosen([name]) for name in ("p1", "p2", "all"))
    assert {one.priority for one in first} == {1}
    assert {one.priority for one in second} == {2}
    assert len(everything) == len(first) + len(second)
    assert [one.id for one in chosen(["f05", "F05"])] == ["F05"]


def test_two_experiments_of_one_number_are_refused():
    with pytest.raises(ValueError, match="F05"):
        experiment("F05", title="", fault="", invariants="", bar="")(lambda scene: None)


def test_a_deployment_without_experiments_says_what_to_do(app, monkeypatch):
    runner = app.test_cli_runner()
    assert runner.invoke(args=["faults", "list"]).exit_code == 0
    monkeypatch.setitem(sys.modules, "faults.__main__", None)
    said = runner.invoke(args=["faults", "list"])
    assert said.exit_code == 1
    assert "make faults" in said.output
