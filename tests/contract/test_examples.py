"""Every example obeys its schema, and everything that an app sends or hears has one."""

import json

import pytest

from backend.contract import Contract
from tests.contract.documents import EXAMPLES, operations, resolved, schema_name

CONTRACT = Contract.load()


def names_in_use():
    """Every schema that travels as a whole: request bodies, answers, events, acknowledgements."""
    for _, _, operation in operations():
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [resolved(answer).get("content", {}) for answer in operation["responses"].values()]
        for content in contents:
            for media in content.values():
                yield schema_name(media["schema"]["$ref"])
    for event in CONTRACT.events():
        yield event.payload.name
        if event.ack is not None:
            yield event.ack.name
    yield from ("ConnectAuth", "ConnectRefusal")


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_valid(name):
    schema, value = EXAMPLES[name]
    assert CONTRACT.schema(schema).errors(value) == []


# A single member of staff or team always comes inside a list or a session; those examples show it.
SHOWN_INSIDE = {"Staff", "Team"}


def test_everything_that_travels_has_an_example():
    shown = {schema for schema, _ in EXAMPLES.values()}
    assert sorted(set(names_in_use()) - shown - SHOWN_INSIDE) == []


def test_examples_of_the_feed_are_events():
    _, page = EXAMPLES["FeedPage.agent"]
    for item in page["items"]:
        event = CONTRACT.event("/agent", item["type"], "send")
        assert event is not None
        assert event.errors({"seq": item["seq"], "at": item["at"], **item["data"]}) == []


def test_the_positions_frame_holds_what_it_says():
    _, frame = EXAMPLES["PositionsFrame.one-second"]
    assert CONTRACT.positions_frame.errors(json.loads(frame)) == []
    assert CONTRACT.positions_frame.errors({"teams": [["x", 1, 2, None, None, 3]], "vehicles": [], "gone": []})


def test_examples_carry_no_secret():
    text = json.dumps(list(EXAMPLES.values()))
    for prefix in ("vd_", "vs_", "vi_"):
        assert text.count(prefix) == text.count(f"{prefix}ExampleOnly")
