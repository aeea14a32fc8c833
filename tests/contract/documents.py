"""The contract's files as plain documents, for tests that read them."""

import json
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "mobile_contract"
SCHEMA_REF = "#/components/schemas/"


def document(name: str) -> dict[str, Any]:
    """One YAML document of the contract."""
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


OPENAPI = document("openapi.yaml")
ASYNCAPI = document("asyncapi.yaml")
SCHEMAS: dict[str, Any] = OPENAPI["components"]["schemas"]
EXAMPLES = {
    path.stem: (path.name.split(".")[0], json.loads(path.read_text(encoding="utf-8")))
    for path in sorted((FOLDER / "examples").glob("*.json"))
}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Every (method, path, operation)."""
    return [
        (method, path, item[method])
        for path, item in OPENAPI["paths"].items()
        for method in ("get", "put", "post", "patch", "delete")
        if method in item
    ]


def resolved(node: Any, root: Any = OPENAPI) -> Any:
    """What a local reference points at; anything else as it is."""
    while isinstance(node, dict) and "$ref" in node:
        reference, node = node["$ref"], root
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    return node


def schema_name(reference: str) -> str:
    """The schema that a reference names."""
    return reference.rpartition(SCHEMA_REF)[2]
