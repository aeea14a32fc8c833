"""Sockets: who is connected, and the way of every inbound event from the wire to its answer."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from socketio.exceptions import ConnectionRefusedError as SocketRefused
from wsproto.frame_protocol import CloseReason

from backend import feed
from backend.access import UndeclaredRoute, allowed_roles
from backend.body import refuse_infinite
from backend.contract import Validator
from backend.errors import Refused, refused_ack
from backend.http import emergency_numbers
from backend.people import sessions
from backend.people.roles import CONTROL_ROOM, Caller, Role
from backend.problem_texts import PROBLEMS, Language
from backend.socket_desk import Desk
from backend.socket_server import Server
from backend.wiring import Wiring

log = structlog.get_logger("sockets")
NAMESPACES: dict[str, frozenset[Role]] = {
    "/rider": frozenset({Role.RIDER}),
    "/agent": frozenset({Role.AGENT}),
    "/driver": frozenset({Role.DRIVER}),
    "/control": CONTROL_ROOM,
}


@dataclass(frozen=True)
class Connection:
    """One signed-in socket."""

    sid: str
    namespace: str
    caller: Caller
    language: Language

    @property
    def credential(self) -> uuid.UUID:
        """What can be revoked under it: the session of staff, the device of a rider."""
        return self.caller.session_id or self.caller.id


@dataclass(frozen=True)
class Call:
    """One inbound event, checked: what a handler gets."""

    wiring: Wiring
    caller: Caller
    data: dict[str, Any]
    now: datetime
    language: Language


Handler = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True)
class Declared:
    """An inbound event with the roles that it serves."""

    namespace: str
    name: str
    handler: Handler
    roles: frozenset[Role]
    in_memory: bool
    lenient: bool


class Sockets:
    """The signed-in sockets of this process and what they may say."""

    def __init__(self, wiring: Wiring, server: Server, declared: list[Declared]) -> None:
        self.wiring = wiring
        self.server = server
        self.connections: dict[str, Connection] = {}
        self.refused: Counter[str] = Counter()
        self.welcome: Callable[[Connection], object] = id  # until somebody has something to say
        self._admitting: dict[str, Connection] = {}
        self._desk = Desk(at_work=8, waiting=2_000)
        self._alert_desk = Desk(at_work=4, waiting=500)  # no queue of receipts or sign-ins is in an alert's way
        server.on_admitted = self._admit
        for namespace in NAMESPACES:
            server.on("connect", self._connector(namespace), namespace=namespace)
            server.on("disconnect", self._leave, namespace=namespace)
            server.on("*", self._unknown, namespace=namespace)
        for event in declared:
            validator = wiring.contract.event(event.namespace, event.name, "receive")
            if validator is None:
                raise UndeclaredRoute(f"{event.namespace} {event.name} is not in the contract")
            server.on(event.name, self._answerer(event, validator), namespace=event.namespace)

    def per_role(self) -> Counter[str]:
        """How many sockets of each role are signed in."""
        return Counter(connection.caller.role.value for connection in list(self.connections.values()))

    def end(self, connection: Connection, code: str) -> None:
        """Tells a socket why its session is over, and signs it out."""
        self.server.emit("session.ended", {"code": code}, to=connection.sid, namespace=connection.namespace)
        self.server.end(connection.sid, connection.namespace)

    def drive(self, connection: Connection, vehicle_id: uuid.UUID | None) -> None:
        """Gives a driver's socket the feed of the vehicle that the driver has taken out meanwhile, and no other."""
        wanted = {feed.vehicle(vehicle_id)} if vehicle_id else set()
        wanted.add(feed.staff(connection.caller.id))
        present = set(self.server.rooms(connection.sid, connection.namespace))
        for room in present - wanted:
            self.server.leave_room(connection.sid, room, namespace=connection.namespace)
        for room in wanted - present:
            self.server.enter_room(connection.sid, room, namespace=connection.namespace)

    # -- coming and going -----------------------------------------------------------------------------------

    def _connector(self, namespace: str) -> Callable[..., bool]:
        def connect(sid: str, _environ: dict[str, Any], auth: object = None) -> bool:
            language: Language = "en" if isinstance(auth, dict) and auth.get("language") == "en" else "fr"
            try:
                caller = self._desk.run(lambda: self._caller(auth, namespace))
            except Refused as refused:
                self.refused[refused.code] += 1
                if refused.code == "busy":
                    # Stock clients come back after a lost connection, and not after a refusal.
                    self.server.hang_up(sid, namespace, code=CloseReason.TRY_AGAIN_LATER, why="busy")
                    return False
                raise _told(refused, language) from None
            except Exception as error:  # noqa: BLE001 - see _mistake
                _mistake("connect", error)
                self.server.hang_up(sid, namespace, code=CloseReason.TRY_AGAIN_LATER, why="failed")
                return False
            self._admitting[sid] = Connection(sid, namespace, caller, language)
            return True

        return connect

    def _caller(self, auth: object, namespace: str) -> Caller:
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str) or not token:
            raise Refused("token_missing")
        wiring = self.wiring
        with wiring.database.reading() as session:
            caller = sessions.who(session, token, wiring.clock.now(), stale_days=wiring.settings.stale_identity_days)
        if caller is None:
            raise Refused("token_invalid")
        if caller.role not in NAMESPACES[namespace]:
            raise Refused("role_forbidden")
        return caller

    def _admit(self, sid: str) -> None:
        # Called after the client has its CONNECT answer: nothing may reach it earlier, and no room earlier than that.
        connection = self._admitting.pop(sid, None)
        if connection is None:
            return
        self.connections[sid] = connection
        client = self.server.eio.sockets.get(self.server.manager.eio_sid_from_sid(sid, connection.namespace))
        if client is not None:
            client.language = connection.language
        for room in rooms_of(connection.caller):
            self.server.enter_room(sid, room, namespace=connection.namespace)
        if not self.server.manager.is_connected(sid, connection.namespace):
            self._leave(sid)  # it left while it was let in
            return
        self.welcome(connection)

    def _leave(self, sid: str, _reason: str = "") -> None:
        self._admitting.pop(sid, None)
        self.connections.pop(sid, None)

    # -- what they say --------------------------------------------------------------------------------------

    def _unknown(self, _event: str, sid: str, *_arguments: object) -> dict[str, Any]:
        connection = self.connections.get(sid)
        return refused_ack(Refused("event_unknown"), connection.language if connection else "fr")

    def _answerer(self, event: Declared, validator: Validator) -> Callable[..., dict[str, Any]]:
        def answer(sid: str, *arguments: object) -> dict[str, Any]:
            connection = self.connections.get(sid)
            if connection is None:
                return refused_ack(Refused("token_invalid"), "fr")
            try:
                return self._handle(event, validator, connection, arguments)
            except Refused as refused:
                self.refused[refused.code] += 1
                ack = refused_ack(refused, connection.language)
            except Exception as error:  # noqa: BLE001 - see _mistake
                _mistake(event.name, error)
                ack = refused_ack(Refused("failed"), connection.language)
            if event.lenient:
                # Whatever went wrong, a rider's phone can always offer a number to call.
                ack["emergency_numbers"] = emergency_numbers(self.wiring)
            return ack

        return answer

    def _handle(
        self, event: Declared, validator: Validator, connection: Connection, arguments: tuple[object, ...]
    ) -> dict[str, Any]:
        if connection.caller.role not in event.roles:
            raise Refused("role_forbidden")
        if len(arguments) != 1 or not isinstance(arguments[0], dict):
            raise Refused("event_invalid", hint="one JSON object expected")
        data = arguments[0]
        if not event.lenient:
            refuse_infinite(data)
            errors = validator.errors(data)
            if errors:
                raise Refused("event_invalid", field=errors[0].pointer or None)
        call = Call(self.wiring, connection.caller, data, self.wiring.clock.now(), connection.language)
        if event.in_memory:
            return event.handler(call)
        desk = self._alert_desk if event.lenient else self._desk
        return desk.run(lambda: event.handler(call))


def rooms_of(caller: Caller) -> list[str]:
    """The rooms that the server puts a caller's sockets in; there is no other way into one."""
    if caller.role is Role.RIDER:
        return [feed.device(caller.id)]
    own = feed.staff(caller.id)
    if caller.role is Role.AGENT:
        return [feed.team(caller.team_id), own] if caller.team_id else [own]
    if caller.role is Role.DRIVER:
        return [feed.vehicle(caller.vehicle_id), own] if caller.vehicle_id else [own]
    return [feed.CONTROL, own]


def declare(namespace: str, name: str, handler: Handler) -> Declared:
    """A handler as an event of a namespace; refuses one without `@allow` for a role that the namespace lets in."""
    roles = (allowed_roles(handler) or frozenset()) & NAMESPACES[namespace]
    if not roles:
        raise UndeclaredRoute(f"no role of {namespace} declared for event {name}: put @allow(…) on its handler")
    return Declared(namespace, name, handler, roles, getattr(handler, "in_memory", False),
                    getattr(handler, "lenient", False))


def _told(refused: Refused, language: Language) -> SocketRefused:
    return SocketRefused(refused.code, {"code": refused.code, "detail": PROBLEMS[refused.code].detail[language]})


def _mistake(event: str, error: Exception) -> None:
    # A handler that raises ends neither its socket nor the process. The traceback may quote what a rider wrote.
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
    log.error("socket_mistake", event_name=event, kind=type(error).__name__, where=place)
