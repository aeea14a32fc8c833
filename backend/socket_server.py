"""Socket.IO's server, strict about what comes in: text only, bounded, budgeted, and never a log line per mistake."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import engineio
import orjson
import socketio
import structlog
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from socketio.packet import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet
from wsproto.frame_protocol import CloseReason

from backend.body import refuse_depth
from backend.errors import Refused, refused_ack
from backend.socket_engine import Engine, EngineSocket
from backend.socket_rooms import Rooms

log = structlog.get_logger("sockets")
VERSIONS = {"python-engineio": "4.15.1", "python-socketio": "5.18.1"}  # whose private methods are overridden here
MAX_NAMESPACES = 2
_CONNECT_COST = 5
_PATIENCE = 200
_AT_ONCE = 500
_NEVER_REFUSED = "alert.raise"
_RESERVED = ("connect", "disconnect")


class Json:
    """orjson behind the interface that python-socketio expects of a JSON module."""

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        """JSON text."""
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str, **_options: Any) -> Any:
        """The value in a JSON text; NaN stays, for the alert intake to repair and everybody else to refuse."""
        refuse_depth(text)
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int:
    if len(digits) > 400:
        raise ValueError("number too long")
    return int(digits)


class Server(socketio.Server):  # type: ignore[misc]
    """python-socketio's server over `Engine`; subclasses of nothing else know its private methods."""

    manager: Rooms
    eio: Engine
    on_admitted: Callable[[str], None]  # called once a socket is signed in and knows it

    def _engineio_server_class(self) -> type[engineio.Server]:
        return Engine

    def emit_json(self, name: str, data: str, *, room: str, namespace: str) -> int:
        """Sends an event whose data is JSON text already to a room; returns to how many sockets."""
        packet = EnginePacket(MESSAGE, f'{EVENT}{namespace},["{name}",{data}]')
        count = 0
        for _sid, eio_sid in self.manager.get_participants(namespace, room):
            client = self.eio.sockets.get(eio_sid)
            if client is not None:
                client.send(packet)
                count += 1
                if count % _AT_ONCE == 0:
                    time.sleep(0)  # everybody else's turn
        return count

    def end(self, sid: str, namespace: str) -> None:
        """Signs a socket out: stock clients do not come back by themselves after this."""
        client = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, namespace))
        self.disconnect(sid, namespace)
        if client is not None:
            client.namespaces -= 1
            if client.namespaces <= 0:
                client.close()

    def hang_up(self, sid: str, namespace: str, *, code: int = CloseReason.NORMAL_CLOSURE, why: str = "") -> None:
        """Closes the connection under a socket; stock clients come back by themselves, unlike after `disconnect`."""
        client = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, namespace))
        if client is not None:
            client.close(code=code, why=why)

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        # The stock server keeps the whole WSGI environment of every socket for ever.
        super()._handle_eio_connect(eio_sid, {"REMOTE_ADDR": environ.get("REMOTE_ADDR")})

    def _handle_eio_message(self, eio_sid: str, data: str) -> None:
        client = self.eio.sockets.get(eio_sid)
        if client is None or client.closed:
            return
        try:
            packet = Packet(encoded_packet=data or "?")
        except (ValueError, TypeError, IndexError, RecursionError, Refused):
            client.refuse(CloseReason.PROTOCOL_ERROR, "not a Socket.IO packet")
            return
        packet.namespace = packet.namespace or "/"
        try:
            self._dispatch(client, packet)
        except Exception as error:  # noqa: BLE001 - one socket's odd packet must not end anything but itself
            log.error("socket_mistake", kind=type(error).__name__, packet=packet.packet_type)  # noqa: TRY400 - as above
            client.refuse(CloseReason.INTERNAL_ERROR, "failed")

    def _dispatch(self, client: EngineSocket, packet: Packet) -> None:
        kind, namespace = packet.packet_type, packet.namespace
        if kind == EVENT:
            self._event(client, packet)
        elif not client.budget.take(_CONNECT_COST if kind == CONNECT else 1):
            client.refuse(CloseReason.POLICY_VIOLATION, "event_budget")
        elif kind == CONNECT:
            if namespace not in self.namespaces or client.namespaces >= MAX_NAMESPACES:
                refusal = self.packet_class(CONNECT_ERROR, data={"message": "unknown namespace"}, namespace=namespace)
                self._send_packet(client.sid, refusal)
                return
            client.asking = True
            try:
                self._handle_connect(client.sid, namespace, packet.data)
            finally:
                client.asking = False
            sid = self.manager.sid_from_eio_sid(client.sid, namespace)
            if sid is not None and self.manager.is_connected(sid, namespace):
                client.namespaces += 1
                self.on_admitted(sid)
        elif kind == DISCONNECT:
            self._handle_disconnect(client.sid, namespace, self.reason.CLIENT_DISCONNECT)
            client.namespaces -= 1
            if client.namespaces <= 0:
                client.close(reason=self.reason.CLIENT_DISCONNECT)
        elif kind != ACK:  # nothing is ever asked of clients, so there is no acknowledgement to wait for
            client.refuse(CloseReason.UNSUPPORTED_DATA, "binary packets are not used")

    def _event(self, client: EngineSocket, packet: Packet) -> None:
        sid = self.manager.sid_from_eio_sid(client.sid, packet.namespace)
        if sid is None or not self.manager.is_connected(sid, packet.namespace):
            # Somebody whom nobody has let in hears nothing, not even that an event exists.
            if not client.budget.take():
                client.refuse(CloseReason.POLICY_VIOLATION, "event_budget")
            return
        data = packet.data
        well_formed = isinstance(data, list) and data and isinstance(data[0], str)
        purse = client.alert_budget if well_formed and data[0] == _NEVER_REFUSED else client.budget
        if not purse.take():
            client.overdrawn += 1
            self._acknowledge(client, packet, Refused("event_budget", retry_after_s=1))
            if client.overdrawn > _PATIENCE:
                client.refuse(CloseReason.POLICY_VIOLATION, "event_budget")
            return
        client.overdrawn = max(0, client.overdrawn - 1)
        if not well_formed:
            self._acknowledge(client, packet, Refused("event_invalid"))
        elif data[0] in _RESERVED:
            # Stock python-socketio would call our own connect handler with whatever the client sent.
            self._acknowledge(client, packet, Refused("event_unknown"))
        else:
            self._handle_event(client.sid, packet.namespace, packet.id, data)

    def _acknowledge(self, client: EngineSocket, packet: Packet, refused: Refused) -> None:
        if packet.id is not None:
            data = [refused_ack(refused, client.language)]
            self._send_packet(client.sid, self.packet_class(ACK, namespace=packet.namespace, id=packet.id, data=data))
