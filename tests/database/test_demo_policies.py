"""The demo's night stops: there from the first minute, and never in the way of what somebody has set."""

from pathlib import Path

from backend.network.cli import import_feed
from backend.network.index import network_of
from backend.night_stops import policies
from backend.night_stops.demo import load_policies

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"


def test_the_night_buses_of_the_demo_may_stop_at_every_hour_and_loading_twice_changes_nothing(wiring, clock):
    now = clock.now()
    with wiring.database.transaction() as session:
        assert load_policies(session, now) == 0, "no network, no policy"
    import_feed(wiring.database, TOWN, now)
    with wiring.database.transaction() as session:
        network = network_of(session)
        assert load_policies(session, now) == 3
        found = policies.in_force(session)
        assert {one.line_id for one in found} == {line.id for line in network.lines.values() if line.night}
        assert all(policies.rules_of(one, network).open_day(now, network.zone) for one in found)
        policies.end_policy(session, found[0].policy_id, now)
        assert load_policies(session, now) == 0, "what an operator has ended stays ended"
