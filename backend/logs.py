"""Logs: one event name plus ids; JSON for machines, lines on a terminal. Never positions, tokens or words."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_NEVER = frozenset(
    {"token", "password", "authorization", "description", "text", "latitude", "longitude", "pin", "body"}
)


def set_up(form: str, kind: str) -> None:
    """Configures structlog and the standard library's logging for one process.

    `form`: json, readable, auto (readable on a terminal), or quiet (readable, and only what is wrong).
    """
    readable = form in ("readable", "quiet") or (form == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        leave_out_private,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if form == "quiet" else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=kind)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)


def leave_out_private(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """A mistake in a log call must not put a rider's words into a log file: these keys never pass."""
    return {key: ("(left out)" if key in _NEVER else value) for key, value in event.items()}
