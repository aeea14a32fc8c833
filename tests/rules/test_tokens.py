"""Tokens: what is issued is read, and nothing else is."""

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.people.tokens import Token, TokenKind, hash_of, new_token, read_token


@pytest.mark.parametrize("kind", list(TokenKind))
def test_an_issued_token_is_read(kind):
    token = new_token(kind)
    assert read_token(token) == Token(kind, hashlib.sha256(token.encode()).digest())
    assert len(token) == 3 + 43


def test_tokens_differ_and_their_hashes_too():
    tokens = {new_token(TokenKind.STAFF) for _ in range(200)}
    assert len(tokens) == len({hash_of(token) for token in tokens}) == 200


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt(header, claims, key=b"secret"):
    signed = f"{part(header)}.{part(claims)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key, signed.encode(), "sha256")).rstrip(b"=").decode()
    return f"{signed}.{signature if header.get('alg') != 'none' else ''}"


GOOD = new_token(TokenKind.STAFF)
CLAIMS = {"sub": "admin", "role": "admin", "aud": "vigie"}
FORGED = {
    "empty": "",
    "none": None,
    "number": 42,
    "bytes": GOOD.encode(),
    "list": [GOOD],
    "alg none": jwt({"alg": "none"}, CLAIMS),
    "hs256": jwt({"alg": "HS256"}, CLAIMS),
    "wrong audience": jwt({"alg": "HS256"}, CLAIMS | {"aud": "other"}),
    "future nbf": jwt({"alg": "HS256"}, CLAIMS | {"nbf": 9_999_999_999}),
    "jku": jwt({"alg": "HS256", "jku": "https://evil.example/keys"}, CLAIMS),
    "unknown prefix": "vx_" + GOOD[3:],
    "upper prefix": "VS_" + GOOD[3:],
    "no prefix": GOOD[3:],
    "short": GOOD[:-1],
    "long": GOOD + "A",
    "padded": GOOD + "=",
    "line end": GOOD + "\n",
    "blank": " " + GOOD,
    "not canonical": GOOD[:-1] + "B",
    "other alphabet": GOOD[:10] + "+/" + GOOD[12:],
    "wide letters": "vs_" + "\uff21" * 43,
    "nul": GOOD[:20] + "\x00" + GOOD[21:],
    "half surrogate": GOOD[:20] + "\ud800" + GOOD[21:],
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_nobody(forged):
    assert read_token(forged) is None


@given(st.text() | st.binary() | st.none() | st.integers() | st.builds(lambda t: "vs_" + t, st.text(max_size=60)))
def test_garbage_never_raises(garbage):
    token = read_token(garbage)
    assert token is None or (isinstance(garbage, str) and len(garbage) == 46)


@given(st.integers(3, 45), st.characters())
def test_another_letter_is_another_token(place, letter):
    changed = GOOD[:place] + letter + GOOD[place + 1 :]
    read = read_token(changed)
    assert changed == GOOD or read is None or read.hash != hash_of(GOOD)
