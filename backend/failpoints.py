"""Failpoints: places where a test may break this process at just the wrong moment. Without VIGIE_FAILPOINTS, nothing.

`VIGIE_FAILPOINTS=alert.after_commit=kill9,delivery.after_send=kill9*1,alert.before_commit=sleep:3` arms some for the
life of the process; `*N` lets one strike N times. `VIGIE_FAILPOINTS=@/a/folder` reads them at each hit from files of
that folder, named after the failpoint and holding the action: a fault experiment arms and disarms running processes,
counts hold across all that share the folder, and `struck` in it lists what happened. Production refuses the setting.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path

from backend.settings import SettingsRefused

POINTS = {
    "alert.before_commit": "a rider's alert is written and not yet committed",
    "alert.after_commit": "a rider's alert is committed and not yet answered",
    "round.before_commit": "the worker has chosen teams and not yet committed",
    "round.after_commit": "the worker has committed its choice and goes on",
    "delivery.before_send": "a message is claimed and not yet with the provider",
    "delivery.after_send": "the provider has taken a message and nobody has noted it",
    "live.before_emit": "a live process has read feed entries and not yet emitted them",
}
STRUCK = "struck"
_ACTION = re.compile(r"^(kill9|stop|raise|sleep:(?P<seconds>\d+(?:\.\d+)?))(?:\*(?P<count>[1-9]\d*))?$")


class InjectedError(Exception):
    """What `raise` raises: no code of ours expects it, as it expects no mistake."""


class _Nothing:
    def take(self, _name: str) -> str | None:
        return None


class _Listed:
    """Failpoints from the setting itself, counted in this process."""

    def __init__(self, listed: str) -> None:
        self._turn = threading.Lock()
        self._left: dict[str, tuple[str, int | None]] = {}
        for each in filter(None, (part.strip() for part in listed.split(","))):
            name, _, action = each.partition("=")
            found = _ACTION.match(action)
            if name not in POINTS or found is None:
                raise SettingsRefused(
                    f"VIGIE_FAILPOINTS: {each!r} is not NAME=kill9|stop|raise|sleep:SECONDS[*COUNT] "
                    f"with a name of {', '.join(POINTS)}"
                )
            self._left[name] = (found[1], int(found["count"]) if found["count"] else None)

    def take(self, name: str) -> str | None:
        with self._turn:
            action, left = self._left.get(name, ("", 0))
            if left == 0:
                return None
            if left is not None:
                self._left[name] = (action, left - 1)
            return action


class _Folder:
    """Failpoints from the files of a folder, counted across all processes that read it."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SettingsRefused(f"VIGIE_FAILPOINTS: {folder} is not a folder")
        self._folder = folder

    def take(self, name: str) -> str | None:
        armed = self._folder / name
        if not armed.exists():
            return None
        mine = self._folder / f".{name}.{os.getpid()}.{threading.get_ident()}"
        try:
            found = _ACTION.match(armed.read_text(encoding="utf-8").strip())
            if found is not None and found["count"]:
                armed.rename(mine)  # whoever can take it away strikes; two processes cannot
                if int(found["count"]) > 1:
                    mine.write_text(f"{found[1]}*{int(found['count']) - 1}", encoding="utf-8")
                    mine.rename(armed)
                else:
                    mine.unlink()
        except FileNotFoundError:
            return None
        if found is None:
            return None
        with (self._folder / STRUCK).open("a", encoding="utf-8") as struck:
            struck.write(f"{name} {found[1]} {os.getpid()}\n")
        return found[1]


_armed: _Nothing | _Listed | _Folder = _Nothing()


def arm(setting: str) -> None:
    """Arms what the setting says for this process, and nothing else; refuses names and actions that do not exist."""
    global _armed  # noqa: PLW0603 - a process is broken as a whole
    if not setting:
        _armed = _Nothing()
    elif setting.startswith("@"):
        _armed = _Folder(Path(setting[1:]))
    else:
        _armed = _Listed(setting)


def hit(name: str) -> None:
    """Does nothing, unless this failpoint is armed: then the process dies, stops, waits or makes a mistake here."""
    action = _armed.take(name)
    if action is None:
        return
    if action == "kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "raise":
        raise InjectedError(name)
    else:
        time.sleep(float(action.removeprefix("sleep:")))
