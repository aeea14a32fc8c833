"""The contract is valid, stays inside the subset that generates good app code, and its two halves fit together."""

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.contract.documents import ASYNCAPI, FOLDER, OPENAPI, SCHEMAS, operations, resolved, schema_name

SNAKE = re.compile(r"^[a-z][a-z0-9_]*$")
CLAIMS = {"device_at"}  # what a phone said, kept as it came
PLACES = {"meet_at"}  # where, not when


def faults_of(schema, where):
    """What in a schema would break a code generator for Kotlin, Swift or TypeScript."""
    if "$ref" in schema:
        yield from (f"{where}: {key} beside $ref" for key in set(schema) - {"$ref", "description"})
    elif "oneOf" in schema or "anyOf" in schema:
        branches = schema.get("oneOf", schema.get("anyOf"))
        if len(branches) != 2 or branches[1] != {"type": "null"} or "$ref" not in branches[0]:
            yield f"{where}: oneOf of anything but a named schema and null"
    elif "type" not in schema:
        if "x-any" not in schema:
            yield f"{where}: no type"
    else:
        yield from faults_of_itself(schema, where)
        yield from faults_of_properties(schema, where)
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                yield from faults_of(schema[key], f"{where}[]")
        for part in schema.get("allOf", []):
            yield from faults_of(part, where)


def faults_of_itself(schema, where):
    types = schema["type"]
    kinds = {types} if isinstance(types, str) else set(types) - {"null"}
    if len(kinds) != 1:
        yield f"{where}: {kinds} at once"
    if "integer" in kinds and schema.get("format") not in ("int32", "int64"):
        yield f"{where}: integer without int32 or int64"
    if kinds == {"number"} and schema.get("format") != "double":
        yield f"{where}: number without double"
    if "enum" in schema and not {"x-extensible-enum", "x-closed-enum"} & schema.keys():
        yield f"{where}: enum that does not say whether it may grow"
    if schema.get("additionalProperties") is False:
        yield f"{where}: additionalProperties: false breaks older apps"
    if "const" in schema:
        yield f"{where}: const becomes Any in Kotlin"


def faults_of_properties(schema, where):
    properties = schema.get("properties", {})
    if "properties" in schema:
        missing = set(schema.get("required", [])) - set(properties)
        yield from (f"{where}: requires {name}, which it does not describe" for name in missing)
    for name, inner in properties.items():
        if "description" not in inner:
            yield f"{where}.{name}: no description"
        if not SNAKE.match(name):
            yield f"{where}.{name}: not snake_case"
        if name.endswith("_at") and inner.get("format") != "date-time" and name not in CLAIMS | PLACES:
            yield f"{where}.{name}: a time without format"
        yield from faults_of(inner, f"{where}.{name}")


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_openapi_is_valid():
    assert OPENAPI["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(OPENAPI).iter_errors()] == []


def test_schemas_obey_the_subset():
    wrong = [fault for name, schema in SCHEMAS.items() for fault in faults_of(schema, name)]
    assert not wrong, "\n".join(wrong)


def test_every_schema_is_described_and_camel_case():
    assert [name for name, schema in SCHEMAS.items() if "description" not in schema] == []
    assert [name for name in SCHEMAS if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", name)] == []


PLANTED = [
    ({"properties": {"a": {"description": "x"}}}, "no type"),
    ({"type": "object", "properties": {"a": {"type": "string"}}}, "no description"),
    ({"type": "object", "properties": {"aB": {"type": "string", "description": "x"}}}, "snake_case"),
    ({"type": "string", "enum": ["a"]}, "may grow"),
    ({"type": "integer"}, "int64"),
    ({"type": "object", "additionalProperties": False}, "older apps"),
    ({"type": ["string", "number"]}, "at once"),
    ({"oneOf": [{"type": "object"}, {"type": "string"}]}, "oneOf"),
    ({"type": "string", "const": "a"}, "const"),
    ({"type": "object", "properties": {"seen_at": {"type": "string", "description": "x"}}}, "time"),
    ({"type": "object", "required": ["b"], "properties": {}}, "does not describe"),
    ({"type": "array", "items": {"type": "integer"}}, "int64"),
]


@pytest.mark.parametrize(("schema", "words"), PLANTED)
def test_the_subset_rules_catch(schema, words):
    assert any(words in fault for fault in faults_of(schema, "Planted"))


def test_every_schema_is_reached():
    used = {schema_name(ref) for ref in references([OPENAPI, ASYNCAPI]) if "/schemas/" in ref}
    # these two travel in Socket.IO packets that AsyncAPI has no place for
    assert set(SCHEMAS) - used == {"ConnectAuth", "ConnectRefusal", "Role"}


@pytest.mark.parametrize(("method", "path", "operation"), operations(), ids=lambda value: str(value)[:60])
def test_every_operation_is_complete(method, path, operation):
    assert {"operationId", "tags", "summary", "security", "responses", "x-roles"} <= operation.keys()
    assert SNAKE.match(operation["operationId"])
    public = operation["x-roles"] == ["public"]
    assert operation["security"] == ([] if public else [{"bearer": []}])
    answers = {int(status): resolved(answer) for status, answer in operation["responses"].items()}
    assert any(200 <= status < 300 for status in answers)
    assert 503 in answers, "a database may be away"
    if not public:
        assert {401, 403} <= answers.keys()
    if "_id}" in path and "{line_id}" not in path:
        assert {400, 404} <= answers.keys() or method == "put", "an id can be malformed or unknown"
    if "requestBody" in operation:
        assert {400, 413, 415} <= answers.keys()
        media = operation["requestBody"]["content"]
        assert list(media) == ["application/json"]
        assert "$ref" in media["application/json"]["schema"], "a body without a name gets an ugly one in Kotlin"
    for status, answer in answers.items():
        content = answer.get("content", {})
        if status >= 400:
            assert content["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
        for media in content.values():
            assert "$ref" in media["schema"]
        assert "X-Request-Id" in answer["headers"] or status == 304
        if status in (429, 503):
            assert "Retry-After" in answer["headers"]
    named = set(re.findall(r"{(\w+)}", path))
    declared = {
        resolved(p)["name"] for p in OPENAPI["paths"][path].get("parameters", []) if resolved(p)["in"] == "path"
    }
    assert named == declared


def test_operation_ids_are_unique():
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


def test_no_quota_refuses_an_alert():
    for path in ("/v1/alerts", "/v1/alerts/{alert_id}", "/v1/alerts/{alert_id}/details"):
        for method in ("put", "post"):
            if method in OPENAPI["paths"][path]:
                assert "429" not in OPENAPI["paths"][path][method]["responses"]
                assert "422" not in OPENAPI["paths"][path][method]["responses"]


def test_a_rider_never_learns_where_a_team_is():
    words = re.compile("latitude|longitude|distance|position|accuracy|duress|suspect|priority")
    for name in ("RiderAlert", "RiderTeam", "AlertFact"):
        assert not [key for key in SCHEMAS[name]["properties"] if words.search(key)], name


def test_asyncapi_refers_only_to_what_exists():
    for reference in references(ASYNCAPI):
        if reference.startswith("./openapi.yaml"):
            assert schema_name(reference) in SCHEMAS, reference
        else:
            assert resolved({"$ref": reference}, ASYNCAPI), reference


def test_asyncapi_is_well_formed():
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert ASYNCAPI["info"]["version"] == OPENAPI["info"]["version"]
    assert {c["address"] for c in ASYNCAPI["channels"].values()} == {"/rider", "/agent", "/driver", "/control"}
    for channel in ASYNCAPI["channels"].values():
        assert {"address", "description", "x-roles", "messages"} <= channel.keys()
        for message in channel["messages"].values():
            assert {"name", "payload"} <= message.keys()
    for operation in ASYNCAPI["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        named = [*operation["messages"], *operation.get("reply", {}).get("messages", [])]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in named)
        assert ("reply" in operation) == (operation["action"] == "receive"), "what is received is acknowledged"


def test_every_message_has_an_operation():
    used = {ref for ref in references(ASYNCAPI["operations"]) if "/messages/" in ref}
    there = {f"#/channels/{c}/messages/{m}" for c, channel in ASYNCAPI["channels"].items() for m in channel["messages"]}
    assert used == there


@pytest.mark.parametrize("schema", ["ProblemCode", "WarningCode", "PositionRefusalCode", "FactCode"])
def test_the_readme_tells_every_code(schema):
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [code for code in SCHEMAS[schema]["enum"] if f"`{code}`" not in text] == []


def test_the_readme_tells_every_event():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = {m["name"] for channel in ASYNCAPI["channels"].values() for m in channel["messages"].values()} - {"ack"}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
