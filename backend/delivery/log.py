"""The log channel: pushes that go nowhere but into the log, for development and the demonstration."""

from __future__ import annotations

from datetime import datetime

import structlog

from backend.delivery.channels import Message, Outcome, Sent

_log = structlog.get_logger("log_channel")


class LogChannel:
    """Says in the log that a message would have gone out: its ids and its kind, never the address."""

    name = "log"
    address_kinds: tuple[str, ...] = ("log",)

    def send(self, message: Message, now: datetime) -> Outcome:
        """Always sent."""
        _log.info(
            "message_out",
            delivery_id=str(message.delivery_id),
            kind=message.kind,
            alert_id=str(message.alert_id) if message.alert_id else None,
            useful_s=round((message.useful_until - now).total_seconds()),
        )
        return Sent()
