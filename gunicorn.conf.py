"""How gunicorn serves Vigie's web and live processes: gevent workers, room for every socket, and a polite end.

Read by itself from the working directory; the command line only names the application (see Procfile).
"""

import contextlib
import gc
import os
import resource
import socket
import threading
import time
from typing import Any

worker_class = "gevent"
worker_connections = 12_000  # gunicorn's 1,000 lets connection 1,001 hang, health checks included
backlog = 2_048
graceful_timeout = 10
keepalive = 75
timeout = 30
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108 - a sign of life must not wait for a disk
control_socket_disable = True  # two gunicorns of one user would fight for the same file
preload_app = False
forwarded_allow_ips = ""  # VIGIE_FORWARDED_HOPS alone says whose X-Forwarded-* is believed; gunicorn would ask nobody
accesslog = None  # the application writes its own, without addresses and tokens
limit_request_line = 4_094
limit_request_fields = 60

_DESCRIPTORS = worker_connections + 500


def on_starting(server: Any) -> None:
    """Refuses what would fail only later, under load."""
    if server.cfg.preload_app:
        # psycopg chooses how to wait when it is imported: before gevent's patches it would block the whole process.
        raise SystemExit("gunicorn --preload cannot serve Vigie: each worker must be patched before it loads the code")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < _DESCRIPTORS:
        wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        if wanted < _DESCRIPTORS:
            server.log.warning("only %d open files allowed, %d wanted: raise LimitNOFILE", wanted, _DESCRIPTORS)


def when_ready(server: Any) -> None:
    """Takes no connection before the first worker has loaded the application."""
    _refuse(server)


def child_exit(server: Any, _worker: Any) -> None:
    """Takes no connection while nobody is left to serve it."""
    if not server.WORKERS:
        _refuse(server)


def post_worker_init(worker: Any) -> None:
    """Looks at what was loaded, puts it out of the collector's way, takes connections, and watches for the end."""
    from gevent import monkey
    from psycopg import waiting

    if monkey.is_module_patched("select") and waiting.wait.__name__ == "wait_c":
        worker.log.error("psycopg waits in C and would stop every greenlet of this process: import order is wrong")
        raise SystemExit(4)  # gunicorn then stops instead of starting the same worker for ever
    gc.collect()
    gc.freeze()
    gc.set_threshold(700, 10, 1_000)  # a full collection walks every socket's objects: 0.5 s at 5,000
    for listener in worker.sockets:
        listener.listen(backlog)
    live = _live_of(worker)
    if live is not None:
        threading.Thread(target=_leave_in_time, args=(worker, live), name="live-leave", daemon=True).start()


def worker_exit(_server: Any, worker: Any) -> None:
    """Stores the last second of positions and ends the threads around the sockets."""
    for part in ("flusher", "live"):
        running = _part_of(worker, part)
        if running is not None:
            running.stop()


def _refuse(server: Any) -> None:
    # Gunicorn listens seconds before a worker has loaded the code. The kernel would take a cry for help and let it wait
    # there, while nginx could have given it to the next instance. Linux stops listening at shutdown() and begins again
    # at listen(), on the socket that the workers have inherited; a Unix socket would stay shut for ever, and a socket
    # that is shared with another gunicorn (SIGUSR2) is the other's to serve.
    if server.master_pid or server.reexec_pid:
        return
    for listener in server.LISTENERS:
        if listener.FAMILY in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):  # it refused already: the worker died before it had loaded the code
                listener.sock.shutdown(socket.SHUT_RD)


def _live_of(worker: Any) -> Any:
    return _part_of(worker, "live")


def _part_of(worker: Any, name: str) -> Any:
    return getattr(getattr(worker, "wsgi", None), "extensions", {}).get(name)


def _leave_in_time(worker: Any, live: Any) -> None:
    # Without this, sockets stay 30 s on a worker that is going, and end without a word. They are sent away once this
    # worker has stopped listening (within a second), so that whoever comes back finds its successor.
    while worker.alive:
        time.sleep(0.05)
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline and any(listener.fileno() != -1 for listener in worker.sockets):
        time.sleep(0.02)
    worker.log.info("told %d sockets to come back elsewhere", live.leave())
