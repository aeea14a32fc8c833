"""Access: which roles a route or socket event serves, and who a token stands for. Undeclared means refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, g

from backend.people.roles import CONTROL_ROOM, EVERYBODY, STAFF, Caller, Role

if TYPE_CHECKING:
    from werkzeug.routing import Rule

__all__ = [
    "CONTROL_ROOM",
    "EVERYBODY",
    "PUBLIC",
    "STAFF",
    "Caller",
    "Role",
    "allow",
    "allowed_roles",
    "caller",
    "refuse_undeclared",
    "role_matrix",
]

PUBLIC: frozenset[Role] = frozenset()
View = TypeVar("View", bound=Callable[..., Any])


class UndeclaredRoute(RuntimeError):
    """A route or socket event has no declared role; Vigie does not start with it."""


def allow(*roles: Role | frozenset[Role]) -> Callable[[View], View]:
    """Declares the roles that a route or socket event serves; `@allow(PUBLIC)` says: anybody."""
    if not roles:
        raise UndeclaredRoute("allow() needs at least one role, or PUBLIC")
    served: set[Role] = set()
    for role in roles:
        served |= {role} if isinstance(role, Role) else role

    def declare(view: View) -> View:
        view.allowed_roles = frozenset(served)  # type: ignore[attr-defined]
        return view

    return declare


def allowed_roles(view: Callable[..., Any]) -> frozenset[Role] | None:
    """The declared roles of a view; empty for a public one, None for an undeclared one."""
    roles: frozenset[Role] | None = getattr(view, "allowed_roles", None)
    return roles


def refuse_undeclared(app: Flask) -> None:
    """Raises `UndeclaredRoute` when any route of the application has no declared role."""
    missing = sorted(rule.rule for rule in app.url_map.iter_rules() if _roles_of(app, rule) is None)
    if missing:
        raise UndeclaredRoute(f"no role declared for {', '.join(missing)}: put @allow(…) on the view")


def caller() -> Caller:
    """Who sent this request; only for routes that are not public."""
    found: Caller = g.caller
    return found


def role_matrix(app: Flask, events: Iterable[tuple[str, str, frozenset[Role]]]) -> list[str]:
    """One line per route and socket event with the roles that it serves, sorted: the file that tests compare."""
    lines = []
    for rule in app.url_map.iter_rules():
        methods = sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        lines += [f"{method} {rule.rule}: {_names(_roles_of(app, rule) or PUBLIC)}" for method in methods]
    lines += [f"EVENT {namespace} {name}: {_names(roles)}" for namespace, name, roles in events]
    return sorted(lines)


def _roles_of(app: Flask, rule: Rule) -> frozenset[Role] | None:
    return allowed_roles(app.view_functions[rule.endpoint])


def _names(roles: frozenset[Role]) -> str:
    return " ".join(role.value for role in Role if role in roles) or "public"
