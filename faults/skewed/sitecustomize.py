"""Loaded first where PYTHONPATH names this folder: the clock is wrong by the seconds in the file FAULTS_DRIFT names.

The monotonic clock is left alone, as it is on a host whose clock is put right. (libfaketime would do this for any
program, but it breaks Python's `time.sleep`.)
"""

import datetime as dt
import os
import time
from pathlib import Path

_FILE = Path(os.environ["FAULTS_DRIFT"])
_real_time, _Real = time.time, dt.datetime


def _time() -> float:
    return _real_time() + float(_FILE.read_text(encoding="utf-8"))


class _Kind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _Real)


class _Datetime(dt.datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        """The wrong time."""
        return _Real.fromtimestamp(_time(), tz)


time.time = _time
setattr(dt, "datetime", _Datetime)  # noqa: B010 - every `from datetime import datetime` after this gets the wrong clock
