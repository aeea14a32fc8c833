"""What every HTTP request goes through: id, who, body, answer; and how a refusal becomes a problem."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import orjson
import structlog
from flask import Flask, Response, g, request
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from backend.access import PUBLIC, allowed_roles
from backend.body import MAX_BYTES, read_object
from backend.errors import Refused, language_of, problem
from backend.people import sessions
from backend.people.roles import Role
from backend.problem_texts import Language
from backend.wiring import Wiring

log = structlog.get_logger("http")
View = TypeVar("View", bound=Callable[..., Any])
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
KEPT_FREE = 4
"""Database connections of a process that no GET may take: they are for alerts and for what teams do about them."""
_PLACE_WAIT_S = 1.0
_HTTP_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "media_type",
    400: "json_invalid",
}


def lenient(view: View) -> View:
    """A view whose body is read field by field: a cry for help is not refused for a bad optional field."""
    view.lenient = True  # type: ignore[attr-defined]
    return view


def stale_identity_accepted(view: View) -> View:
    """A view that serves a device whose token expired a little while ago."""
    view.stale_identity = True  # type: ignore[attr-defined]
    return view


def body() -> dict[str, Any]:
    """The request's JSON object, checked against the contract."""
    found: dict[str, Any] = g.get("body", {})
    return found


def raw_body() -> bytes:
    """The request's body as it came: what a signature was made of."""
    found: bytes = g.get("raw_body", b"")
    return found


def now() -> datetime:
    """The instant at which this request arrived, by the wiring's clock."""
    found: datetime = g.now
    return found


def language() -> Language:
    """The language in which this request wants to be answered."""
    return language_of(request.headers.get("Accept-Language"))


def uuid_of(text: str) -> uuid.UUID:
    """The identifier in a path; refuses what is not a UUID in its usual form."""
    try:
        if len(text) == 36:
            return uuid.UUID(text)
    except ValueError:
        pass
    raise Refused("id_invalid")


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer; `None` with 204 has no body."""
    data = b"" if value is None else orjson.dumps(value)
    response = Response(data, status=status, mimetype="application/json")
    response.headers.extend(headers or {})
    return response


def install(app: Flask, wiring: Wiring) -> None:
    """Hooks the steps that every request goes through into the application."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    # Reports that wait for a slow database must not take the last connection from a cry for help.
    settings = wiring.settings
    places = threading.BoundedSemaphore(max(1, settings.pool_size + settings.pool_overflow - KEPT_FREE))

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _REQUEST_ID.match(given) else str(uuid.uuid4())
        g.started = time.perf_counter()
        g.now = wiring.clock.now()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        if request.url_rule is None:
            return
        view = app.view_functions[request.url_rule.endpoint]
        roles = allowed_roles(view)
        if roles is None:
            raise Refused("role_forbidden")
        if roles != PUBLIC and request.method == "GET":
            if not places.acquire(timeout=_PLACE_WAIT_S):
                raise Refused("busy", retry_after_s=1)
            g.place = places
        if roles != PUBLIC:
            _authenticate(wiring, roles, stale_accepted=getattr(view, "stale_identity", False))
        _read_body(wiring, lenient_body=getattr(view, "lenient", False))

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        place = g.pop("place", None)
        if place is not None:
            place.release()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.get("request_id", "")
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        if wiring.settings.environment == "production":
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        rule = request.url_rule.rule if request.url_rule else "(none)"
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        if rule.startswith("/v1"):
            log.info(
                "request", method=request.method, rule=rule, status=response.status_code, ms=round(seconds * 1000, 1)
            )
        return response

    app.register_error_handler(Refused, lambda refused: _problem_answer(wiring, refused))
    app.register_error_handler(HTTPException, lambda error: _problem_answer(wiring, _refused_of(error)))
    for kind in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(kind, lambda error: _database_trouble(wiring, error))
    app.register_error_handler(Exception, lambda error: _mistake(wiring, error))


def _authenticate(wiring: Wiring, roles: frozenset[Role], *, stale_accepted: bool) -> None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Refused("token_missing")
    with wiring.database.reading() as session:
        caller = sessions.who(session, token.strip(), g.now, stale_days=wiring.settings.stale_identity_days)
    if caller is None or (caller.identity_stale and not stale_accepted):
        raise Refused("token_invalid")
    if caller.role not in roles:
        raise Refused("role_forbidden")
    g.caller = caller


def _read_body(wiring: Wiring, *, lenient_body: bool) -> None:
    if request.method not in ("POST", "PUT", "PATCH") or request.url_rule is None:
        return
    operation = wiring.contract.operation(request.method, request.url_rule.rule)
    if operation is None or not operation.has_body:
        return
    if request.content_length is not None and request.content_length > MAX_BYTES:
        raise Refused("body_too_large")
    raw = request.stream.read(MAX_BYTES + 1)
    if request.mimetype != "application/json" and (raw or not operation.body_optional):
        raise Refused("media_type", hint="Content-Type: application/json")
    if not raw and operation.body_optional:
        g.body = {}
        return
    g.raw_body = raw
    g.body = read_object(raw, lenient_numbers=lenient_body)
    if lenient_body:
        return
    errors = operation.body_errors(g.body)
    if errors:
        raise Refused(
            "invalid",
            field=errors[0].pointer or None,
            errors=[{"pointer": error.pointer, "detail": error.message[:200]} for error in errors[:20]],
        )


def _refused_of(error: HTTPException) -> Refused:
    if isinstance(error, RequestEntityTooLarge):
        return Refused("body_too_large")
    return Refused(_HTTP_CODES.get(error.code or 500, "failed"))


def _problem_answer(wiring: Wiring, refused: Refused) -> Response:
    spoken = language()
    content = problem(refused, spoken, g.get("request_id", ""))
    if request.path.startswith(("/v1/alerts", "/v1/devices")):
        # Whatever went wrong, a rider's phone can always offer a number to call.
        content["emergency_numbers"] = emergency_numbers(wiring)
    response = Response(orjson.dumps(content), status=refused.status, mimetype="application/problem+json")
    response.headers["Content-Language"] = spoken
    if refused.retry_after_s is not None:
        response.headers["Retry-After"] = str(refused.retry_after_s)
    if refused.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if refused.status == 405 and request.routing_exception is not None:
        allowed = getattr(request.routing_exception, "valid_methods", None) or []
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _database_trouble(wiring: Wiring, error: Exception) -> Response:
    reason = getattr(getattr(error, "orig", None), "sqlstate", None) or type(error).__name__
    log.warning("database_trouble", reason=reason)
    return _problem_answer(wiring, Refused("busy", retry_after_s=1))


def _mistake(wiring: Wiring, error: Exception) -> Response:
    # A bare DatabaseError is a damaged SQLite file; its subclasses below OperationalError are mistakes of ours.
    if isinstance(error, DBAPIError) and (error.connection_invalidated or type(error) is DatabaseError):
        return _database_trouble(wiring, error)
    # The traceback may quote what a rider wrote: only the place of the mistake is logged.
    log.error("mistake", kind=type(error).__name__, where=_place(error))
    if wiring.settings.environment == "test":
        raise error
    return _problem_answer(wiring, Refused("failed"))


def _place(error: Exception) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/backend/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def emergency_numbers(wiring: Wiring) -> list[dict[str, str]]:
    """The numbers that every phone may always offer."""
    return [{"number": n.number, "label": n.label, "kind": n.kind} for n in wiring.settings.emergency_numbers]
