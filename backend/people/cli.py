"""`flask bootstrap-admin` and `flask staff …`: accounts from a terminal, for whoever runs the machine."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from backend.delivery import registrations
from backend.errors import Refused, problem
from backend.people import invitations, sessions, staff
from backend.people.duty import TeamWork
from backend.people.invitations import NewInvitation
from backend.people.models import Staff, Team
from backend.people.roles import STAFF, Role
from backend.wiring import Wiring

_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
REFUSED = 1
NO_DATABASE = 3


def people_commands(wiring: Wiring, work: TeamWork) -> list[click.Command]:
    """The commands `bootstrap-admin` and `staff`; `work` tells what teams do on alerts."""
    return [_bootstrap(wiring), _staff(wiring, work)]


def _bootstrap(wiring: Wiring) -> click.Command:
    @click.command("bootstrap-admin")
    @click.option("--force", is_flag=True, help="Also when an administrator exists: nobody remembers the password.")
    def bootstrap_admin(force: bool) -> None:  # noqa: FBT001 - click's way
        """Print a one-time link with which the first administrator chooses login and password.

        The link works once, for 30 minutes; a new one replaces it. There is no default account.

        Exit codes: 0 done, 1 refused because an administrator exists, 3 the database does not answer.
        """
        with told(wiring), wiring.database.transaction() as session:
            if invitations.admin_exists(session) and not force:
                refuse("an administrator exists; they can invite others, or use --force if nobody can sign in")
            made = invitations.invite(session, Role.ADMIN, wiring.clock.now())
        _show_link(wiring, made)

    return bootstrap_admin


def _staff(wiring: Wiring, work: TeamWork) -> click.Group:
    @click.group("staff")
    def group() -> None:
        """Accounts of agents, drivers and the control room."""

    @group.command("list")
    def list_staff() -> None:
        """Show every account with its role and team."""
        table = Table("login", "name", "role", "team", "state", box=None)
        with told(wiring), wiring.database.reading() as session:
            call_signs = {team.id: team.call_sign for team in staff.all_teams(session)}
            for each in staff.all_staff(session):
                table.add_row(each.login, each.display_name, each.role, _team_name(each, call_signs), _state(each))
        if not table.rows:
            click.echo("no account yet: flask --app backend.app bootstrap-admin")
            return
        Console().print(table)

    @group.command("create")
    @click.argument("login")
    @click.option("--name", required=True, help="The name that colleagues see.")
    @click.option(
        "--role", required=True, type=click.Choice(sorted(role.value for role in STAFF)), help="What the person may do."
    )
    @click.option("--team", help="Call sign of an agent's team.")
    @click.option("--phone", help="Number for texts when nothing else reaches this person, as +33639980001.")
    def create(login: str, name: str, role: str, team: str | None, phone: str | None) -> None:
        """Create an account and print the one-time link with which its owner chooses a password.

        Example: flask --app backend.app staff create anna --name "Anna B." --role agent --team "GAP 1"

        Exit codes: 0 done, 1 refused, 3 the database does not answer.
        """
        if phone is not None and not _E164.fullmatch(phone):
            refuse("write the number as +33639980001: +, country, number, nothing between")
        with told(wiring), wiring.database.transaction() as session:
            team_id = _team(session, team).id if team else None
            now = wiring.clock.now()
            made = staff.create_staff(session, login, name, Role(role), now, team_id=team_id, phone=phone)
            invitation = invitations.invite(session, Role(role), now, staff_id=made.id)
        _show_link(wiring, invitation)

    @group.command("invite")
    @click.argument("login")
    def invite(login: str) -> None:
        """Print a new one-time link for an account: a lost link or a forgotten password.

        The old password works until the link is used.
        """
        with told(wiring), wiring.database.transaction() as session:
            person = _person(session, login)
            made = invitations.invite(session, Role(person.role), wiring.clock.now(), staff_id=person.id)
        _show_link(wiring, made)

    @group.command("revoke")
    @click.argument("login")
    @click.option("--disable", is_flag=True, help="Also end the shift and refuse every further sign-in.")
    def revoke(login: str, disable: bool) -> None:  # noqa: FBT001 - click's way
        """End every session of an account, on open sockets within seconds.

        Exit codes: 0 done, 1 refused, 3 the database does not answer.
        """
        with told(wiring), wiring.database.transaction() as session:
            person, now = _person(session, login), wiring.clock.now()
            ended = sessions.revoke_sessions(session, person.id, now)
            if disable:
                staff.change_staff(session, person.id, {"disabled": True}, now, work)
            registrations.forget_ended(session, person.id)
        click.echo(f"{login}: {ended} session(s) ended" + (", account disabled" if disable else ""))

    return group


@contextmanager
def told(wiring: Wiring) -> Iterator[None]:
    """Turns what can go wrong into one line and an exit code; a traceback helps nobody at 3 in the morning."""
    try:
        yield
    except Refused as refused:
        refuse(problem(refused, "en", "")["detail"])
    except OperationalError as error:
        place = wiring.database.url.render_as_string(hide_password=True)
        if "no such table" in str(error.orig):
            refuse("the database is empty; run: flask --app backend.app db upgrade", NO_DATABASE)
        refuse(f"the database {place} does not answer; start it or set DATABASE_URL", NO_DATABASE)
    except ProgrammingError:
        refuse("the database has no such tables; run: flask --app backend.app db upgrade", NO_DATABASE)
    except DBAPIError as error:
        refuse(f"the database refused: {type(error.orig).__name__}", NO_DATABASE)


def refuse(reason: str, code: int = REFUSED) -> NoReturn:
    """One line on the terminal, and the end with this exit code."""
    click.echo(f"refused: {reason}", err=True)
    raise SystemExit(code)


def _show_link(wiring: Wiring, made: NewInvitation) -> None:
    # Behind the #: browsers do not send that part, so the token reaches no server's log.
    click.echo(f"{wiring.settings.public_url.rstrip('/')}/#invitation={made.token}")
    click.echo(f"works once, until {made.expires_at:%Y-%m-%d %H:%M} UTC", err=True)


def _person(session: Session, login: str) -> Staff:
    person = session.scalar(select(Staff).where(Staff.login == sessions.fold_login(login)))
    if person is None:
        raise Refused("staff_unknown")
    return person


def _team(session: Session, call_sign: str) -> Team:
    team = session.scalar(select(Team).where(Team.call_sign == call_sign))
    if team is None:
        raise Refused("team_unknown")
    return team


def _team_name(person: Staff, call_signs: Mapping[uuid.UUID, str]) -> str:
    return call_signs.get(person.team_id, "") if person.team_id else ""


def _state(person: Staff) -> str:
    if person.disabled_at is not None:
        return "disabled"
    return "ready" if person.password_hash else "invited"
