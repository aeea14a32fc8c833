"""What autogenerate compares, and how Vigie's own column types are written in a migration."""

from __future__ import annotations

from typing import Any

from backend.database import JSONType, UTCDateTime
from backend.geo import Geo


def include_object(thing: Any, name: str | None, type_: str, _reflected: bool, _compare_to: object) -> bool:
    """Leaves out PostGIS's own table and the geography index, which only PostgreSQL can build."""
    if type_ == "table":
        return name != "spatial_ref_sys"
    return not (type_ == "index" and name == "ix_team_positions_geography")


def compare_type(context: Any, _inspected: Any, _column: Any, inspected_type: Any, metadata_type: Any) -> bool | None:
    """SQLite reports our own types by their storage names; only PostgreSQL can tell a real difference."""
    if isinstance(metadata_type, UTCDateTime | JSONType | Geo):
        return False
    if context.dialect.name == "sqlite":
        return False
    del inspected_type
    return None


def render_item(type_: str, thing: Any, autogen_context: Any) -> str | bool:
    """Writes our column types by name; the PostgreSQL types behind them would fail on SQLite."""
    if type_ == "type":
        if isinstance(thing, UTCDateTime):
            autogen_context.imports.add("from backend.database import UTCDateTime")
            return "UTCDateTime()"
        if isinstance(thing, JSONType):
            autogen_context.imports.add("from backend.database import JSONType")
            return f"JSONType({'none_as_null=True' if thing.none_as_null else ''})"
        if isinstance(thing, Geo):
            autogen_context.imports.add("from backend.geo import Geo")
            return f"Geo({thing.geometry_type!r})"
    return False


def comparison_options() -> dict[str, Any]:
    """The options that env.py and the migration test share."""
    return {"include_object": include_object, "compare_type": compare_type, "render_item": render_item}
