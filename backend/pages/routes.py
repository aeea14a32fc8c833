"""Routes of the web pages: the choice of a role, a page for each role, and the files they load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, request, send_file
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

from backend.access import PUBLIC, allow
from backend.errors import language_of
from backend.pages import assets
from backend.pages.headers import file_headers, page_headers, worker_headers
from backend.pages.manifest import manifests
from backend.problem_texts import Language


def create_pages(*, network_name: str = "Vigie", live_url: str = "") -> Blueprint:
    """The blueprint `pages`; `live_url` is where the websocket is, when not at the page's own address."""
    pages = Blueprint("pages", __name__, template_folder="templates")
    static = assets.static_version()
    vendor = assets.vendor_version()
    words: Mapping[Language, Mapping[str, str]] = {"fr": assets.words("fr"), "en": assets.words("en")}
    installable = manifests(network_name, words, f"/static/{static}")

    def page(name: str, *, has_map: bool) -> Response:
        language = language_of(request.headers.get("Accept-Language"))
        answer = make_response(
            render_template(
                f"pages/{name}.html",
                lang=language,
                t=words[language],
                static=f"/static/{static}",
                vendor=vendor,
                live_url=live_url,
                network_name=network_name,
                installed=installable.get((name, language)),
            )
        )
        answer.headers.update(page_headers(live_url=live_url, has_map=has_map))
        return answer

    @pages.get("/")
    @allow(PUBLIC)
    def choose() -> Response:
        """The page where a visitor says who they are."""
        return page("choose", has_map=False)

    @pages.get("/rider")
    @allow(PUBLIC)
    def rider() -> Response:
        """The rider's page: raise an alert and follow it."""
        return page("rider", has_map=False)

    @pages.get("/agent")
    @allow(PUBLIC)
    def agent() -> Response:
        """The agent's page: duty, offers and the intervention in hand."""
        return page("agent", has_map=True)

    @pages.get("/driver")
    @allow(PUBLIC)
    def driver() -> Response:
        """The driver's page: one night stop at a glance, answered with one tap."""
        return page("driver", has_map=False)

    @pages.get("/control")
    @allow(PUBLIC)
    def control() -> Response:
        """The control room's page: queue, map and case."""
        return page("control", has_map=True)

    @pages.get("/control/night-stops")
    @allow(PUBLIC)
    def night_stops() -> Response:
        """Where and when night stops are allowed, and what became of them."""
        return page("night_stops", has_map=False)

    @pages.get("/rider-worker.js")
    @allow(PUBLIC)
    def rider_worker() -> Response:
        """The service worker that keeps the rider's page usable without a network, and is woken up by pushes."""
        return worker("rider_worker.js")

    @pages.get("/staff-worker.js")
    @allow(PUBLIC)
    def staff_worker() -> Response:
        """The service worker that pushes wake up for an agent or the control room."""
        return worker("staff_worker.js")

    def worker(name: str) -> Response:
        answer = make_response(render_template(f"pages/{name}", static=f"/static/{static}"))
        answer.headers.update(worker_headers())
        answer.headers["Content-Type"] = assets.mime_type(name)
        return answer

    @pages.get("/manifest/<name>.<language>.webmanifest")
    @allow(PUBLIC)
    def manifest(name: str, language: str) -> Response:
        """What a phone needs to put a page on its home screen."""
        found = installable.get((name, language))
        if found is None:
            raise NotFound
        answer = make_response(found.text)
        answer.headers.update(file_headers(is_current=request.args.get("v") == found.version))
        answer.headers["Content-Type"] = assets.mime_type(found.path)
        return answer

    @pages.get("/static/<version>/<path:name>")
    @allow(PUBLIC)
    def static_file(version: str, name: str) -> Response:
        """One of the pages' own files."""
        path = safe_join(str(assets.STATIC), name)
        if path is None:
            raise NotFound
        return _file(Path(path), is_current=version == static)

    @pages.get("/vendor/<name>")
    @allow(PUBLIC)
    def vendor_file(name: str) -> Response:
        """One of the few third-party files that pages load."""
        if name not in assets.VENDOR:
            raise NotFound
        return _file(assets.NODE_MODULES / assets.VENDOR[name], is_current=request.args.get("v") == vendor)

    return pages


def _file(path: Path, *, is_current: bool) -> Response:
    if not path.is_file():
        raise NotFound
    answer = send_file(path, mimetype=assets.mime_type(path.name), etag=True, conditional=True)
    answer.headers.update(file_headers(is_current=is_current))
    return answer
