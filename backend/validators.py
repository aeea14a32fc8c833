"""Compiled JSON Schemas: whether a value obeys one, in microseconds, and what to tell whoever sent it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

Schema = Mapping[str, Any]

SCHEMA_REF = "#/components/schemas/"
_SURROGATE = re.compile("[\ud800-\udfff]")


class ContractBroken(RuntimeError):
    """The contract's files do not hold together; Vigie does not start with them."""


@dataclass(frozen=True)
class FieldError:
    """One value that breaks the contract. The message never repeats it: it may be a PIN."""

    pointer: str
    message: str


class Validator:
    """A compiled schema; with `strict_text` it also refuses text that no database can store."""

    def __init__(self, name: str, schema: Schema, schemas: Mapping[str, Schema], *, strict_text: bool = False) -> None:
        self.name = name
        self._strict_text = strict_text
        rooted = _rooted(schema)
        whole = {**rooted, "$defs": {used: _rooted(schemas[used]) for used in _reached(schema, schemas)}}
        self._compiled = jsonschema_rs.Draft202012Validator(whole, validate_formats=True, mask="value")

    def errors(self, value: object) -> list[FieldError]:
        """Everything in `value` that breaks the schema; empty for a good one."""
        errors = list(_unstorable(value)) if self._strict_text else []
        try:
            if not self._compiled.is_valid(value):
                errors += [error for found in self._compiled.iter_errors(value) for error in _told(found)]
        except ValueError:  # half a surrogate pair, or a key that is no text
            errors = errors or [FieldError("", "value cannot be written as JSON")]
        return errors

    def is_valid(self, value: object) -> bool:
        """Whether `value` obeys the schema."""
        return not self.errors(value)


def name_of(reference: str) -> str:
    """The schema that a reference names."""
    return reference.rpartition(SCHEMA_REF)[2]


def _reached(schema: object, schemas: Mapping[str, Schema], seen: set[str] | None = None) -> set[str]:
    """The names of all schemas that `schema` refers to, directly or not."""
    seen = set() if seen is None else seen
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str) and (name := name_of(reference)) not in seen:
            if name not in schemas:
                raise ContractBroken(f"no schema is named {name}")
            seen.add(name)
            _reached(schemas[name], schemas, seen)
    children = schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ()
    for child in children:
        _reached(child, schemas, seen)
    return seen


def _rooted(schema: Any) -> Any:
    """The same schema with its references pointing into `$defs`, where a stand-alone validator keeps them."""
    if isinstance(schema, Mapping):
        return {
            key: "#/$defs/" + name_of(value) if key == "$ref" else _rooted(value)
            for key, value in schema.items()
            if key not in ("description", "contentSchema") or isinstance(value, Mapping)
        }
    return [_rooted(item) for item in schema] if isinstance(schema, list) else schema


def _unstorable(value: object, pointer: str = "") -> Iterator[FieldError]:
    """Texts with a NUL or half a surrogate pair: valid JSON, but a database would answer with an error."""
    if isinstance(value, str):
        if "\x00" in value or (not value.isascii() and _SURROGATE.search(value)):
            yield FieldError(pointer, "value holds a character that cannot be stored")
        return
    children = enumerate(value) if isinstance(value, list) else ()
    inside = value.items() if isinstance(value, Mapping) else children
    for key, child in inside:
        yield from _unstorable(child, f"{pointer}/{key}")


def _told(error: jsonschema_rs.ValidationError) -> Iterator[FieldError]:
    """The error in plain words; for "this or null", what is wrong with "this"."""
    if error.kind.name in ("oneOf", "anyOf") and (branches := getattr(error.kind, "context", None)):
        for nested in branches[0]:
            yield from _told(nested)
        return
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path)
    yield FieldError(pointer, error.message)
