"""The tests' own guards, each seen to catch what it is there for."""

import contextlib
import socket

import pytest

from tests.fakes import FakeClock

ELSEWHERE = ("192.0.2.1", 80)  # an address for documentation: nobody answers there


def test_nothing_leaves_the_machine_and_a_swallowed_attempt_is_remembered(outside):
    with socket.socket() as probe, pytest.raises(PermissionError, match=r"192\.0\.2\.1"):
        probe.connect(ELSEWHERE)
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.connect(ELSEWHERE)
    assert outside == [str(ELSEWHERE)] * 2
    outside.clear()


def test_the_clock_moves_only_when_told():
    clock = FakeClock()
    before = clock.now()
    assert clock.advance(2.5) == clock.now()
    assert (clock.now() - before).total_seconds() == 2.5
