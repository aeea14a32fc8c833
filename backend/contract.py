"""The contract in `mobile_contract/`, compiled: what bodies, answers and events may look like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from backend.validators import SCHEMA_REF, ContractBroken, FieldError, Schema, Validator, name_of

__all__ = ["Contract", "ContractBroken", "Event", "FieldError", "Operation", "Validator", "template_of"]

FOLDER = Path(__file__).resolve().parents[1] / "mobile_contract"
Direction = Literal["receive", "send"]
_FLASK_ARGUMENT = re.compile(r"<(?:[^<>:]+:)?([^<>:]+)>")
_METHODS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One operation of the HTTP contract."""

    operation_id: str
    roles: frozenset[str]
    lenient: bool
    body: Validator | None
    body_optional: bool
    answers: Mapping[int, Validator | None] = field(repr=False)

    @property
    def public(self) -> bool:
        """Whether no token is needed."""
        return self.roles == {"public"}

    @property
    def has_body(self) -> bool:
        """Whether a request may carry a body at all."""
        return self.body is not None

    def body_errors(self, value: object) -> list[FieldError]:
        """What is wrong with a request's body."""
        if self.body is None or (value is None and self.body_optional):
            return []
        return self.body.errors(value)

    def response_errors(self, status: int, value: object) -> list[FieldError]:
        """What is wrong with an answer: an undeclared status, a body where none belongs, or its content."""
        if status not in self.answers:
            return [FieldError("", f"status {status} is not in the contract of {self.operation_id}")]
        answer = self.answers[status]
        if answer is None:
            return [] if value is None else [FieldError("", f"status {status} has no body")]
        return answer.errors(value)


@dataclass(frozen=True)
class Event:
    """One socket event: what it carries and, for an inbound one, how it is acknowledged."""

    namespace: str
    name: str
    direction: Direction
    payload: Validator
    ack: Validator | None
    lenient: bool


class Contract:
    """Everything that `openapi.yaml` and `asyncapi.yaml` say, ready to be asked."""

    def __init__(self, openapi: Schema, asyncapi: Schema) -> None:
        self.version: str = openapi["info"]["version"]
        self._openapi = openapi
        self._schemas: Mapping[str, Schema] = openapi["components"]["schemas"]
        self._validators = {name: Validator(name, {"$ref": SCHEMA_REF + name}, self._schemas) for name in self._schemas}
        self._strict = {
            name: Validator(name, {"$ref": SCHEMA_REF + name}, self._schemas, strict_text=True)
            for name in self._schemas
        }
        self._properties: dict[tuple[str, str], Validator | None] = {}
        self._operations = {
            (method.upper(), path): self._operation(item[method])
            for path, item in openapi["paths"].items()
            for method in _METHODS
            if method in item
        }
        self._templates: dict[str, str] = {}
        self._events = {(event.namespace, event.name, event.direction): event for event in self._all_events(asyncapi)}
        self.namespace_roles: Mapping[str, frozenset[str]] = {
            channel["address"]: frozenset(channel["x-roles"]) for channel in asyncapi["channels"].values()
        }

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Contract:
        """The contract as it stands in the repository; a fraction of a second, once per process."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        openapi, asyncapi = (
            yaml.load((folder / name).read_text(encoding="utf-8"), loader)  # noqa: S506 - both loaders are safe ones
            for name in ("openapi.yaml", "asyncapi.yaml")
        )
        return cls(openapi, asyncapi)

    def operation(self, method: str, rule: str) -> Operation | None:
        """The operation of a route, by its OpenAPI path template or its Flask rule."""
        template = self._templates.get(rule)
        if template is None:
            template = self._templates[rule] = template_of(rule)
        return self._operations.get((method, template))

    def openapi_paths(self) -> list[tuple[str, str]]:
        """Every (method, path template) of the contract."""
        return sorted(self._operations)

    def schema(self, name: str) -> Validator:
        """The validator of a named schema."""
        return self._validators[name]

    def property_errors(self, schema_name: str, property_name: str, value: object) -> list[FieldError]:
        """What is wrong with one property alone, so that an alert can drop it and go on."""
        key = (schema_name, property_name)
        if key not in self._properties:
            schema = self._properties_of(self._schemas[schema_name]).get(property_name)
            name = f"{schema_name}.{property_name}"
            self._properties[key] = None if schema is None else Validator(name, schema, self._schemas)
        validator = self._properties[key]
        return [] if validator is None else validator.errors(value)

    def property_names(self, schema_name: str) -> frozenset[str]:
        """The properties that a schema knows."""
        return frozenset(self._properties_of(self._schemas[schema_name]))

    def event(self, namespace: str, name: str, direction: Direction) -> Validator | None:
        """The validator of a socket event's payload; `receive` is what apps send, `send` what they hear."""
        found = self._events.get((namespace, name, direction))
        return None if found is None else found.payload

    def ack(self, namespace: str, name: str) -> Validator | None:
        """The validator of the acknowledgement of an inbound event."""
        found = self._events.get((namespace, name, "receive"))
        return None if found is None else found.ack

    def events(self) -> list[Event]:
        """Every socket event of the contract."""
        return list(self._events.values())

    @cached_property
    def positions_frame(self) -> Validator:
        """The validator of what the `positions` string holds once it is read as JSON."""
        content = self._schemas["PositionsFrame"]["contentSchema"]
        return Validator("PositionsFrame content", content, self._schemas)

    def _operation(self, described: Schema) -> Operation:
        request = described.get("requestBody")
        lenient = described.get("x-lenient", False)
        return Operation(
            operation_id=described["operationId"],
            roles=frozenset(described["x-roles"]),
            lenient=lenient,
            body=None if request is None else self._content(request, strict_text=not lenient),
            body_optional=request is None or not request.get("required", False),
            answers={int(status): self._content(answer) for status, answer in described["responses"].items()},
        )

    def _content(self, described: Schema, *, strict_text: bool = False) -> Validator | None:
        """The validator of the one content that a request body or a response has."""
        described = _resolved(self._openapi, described)
        for media in described.get("content", {}).values():
            return (self._strict if strict_text else self._validators)[name_of(media["schema"]["$ref"])]
        return None

    def _properties_of(self, schema: Schema) -> dict[str, Schema]:
        if "$ref" in schema:
            schema = self._schemas[name_of(schema["$ref"])]
        found = dict(schema.get("properties", {}))
        for part in schema.get("allOf", []):
            found |= self._properties_of(part)
        return found

    def _all_events(self, asyncapi: Schema) -> Iterator[Event]:
        for described in asyncapi["operations"].values():
            namespace = _resolved(asyncapi, described["channel"])["address"]
            lenient = described.get("x-lenient", False)
            strict_text = described["action"] == "receive" and not lenient
            validators = self._strict if strict_text else self._validators
            ack = None
            for reference in described.get("reply", {}).get("messages", []):
                ack = self._validators[name_of(_resolved(asyncapi, reference)["payload"]["$ref"])]
            for reference in described["messages"]:
                message = _resolved(asyncapi, reference)
                payload = validators[name_of(message["payload"]["$ref"])]
                yield Event(namespace, message["name"], described["action"], payload, ack, lenient)


def template_of(rule: str) -> str:
    """The OpenAPI path template of a Flask rule: `/v1/lines/<line_id>` becomes `/v1/lines/{line_id}`."""
    return _FLASK_ARGUMENT.sub(r"{\1}", rule)


def _resolved(document: Schema, node: Schema) -> Schema:
    """`node`, or what its local reference points at."""
    reference = node.get("$ref")
    if reference is None:
        return node
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        if step not in found:
            raise ContractBroken(f"nothing at {reference}")
        found = found[step]
    return _resolved(document, found)
