"""Routes of the administrator: staff and teams."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response

from backend.access import CONTROL_ROOM, Role, allow, caller
from backend.delivery import registrations
from backend.http import answer, body, now, uuid_of
from backend.people import invitations, sessions, staff
from backend.people.duty import TeamWork
from backend.people.views import staff_view, team_view
from backend.times import stamp
from backend.wiring import Wiring

log = structlog.get_logger("staff")


def create_routes(wiring: Wiring, work: TeamWork) -> Blueprint:
    """The blueprint `staff`; `work` tells what teams do on alerts, which people do not know."""
    admin = Blueprint("staff", __name__)
    _add_staff(admin, wiring, work)
    _add_teams(admin, wiring, work)
    return admin


def _add_staff(admin: Blueprint, wiring: Wiring, work: TeamWork) -> None:
    @admin.get("/v1/staff")
    @allow(Role.ADMIN)
    def list_staff() -> Response:
        """Everybody, disabled ones too."""
        with wiring.database.reading() as session:
            return answer({"items": [staff_view(each) for each in staff.all_staff(session)]})

    @admin.post("/v1/staff")
    @allow(Role.ADMIN)
    def invite_staff() -> Response:
        """A new account and the invitation with which its owner chooses a password."""
        asked = body()
        team_id = uuid_of(asked["team_id"]) if asked.get("team_id") else None
        with wiring.database.transaction() as session:
            made = staff.create_staff(
                session,
                asked["login"],
                asked["display_name"],
                Role(asked["role"]),
                now(),
                team_id=team_id,
                phone=asked.get("phone"),
            )
            invitation = invitations.invite(session, Role(made.role), now(), staff_id=made.id)
        log.info("staff_invited", by=str(caller().id), staff=str(made.id), role=made.role)
        return answer(
            {
                "staff": staff_view(made),
                "invitation": invitation.token,
                "invitation_expires_at": stamp(invitation.expires_at),
            },
            201,
        )

    @admin.patch("/v1/staff/<staff_id>")
    @allow(Role.ADMIN)
    def change_staff(staff_id: str) -> Response:
        """The person as changed; a new role, a new team or disabling ends sessions and shift."""
        changes = {name: value for name, value in body().items() if value is not None or name in ("team_id", "phone")}
        with wiring.database.transaction() as session:
            changed = staff.change_staff(session, uuid_of(staff_id), changes, now(), work)
            registrations.forget_ended(session, changed.id)
        log.info("staff_changed", by=str(caller().id), staff=staff_id, fields=sorted(changes))
        return answer(staff_view(changed))

    @admin.post("/v1/staff/<staff_id>/revoke-sessions")
    @allow(Role.ADMIN)
    def revoke_staff_sessions(staff_id: str) -> Response:
        """Every session of this person ends, on sockets within seconds."""
        with wiring.database.transaction() as session:
            person = staff.find_staff(session, uuid_of(staff_id))
            ended = sessions.revoke_sessions(session, person.id, now())
            registrations.forget_ended(session, person.id)
        log.info("sessions_revoked", by=str(caller().id), staff=staff_id, ended=ended)
        return answer(None, 204)


def _add_teams(admin: Blueprint, wiring: Wiring, work: TeamWork) -> None:
    @admin.get("/v1/teams")
    @allow(CONTROL_ROOM)
    def list_teams() -> Response:
        """Every team, inactive ones too."""
        with wiring.database.reading() as session:
            return answer({"items": [team_view(team) for team in staff.all_teams(session)]})

    @admin.post("/v1/teams")
    @allow(Role.ADMIN)
    def create_team() -> Response:
        """A new team, on the control room's list at once."""
        asked = body()
        with wiring.database.transaction() as session:
            team = staff.create_team(session, asked["name"], asked["call_sign"], now(), work)
        return answer(team_view(team), 201)

    @admin.patch("/v1/teams/<team_id>")
    @allow(Role.ADMIN)
    def change_team(team_id: str) -> Response:
        """The team as changed; taken out of service, its agents are off duty."""
        changes = {name: value for name, value in body().items() if value is not None}
        with wiring.database.transaction() as session:
            team = staff.change_team(session, uuid_of(team_id), changes, now(), work)
        return answer(team_view(team))
