"""What is true of the pages' files without a browser: headers, languages, and nothing inline."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient

from backend.pages import assets
from backend.pages.routes import create_pages

PAGES = ("/", "/rider", "/agent", "/driver", "/control", "/control/night-stops")
MODULES = sorted(assets.STATIC.rglob("*.js"))
TEMPLATES = sorted((assets.FOLDER / "templates").rglob("*.html"))
CONTRACT = Path(__file__).resolve().parents[2] / "mobile_contract" / "openapi.yaml"
# Files that the first screen of a rider does not load.
LOADED_LATER = {
    "map",
    "map_style",
    "places",
    "signin",
    "alarm",
    "choose",
    "invitation",
    "positions",
    "line_way",
    "line_map",
    "staff_start",
    "notify",
}
# Codes of the contract, and the group of words that must name each of them.
NAMED = {
    "AlertCategory": ("category", "rider_category"),
    "ReporterRole": ("reporter_role", "rider_reporter_role"),
    "ContactMode": ("contact_mode", "rider_contact_mode"),
    "AlertState": ("alert_state",),
    "AssignmentState": ("assignment_state",),
    "OfferReasonCode": ("reason",),
    "DeclineReason": ("decline_reason",),
    "PriorityReason": ("priority_reason",),
    "NeedsHumanReason": ("needs_human",),
    "ClosingCode": ("closing_code",),
    "LegalClass": ("legal_class",),
    "HandOverTo": ("service",),
    "FactCode": ("rider_fact",),
    "NightStopState": ("night_state",),
    "NightStopCheck": ("night_code",),
    "DriverRefusalReason": ("refusal",),
    "InsteadKind": ("instead",),
    "ExclusionReason": ("exclusion",),
    "MessageAuthor": ("message_author",),
    "ActorKind": ("actor",),
}


@pytest.fixture(scope="module")
def visitor() -> FlaskClient:
    app = Flask("pages alone", static_folder=None)
    app.register_blueprint(create_pages(network_name="RTM <b>", live_url="https://live.example"))
    return app.test_client()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_strict_about_what_it_loads(visitor: FlaskClient, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 200
    policy = dict(rule.split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["worker-src"] == "'self'"
    assert policy["connect-src"] == "'self' https://live.example wss://live.example"
    assert ("data:" in policy["img-src"]) == (path in {"/agent", "/control"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Permissions-Policy"].startswith("geolocation=(self)")


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_inline_and_every_file_named_is_served(visitor: FlaskClient, path: str) -> None:
    html = visitor.get(path).get_data(as_text=True)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)|javascript:", html)
    assert "RTM <b>" not in html
    files = [name for name in re.findall(r'(?:src|href)="(/[^"]+)"', html) if "." in name]
    assert files
    for name in files:
        answer = visitor.get(name, buffered=True)
        assert answer.status_code == 200, name
        assert "immutable" in answer.headers["Cache-Control"], name


def test_modules_are_scripts_whatever_the_machine_thinks(visitor: FlaskClient) -> None:
    for name in assets.VENDOR:
        answer = visitor.get(f"/vendor/{name}", buffered=True)
        assert answer.status_code == 200, f"{name}: run npm ci"
        assert answer.mimetype == ("text/css" if name.endswith(".css") else "text/javascript")
        assert answer.headers["Cache-Control"] == "no-store", "without its version a file may be an older one"


@pytest.mark.parametrize(
    "path",
    [
        "/vendor/package.json",
        "/vendor/..%2f..%2fbackend%2fsettings.py",
        "/static/x/../routes.py",
        "/static/x/..%2f..%2froutes.py",
        "/static/x//etc/passwd",
        "/static/x/nothing.js",
    ],
)
def test_no_other_file_leaves_the_machine(visitor: FlaskClient, path: str) -> None:
    assert visitor.get(path, buffered=True).status_code in {308, 404}


def test_an_old_address_gets_todays_file_and_must_not_keep_it(visitor: FlaskClient) -> None:
    answer = visitor.get("/static/000000000000/dom.js", buffered=True)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_language_of_the_first_answer_is_the_visitors(visitor: FlaskClient) -> None:
    english = visitor.get("/rider", headers={"Accept-Language": "en-GB,en;q=0.9"}).get_data(as_text=True)
    assert '<html lang="en"' in english
    assert "Hold to alert" in english
    assert "Maintenir pour alerter" in visitor.get("/rider").get_data(as_text=True)


def test_the_first_screen_of_a_rider_is_light(visitor: FlaskClient) -> None:
    html = visitor.get("/rider").get_data(as_text=True)
    assert "vendor/" not in html, "neither map nor socket library before there is an alert"
    wanted = [name for name in assets.STATIC.glob("*") if name.suffix in {".js", ".css"}]
    wanted += [*assets.STATIC.glob("rider/*"), assets.STATIC / "words.fr.json"]
    wanted = [name for name in wanted if name.stem not in LOADED_LATER]
    assert sum(name.stat().st_size for name in wanted) + len(html) < 130_000


def modules_of(page: str, also: str = "") -> set[Path]:
    """The modules that a page's first one imports, and theirs; with `also`, those that it may load later."""
    wanted, seen = [assets.STATIC / page / "main.js"], set()
    while wanted:
        module = wanted.pop()
        if module in seen:
            continue
        seen.add(module)
        text = module.read_text(encoding="utf-8")
        wanted += [
            (module.parent / name).resolve()
            for name in re.findall(rf"(?:^import (?:.*?from )?{also})'(\.[^']+)'", text, re.MULTILINE)
        ]
    return seen


def test_the_phone_keeps_every_module_that_the_riders_page_imports(visitor: FlaskClient) -> None:
    worker = visitor.get("/rider-worker.js").get_data(as_text=True)
    modules = modules_of("rider")
    missing = [name for module in modules if (name := module.relative_to(assets.STATIC).as_posix()) not in worker]
    assert not missing


def test_a_riders_phone_has_every_text_that_her_page_says(visitor: FlaskClient) -> None:
    known = json.loads((assets.STATIC / "words.fr.json").read_text(encoding="utf-8"))
    assert 'data-words="words"' in visitor.get("/rider").get_data(as_text=True)
    groups = {key.split(".")[0] for key in known}
    for module in modules_of("rider", also=r"|\bimport\("):
        text = module.read_text(encoding="utf-8")
        assert set(re.findall(r"\bt\('([a-z_]+\.[a-z_.0-9]+)'", text)) <= known.keys(), module.name
        assert set(re.findall(r"\b(?:word\(|t\()[`']([a-z_]+)[.']", text)) <= groups, module.name


def test_both_languages_say_the_same_things() -> None:
    french, english = assets.words("fr"), assets.words("en")
    assert french.keys() == english.keys()
    for key, text in french.items():
        assert text.strip(), key
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[key])), key


def test_every_text_that_a_page_asks_for_exists() -> None:
    known = assets.words("fr")
    asked: set[str] = set()
    for module in MODULES:
        asked |= set(re.findall(r"\bt\('([a-z_]+\.[a-z_.0-9]+)'", module.read_text(encoding="utf-8")))
    for template in TEMPLATES:
        text = template.read_text(encoding="utf-8")
        asked |= set(re.findall(r'data-t(?:-label|-placeholder)?="([a-z_.]+)"', text))
        asked |= set(re.findall(r"""t\[['"]([a-z_.]+)['"]\]""", text))
    assert not sorted(asked - known.keys())


@pytest.mark.parametrize(("schema", "groups"), NAMED.items())
def test_every_code_of_the_contract_has_a_name(schema: str, groups: tuple[str, ...]) -> None:
    contract: dict[str, Any] = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    codes = contract["components"]["schemas"][schema]["enum"]
    known = assets.words("fr")
    assert not [f"{group}.{code}" for group in groups for code in codes if f"{group}.{code}" not in known]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_no_module_parses_html_or_runs_text(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser", text
    )
    assert not re.search(r"https?://(?!www\.w3\.org|meteofrance\.com)", text)


@pytest.mark.parametrize("path", [*MODULES, *assets.STATIC.rglob("*.css"), *TEMPLATES], ids=lambda path: path.name)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 250


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((assets.NODE_MODULES.parent / "package-lock.json").read_text(encoding="utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert set(lock["packages"][""]["dependencies"]) == {"maplibre-gl", "socket.io-client"}
