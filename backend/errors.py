"""Refusals: an error code with its status, and the only place where it becomes an answer.

Any code may raise `Refused`; edges turn it into an RFC 9457 problem (HTTP) or an acknowledgement (socket).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.problem_texts import PROBLEMS, Language


class Refused(Exception):
    """A request that Vigie answers with a reason; `code` is stable and is what clients switch on."""

    def __init__(
        self,
        code: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        retry_after_s: int | None = None,
        **extras: object,
    ) -> None:
        super().__init__(code)
        if code not in PROBLEMS:
            raise LookupError(f"no text for problem code {code!r} in problem_texts.py")
        self.code = code
        self.field = field
        self.hint = hint
        self.retry_after_s = retry_after_s
        self.extras = extras

    @property
    def status(self) -> int:
        """The HTTP status that this code always has."""
        return PROBLEMS[self.code].status


def problem(refused: Refused, language: Language, request_id: str) -> dict[str, Any]:
    """The RFC 9457 body for a refusal, with `detail` in the reader's language."""
    texts = PROBLEMS[refused.code]
    body: dict[str, Any] = {
        "type": f"/problems/{refused.code}",
        "title": texts.title,
        "status": texts.status,
        "code": refused.code,
        "detail": texts.detail[language],
        "retryable": texts.retryable,
        "request_id": request_id,
    }
    if refused.field is not None:
        body["field"] = refused.field
    if refused.hint is not None:
        body["hint"] = refused.hint
    for key, value in refused.extras.items():
        body.setdefault(key, value)
    return body


def refused_ack(refused: Refused, language: Language) -> dict[str, Any]:
    """The acknowledgement of a socket event that was refused."""
    answer: dict[str, Any] = {"ok": False, "code": refused.code, "detail": PROBLEMS[refused.code].detail[language]}
    if refused.retry_after_s is not None:
        answer["retry_after_s"] = refused.retry_after_s
    for key, value in refused.extras.items():
        answer.setdefault(key, value)
    return answer


def language_of(header: str | None) -> Language:
    """French or English, whichever an Accept-Language header prefers; French when it names neither."""
    best: tuple[float, Language] = (0.0, "fr")
    for part in (header or "").split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().split("-")[0]
        if primary in ("fr", "en") and quality > best[0]:
            best = (quality, "en" if primary == "en" else "fr")
    return best[1]


def warning(code: str, language: Language, field: str | None = None) -> Mapping[str, str]:
    """One entry of `warnings`: what was put right in an alert that is stored all the same."""
    entry = {"code": code, "detail": PROBLEMS[code].detail[language]}
    if field is not None:
        entry["field"] = field
    return entry
