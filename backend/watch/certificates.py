"""Certificates: how long those of the public addresses are still good."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509

TIMEOUT_S = 3.0


def shortest(urls: Iterable[str], now: datetime) -> float | None:
    """Days until the first of them ends, negative when it has; None where none is used or none could be seen."""
    days = [left for url in urls if (left := days_left(url, now)) is not None]
    return min(days, default=None)


def days_left(url: str, now: datetime) -> float | None:
    """Days until the certificate behind an address ends; None for an address without one, or that does not answer."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    # Only its date is asked for, of an expired one too; whether it is to be trusted, the drill's own requests find.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), TIMEOUT_S) as raw,
            context.wrap_socket(raw, server_hostname=parts.hostname) as tls,
        ):
            given = tls.getpeercert(binary_form=True)
    except OSError:
        return None
    if given is None:
        return None
    end = x509.load_der_x509_certificate(given).not_valid_after_utc
    return (end - now).total_seconds() / 86_400
