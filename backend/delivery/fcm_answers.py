"""What an answer of FCM means for a message. Pure.

FCM's own code stands in `error.details[].errorCode`; the status beside it may say something else. An address is dead
only when FCM says so in the words that mean it: a 404 alone is a wrong project, and would cost every agent her phone.
"""

from __future__ import annotations

import json
from typing import Any

from backend.delivery.channels import AddressDead, GiveUp, Outcome, RetryAt, Sent

QUOTA_WAIT_S = 60.0
"""What Google asks for when it is asked too often and names no time."""


def outcome_of(status: int, body: bytes, wait_s: float | None) -> Outcome:
    """The outcome of one message; `wait_s` is what Retry-After asked for."""
    told = _object(body)
    if status == 200:
        name = told.get("name")
        # A 200 that is not FCM's comes from something in between, which has sent nothing.
        return Sent(name[:200]) if isinstance(name, str) else RetryAt("answer_unreadable", wait_s)
    error = told.get("error")
    error = error if isinstance(error, dict) else {}
    match _code(error):
        case "UNREGISTERED" | "SENDER_ID_MISMATCH" as code:
            return AddressDead(code)
        case "INVALID_ARGUMENT":
            return _invalid(error)
        case "QUOTA_EXCEEDED" as code:
            return RetryAt(code, QUOTA_WAIT_S if wait_s is None else wait_s)
        case "UNAVAILABLE" | "INTERNAL" as code:
            return RetryAt(code, wait_s)
        case "THIRD_PARTY_AUTH_ERROR":
            return GiveUp("apns_credentials", ours=True)
    return _by_status(status, error, wait_s)


def _by_status(status: int, error: dict[str, Any], wait_s: float | None) -> Outcome:
    match status:
        case 400:
            return _invalid(error)
        case 401:
            return GiveUp("credentials", ours=True)
        case 403:
            return GiveUp("forbidden", ours=True)
        case 404:
            return GiveUp("project", ours=True)
        case 429:
            return RetryAt("http_429", QUOTA_WAIT_S if wait_s is None else wait_s)
        case 408:
            return RetryAt("http_408", wait_s)
    if status >= 500:
        return RetryAt(f"http_{status}", wait_s)
    return GiveUp(f"http_{status}", ours=True)


def _invalid(error: dict[str, Any]) -> Outcome:
    violations = [one for detail in _details(error) for one in _list(detail.get("fieldViolations"))]
    fields = {one.get("field") for one in violations if isinstance(one, dict)}
    message = error.get("message")
    if fields & {"message.token", "message.fid"} or (
        isinstance(message, str) and "not a valid FCM registration token" in message
    ):
        return AddressDead("INVALID_ARGUMENT")
    return GiveUp("INVALID_ARGUMENT", ours=True)


def _code(error: dict[str, Any]) -> str | None:
    for detail in _details(error):
        code = detail.get("errorCode")
        if isinstance(code, str):
            return code
    return None


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    return [detail for detail in _list(error.get("details")) if isinstance(detail, dict)]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
