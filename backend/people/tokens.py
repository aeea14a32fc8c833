"""Tokens: 256 random bits behind a prefix that says what they open; the database holds only their hash."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum


class TokenKind(StrEnum):
    """What a token opens; its value is the token's prefix, which secret scanners can look for."""

    DEVICE = "vd_"
    STAFF = "vs_"
    INVITATION = "vi_"


@dataclass(frozen=True)
class Token:
    """A token that has the right form; whether anybody ever issued it, only the database knows."""

    kind: TokenKind
    hash: bytes


# 32 bytes are 42 free characters and one that carries the last four bits.
_FORM = re.compile(r"(v[dsi]_)[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)


def new_token(kind: TokenKind) -> str:
    """A token that nobody can guess; hand it out once and keep `hash_of` it."""
    return kind + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii").rstrip("=")


def hash_of(token: str) -> bytes:
    """What is stored of a token: a plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(token.encode("utf-8")).digest()


def read_token(text: object) -> Token | None:
    """The kind and hash of a well-formed token; None for anything else: JWTs, garbage, other types."""
    if not isinstance(text, str):
        return None
    match = _FORM.fullmatch(text)
    return Token(TokenKind(match[1]), hash_of(text)) if match else None
