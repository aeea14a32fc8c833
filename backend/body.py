"""Reading a request body: bytes in, a JSON object out, or a refusal that says what is wrong."""

from __future__ import annotations

import codecs
import json
import math
from typing import Any

from backend.errors import Refused

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
_MAX_DIGITS = 400


def read_object(raw: bytes, *, lenient_numbers: bool = False) -> dict[str, Any]:
    """The JSON object in `raw`. With `lenient_numbers`, NaN and infinities stay, for the alert intake to repair."""
    if len(raw) > MAX_BYTES:
        raise Refused("body_too_large")
    text = _decode(raw)
    refuse_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_pairs, parse_int=_integer, parse_constant=None if lenient_numbers else _constant
        )
    except json.JSONDecodeError as error:
        if not text.strip():
            raise Refused("body_object_expected", hint='{"category": "other"}') from None
        raise Refused("json_invalid", hint=f"line {error.lineno}, column {error.colno}") from None
    if not isinstance(value, dict):
        raise Refused("body_object_expected", hint='{"category": "other"}')
    if not lenient_numbers:
        refuse_infinite(value)
    return value


def _decode(raw: bytes) -> str:
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\x00" in raw:
        raise Refused("encoding")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("encoding") from None


def refuse_depth(text: str) -> None:
    """Refuses JSON nested deeper than 16 levels, before any parser recurses into it."""
    # json.loads recurses: 200,000 opening brackets would end in RecursionError and a 500.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Refused("json_too_deep")
        elif char in "]}":
            depth -= 1


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise Refused("duplicate_key", field=next(key for key in keys if keys.count(key) > 1)[:80])
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise Refused("number_invalid")
    return int(digits)


def _constant(_name: str) -> float:
    raise Refused("number_invalid")


def refuse_infinite(value: object) -> None:
    """Refuses NaN and infinities anywhere in a JSON value."""
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("number_invalid")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        refuse_infinite(child)
