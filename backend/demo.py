"""The demo: migrate, load the town and its people, serve everything, start the simulation, end all of it together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from gevent.event import Event
from gevent.pywsgi import WSGIServer

from backend import logs, schema
from backend.app import create_app, start_parts
from backend.crew import crew_of
from backend.network.cli import import_feed
from backend.network.gtfs_report import FeedRefused
from backend.night_stops.demo import load_policies
from backend.people.demo import DemoAccount, load_demo
from backend.settings import Settings, SettingsRefused
from backend.wiring import Wiring, wire

TOWN = Path(__file__).parent / "simulation" / "town"
ACCOUNTS = Path(".vigie/demo.json")
PAGES = {"operator": "control", "agent": "agent", "driver": "driver", "rider": "rider"}


@click.command()
@click.option("--port", default=5000, show_default=True, help="Port on 127.0.0.1; the next free one is not tried.")
@click.option("--feed", type=click.Path(path_type=Path), help="A GTFS network instead of the demo town.")
@click.option(
    "--profile",
    type=click.Path(exists=True, path_type=Path),
    help="Hours and categories of the alerts; default: incidents/alert-load-profile.json beside the feed's folder.",
)
@click.option(
    "--tracks",
    type=click.Path(exists=True, path_type=Path),
    help="Recorded tracks that teams follow; default: gps/ beside the feed's folder.",
)
@click.option("--rate", default=5.0, show_default=True, help="Alerts a minute at the day's average hour.")
@click.option("--speed", default=4.0, show_default=True, help="How many times faster than real people the town lives.")
@click.option("--seed", default=7, show_default=True, help="The same seed makes the same choices.")
@click.option("--simulation/--no-simulation", default=True, show_default=True, help="Start the simulated town.")
def main(
    port: int,
    feed: Path | None,
    profile: Path | None,
    tracks: Path | None,
    rate: float,
    speed: float,
    seed: int,
    simulation: bool,  # noqa: FBT001 - click's way
) -> None:
    """Start Vigie whole on this machine: control room, rider, agents, and a simulated town. Ctrl-C ends it."""
    url = f"http://127.0.0.1:{port}"
    os.environ.setdefault("VIGIE_PUBLIC_URL", url)
    try:
        wiring = wire(Settings.from_env())
    except SettingsRefused as refused:
        raise click.ClickException(str(refused)) from None
    logs.set_up(os.environ.get("VIGIE_LOG_FORMAT", "quiet"), "demo")
    accounts = _prepare(wiring, feed)
    served = _serve(wiring, port)
    _say_where(url, accounts)
    if feed is not None:
        profile = profile or _beside(feed, "incidents/alert-load-profile.json")
        tracks = tracks or _beside(feed, "gps")
    options = {"--profile": profile, "--tracks": tracks, "--rate": rate, "--speed": speed, "--seed": seed}
    child = _start_simulation(url, options) if simulation else None
    _wait_for_the_end()
    click.echo("\nending …")
    _end(child, served)


def _prepare(wiring: Wiring, feed: Path | None) -> Sequence[DemoAccount]:
    schema.upgrade(wiring.database)
    now = wiring.clock.now()
    try:
        version, is_new = import_feed(wiring.database, feed or TOWN, now)
    except FeedRefused as refused:
        raise click.ClickException(f"{feed}: {refused}") from None
    if is_new:
        click.echo(f"network: {version.name}, {version.counts}")
    with wiring.database.transaction() as session:
        load_policies(session, now)
        return load_demo(session, now, wiring.settings, path=ACCOUNTS)


def _serve(wiring: Wiring, port: int) -> dict[str, Any]:
    app = create_app(wiring, ("web", "live"), async_mode="gevent")
    flusher = start_parts(app)
    crew = crew_of(wiring)
    crew.start()
    server = WSGIServer(("127.0.0.1", port), app, log=None, error_log=None)
    try:
        server.start()
    except OSError as error:
        raise click.ClickException(f"port {port} is not free ({error.strerror}): try --port {port + 1}") from None
    return {"app": app, "flusher": flusher, "crew": crew, "server": server, "wiring": wiring}


def _say_where(url: str, accounts: Sequence[DemoAccount]) -> None:
    wanted = {role: f"{url}/{page}" for role, page in PAGES.items()}
    click.echo(f"\nVigie runs at {url}\n")
    for role, page in wanted.items():
        # The accounts without a number are for people; the simulation uses the others.
        account = next((one for one in reversed(accounts) if one.role == role), None)
        sign_in = f"{account.login} / {account.password}" if account else "no sign-in; open it in a phone-sized window"
        click.echo(f"  {role:9} {page:34} {sign_in}")
    click.echo("\n  Night stops are possible at any hour here, to be seen by day too; a real network sets its nights.")
    click.echo(f"  all sign-ins: {ACCOUNTS}   API: {url}/v1/meta   health: {url}/readyz\n  Ctrl-C ends everything.\n")


def _beside(feed: Path, name: str) -> Path | None:
    """What lies beside the folder of a real feed, so that real hours and tracks go with a real network."""
    found = feed.resolve().parent.parent / name
    if not found.exists():
        return None
    click.echo(f"  with {found}")
    return found


def _start_simulation(url: str, options: Mapping[str, object]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "backend.simulation", "--url", url, "--accounts", str(ACCOUNTS)]
    for name, value in options.items():
        if value is not None:
            command += [name, str(value)]
    # Its own process group: Ctrl-C reaches it through us, once, after which we wait for it.
    return subprocess.Popen(command, start_new_session=True)  # noqa: S603 - our own module


def _wait_for_the_end() -> None:
    over = Event()
    from gevent import signal_handler

    for number in (signal.SIGINT, signal.SIGTERM):
        signal_handler(number, over.set)
    over.wait()


def _end(child: subprocess.Popen[bytes] | None, served: dict[str, Any]) -> None:
    if child is not None:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
    served["crew"].stop()
    live = served["app"].extensions["live"]
    live.leave()
    live.stop()
    served["server"].stop(timeout=2)
    served["crew"].join(3)
    served["flusher"].stop()
    served["wiring"].database.dispose()
