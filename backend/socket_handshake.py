"""The handshake of a WebSocket: the TCP socket under a WSGI request, and the answer that takes it over."""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
from typing import Any

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class HandshakeRefused(Exception):
    """The request is not a WebSocket handshake that can be answered; the text says why."""


def socket_of(environ: dict[str, Any]) -> socket.socket:
    """The TCP socket under a WSGI request, wherever gunicorn, Werkzeug or gevent.pywsgi keeps it."""
    found = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if found is None:
        reader = environ["wsgi.input"]
        raw = getattr(getattr(reader, "rfile", reader), "raw", None)
        found = getattr(raw, "_sock", None)
    if found is None:
        raise HandshakeRefused("this web server does not hand out its sockets")
    if hasattr(found, "getpeercert"):
        raise HandshakeRefused("TLS ends in the proxy: frames are written beneath Python's TLS layer")
    return found  # type: ignore[no-any-return]


def handshake(environ: dict[str, Any]) -> bytes:
    """The 101 answer to a WebSocket request; offers of compression are passed over, so nothing is compressed."""
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid or environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13" or environ["REQUEST_METHOD"] != "GET":
        raise HandshakeRefused("WebSocket version 13 with a valid key expected")
    accept = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest())
    return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
