"""`flask trace ALERT`: all that happened to one alert, for whoever has to explain a night."""

from __future__ import annotations

import sys
import uuid

import click
import orjson
from sqlalchemy.exc import SQLAlchemyError

from backend.control_room.deliveries import Moment, trace
from backend.errors import Refused
from backend.times import stamp
from backend.wiring import Wiring

UNKNOWN, NO_DATABASE = 1, 3


def trace_command(wiring: Wiring) -> click.Command:
    """The command `trace`."""

    @click.command("trace")
    @click.argument("alert_id", type=click.UUID, metavar="ALERT")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for other programs.")
    def command(alert_id: uuid.UUID, as_json: bool) -> None:  # noqa: FBT001 - click's way
        """Print the whole way of one ALERT: stored, emitted, received, pushed, seen, accepted, escalated.

        Neither words nor places of the rider are shown: those are in the control room, with a name behind each look.

        Exit codes: 0 done, 1 there is no such alert, 3 the database does not answer.
        """
        try:
            with wiring.database.reading() as session:
                moments = trace(session, alert_id)
        except Refused:
            click.echo(f"There is no alert {alert_id}: its id stands in the control room and in logs.", err=True)
            sys.exit(UNKNOWN)
        except SQLAlchemyError as error:
            click.echo(f"The database does not answer ({type(error).__name__}): check DATABASE_URL.", err=True)
            sys.exit(NO_DATABASE)
        _print(moments, as_json=as_json)

    return command


def _print(moments: list[Moment], *, as_json: bool) -> None:
    begun = moments[0].at
    if as_json:
        for one in moments:
            said = {"at": stamp(one.at), "after_s": round((one.at - begun).total_seconds(), 3)}
            click.echo(orjson.dumps(said | {"what": one.what, "who": one.who, "more": one.more}).decode())
        return
    wide = max(len(one.what) for one in moments)
    for one in moments:
        at = f"{one.at:%Y-%m-%d %H:%M:%S}.{one.at.microsecond // 1000:03d}"
        after = f"+{(one.at - begun).total_seconds():.3f}"
        click.echo(f"{at} {after:>10} s  {one.what:<{wide}}  {one.who:<10}  {one.more}".rstrip())
