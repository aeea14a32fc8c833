"""Holds a running application to the contract: every answer, every event and every entry of the feed."""

import json

from flask import Flask, Response, request
from sqlalchemy import select

from backend.contract import Contract, FieldError
from backend.database import Database
from backend.feed import FeedEntry, as_event

# A drill is told as the control room would be; nobody listens.
_NAMESPACES = {
    "control": "/control", "drill": "/control", "team": "/agent", "device": "/rider", "vehicle": "/driver",
    "staff": "/agent",
}  # fmt: skip
CHECKED_ELSEWHERE = {405}  # belongs to an address, not to one operation of it


class Broken(AssertionError):
    """The code and the contract say different things."""


def check_answers(app: Flask, contract: Contract) -> None:
    """From now on, an answer of /v1 that breaks the contract fails the test that asked."""
    app.testing = True  # or Flask would answer 500 for the fault found here

    @app.after_request
    def check(response: Response) -> Response:
        faults = answer_faults(contract, response)
        if faults:
            told = "; ".join(f"{fault.pointer or '(whole)'}: {fault.message}" for fault in faults[:5])
            raise Broken(f"{request.method} {request.path} -> {response.status_code}: {told}")
        return response


def watch_answers(app: Flask, contract: Contract) -> list[str]:
    """From now on, gathers what is wrong with the answers of /v1, for a server whose threads nobody would hear fail."""
    gathered: list[str] = []

    @app.after_request
    def watch(response: Response) -> Response:
        asked = f"{request.method} {request.path} -> {response.status_code}"
        gathered.extend(f"{asked} {fault.pointer}: {fault.message}" for fault in answer_faults(contract, response))
        return response

    return gathered


def event_faults(contract: Contract, namespace: str, name: str, payload: object) -> list[str]:
    """What is wrong with an event that a socket heard."""
    event = contract.event(namespace, name, "send")
    if event is None:
        return [f"{namespace} {name} is not in the contract"]
    faults = [f"{namespace} {name} {error.pointer}: {error.message}" for error in event.errors(payload)]
    if name == "positions" and not faults:
        content = contract.positions_frame.errors(json.loads(str(payload)))
        faults = [f"{namespace} {name} content {error.pointer}: {error.message}" for error in content]
    return faults


def ack_faults(contract: Contract, namespace: str, name: str, ack: object) -> list[str]:
    """What is wrong with an acknowledgement; an event that the contract does not know is refused as any other."""
    validator = contract.ack(namespace, name) or contract.schema("Ack")
    return [f"{namespace} {name} ack {error.pointer}: {error.message}" for error in validator.errors(ack)]


def answer_faults(contract: Contract, response: Response) -> list[FieldError]:
    """What is wrong with the answer to the present request."""
    rule = request.url_rule
    if rule is None or not rule.rule.startswith("/v1") or response.status_code in CHECKED_ELSEWHERE:
        return []
    operation = contract.operation("GET" if request.method == "HEAD" else request.method, rule.rule)
    if operation is None or request.method in ("OPTIONS", "HEAD"):
        return []
    if response.headers.get("Content-Encoding") == "gzip":
        return []
    if response.status_code == 500 and response.is_json:
        return contract.schema("Problem").errors(response.get_json())
    has_body = bool(response.get_data()) and response.status_code not in (204, 304)
    return operation.response_errors(response.status_code, response.get_json(force=True) if has_body else None)


def feed_faults(contract: Contract, database: Database) -> list[str]:
    """What is wrong with the entries that the feed holds now, each as its audience's sockets hear it."""
    with database.reading() as session:
        entries = session.scalars(select(FeedEntry).order_by(FeedEntry.seq)).all()
        return [fault for entry in entries for fault in entry_faults(contract, entry)]


def entry_faults(contract: Contract, entry: FeedEntry) -> list[str]:
    """What is wrong with one entry."""
    namespace = _NAMESPACES[entry.audience.partition(":")[0]]
    at = entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event_faults(contract, namespace, entry.type, as_event(entry, at))
