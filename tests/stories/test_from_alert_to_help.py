"""Journeys of an alert, told with real sockets: from the rider's phone to the team, and what the control room hears."""


def test_the_nearest_team_is_asked_first_and_takes_it(town):
    near, far, room = town.team(200), town.team(900), town.operator()
    rider = town.rider()
    alert = rider.raises("assault")
    assert room.hears("alert.raised")["alert"]["id"] == alert.id
    offer = near.offered(alert)
    assert offer["alert"]["category"] == "assault"
    far.hears_nothing("assignment.offered")

    near.does("accept", offer)
    assert rider.hears("alert.changed", lambda data: data["alert"]["state"] == "assigned")["alert"]["team"] == {
        "call_sign": near.call_sign
    }
    near.does("en-route", offer)
    rider.hears("alert.changed", lambda data: data["alert"]["team_state"] == "en_route")
    near.does("on-scene", offer)
    assert alert.state == "on_scene"
    near.does("clear", offer)
    room.hears("alert.changed", lambda data: data["alert"]["state"] == "resolved")
    room.does("close", alert, closing_code="intervention_done", legal_class="not_applicable")
    assert alert.state == "closed"


def test_nobody_answers_so_it_goes_on_and_the_control_room_is_called(town):
    rider, near, far, room = town.rider(), town.team(200), town.team(900), town.operator()
    alert = rider.raises("assault")
    near.offered(alert)
    town.wait(21)
    far.offered(alert)
    town.wait(120)
    assert room.hears("alert.needs_human")["alert_id"] == alert.id
    assert alert.state == "open", "time alone never closes an alert"


def test_no_team_at_all_calls_a_person_at_once(town):
    rider, room = town.rider(), town.operator()
    alert = rider.raises("theft")
    assert room.hears("alert.needs_human")["alert_id"] == alert.id
    assert "no_team_on_duty" in (room.sees(alert)["shortfall"] or {})


def test_a_second_team_hears_who_was_faster(town):
    rider, first, second, room = town.rider(), town.team(200), town.team(400), town.operator()
    alert = rider.raises("assault")
    offer = first.offered(alert)
    room.does("assign", alert, team_id=second.team_id)
    late = second.offered(alert)
    second.does("accept", late)
    answer = first.ask("POST", f"/v1/assignments/{offer['id']}/accept", {})
    assert answer.status_code == 409
    assert answer.json()["code"] == "already_taken"
    assert answer.json()["by"] == second.call_sign


def test_a_declining_team_sends_it_to_the_next_at_once(town):
    rider, near, far = town.rider(), town.team(200), town.team(900)
    alert = rider.raises("assault")
    near.does("decline", near.offered(alert), reason="busy")
    far.offered(alert)


def test_an_alert_that_nobody_has_seen_sounds_in_the_control_room(town):
    rider, near, room = town.rider(), town.team(200), town.operator()
    alert = rider.raises("assault")
    near.offered(alert)
    town.wait(16)
    assert room.hears("alert.unseen")["alert_id"] == alert.id


def test_an_alert_that_a_person_has_seen_does_not_sound(town):
    rider, _, room = town.rider(), town.team(200), town.operator()
    alert = rider.raises("assault")
    room.hears("alert.raised")
    room.does("seen", alert)
    town.wait(16)
    room.hears_nothing("alert.unseen")


def test_a_team_in_a_tunnel_misses_nothing(town):
    rider, near = town.rider(), town.team(200)
    seq = near.get("/v1/feed?after=0")["last_seq"]
    near.disconnect()
    alert = rider.raises("assault")
    town.work()
    near.connect()
    missed = near.get(f"/v1/feed?after={seq}")["items"]
    assert [item["data"]["assignment"]["alert"]["id"] for item in missed if item["type"] == "assignment.offered"] == [
        alert.id
    ]


def test_a_snatched_phone_still_alerts(town):
    rider, near = town.rider(), town.team(200)
    alert = rider.raises("assault", armed=True)
    assert alert.receipt["state"] == "armed"
    rider.disconnect()
    near.hears_nothing("assignment.offered")
    town.wait(6)
    near.offered(alert)


def test_a_cancelled_arming_never_leaves_the_phone(town):
    rider, near = town.rider(), town.team(200)
    alert = rider.raises("assault", armed=True)
    alert.cancel()
    town.wait(30)
    near.hears_nothing("assignment.offered")


def test_under_duress_the_phone_shows_the_same_and_the_control_room_knows(town):
    rider, near, room = town.rider(), town.team(200), town.operator()
    rider.put("/v1/devices/me/pins", {"pin": "2468", "duress_pin": "8642"})
    willing, forced = rider.raises("assault"), rider.raises("threat")
    near.offered(willing)
    calm, duress = willing.cancel("2468"), forced.cancel("8642")
    same = {"state", "cancel", "team", "team_state", "closed_at"}
    assert {name: calm[name] for name in same} == {name: duress[name] for name in same}
    assert room.sees(forced)["duress"] is True
    assert room.sees(willing)["duress"] is False


def test_a_phone_that_sends_twice_has_one_alert(town):
    rider, room = town.rider(), town.operator()
    alert = rider.raises("assault")
    body = {"category": "assault", "position": {"latitude": 43.2951, "longitude": 5.3740, "accuracy_m": 8}}
    again = rider.ask("PUT", f"/v1/alerts/{alert.id}", body)
    assert again.status_code == 200
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(room.get("/v1/control/snapshot")["alerts"]) == 1


def test_what_a_rider_sees_never_tells_where_a_team_is(town):
    rider, near = town.rider(), town.team(200)
    alert = rider.raises("assault")
    near.does("accept", near.offered(alert))
    told = str(alert.now) + str(rider.hears("alert.changed", lambda data: data["alert"]["team"]))
    assert "latitude" not in told
    assert "distance" not in told
