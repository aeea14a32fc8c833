"""A backup of two hours ago is put back: nobody is called for what was open then, and people look at it first."""

import contextlib
from dataclasses import replace

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from backend.alerts.models import LogEntry
from backend.backups import archive
from backend.backups.cli import add_backup_commands
from backend.delivery.models import Delivery
from backend.watch.models import Finding
from backend.wiring import wire
from tests import migrated
from tests.stories import test_delivery
from tests.town import Operator, TeamPhone, Town, serving

TWO_HOURS = 7_200
google, gateway, wiring = test_delivery.google, test_delivery.gateway, test_delivery.wiring  # the same world outside
gives_a_phone = test_delivery.gives_a_phone


@pytest.fixture
def later(wiring, copies, clock):
    """The same installation on a database of its own, still empty."""
    url = copies.copy(migrated.BARE)
    made = wire(replace(wiring.settings, database_url=url), clock)
    yield made
    made.database.dispose()
    copies.drop(url)


def run(wiring, *arguments):
    group = click.Group("db")
    add_backup_commands(group, wiring)
    return CliRunner().invoke(group, [str(one) for one in arguments])


@contextlib.contextmanager
def lives_on(wiring, clock):
    with serving(wiring) as (url, work, settle):
        town = Town(wiring, clock, url, work, settle)
        yield town
        town.leave()


def as_in(town, person):
    """The same person, with the token of then."""
    made = type(person)(town, person.token)
    if isinstance(person, TeamPhone):
        made.team_id, made.call_sign = person.team_id, person.call_sign
    return made


def test_nobody_is_called_for_what_was_open_then(  # noqa: PLR0915 - one story, from the backup to the first push
    town,
    later,
    clock,
    google,
    gateway,
    tmp_path,
):
    supervisor = town.operator("supervisor", connected=False)
    gives_a_phone(supervisor, number="+33600000009")
    silent, busy = town.team(100, connected=False), town.team(5_000)
    for number, team in enumerate((silent, busy)):
        gives_a_phone(team, number=f"+3360000000{number}")
    operator, rider, other = town.operator(), town.rider(), town.rider()
    taken = other.raises("theft", position={"latitude": 43.34, "longitude": 5.374, "accuracy_m": 8})
    busy.does("accept", busy.offered(taken))
    asked = rider.raises("assault")
    town.work()
    watched = town.rider().raises("threat", contact_mode="can_talk")
    operator.does("acknowledge", watched)
    armed = town.rider().raises("threat", armed=True)
    over = town.rider().raises("theft")
    operator.does("close", over, closing_code="false_alarm")
    told = operator.get("/v1/feed?after=0&limit=500")["last_seq"]

    file = tmp_path / "then.vigie"
    done = run(town.wiring, "backup", file)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    assert file.stat().st_mode & 0o077 == 0, "what riders wrote is for nobody else on this machine"
    rider.raises("assault")  # lost with the machine
    clock.advance(TWO_HOURS)
    reached = len(google.heard), len(gateway.heard)

    done = run(later, "restore", file)
    assert done.exit_code == 0, done.output
    assert "4 alerts wait for a person" in done.stdout
    with lives_on(later, clock) as again:
        room = as_in(again, operator)
        for cursor in (1, told, told + 50):
            refused = room.ask("GET", f"/v1/feed?after={cursor}")
            assert refused.json()["code"] == "cursor_invalid", "what was numbered after the backup is not known here"
        agent = as_in(again, silent)
        agent.stands(100)  # on duty, near, and free: she would be asked at once
        again.wait(150)
        assert (len(google.heard), len(gateway.heard)) == reached, "no push, no text: not one"
        for alert, state in ((asked, "open"), (watched, "open"), (armed, "open"), (taken, "assigned")):
            seen = room.sees(alert)
            assert (seen["state"], seen["needs_human_reason"]) == (state, "restored"), alert.id
        assert room.sees(over)["state"] == "closed"
        assert not room.sees(over)["needs_human"]
        riders = [as_in(again, one).get(f"/v1/alerts/{alert.id}") for one, alert in ((rider, asked), (other, taken))]
        assert [("no_team_yet" in {fact["code"] for fact in one["facts"]}) for one in riders] == [True, False]
        offered = [one for one in room.sees(asked)["assignments"] if one["state"] == "offered"]
        assert offered == [], "the offer of then is over"
        with later.database.reading() as session:
            lines = session.scalars(select(LogEntry).where(LogEntry.reason == "restored")).all()
            assert len(lines) == 4
            assert all(line.automatic and line.detail["known_until"] for line in lines)
            assert session.scalars(select(Delivery).where(Delivery.settled_at.is_(None))).all() == []
            (finding,) = session.scalars(select(Finding).where(Finding.code == "restored"))
            assert (finding.value, finding.over_at) == (4.0, None)

        room.does("acknowledge", asked)
        again.wait(55)
        agent.stands(100)
        again.wait(15)
        assert len(google.heard) > reached[0], "a person has looked and nothing followed: teams are asked as usual"


def test_a_backup_of_a_moment_ago_goes_on_as_if_nothing_had_been(town, later, clock, tmp_path):
    team = town.team()
    alert = town.rider().raises("theft")
    offer = team.offered(alert)
    file = tmp_path / "now.vigie"
    archive.make(town.wiring.database, file, lambda *_: None)
    clock.advance(10)
    done = run(later, "restore", file)
    assert done.exit_code == 0, done.output
    with lives_on(later, clock) as again:
        as_in(again, team).does("accept", offer)
        operator = Operator(again, again._staff("operator"))
        assert operator.sees(alert)["state"] == "assigned"
