"""How long the certificate of the public address is still good, seen as phones see it: on a real TLS connection."""

import contextlib
import ipaddress
import socket
import ssl
import threading
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from backend.watch import certificates
from tests.postgres import free_port


@contextlib.contextmanager
def door(folder, begins, ends):
    """The address of a TLS server with a certificate of this time."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vigie.example")])
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )  # fmt: skip
    pem = folder / "door.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    raw, _ = listener.accept()
                    with contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as tls:
                        tls.recv(1)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(5)


@pytest.mark.parametrize("days", [90, 20, -3])
def test_the_days_that_are_left_are_those_of_the_certificate_also_when_it_has_ended(tmp_path, clock, days):
    now = clock.now()
    with door(tmp_path, now - timedelta(days=100), now + timedelta(days=days)) as url:
        assert certificates.days_left(url, now) == pytest.approx(days, abs=0.01)
        assert certificates.shortest((url, "", "http://127.0.0.1:1"), now) == pytest.approx(days, abs=0.01)


def test_where_there_is_none_nothing_is_said(clock):
    closed = f"https://127.0.0.1:{free_port()}"
    for url in ("http://127.0.0.1:5000", "", closed, "https://"):
        assert certificates.days_left(url, clock.now()) is None
    assert certificates.shortest(("", closed), clock.now()) is None
