"""Reading a request body: a JSON object, or one clear reason why not (B09-B12, B16, B17)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.body import MAX_BYTES, MAX_DEPTH, read_object
from backend.errors import Refused

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)


def refusal(raw, **how):
    with pytest.raises(Refused) as caught:
        read_object(raw, **how)
    return caught.value


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"x" * (MAX_BYTES + 1), "body_too_large"),
        (b"[" * 60_000, "json_too_deep"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "json_too_deep"),
        (b'{"a":1,"a":2}', "duplicate_key"),
        (b'{"a":{"b":1,"b":2}}', "duplicate_key"),
        (b'{"a":' + b"9" * 5000 + b"}", "number_invalid"),
        (b'{"a":NaN}', "number_invalid"),
        (b'{"a":-Infinity}', "number_invalid"),
        (b'{"a":[{"b":1e999}]}', "number_invalid"),
        ('{"a":1}'.encode("utf-16"), "encoding"),
        ('{"a":1}'.encode("utf-16-be"), "encoding"),
        ('{"a":1}'.encode("utf-32"), "encoding"),
        ('{"a":"é"}'.encode("latin-1"), "encoding"),
        (b'{"a":"\xed\xa0\x80"}', "encoding"),
        (b"null", "body_object_expected"),
        (b"[]", "body_object_expected"),
        (b'""', "body_object_expected"),
        (b"", "body_object_expected"),
        (b"  \n", "body_object_expected"),
        (b"{", "json_invalid"),
        (b"{'a':1}", "json_invalid"),
        (b'{"a":1}x', "json_invalid"),
    ],
)
def test_what_cannot_be_read_is_refused_with_one_code(raw, code):
    assert refusal(raw).code == code


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_impossible_numbers_stay_for_an_alert_to_be_put_right(literal):
    assert "a" in read_object(b'{"a":' + literal + b"}", lenient_numbers=True)


def test_a_byte_order_mark_of_utf_8_does_no_harm():
    assert read_object(b'\xef\xbb\xbf{"a":"\xc3\xa9"}') == {"a": "é"}


def test_sixteen_levels_pass_and_brackets_in_texts_do_not_count():
    assert read_object(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)
    text = '[{"\\' * 40
    assert read_object(json.dumps({"a": text}).encode()) == {"a": text}


def test_a_refusal_never_quotes_what_somebody_wrote():
    for raw in (b'{"description": "canary', b'{"description": "canary" "x"}'):
        refused = refusal(raw)
        assert "canary" not in f"{refused.hint} {refused.field} {refused.extras}"


@given(st.dictionaries(st.text(max_size=8), values, max_size=5))
def test_what_json_can_say_is_read_as_it_is(value):
    raw = json.dumps(value).encode()
    try:
        assert read_object(raw) == value
    except Refused as refused:
        assert refused.code in ("json_too_deep", "number_invalid")


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_do_anything_but_be_read_or_refused(raw, lenient):
    try:
        assert isinstance(read_object(raw, lenient_numbers=lenient), dict)
    except Refused as refused:
        assert 400 <= refused.status < 500
