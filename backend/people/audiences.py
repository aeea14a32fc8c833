"""Whose news a caller hears: the audiences of the live feed behind a token."""

from __future__ import annotations

from backend import feed
from backend.people.roles import Caller, Role


def audiences_of(me: Caller) -> tuple[str, ...]:
    """The audiences that this caller may read and give receipts for: what is hers alone, and her team's or vehicle's.

    An agent without a team or a driver without a vehicle has only her own.
    """
    if me.role == Role.RIDER:
        return (feed.device(me.id),)
    own = feed.staff(me.id)
    if me.role == Role.AGENT:
        return (own, feed.team(me.team_id)) if me.team_id else (own,)
    if me.role == Role.DRIVER:
        return (own, feed.vehicle(me.vehicle_id)) if me.vehicle_id else (own,)
    return (own, feed.CONTROL)
