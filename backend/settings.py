"""Settings: everything that an installation may choose, read once from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

_ENVIRONMENTS = ("development", "test", "production")
# Apple refuses a contact that cannot be one: a name without a dot, localhost, .invalid.
_CONTACT = re.compile(
    r"(mailto:[^@\s]+@|https://)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.(?!invalid$|invalid/)[A-Za-z]{2,}(/\S*)?"
)
_RANGES: dict[str, tuple[float, float, str]] = {
    "seen_s": (1, 3600, "seconds"),
    "armed_s": (1, 3600, "seconds"),
    "acknowledgement_ages_s": (1, 3600, "seconds"),
    "reminder_s": (1, 3600, "seconds"),
    "silent_team_s": (1, 3600, "seconds"),
    "late_s": (1, 3600, "seconds"),
    "position_fresh_s": (5, 600, "seconds"),
    "feed_days": (1, 365, "days"),
    "pool_size": (1, 200, "connections"),
    "walk_mps": (0.5, 3, "metres per second"),
    "drive_mps": (1, 30, "metres per second"),
    "detour": (1, 5, "times the distance"),
    "intercept_margin_s": (0, 600, "seconds"),
    "intercept_within_s": (60, 3600, "seconds"),
    "provider_timeout_s": (0.2, 10, "seconds"),
    "lease_s": (3, 120, "seconds"),
    "pushes_per_s": (0.1, 10_000, "messages a second"),
    "texts_per_s": (0.01, 1000, "messages a second"),
    "drill_every_s": (0, 86_400, "seconds; 0 turns it off"),
    "dead_man_every_s": (5, 3600, "seconds"),
}


_OWN_NUMBER = re.compile(r"\+[1-9]\d{7,14}|\d{5,8}", re.ASCII)
_NOT_OURS = ("31177", "3117")


class SettingsRefused(ValueError):
    """The environment holds a value with which Vigie must not start."""


@dataclass(frozen=True)
class EmergencyNumber:
    """A number that a phone can always offer, whatever state Vigie is in."""

    number: str
    label: str
    kind: str


@dataclass(frozen=True)
class Settings:
    """One installation's choices; durations in seconds, distances in metres."""

    environment: str = "development"
    database_url: str = "sqlite:///.vigie/vigie.sqlite"
    network_name: str = "Vigie"
    public_url: str = "http://127.0.0.1:5000"
    live_url: str = ""
    allowed_origins: tuple[str, ...] = ()
    forwarded_hops: int = 0
    pool_size: int = 8
    pool_overflow: int = 8
    statement_timeout_s: float = 5.0
    lock_timeout_s: float = 1.5
    log_format: str = "auto"
    metrics_open: bool = False
    session_hours: int = 14
    device_days: int = 365
    stale_identity_days: int = 7
    seen_s: int = 15
    armed_s: int = 5
    acknowledgement_ages_s: int = 60
    reminder_s: int = 30
    silent_team_s: int = 180
    position_fresh_s: int = 60
    walk_mps: float = 1.6
    drive_mps: float = 5.0
    detour: float = 1.35
    intercept_margin_s: int = 60
    intercept_within_s: int = 900
    feed_days: int = 7
    late_s: int = 600
    service_area_margin_m: int = 20_000
    dispatch_plan: str = ""
    night_stops: bool = True
    night_stop_answer_s: int = 20
    fcm_credentials: str = ""
    fcm_url: str = ""
    vapid_key: str = ""
    vapid_contact: str = ""
    webpush_hosts: tuple[str, ...] = (
        "fcm.googleapis.com",
        "updates.push.services.mozilla.com",
        "*.push.apple.com",
        "*.notify.windows.com",
    )
    webpush_here: bool = False
    sms_url: str = ""
    sms_secret: str = ""
    sms_number: str = ""
    log_channel: bool = False
    provider_timeout_s: float = 4.0
    lease_s: float = 10.0
    pushes_per_s: float = 200.0
    texts_per_s: float = 5.0
    drill_every_s: int = 0
    dead_man_url: str = ""
    dead_man_every_s: int = 10
    failpoints: str = ""
    emergency_numbers: tuple[EmergencyNumber, ...] = (
        EmergencyNumber("17", "Police", "call"),
        EmergencyNumber("112", "Urgences", "call"),
        EmergencyNumber("114", "Urgences par SMS", "sms"),
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """The settings named VIGIE_… (and DATABASE_URL); refuses values that cannot be meant."""
        source = os.environ if env is None else env
        values: dict[str, object] = {}
        for field in fields(cls):
            name = f"VIGIE_{field.name.upper()}"
            text = source.get(name)
            if field.name == "database_url":
                text = source.get("DATABASE_URL", text)
            if text is not None:
                values[field.name] = _parse(name, field.type, text)
        settings = cls(**values)  # type: ignore[arg-type]
        settings.refuse_absurd()
        return settings

    def refuse_absurd(self) -> None:
        """Raises `SettingsRefused` with what is wrong and what to set instead."""
        if self.environment not in _ENVIRONMENTS:
            raise SettingsRefused(f"VIGIE_ENVIRONMENT is {self.environment!r}: use one of {_ENVIRONMENTS}")
        if not self.database_url.startswith(("sqlite:///", "postgresql+psycopg://", "postgresql://")):
            raise SettingsRefused("DATABASE_URL must begin with postgresql+psycopg:// or sqlite:///")
        if self.environment == "production" and self.database_url.startswith("sqlite"):
            raise SettingsRefused("production needs PostgreSQL: set DATABASE_URL=postgresql+psycopg://…")
        if "*" in self.allowed_origins:
            raise SettingsRefused("VIGIE_ALLOWED_ORIGINS must list origins; * would let any page open a socket")
        for name, (least, most, unit) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise SettingsRefused(f"VIGIE_{name.upper()} must lie between {least:g} and {most:g} {unit}")
        if self.lease_s <= self.provider_timeout_s:
            raise SettingsRefused(
                "VIGIE_LEASE_S must be longer than VIGIE_PROVIDER_TIMEOUT_S: or each slow push would be sent twice"
            )
        if self.environment == "production" and self.failpoints:
            raise SettingsRefused("VIGIE_FAILPOINTS break things on purpose: production never starts with them")
        if self.sms_url and not self.sms_secret:
            raise SettingsRefused("VIGIE_SMS_SECRET must be set with VIGIE_SMS_URL: texts are signed both ways")
        self._refuse_absurd_channels()
        if not self.emergency_numbers:
            raise SettingsRefused("VIGIE_EMERGENCY_NUMBERS must name at least one number, as 17=Police=call")

    def _refuse_absurd_channels(self) -> None:
        production = self.environment == "production"
        if production and self.fcm_url:
            raise SettingsRefused("VIGIE_FCM_URL leads pushes to a stand-in: production never starts with it")
        if production and self.webpush_here:
            raise SettingsRefused("VIGIE_WEBPUSH_HERE lets phones name servers of this machine: never in production")
        if self.sms_url and not self.sms_url.startswith(("https://", "http://127.0.0.1:")):
            raise SettingsRefused("VIGIE_SMS_URL must begin with https:// (or http://127.0.0.1: for a gateway here)")
        if self.sms_number and (not _OWN_NUMBER.fullmatch(self.sms_number) or self.sms_number in _NOT_OURS):
            raise SettingsRefused("VIGIE_SMS_NUMBER must be the network's own, as +33639980000; never 114 or 3117(7)")
        if self.sms_number and not self.sms_secret:
            raise SettingsRefused("VIGIE_SMS_SECRET must be set with VIGIE_SMS_NUMBER: or texts would come to nobody")
        if self.vapid_key and not _CONTACT.fullmatch(self.vapid_contact):
            raise SettingsRefused("VIGIE_VAPID_CONTACT must be a real mailto: or https: address with VIGIE_VAPID_KEY")

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins whose pages may open a socket: the listed ones, else the public address alone."""
        if self.allowed_origins:
            return self.allowed_origins
        parts = urlsplit(self.public_url)
        own = f"{parts.scheme}://{parts.netloc}"
        if self.environment != "production" and parts.hostname == "127.0.0.1":
            return (own, own.replace("127.0.0.1", "localhost"))
        return (own,)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels beyond the socket that this installation has."""
        set_up = {
            "fcm": self.fcm_credentials, "webpush": self.vapid_key, "sms": self.sms_url, "log": self.log_channel,
        }  # fmt: skip
        return tuple(name for name, given in set_up.items() if given)

    @property
    def is_embedded(self) -> bool:
        """True on the embedded SQLite file, where one process does everything."""
        return self.database_url.startswith("sqlite")

    @property
    def sqlite_path(self) -> Path:
        """The embedded database's file."""
        return Path(self.database_url.removeprefix("sqlite:///"))


def _parse(name: str, kind: object, text: str) -> object:
    try:
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        raise SettingsRefused(f"{name} must be a number, not {text!r}") from None
    if kind == "bool":
        if text.lower() not in ("0", "1", "true", "false", "yes", "no"):
            raise SettingsRefused(f"{name} must be yes or no, not {text!r}")
        return text.lower() in ("1", "true", "yes")
    if kind == "tuple[str, ...]":
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind == "tuple[EmergencyNumber, ...]":
        return tuple(_emergency_number(name, part) for part in text.split(",") if part.strip())
    return text


def _emergency_number(name: str, text: str) -> EmergencyNumber:
    parts = [part.strip() for part in text.split("=")]
    if len(parts) != 3 or parts[2] not in ("call", "sms"):
        raise SettingsRefused(f"{name}: write each number as 17=Police=call (or …=sms), not {text!r}")
    return EmergencyNumber(*parts)
