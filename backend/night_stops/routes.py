"""HTTP for riders: where night stops are possible, asking for one, its status, cancel, home."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from backend.access import Role, allow, caller
from backend.errors import Refused
from backend.http import answer, body, language, now, uuid_of
from backend.network.index import network_of
from backend.night_stops import policies, riding, views
from backend.night_stops.asking import ask, look, read_wish
from backend.night_stops.lifecycle import LIVE
from backend.night_stops.models import NightStopRequest
from backend.night_stops.promises import coming_stop
from backend.night_stops.register import AlertWork, facts_of
from backend.problem_texts import PROBLEMS
from backend.wiring import Wiring


def create_routes(wiring: Wiring, work: AlertWork) -> Blueprint:
    """The rider's side of night stops."""
    routes = Blueprint("night_stops", __name__, url_prefix="/v1/night-stops")

    def shown(session: Session, request: NightStopRequest) -> dict[str, object]:
        facts = facts_of(session, [request.id])[request.id]
        return views.rider_view(request, facts, coming_stop(session, request, now()))

    @routes.get("/lines")
    @allow(Role.RIDER)
    def lines() -> Response:
        with wiring.database.reading() as session:
            network = network_of(session)
            found = policies.in_force(session) if network is not None and wiring.settings.night_stops else []
            items = [
                {"line_id": one.line_id, "direction_id": one.direction_id, "policy_id": str(one.policy_id),
                 "starts": one.starts, "ends": one.ends,
                 "open_now": policies.rules_of(one, network).open_day(now(), network.zone) is not None}
                for one in found if network is not None and one.line_id in network.lines
            ]  # fmt: skip
        return answer({"items": items})

    @routes.post("/check")
    @allow(Role.RIDER)
    def check() -> Response:
        with wiring.database.reading() as session:
            verdict = look(session, read_wish(body()), caller().id, wiring.settings, now()).verdict
        return answer({
            "possible": verdict.possible, "code": verdict.code,
            "detail": PROBLEMS[verdict.code].detail[language()] if verdict.code else None,
            "place": views.spot_view(verdict.spot) if verdict.spot else None, "question": verdict.question,
            "joins": verdict.joins is not None,
            "instead": [views.instead_view(one) for one in verdict.instead]})  # fmt: skip

    @routes.put("/<night_stop_id>")
    @allow(Role.RIDER)
    def put(night_stop_id: str) -> Response:
        wish = read_wish(body())
        with wiring.database.transaction() as session:
            request, is_new = ask(session, uuid_of(night_stop_id), caller().id, wish, work, wiring.settings, now())
            session.flush()
            card = shown(session, request)
        if request.reject_code is not None and request.reject_code != "already_passed":
            # Stored, for the figures are about all wishes; answered as what it is, with what is possible instead.
            raise Refused(request.reject_code, night_stop=card, place=card["place"], instead=card["instead"])
        # A place that was passed while the wish waited in a tunnel is a fact, told with the stop that comes next.
        return answer(card, 201 if is_new else 200, None if is_new else {"Idempotent-Replayed": "true"})

    @routes.get("")
    @allow(Role.RIDER)
    def list_own() -> Response:
        with wiring.database.reading() as session:
            timed = NightStopRequest.home_state.in_(("running", "asked"))
            mine = session.scalars(select(NightStopRequest).where(
                NightStopRequest.device_id == caller().id, or_(NightStopRequest.state.in_(LIVE), timed))
                .order_by(NightStopRequest.received_at))  # fmt: skip
            return answer({"items": [shown(session, one) for one in mine.all()]})

    @routes.get("/<night_stop_id>")
    @allow(Role.RIDER)
    def get_one(night_stop_id: str) -> Response:
        with wiring.database.reading() as session:
            found = session.get(NightStopRequest, uuid_of(night_stop_id))
            if found is None or found.device_id != caller().id:
                raise Refused("night_stop_unknown")
            return answer(shown(session, found))

    def act(night_stop_id: str, action: Callable[..., NightStopRequest], **given: object) -> Response:
        with wiring.database.transaction() as session:
            request = action(session, uuid_of(night_stop_id), caller().id, work, now(), **given)
            session.flush()
            return answer(shown(session, request))

    @routes.post("/<night_stop_id>/cancel")
    @allow(Role.RIDER)
    def cancel(night_stop_id: str) -> Response:
        return act(night_stop_id, riding.cancel)

    @routes.post("/<night_stop_id>/alternative")
    @allow(Role.RIDER)
    def alternative(night_stop_id: str) -> Response:
        return act(night_stop_id, riding.answer_alternative, accept_it=body()["accept"])

    @routes.post("/<night_stop_id>/still-on-board")
    @allow(Role.RIDER)
    def still_on_board(night_stop_id: str) -> Response:
        return act(night_stop_id, riding.still_on_board)

    @routes.post("/<night_stop_id>/arrived")
    @allow(Role.RIDER)
    def arrived(night_stop_id: str) -> Response:
        return act(night_stop_id, riding.arrived)

    return routes
