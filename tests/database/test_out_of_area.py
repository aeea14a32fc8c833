"""Where a rider can be: a position outside the network goes to the control room, also when the trail says so later."""

from datetime import UTC, datetime

import pytest

from backend.demo import TOWN
from backend.network.cli import import_feed

SWAPPED = {"latitude": 5.3740, "longitude": 43.2951, "accuracy_m": 8}
FAR_M = 500_000


@pytest.fixture
def marseille(night):
    """The night, with the demo town's network around it."""
    import_feed(night.database, TOWN, datetime(2026, 11, 22, tzinfo=UTC))
    return night


def test_swapped_coordinates_are_stored_and_called_out_of_area(marseille):
    alert = marseille.alert(marseille.raises(position=SWAPPED))
    assert alert.out_of_area
    assert "out_of_area" in [warning["code"] for warning in alert.warnings]


@pytest.mark.parametrize(("metres", "verdict"), [(FAR_M, True), (100, False)])
def test_each_point_of_the_trail_is_looked_at_anew(marseille, metres, verdict):
    alert_id = marseille.raises(position=SWAPPED)
    marseille.moves(alert_id, metres, seq=1)
    assert marseille.alert(alert_id).out_of_area is verdict
