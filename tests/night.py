"""One night at the level of the core: riders, teams, operators and a worker on a database, without HTTP and sockets."""

import itertools
import math
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend import feed
from backend.alerts import assignments, details, engagement, missions, raising, rider_actions
from backend.alerts.intake import read_alert
from backend.alerts.lifecycle import PENDING
from backend.alerts.models import Alert, Assignment, LogEntry
from backend.alerts.register import Actor, locked
from backend.alerts.trail import read_trail
from backend.feed import FeedEntry
from backend.people import duty, sessions
from backend.people.duty import TeamWork
from backend.people.models import TeamPosition
from backend.people.roles import Role
from backend.wiring import Wiring
from backend.worker import Worker
from tests.fakes import FakeClock
from tests.people import add_staff, add_team

Json = dict[str, Any]
OLD_PORT = (43.2951, 5.3740)
METRES_PER_DEGREE = 111_195
WORK = TeamWork(engagement.engaged_on, assignments.release_team)
EVERYTHING = 1_000_000


def north_of(metres: float) -> Json:
    """A position so many metres north of the Old Port."""
    return {"latitude": OLD_PORT[0] + metres / METRES_PER_DEGREE, "longitude": OLD_PORT[1], "accuracy_m": 8}


@dataclass(frozen=True)
class Patrol:
    """A team with one agent."""

    id: uuid.UUID
    agent_id: uuid.UUID
    call_sign: str


class Night:
    """Everybody of one night; each method is one transaction, as at an edge."""

    def __init__(self, wiring: Wiring, clock: FakeClock) -> None:
        self.wiring = wiring
        self.database = wiring.database
        self.clock = clock
        self.worker = Worker(wiring)
        self._numbers = itertools.count(1)
        with self.database.transaction() as session:
            self.operator_id = add_staff(session, "operator", Role.OPERATOR, self.now).id

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return self.clock.now()

    @property
    def operator(self) -> Actor:
        """Somebody in the control room."""
        return Actor("operator", self.operator_id)

    def phone(self, **pins: str) -> uuid.UUID:
        """A rider's phone."""
        with self.database.transaction() as session:
            return sessions.register_device(session, "android", self.now, valid_days=365).id

    def raises(
        self, device: uuid.UUID | None = None, *, alert_id: uuid.UUID | None = None, at: float | None = 0, **said: Any
    ) -> uuid.UUID:
        """The id of an alert just raised, by default an assault at the Old Port."""
        device, alert_id = device or self.phone(), alert_id or uuid.uuid4()
        body = {"category": "assault", **({} if at is None else {"position": north_of(at)}), **said}
        with self.database.transaction() as session:
            raising.raise_alert(session, alert_id, device, read_alert(body, self.now), self.now)
        return alert_id

    def team(self, metres: float | None = 200, *, on_duty: bool = True, **seat: str) -> Patrol:
        """A team, on duty at a distance from the Old Port (None: nobody knows where)."""
        call_sign = f"GAP {next(self._numbers)}"
        with self.database.transaction() as session:
            team = add_team(session, call_sign, self.now)
            agent = add_staff(session, f"agent.{call_sign}".lower(), Role.AGENT, self.now, team=team)
            patrol = Patrol(team.id, agent.id, call_sign)
        if on_duty:
            self.clocks_in(patrol)
            if metres is not None:
                self.stands(patrol, metres, **seat)
        return patrol

    def clocks_in(self, patrol: Patrol) -> None:
        """The agent begins the shift."""
        with self.database.transaction() as session:
            duty.clock_in(session, patrol.agent_id, self.now, WORK)

    def leaves(self, patrol: Patrol) -> None:
        """The shift ends, whatever the team was doing, as when an administrator ends it."""
        with self.database.transaction() as session:
            shift = duty.open_shift(session, patrol.agent_id)
            if shift is not None:
                duty.end_shift(session, shift, self.now, "ended", WORK)

    def stands(self, patrol: Patrol, metres: float, **seat: str) -> None:
        """Where the team is now."""
        place = north_of(metres)
        with self.database.transaction() as session:
            session.merge(
                TeamPosition(
                    team_id=patrol.id, lat=place["latitude"], lon=place["longitude"], accuracy_m=8, provider="gnss",
                    fix_at=self.now, received_at=self.now, **seat,
                )
            )  # fmt: skip

    def everybody_stands(self) -> None:
        """Every known position is fresh again."""
        with self.database.transaction() as session:
            for position in session.scalars(select(TeamPosition)):
                position.fix_at = position.received_at = self.now

    def does(self, step: str, patrol: Patrol, assignment_id: uuid.UUID, **said: Any) -> Assignment:
        """Accepts, declines, sets off (set_off), arrives (arrive) or clears."""
        with self.database.transaction() as session:
            given = (session, assignment_id, patrol.id, patrol.agent_id)
            if step in ("set_off", "arrive"):
                return missions.progress(*given, step, self.now, **said)[0]
            action: Callable[..., tuple[Assignment, Alert]] = getattr(missions, step)
            return action(*given, now=self.now, **said)[0]

    def operates(self, action: Callable[..., Any], alert_id: uuid.UUID, *given: Any, **said: Any) -> Alert:
        """One of the operator's actions, which takes (session, alert, who, now, …)."""
        with self.database.transaction() as session:
            alert = locked(session, alert_id)
            action(session, alert, self.operator, self.now, *given, **said)
            return alert

    def cancels(self, alert_id: uuid.UUID, verdict: str = "pin") -> Json:
        """The rider calls it off; what her phone is answered."""
        with self.database.transaction() as session:
            device = session.get_one(Alert, alert_id).device_id
            alert = rider_actions.cancel(session, alert_id, device, verdict, self.now)  # type: ignore[arg-type]
            return details.rider_card(session, alert)

    def moves(self, alert_id: uuid.UUID, metres: float, seq: int) -> None:
        """The rider's phone sends where she is."""
        points, _ = read_trail([{**north_of(metres), "point_seq": seq}], self.now)
        with self.database.transaction() as session:
            device = session.get_one(Alert, alert_id).device_id
            rider_actions.add_positions(session, alert_id, device, points, self.now)

    def works(self) -> int:
        """The worker does all that is due now."""
        return self.worker.run_due()

    def wait(self, seconds: float) -> None:
        """Lets time pass with the worker at work at each second in which something is due; teams stay in sight."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            due = self._next_due()
            late = (
                (due - self.now).total_seconds() if due is not None and due < end else (end - self.now).total_seconds()
            )
            self.clock.advance(max(1, math.ceil(late)))
            self.everybody_stands()
            self.works()

    def _next_due(self) -> datetime | None:
        with self.database.reading() as session:
            rounds, looks = session.execute(select(func.min(Alert.next_round_at), func.min(Alert.attention_at))).one()
        return min((at for at in (rounds, looks) if at is not None), default=None)

    def alert(self, alert_id: uuid.UUID) -> Alert:
        """The alert as it is stored."""
        with self.database.reading() as session:
            return session.get_one(Alert, alert_id)

    def asked(self, alert_id: uuid.UUID, *, pending: bool = True) -> list[Assignment]:
        """The alert's offers and missions, oldest first; only those still alive unless told otherwise."""
        with self.database.reading() as session:
            query = select(Assignment).where(Assignment.alert_id == alert_id)
            if pending:
                query = query.where(Assignment.state.in_(PENDING))
            return list(session.scalars(query.order_by(Assignment.offered_at, Assignment.id)))

    def offer_to(self, patrol: Patrol, alert_id: uuid.UUID) -> uuid.UUID:
        """The newest assignment of this team to this alert."""
        return [one.id for one in self.asked(alert_id, pending=False) if one.team_id == patrol.id][-1]

    def taken(self, patrol: Patrol, alert_id: uuid.UUID) -> uuid.UUID:
        """Runs the round, and this team takes the alert."""
        self.works()
        assignment_id = self.offer_to(patrol, alert_id)
        self.does("accept", patrol, assignment_id)
        return assignment_id

    def log(self, alert_id: uuid.UUID) -> list[LogEntry]:
        """The register of one alert."""
        with self.database.reading() as session:
            query = select(LogEntry).where(LogEntry.alert_id == alert_id).order_by(LogEntry.version)
            return list(session.scalars(query))

    def actions(self, alert_id: uuid.UUID) -> list[str]:
        """What the register says was done, in order."""
        return [entry.action for entry in self.log(alert_id)]

    def heard(self, audience: str, kind: str | None = None) -> list[Json]:
        """What an audience was told, oldest first."""
        with self.database.reading() as session:
            entries = feed.read_after(session, 0, EVERYTHING, [audience])
            return [orjson.loads(one.data) | {"type": one.type} for one in entries if kind in (None, one.type)]

    def heard_by_team(self, patrol: Patrol, kind: str | None = None) -> list[Json]:
        """What a team was told."""
        return self.heard(feed.team(patrol.id), kind)

    def heard_by_rider(self, alert_id: uuid.UUID, kind: str | None = "alert.changed") -> list[Json]:
        """What the phone that raised this alert was told."""
        return self.heard(feed.device(self.alert(alert_id).device_id), kind)

    def called(self, alert_id: uuid.UUID, kind: str = "alert.needs_human") -> list[Json]:
        """How often, and why, a person was called for this alert."""
        return [data for data in self.heard(feed.CONTROL, kind) if data["alert_id"] == str(alert_id)]

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A write transaction, for what has no method here."""
        with self.database.transaction() as session:
            yield session


def seqs(session: Session) -> list[int]:
    """The numbers of the feed."""
    return list(session.scalars(select(FeedEntry.seq).order_by(FeedEntry.seq)))
