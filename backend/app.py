"""The application: registers the parts, decides nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection
from typing import Literal

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from backend import feed_routes, health, http, logs, meta_routes
from backend.access import refuse_undeclared
from backend.alerts import agent_routes, assignments, engagement, sms_routes
from backend.alerts import routes as alert_routes
from backend.cli import add_commands
from backend.clock import DatabaseClock
from backend.control_room import routes as control_routes
from backend.delivery import push_routes
from backend.dispatch.night_stop_alerts import ALERT_WORK
from backend.live import Live, create_socketio
from backend.network import tracking
from backend.network.routes import create_network
from backend.network.vehicle_routes import create_vehicle_routes
from backend.night_stops import control_routes as night_stop_control_routes
from backend.night_stops import driver_routes as night_stop_driver_routes
from backend.night_stops import routes as night_stop_routes
from backend.pages.routes import create_pages
from backend.people import duty_routes, staff_routes
from backend.people import routes as people_routes
from backend.people.duty import TeamWork
from backend.people.flusher import Follow, PositionFlusher
from backend.settings import SettingsRefused
from backend.watch import status_routes
from backend.wiring import Wiring, wire

REFUSED = 4  # gunicorn then stops, instead of starting the same worker for ever
Part = Literal["web", "live"]
WEB: tuple[Part, ...] = ("web",)
WORK = TeamWork(engagement.engaged_on, assignments.release_team)


def create_app(
    wiring: Wiring | None = None,
    parts: Collection[Part] = WEB,
    *,
    async_mode: Literal["gevent", "threading"] = "threading",
) -> Flask:
    """The Flask application of one process; nothing is started yet (`start_parts` does)."""
    wiring = wiring or _wired()
    app = Flask("backend", static_folder=None)
    app.extensions["wiring"] = wiring
    live = None
    if "live" in parts:
        live = Live(wiring, create_socketio(wiring, async_mode))
        live.attach(app)
    http.install(app, wiring)
    app.register_blueprint(health.create_routes(wiring, "+".join(sorted(parts)), live))
    if "web" in parts:
        _add_web(app, wiring)
    refuse_undeclared(app)
    if wiring.settings.forwarded_hops:
        hops = wiring.settings.forwarded_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    add_commands(app, wiring, WORK)
    return app


def _add_web(app: Flask, wiring: Wiring) -> None:
    for blueprint in (
        meta_routes.create_routes(wiring),
        people_routes.create_routes(wiring),
        staff_routes.create_routes(wiring, WORK),
        duty_routes.create_routes(wiring, WORK),
        alert_routes.create_routes(wiring),
        agent_routes.create_routes(wiring),
        sms_routes.create_routes(wiring),
        control_routes.create_routes(wiring),
        status_routes.create_routes(wiring),
        night_stop_routes.create_routes(wiring, ALERT_WORK),
        night_stop_driver_routes.create_routes(wiring, ALERT_WORK),
        night_stop_control_routes.create_routes(wiring, ALERT_WORK),
        push_routes.create_routes(wiring),
        feed_routes.create_routes(wiring),
        create_network(wiring.database),
        create_vehicle_routes(wiring),
        create_pages(network_name=wiring.settings.network_name, live_url=wiring.settings.live_url),
    ):
        app.register_blueprint(blueprint)


def start_parts(app: Flask) -> PositionFlusher:
    """Starts what a serving process runs beside its requests: storing positions, and the live feed if it is live."""
    wiring: Wiring = app.extensions["wiring"]
    if isinstance(wiring.clock, DatabaseClock):
        threading.Thread(target=wiring.clock.run, name="clock", daemon=True).start()
    follow = Follow(tracking.look, tracking.keep)
    flusher = PositionFlusher(wiring.database, wiring.positions, wiring.clock.now, follow=follow)
    flusher.start()
    app.extensions["flusher"] = flusher
    if "live" in app.extensions:
        app.extensions["live"].start()
    return flusher


def create_web() -> Flask:
    """The HTTP API and the pages, for gunicorn; it serves no websocket."""
    return _serving("web")


def create_live() -> Flask:
    """The sockets, for gunicorn; each worker process tails the feed for its own sockets."""
    return _serving("live")


def _wired() -> Wiring:
    try:
        return wire()
    except SettingsRefused as refused:
        sys.stderr.write(f"Vigie does not start: {refused}\n")
        raise SystemExit(REFUSED) from None


def _serving(part: Part) -> Flask:
    wiring = _wired()
    logs.set_up(wiring.settings.log_format, part)
    app = create_app(wiring, (part,), async_mode="gevent")
    start_parts(app)
    return app
