"""Systemd's own protocol: this process is ready, this process still turns. Without systemd nothing is sent."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Mapping

LOOK_S = 1.0


class Supervised:
    """Tells systemd when the work has begun, and then as long as it goes on: what hangs is ended and started again.

    It looks at the work from beside it: a thread that said "alive" for itself would go on while the others hang.
    """

    def __init__(self, address: str, working: Callable[[], bool]) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._working = working
        self._stopped = threading.Event()

    def run(self) -> None:
        """Says READY once the work has begun, then WATCHDOG each second in which it went on."""
        ready = False
        while not self._stopped.wait(LOOK_S if ready else 0.05):
            if self._working():
                self._say("WATCHDOG=1" if ready else "READY=1")
                ready = True

    def stop(self) -> None:
        """Says STOPPING and ends."""
        self._stopped.set()
        self._say("STOPPING=1")

    def _say(self, message: str) -> None:
        # When systemd itself is away for a moment, the work goes on.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(message.encode(), self._address)


def supervised(working: Callable[[], bool], environment: Mapping[str, str] = os.environ) -> list[Supervised]:
    """What speaks to systemd, when this process was started by it with Type=notify."""
    address = environment.get("NOTIFY_SOCKET", "")  # not a choice of the installation: systemd sets it
    return [Supervised(address, working)] if address else []
