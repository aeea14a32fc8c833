"""Reading single values that a phone sent: numbers, texts, instants, choices. Pure: standard library only."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAX_TEXT = 2_000
_NUMBER = re.compile(r"^\s*[+-]?\d{1,3}([.,]\d{1,15})?\s*$")


@dataclass
class Reader:
    """One body, and the codes of what had to be put right in it."""

    body: dict[str, Any]
    warnings: list[tuple[str, str | None]] = field(default_factory=list)

    def warn(self, code: str, name: str | None = None) -> None:
        """Remembers a code once per field."""
        if (code, name) not in self.warnings:
            self.warnings.append((code, name))

    def one_of(self, name: str, allowed: tuple[str, ...], otherwise: str) -> str:
        """The choice made, or `otherwise` when none or an unknown one was."""
        value = self.body.get(name)
        if value is None:
            return otherwise
        if value not in allowed:
            self.warn("field_ignored", name)
            return otherwise
        return str(value)

    def flag(self, name: str) -> bool:
        """True only for a JSON true."""
        value = self.body.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.warn("field_ignored", name)
        return False


def clean_text(value: str) -> tuple[str, bool, bool]:
    """(text that can be stored, whether characters were replaced, whether it was cut)."""
    # PostgreSQL refuses NUL and UTF-8 cannot carry a lone surrogate: the rest of the words must not be lost for it.
    cleaned = value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return cleaned[:MAX_TEXT], cleaned != value, len(cleaned) > MAX_TEXT


def number(value: object) -> tuple[float | None, bool]:
    """(the finite number meant, whether it had to be read out of a text); None when nothing can be meant."""
    if isinstance(value, str) and _NUMBER.match(value):
        return float(value.strip().replace(",", ".")), True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, False
    try:
        found = float(value)
    except OverflowError:
        return None, False
    return (found, False) if math.isfinite(found) else (None, False)


def instant(value: object) -> datetime | None:
    """The instant in an RFC 3339 text with a zone; None for anything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
