"""After the duress PIN the phone answers as after the normal one, whatever whoever holds it tries."""

import re
import uuid

import pytest

from backend.worker import Worker

CALM, DURESS = "2468", "8642"
NAMES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|20\d\d-\d\d-\d\dT[0-9:.]+Z")
POINT = {"latitude": 43.2951, "longitude": 5.374, "point_seq": 1, "fix_age_ms": 0}
TRIES = [
    ("GET", "/v1/alerts", None),
    ("GET", "/v1/alerts/{id}", None),
    ("GET", "/v1/alerts/{id}/messages", None),
    ("PUT", "/v1/alerts/{id}", {"category": "assault", "armed": True}),
    ("POST", "/v1/alerts/{id}/cancel", {"pin": CALM}),
    ("POST", "/v1/alerts/{id}/promote", None),
    ("POST", "/v1/alerts/{id}/details", {"description": "more"}),
    ("POST", "/v1/alerts/{id}/positions", {"points": [POINT]}),
    ("POST", "/v1/alerts/{id}/messages", {"text": "all is well"}),
    ("GET", "/v1/alerts/{id}", None),
    ("GET", "/v1/alerts", None),
    ("GET", "/v1/feed", None),
]


OTHERS = {"pin": "1357", "duress_pin": "7531"}
CHANGES = [
    ("PUT", "/v1/devices/me/pins", OTHERS),
    ("PUT", "/v1/devices/me/pins", {**OTHERS, "current_pin": "0000"}),
    ("GET", "/v1/alerts/{id}", None),
    ("POST", "/v1/alerts/{id}/cancel", {"pin": DURESS}),
    ("POST", "/v1/alerts/{id}/messages", {"text": "all is well"}),
    ("GET", "/v1/feed", None),
]


class Phone:
    """A phone with PINs and one alert, cancelled with one of them unless that is None."""

    def __init__(self, client, pin, *, armed):
        self.client = client
        self.token = client.post("/v1/devices", json={"platform": "android"}).json["access_token"]
        self.ask("PUT", "/v1/devices/me/pins", {"pin": CALM, "duress_pin": DURESS})
        self.alert_id = str(uuid.uuid4())
        self.ask("PUT", f"/v1/alerts/{self.alert_id}", {"category": "assault", "armed": armed})
        if pin is not None:
            self.cancelled = self.shown("POST", "/v1/alerts/{id}/cancel", {"pin": pin})

    def ask(self, method, path, body=None):
        return self.client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {self.token}"})

    def shown(self, method, path, body=None):
        """What can be told apart on the screen: status and body, without ids, instants and feed numbers."""
        if body is not None and "text" in body:
            body = {"id": str(uuid.uuid4()), **body}
        answer = self.ask(method, path.replace("{id}", self.alert_id), body)
        text = NAMES.sub("*", answer.get_data(as_text=True))
        return answer.status_code, re.sub(r'"(seq|last_seq)":\d+', r'"\1":*', text)


@pytest.mark.parametrize("armed", [True, False], ids=["armed", "open"])
def test_nothing_on_the_phone_tells_the_pins_apart(client, armed):
    calm, forced = (Phone(client, pin, armed=armed) for pin in (CALM, DURESS))
    assert forced.cancelled == calm.cancelled
    for method, path, body in TRIES:
        assert forced.shown(method, path, body) == calm.shown(method, path, body), f"{method} {path}"


@pytest.mark.parametrize("armed", [True, False], ids=["armed", "open"])
def test_after_too_many_wrong_pins_nothing_tells_the_pins_apart_either(client, clock, armed):
    phones = {}
    for pin in (CALM, DURESS, "1111"):
        phones[pin] = phone = Phone(client, "0000", armed=armed)
        for _ in range(4):
            assert phone.shown("POST", "/v1/alerts/{id}/cancel", {"pin": "0000"})[0] == 422
        refused = phone.ask("POST", f"/v1/alerts/{phone.alert_id}/cancel", {"pin": pin})
        assert (refused.status_code, refused.json["code"], refused.headers["Retry-After"]) == (429, "pin_delayed", "30")
    shown = {pin: [phone.shown(method, path, body) for method, path, body in TRIES] for pin, phone in phones.items()}
    assert shown[DURESS] == shown[CALM] == shown["1111"]
    clock.advance(60)
    again = {pin: phones[pin].shown("POST", "/v1/alerts/{id}/cancel", {"pin": pin}) for pin in (CALM, DURESS)}
    assert again[CALM][0] == 200, "the cancel is not lost, it comes later"
    assert again[DURESS] == again[CALM]
    for method, path, body in TRIES:
        assert phones[DURESS].shown(method, path, body) == phones[CALM].shown(method, path, body), f"{method} {path}"


@pytest.mark.parametrize("armed", [True, False], ids=["armed", "open"])
@pytest.mark.parametrize("tried", OTHERS.values(), ids=OTHERS)
def test_when_other_pins_are_set_nothing_tells_apart_which_pin_was_the_present_one(client, armed, tried):
    calm, forced = (Phone(client, None, armed=armed) for _ in range(2))
    asked = ("PUT", "/v1/devices/me/pins")
    shown = calm.shown(*asked, {**OTHERS, "current_pin": CALM})
    assert forced.shown(*asked, {**OTHERS, "current_pin": DURESS}) == shown == (204, "")
    cancel = ("POST", "/v1/alerts/{id}/cancel", {"pin": tried})
    # The rider's own PIN is not tried: it goes on for her, and whoever could tell needs no force.
    later = [one for one in TRIES if one[2] != {"pin": CALM}]
    for method, path, body in [*CHANGES, cancel, *later, (*asked, {**OTHERS, "current_pin": tried})]:
        assert forced.shown(method, path, body) == calm.shown(method, path, body), f"{method} {path}"


def test_what_the_worker_does_next_tells_a_change_under_force_from_no_other(client, wiring, clock):
    seen = {}
    for pin in (CALM, DURESS, "0000"):
        phone, worker = Phone(client, None, armed=False), Worker(wiring)
        worker.run_due()  # nobody is there to be sent: from now on a person is reminded now and then
        clock.advance(2)
        phone.ask("PUT", "/v1/devices/me/pins", {**OTHERS, "current_pin": pin})
        worker.run_due()
        seen[pin] = phone.shown("GET", "/v1/alerts/{id}"), phone.shown("GET", "/v1/feed")
    assert seen[DURESS] == seen[CALM] == seen["0000"]
