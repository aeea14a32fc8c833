"""`flask simulate`: the demo town alive, against any Vigie that runs."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live as Screen
from rich.table import Table

from backend.simulation.behaviour import Profile, load_profile
from backend.simulation.run import Simulation, Wishes, read_accounts
from backend.simulation.staff import Account
from backend.simulation.tracks import Fix, load_tracks
from backend.simulation.wire import Counters

LINE_EVERY_S = 30.0
GOODBYE_S = 8.0
SHOWN_LATELY = ("alerts sent", "alerts taken", "offers heard", "teams: accept", "teams: on scene", "operator: close",
                "night stops asked", "night stops: accepted", "night stops: alighted", "night stops: missed")


@click.command("simulate")
@click.option("--url", default="http://127.0.0.1:5000", show_default=True, help="Where Vigie answers.")
@click.option("--live-url", default="", help="Where its sockets are, when not at the same address.")
@click.option("--accounts", "accounts_file", default=".vigie/demo.json", show_default=True,
              type=click.Path(path_type=Path), help="Demo accounts (agents, drivers, operator) and their passwords.")
@click.option("--teams", default=8, show_default=True, type=click.IntRange(0, 1000),
              help="Patrol teams on duty; at most as many as there are accounts.")
@click.option("--vehicles", default=12, show_default=True, type=click.IntRange(0, 1000),
              help="Vehicles in service, spread over the lines.")
@click.option("--riders", default=60, show_default=True, type=click.IntRange(0, 10_000),
              help="Phones that may have an alert open at the same time.")
@click.option("--rate", default=1.0, show_default=True, type=click.FloatRange(0, 10_000),
              help="Alerts a minute at the day's average hour; they come by chance, sometimes several at once.")
@click.option("--night-stops", default=2.0, show_default=True, type=click.FloatRange(0, 1000),
              help="Riders a minute who ask to get off between two stops, aboard the buses that may stop there.")
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 20),
              help="How many times faster than real people move and act.")
@click.option("--seed", default=7, show_default=True, help="The same seed makes the same choices.")
@click.option("--profile", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="JSON with by_hour, by_category and by_category_and_hour weights; without it, all hours are alike.")
@click.option("--tracks", type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Folder of journeys (GPX, barefoot JSON, NMEA) for the teams to follow, moved into the town.")
@click.option("--duration", default=0.0, type=click.FloatRange(0), help="Seconds until it ends; 0 for ever.")
@click.option("--operator/--no-operator", default=True, show_default=True,
              help="Let a simulated operator see, acknowledge and close the simulated alerts.")
@click.option("--quiet", is_flag=True, help="Show nothing while it runs.")
def simulate(  # noqa: PLR0913, PLR0917 - one argument per option
    url: str, live_url: str, accounts_file: Path, teams: int, vehicles: int, riders: int, rate: float,
    night_stops: float, speed: float, seed: int, profile: Path | None, tracks: Path | None, duration: float,
    operator: bool, quiet: bool,  # noqa: FBT001
) -> None:
    """Bring the town to life: patrols, buses, riders with alerts, and an operator.

    Every actor is a client like any phone: it signs in or registers, uses the HTTP API and the sockets, and
    nothing else. Stop the server and start it again: they wait, come back and catch up. Ctrl-C ends it.

    Alerts sent by real people stay theirs: simulated teams answer them, the simulated operator leaves them alone.

    \b
    Examples:
      flask --app backend.app simulate
      flask --app backend.app simulate --rate 10 --speed 4 --duration 300
      flask --app backend.app simulate --profile load.json --tracks gps/ --no-operator
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
    stop, counters = threading.Event(), Counters()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console = Console(stderr=True, quiet=quiet)
    accounts = _accounts(accounts_file)
    wishes = Wishes(
        url=url, live_url=live_url or url, teams=teams, vehicles=vehicles, riders=riders, rate=rate, speed=speed,
        seed=seed, profile=_profile(profile), tracks=_tracks(tracks, console), with_operator=operator,
        night_stops=night_stops, say=lambda said: console.print(f"[dim]{said}[/dim]"),
    )
    simulation = Simulation(wishes, accounts, counters, stop)
    began = time.monotonic()
    world = simulation.start()
    console.print(f"{len(world.town.ways)} ways, {len(world.town.stops)} stops; Ctrl-C ends the simulation")
    until = began + duration if duration else float("inf")
    _show(console, counters, stop, began, until)
    stop.set()
    simulation.join(GOODBYE_S)
    if not quiet:
        console.print(_table(counters, time.monotonic() - began))


def _accounts(path: Path) -> list[Account]:
    try:
        return read_accounts(path)
    except FileNotFoundError:
        raise click.ClickException(f"{path} is not there: `make run` writes it, or name another with --accounts") \
            from None
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{path} is no file of demo accounts ({type(error).__name__}: {error})") from None


def _profile(path: Path | None) -> Profile:
    if path is None:
        return Profile()
    try:
        return load_profile(path)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.ClickException(f"{path} is no load profile ({type(error).__name__}: {error})") from None


def _tracks(folder: Path | None, console: Console) -> list[list[Fix]]:
    return load_tracks(folder, lambda said: console.print(f"[dim]{said}[/dim]")) if folder else []


def _show(console: Console, counters: Counters, stop: threading.Event, began: float, until: float) -> None:
    if console.is_terminal and not console.quiet:
        with Screen(console=console, refresh_per_second=2) as screen:
            while not stop.wait(0.5) and time.monotonic() < until:
                screen.update(_table(counters, time.monotonic() - began))
        return
    while not stop.wait(max(0.1, min(LINE_EVERY_S, until - time.monotonic()))) and time.monotonic() < until:
        counts = counters.all()
        told = ", ".join(f"{what} {counts.get(what, 0)}" for what in SHOWN_LATELY)
        console.print(f"simulation {time.monotonic() - began:.0f} s: {told}", highlight=False, soft_wrap=True)


def _table(counters: Counters, seconds: float) -> Table:
    table = Table(f"simulation, {seconds:.0f} s", "", box=None)
    for what, number in sorted(counters.all().items()):
        table.add_row(what, str(number), style="yellow" if "refused" in what or "fell" in what else None)
    return table
