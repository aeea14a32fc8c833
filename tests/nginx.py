"""A private nginx that serves deploy/nginx/ as it is shipped, with this machine's ports, folders and certificate."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.postgres import fast_folder, free_port
from tests.processes import ROOT

SHIPPED = ROOT / "deploy" / "nginx"
_MAIN = """
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/main.log;
events {{ worker_connections 4096; }}
http {{
    types {{ }}
    {temporary}
    include {folder}/vigie.conf;
    server {{  # as behind another proxy that has taken the TLS off: for clients that speak none
        listen 127.0.0.1:{bare};
        access_log {folder}/vigie.log vigie;
        error_log {folder}/main.log crit;
        include {locations};
    }}
}}
"""


class NoNginx(RuntimeError):
    """nginx is not on this machine; the message says what to install."""


class Nginx:
    """One running nginx: `url` is its TLS address, `plain_url` the one without, `bundle` the certificate to trust, `bare_port` for who speaks no TLS."""

    def __init__(self, folder: Path, port: int, web: Sequence[int], live: Sequence[int]) -> None:
        self.folder = folder
        self.port, self.plain_port, self.bare_port = port, free_port(), free_port()
        self.url, self.plain_url = f"https://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.plain_port}"
        self.bundle = folder / "fullchain.pem"
        self.upstreams = {"web": web, "live": live}
        _make_certificate(folder)
        self.write()

    def write(self) -> None:
        """Writes the shipped files with what each installation changes in them; anything else stays as it is."""
        text = (SHIPPED / "vigie.conf").read_text()
        for kind, shipped in (("web", (8001, 8002)), ("live", (8101, 8102))):
            lines = [f"    server 127.0.0.1:{port} max_fails=0;\n" for port in shipped]
            ours = [f"    server 127.0.0.1:{port} max_fails=0;\n" for port in self.upstreams[kind]]
            text = _changed(text, "".join(lines), "".join(ours))
        for old, new in (
            ("    listen [::]:443 ssl http2;\n", ""),
            ("    listen [::]:80;\n", ""),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.port} ssl http2;"),
            ("listen 80;", f"listen 127.0.0.1:{self.plain_port};"),
            ("/etc/letsencrypt/live/vigie.example", str(self.folder)),
            ("/var/log/nginx", str(self.folder)),
            ("/etc/nginx/vigie-locations.conf", str(SHIPPED / "vigie-locations.conf")),
            ("/var/www/acme", str(self.folder)),
        ):
            text = _changed(text, old, new)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds)
        (self.folder / "vigie.conf").write_text(text)
        (self.folder / "nginx.conf").write_text(
            _MAIN.format(
                folder=self.folder,
                temporary=temporary,
                bare=self.bare_port,
                locations=SHIPPED / "vigie-locations.conf",
            )
        )

    @property
    def log(self) -> str:
        """Every line that it has written about requests."""
        return (self.folder / "vigie.log").read_text()


@contextlib.contextmanager
def running(port: int, web: Sequence[int], live: Sequence[int]) -> Iterator[Nginx]:
    """An nginx on `port` in front of these, run by an ordinary user, for as long as the block lasts."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        message = "nginx is missing. Debian, Ubuntu: apt-get install nginx-light"
        raise NoNginx(message)
    folder = Path(tempfile.mkdtemp(prefix=f"vigie-nginx-{os.getpid()}-", dir=fast_folder()))
    nginx = None
    try:
        made = Nginx(folder, port, web, live)
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "main.log")]
        nginx = subprocess.Popen([*command, "-g", "daemon off;"], stdin=subprocess.DEVNULL, **identity)
        _wait_for(made.port, nginx, folder)
        yield made
    finally:
        if nginx is not None:
            nginx.terminate()
            nginx.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _changed(text: str, old: str, new: str) -> str:
    assert old in text, f"deploy/nginx/vigie.conf has no {old!r} any more: what the tests change must be there"
    return text.replace(old, new)


def _make_certificate(folder: Path) -> None:
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)


def _wait_for(port: int, nginx: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert nginx.poll() is None, (folder / "main.log").read_text()
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.02)
        else:
            return
