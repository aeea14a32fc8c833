"""Wiring: the one place where real parts or fakes are chosen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from backend import failpoints, feed
from backend.clock import Clock, DatabaseClock, SystemClock
from backend.contract import Contract
from backend.database import Database
from backend.delivery.channels import Channel
from backend.delivery.log import LogChannel
from backend.delivery.push import Fcm
from backend.delivery.sms import Sms
from backend.delivery.webpush import WebPush
from backend.dispatch.plan import DispatchPlan, read_plan
from backend.measures import Measures
from backend.people.positions import PositionBuffer
from backend.settings import Settings, SettingsRefused


@dataclass(frozen=True)
class Wiring:
    """The parts of one process."""

    settings: Settings
    database: Database
    clock: Clock
    contract: Contract
    positions: PositionBuffer
    plan: DispatchPlan
    channels: Mapping[str, Channel]
    measures: Measures = field(default_factory=Measures)


@cache
def _contract() -> Contract:
    """The contract, compiled once in a process: it never changes, and takes a third of a second."""
    return Contract.load()


def wire(settings: Settings | None = None, clock: Clock | None = None) -> Wiring:
    """Builds the parts of one process; nothing is started and no connection is opened yet."""
    settings = settings or Settings.from_env()
    failpoints.arm(settings.failpoints)
    database = Database(settings)
    database.before_commit(lambda session: feed.number_entries(session, database))
    return Wiring(
        settings,
        database,
        clock or (DatabaseClock(database) if database.is_postgresql else SystemClock()),
        _contract(),
        PositionBuffer(),
        _plan(settings),
        _channels(settings),
    )


def _channels(settings: Settings) -> Mapping[str, Channel]:
    """The channels beyond the socket that this installation has set up, each by its name."""
    made: dict[str, Callable[[], Channel]] = {
        "fcm": lambda: Fcm(settings),
        "webpush": lambda: WebPush(settings),
        "sms": lambda: Sms(settings),
        "log": LogChannel,
    }
    return {name: made[name]() for name in settings.channels}


def _plan(settings: Settings) -> DispatchPlan:
    if not settings.dispatch_plan:
        return DispatchPlan()
    try:
        return read_plan(json.loads(Path(settings.dispatch_plan).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise SettingsRefused(f"VIGIE_DISPATCH_PLAN {settings.dispatch_plan}: {error}") from None
