"""Routes of riders' phones and of sign-in: register, PINs, sessions, invitations, who am I."""

from __future__ import annotations

import base64
import sys
from typing import Any

from flask import Blueprint, Response, request

from backend.access import PUBLIC, STAFF, Role, allow, caller
from backend.alerts import rider_actions
from backend.delivery import registrations
from backend.errors import Refused
from backend.http import answer, body, now
from backend.people import duty, invitations, passwords, pins, sessions, throttle
from backend.people.models import Device, Staff, Team
from backend.people.passwords import PIN_COST, STAFF_COST, TEST_COST, Cost, Passwords, RunAside, run_here
from backend.people.sessions import NewSession
from backend.people.views import shift_view, staff_view, team_view
from backend.times import stamp
from backend.wiring import Wiring


def create_routes(wiring: Wiring) -> Blueprint:
    """The blueprint `people`: devices, sessions, invitations and /v1/me."""
    people = Blueprint("people", __name__)
    _add_devices(people, wiring)
    _add_sessions(people, wiring)
    _add_invitations(people, wiring)
    return people


def hasher(wiring: Wiring) -> Passwords:
    """How this process hashes passwords: aside from greenlets, and cheaply in tests."""
    cost = TEST_COST if wiring.settings.environment == "test" else STAFF_COST
    return Passwords(cost, run_aside=_aside())


def _aside() -> RunAside:
    if "gevent" in sys.modules:
        from gevent import get_hub, monkey

        if monkey.is_module_patched("threading"):
            # A real thread: the greenlets of this process go on while C code hashes for 40 ms.
            return lambda work: get_hub().threadpool.apply(work)  # noqa: PLW0108 - the hub of the calling thread
    return run_here


def _add_devices(people: Blueprint, wiring: Wiring) -> None:
    pin_cost = TEST_COST if wiring.settings.environment == "test" else PIN_COST

    @people.post("/v1/devices")
    @allow(PUBLIC)
    def register_device() -> Response:
        """A new phone gets an id and a token; no name, no number, no account."""
        asked, network = body(), throttle.network_of(request.remote_addr)
        with wiring.database.transaction() as session:
            throttle.charge_registration(session, network, now())
            device = sessions.register_device(
                session,
                asked["platform"],
                now(),
                valid_days=wiring.settings.device_days,
                app_version=asked.get("app_version"),
                locale=asked.get("locale"),
            )
        return answer(
            {
                "device_id": str(device.id),
                "access_token": device.access_token,
                "expires_at": stamp(device.expires_at),
                "sms_secret": base64.urlsafe_b64encode(device.sms_secret).decode("ascii").rstrip("="),
            },
            201,
        )

    @people.delete("/v1/devices/me")
    @allow(Role.RIDER)
    def forget_device() -> Response:
        """The phone's token stops working; an open alert goes on."""
        with wiring.database.transaction() as session:
            sessions.forget_device(session, caller().id, now())
            registrations.forget_ended(session, caller().id)
        return answer(None, 204)

    @people.put("/v1/devices/me/pins")
    @allow(Role.RIDER)
    def set_pins() -> Response:
        """The phone's cancel PIN and duress PIN, from whoever knows the present one."""
        _set_pins(wiring, body(), pin_cost)
        return answer(None, 204)


def _set_pins(wiring: Wiring, sent: dict[str, Any], cost: Cost) -> None:
    """Sets the phone's PINs; once there are some, only whoever types the present one may: an aggressor may hold it.

    The duress PIN is answered as the right one is, and every live alert hears of the force; what `pins.set_pins` then
    stores never cancels. First PINs have to wait until no alert is under way: an aggressor's would lock her out of it.
    """
    me, moment, current = caller(), now(), sent.get("current_pin")
    new = pins.hashed(sent["pin"], sent["duress_pin"], cost=cost)
    with wiring.database.reading() as session:
        device = session.get_one(Device, me.id)
    if device.pin_hash is None:
        with wiring.database.transaction() as session:
            if rider_actions.live_alerts(session, me.id):
                raise Refused("alert_under_way")
            pins.set_pins(session, device, new, "unset")
        return
    if not current:
        raise Refused("pin_needed", field="current_pin")
    # Its own transaction, before the PIN is looked at, and the same count as a cancel's: here too, five are free.
    with wiring.database.transaction() as session:
        wait_s = throttle.charge_pin(session, me.id, moment)
    verdict = pins.check_pin(device, current)
    if wait_s or verdict == "wrong":
        with wiring.database.transaction() as session:
            rider_actions.pins_asked_for(session, me.id, verdict, moment, early=wait_s > 0)
        if wait_s:
            raise Refused("pin_delayed", field="current_pin", retry_after_s=wait_s)
        raise Refused("pin_wrong", field="current_pin")
    with wiring.database.transaction() as session:
        throttle.pardon_pin(session, me.id)
        pins.set_pins(session, device, new, verdict)
        rider_actions.pins_asked_for(session, me.id, verdict, moment)


def _add_sessions(people: Blueprint, wiring: Wiring) -> None:
    hashing = hasher(wiring)

    @people.post("/v1/sessions")
    @allow(PUBLIC)
    def sign_in() -> Response:
        """A session for a right password; a wrong one costs a growing wait, never a lock-out."""
        login, password = body()["login"], body()["password"]
        network = throttle.network_of(request.remote_addr)
        # Its own transaction: the count has to survive the refusal, and no lock is held while we hash.
        with wiring.database.transaction() as session:
            throttle.charge_login(session, login, network, now())
        with wiring.database.reading() as session:
            known = sessions.credentials(session, login)
        stored = known.password_hash if known else None
        if not hashing.verify(stored, password) or known is None or stored is None:
            raise Refused("login_failed")
        better = hashing.hash(password) if hashing.outdated(stored) else None
        with wiring.database.transaction() as session:
            throttle.pardon_login(session, login, network, now())
            made = sessions.sign_in(session, known.staff_id, now(), valid_hours=wiring.settings.session_hours)
            if better is not None:
                made.staff.password_hash = better
        return answer(session_view(made), 201)

    @people.delete("/v1/sessions/current")
    @allow(STAFF)
    def sign_out() -> Response:
        """This session ends here and, within seconds, on every open socket."""
        session_id = caller().session_id
        if session_id is not None:
            with wiring.database.transaction() as session:
                sessions.sign_out(session, session_id, now())
                registrations.forget_ended(session, caller().id)
        # Not "storage": on the same origin it would wipe a rider's alert that still waits to be sent.
        return answer(None, 204, {"Clear-Site-Data": '"cache"'})

    @people.get("/v1/me")
    @allow(STAFF)
    def get_me() -> Response:
        """Who is signed in, with team and running shift."""
        with wiring.database.reading() as session:
            staff = session.get_one(Staff, caller().id)
            team = session.get(Team, staff.team_id) if staff.team_id else None
            shift = duty.open_shift(session, staff.id)
            return answer(
                {
                    "staff": staff_view(staff),
                    "team": team_view(team) if team else None,
                    "shift": shift_view(shift) if shift else None,
                }
            )


def _add_invitations(people: Blueprint, wiring: Wiring) -> None:
    hashing = hasher(wiring)

    @people.post("/v1/invitations/accept")
    @allow(PUBLIC)
    def accept_invitation() -> Response:
        """An account with its password, signed in; the invitation is used up."""
        asked = body()
        login, name = asked["login"], asked["display_name"]
        passwords.check_strength(asked["password"], known=(login, name, wiring.settings.network_name, "vigie"))
        with wiring.database.reading() as session:
            invitations.check(session, asked["invitation"], login, now())
        password_hash = hashing.hash(asked["password"])
        with wiring.database.transaction() as session:
            staff = invitations.accept(
                session, asked["invitation"], now(), password_hash=password_hash, login=login, display_name=name
            )
            made = sessions.sign_in(session, staff.id, now(), valid_hours=wiring.settings.session_hours)
        return answer(session_view(made), 201)


def session_view(made: NewSession) -> dict[str, Any]:
    """A new session as the contract writes it."""
    return {"access_token": made.access_token, "expires_at": stamp(made.expires_at), "staff": staff_view(made.staff)}
