"""The rules of the source tree, as functions from one file's text to what is wrong with it."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

# fmt: off
# Edges talk to the outside: they may use Flask, open transactions, and be told what time it is. The core may not.
EDGES = (
    "app", "demo", "worker", "crew", "systemd", "wiring", "clock", "access", "http", "live", "sockets", "socket_*", "health", "metrics", "logs", "cli",
    "__main__", "*_routes", "pages/*", "*/routes", "*/*_routes", "*/cli", "*/commands", "*_commands", "people/flusher",
    "network/realtime",
    "backups/archive", "watch/auditing", "watch/certificates", "watch/dead_man", "watch/drill_runner",
    "delivery/push", "delivery/webpush", "delivery/sms", "delivery/outgoing", "delivery/sending",
)
# Decisions without a database, a clock or a log: what a test in milliseconds can exhaust.
PURE = (
    "people/tokens", "people/fixes", "alerts/categories", "alerts/reading", "alerts/text_keywords", "alerts/text_words",
    "alerts/text_parsing", "network/names", "alerts/lifecycle", "dispatch/intercept", "dispatch/plan", "dispatch/policy",
    "network/packed_times", "network/gtfs_report", "network/timetable", "night_stops/lifecycle", "night_stops/approach",
    "night_stops/figures", "delivery/channels", "delivery/breaker", "delivery/signatures",
    "delivery/subscriptions", "delivery/payloads", "delivery/fcm_answers", "watch/findings",
)
# The same about places on the network: they look at points, ways and stops, which numpy and shapely measure. `geo` and
# `network/index` bring a database along; these files take nothing from them but the things that they describe.
GEOMETRIC = (
    "network/ways", "network/progress", "network/runs", "network/matching", "night_stops/exclusions", "night_stops/wishes",
    "night_stops/checks", "night_stops/policy",
)
DESCRIBED = {"geo": {"Point", "distance_m", "is_place"}, "network/index": {"Network", "Pattern", "PatternStop"}}
# Programs of their own, which know Vigie only by its public contract, like anybody's phone.
OUTSIDERS = ("simulation/*",)
# The core's floors: a file may import its own package and what lies on a lower floor; the ground, itself too.
FLOORS = (
    {
        "settings", "problem_texts", "errors", "json_rows", "validators", "contract", "body", "wakers", "postgresql",
        "database", "bulk", "geo", "times", "failpoints", "measures",
    },
    {"feed", "heartbeats"},
    {"people"},
    {"delivery"},
    {"network"},
    {"alerts", "night_stops"},
    {"dispatch", "control_room"},
    {"watch"},
    {"backups"},
    {"schema"},
    {"copying"},
)
ONLY_IN = {"geoalchemy2": "geo", "pyfcm": "delivery/push"}
BANNED = {
    "utils", "util", "helpers", "helper", "common", "misc", "manager", "service", "services", "base", "core", "impl",
}
# fmt: on
LONGEST = 300
CLOCKS = {"now", "utcnow", "today", "time", "time_ns"}


@dataclass(frozen=True)
class Source:
    """One Python file of backend/: its name inside it ("alerts/actions") and its text."""

    name: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text)

    @property
    def package(self) -> str:
        """The feature it belongs to, or its own name at the top."""
        return self.name.split("/", maxsplit=1)[0]

    def matches(self, patterns: tuple[str, ...]) -> bool:
        """Whether one of the patterns names this file."""
        return any(
            PurePosixPath(self.name).match(pattern) and self.name.count("/") == pattern.count("/")
            for pattern in patterns
        )

    @property
    def is_outsider(self) -> bool:
        """Part of a program that only uses the public contract."""
        return self.matches(OUTSIDERS)

    @property
    def is_edge(self) -> bool:
        """Allowed to know Flask, the clock and the end of a transaction."""
        return self.matches(EDGES)

    @property
    def is_core(self) -> bool:
        """Neither an edge nor a program of its own."""
        return not self.is_edge and not self.is_outsider

    def imports(self) -> Iterator[str]:
        """Every module it imports, anywhere in the file, in full ("backend.alerts.models", "flask")."""
        here = ["backend", *self.name.split("/")]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = ".".join(here[: -node.level]) if node.level else ""
                module = ".".join(part for part in (start, node.module or "") if part)
                yield from (f"{module}.{alias.name}" for alias in node.names)

    def project_imports(self) -> Iterator["Source"]:
        """The project's files among its imports (a name in a module counts as both)."""
        for module in self.imports():
            if module.startswith("backend."):
                parts = module.split(".")[1:]
                yield Source("/".join(parts), "")

    def calls(self) -> Iterator[ast.Call]:
        """Every call in the file."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


def edges_are_not_imported(source: Source) -> Iterator[str]:
    """The core never imports an edge."""
    if source.is_core:
        for target in source.project_imports():
            if target.is_edge or Source(target.name.rpartition("/")[0], "").is_edge:
                yield f"core imports the edge {target.name}"


def arrows_point_down(source: Source) -> Iterator[str]:
    """A core file imports its own package and lower floors only."""
    if not source.is_core or source.name == "__init__":
        return
    floor = _floor(source.package)
    if floor is None:
        yield f"{source.package} has no floor in tests/architecture.py"
        return
    for target in source.project_imports():
        other = target.package
        target_floor = _floor(other)
        if other == source.package or target_floor is None or floor == target_floor == 0:
            continue
        if target_floor >= floor:
            yield f"{source.package} imports {other}, which is not below it"


def outsiders_use_the_contract(source: Source) -> Iterator[str]:
    """The simulation imports nothing of the backend but itself."""
    if source.is_outsider:
        for target in source.project_imports():
            if target.package != source.package:
                yield f"{source.package} is a program of its own and imports {target.name}"


def pure_files_are_pure(source: Source) -> Iterator[str]:
    """A pure file imports the standard library and other pure files."""
    if source.matches(PURE):
        for module in source.imports():
            name = "/".join(module.split(".")[1:-1])
            if module.split(".")[0] not in sys.stdlib_module_names and name not in PURE:
                yield f"pure file imports {module}"
            if module.split(".")[0] in {"logging", "time", "random", "threading"}:
                yield f"pure file imports {module}: decisions read nothing but their arguments"


def geometry_decides_alone(source: Source) -> Iterator[str]:
    """A file about places imports measures, descriptions of the network, and other files of its kind."""
    if not source.matches(GEOMETRIC):
        return
    for module in source.imports():
        library, name = module.split(".")[0], "/".join(module.split(".")[1:-1])
        if library in {"logging", "time", "random", "threading"}:
            yield f"imports {module}: decisions read nothing but their arguments"
        elif library in sys.stdlib_module_names or library in {"numpy", "shapely"} or name in PURE or name in GEOMETRIC:
            continue
        elif module.rpartition(".")[2] not in DESCRIBED.get(name, set()):
            yield f"decides about places and imports {module}"


def libraries_have_their_place(source: Source) -> Iterator[str]:
    """Flask only in edges, GeoAlchemy2 only in geo.py, PyFCM only in delivery/push.py."""
    for module in source.imports():
        library = module.split(".")[0]
        if library in {"flask", "flask_socketio", "werkzeug"} and source.is_core:
            yield f"core imports {library}"
        if library in ONLY_IN and source.name != ONLY_IN[library]:
            yield f"{library} is imported outside {ONLY_IN[library]}.py"


def core_never_commits(source: Source) -> Iterator[str]:
    """Transactions end in database.py (a connection's first questions in postgresql.py), opened by edges."""
    if source.name in {"database", "postgresql"}:
        return
    for call in source.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"commit", "rollback"}:
            yield f"line {call.lineno}: .{call.func.attr}() outside database.py"
        if isinstance(call.func, ast.Attribute) and call.func.attr == "transaction" and source.is_core:
            yield f"line {call.lineno}: the core opens a transaction"


def only_the_clock_reads_the_clock(source: Source) -> Iterator[str]:
    """Nobody but the clock asks the machine what time it is: `now` is handed down."""
    if source.name == "clock" or source.is_outsider:
        return
    for call in source.calls():
        function = call.func
        if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
            continue
        if function.attr in CLOCKS and function.value.id in {"datetime", "date", "time", "dt"}:
            yield f"line {call.lineno}: reads the clock ({function.value.id}.{function.attr})"


def emits_name_a_room(source: Source) -> Iterator[str]:
    """Nothing is ever emitted to a whole namespace."""
    if source.is_outsider:
        return
    for call in source.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"emit", "send_packet"}:
            named = {keyword.arg for keyword in call.keywords}
            if call.func.attr == "emit" and not named & {"to", "room"}:
                yield f"line {call.lineno}: emit without a room"


def calls_outside_have_a_timeout(source: Source) -> Iterator[str]:
    """A provider that never answers must not hold a worker for ever."""
    for call in source.calls():
        function = call.func
        owner = (
            function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
        )
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        asks = owner in {"requests", "http"} and name in {
            "get",
            "post",
            "put",
            "patch",
            "delete",
            "head",
            "request",
        }
        if (asks or name == "urlopen") and "timeout" not in {keyword.arg for keyword in call.keywords}:
            yield f"line {call.lineno}: a request without a timeout"


def says_what_it_owns(source: Source) -> Iterator[str]:
    """A module's first line says what it is for; an empty __init__.py needs none."""
    if source.text.strip() and not ast.get_docstring(source.tree):
        yield "no module docstring"


def is_short(source: Source) -> Iterator[str]:
    """Longer files own more than one thing."""
    length = source.text.count("\n")
    if length > LONGEST:
        yield f"{length} lines: split it by what it owns ({LONGEST} at most, 250 is the aim)"


def bad_words(path: str) -> Iterator[str]:
    """The parts of a path that say nothing."""
    for part in PurePosixPath(path).parts:
        stem = part.split(".")[0]
        yield from (f"{path}: the name {word!r} says nothing" for word in set(re.split(r"[_-]", stem)) & BANNED)


def cycles(sources: list[Source]) -> list[str]:
    """Files that import each other in a ring, each ring once."""
    names = {source.name for source in sources}
    targets = {source.name: sorted(set(_files(source, names))) for source in sources}
    found: set[tuple[str, ...]] = set()
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            ring = path[path.index(name) :]
            start = ring.index(min(ring))
            found.add((*ring[start:], *ring[:start]))
        elif name not in done:
            for target in targets[name]:
                walk(target, [*path, name])
            done.add(name)

    for name in sorted(names):
        walk(name, [])
    return [" → ".join((*ring, ring[0])) for ring in sorted(found)]


def _files(source: Source, names: set[str]) -> Iterator[str]:
    for target in source.project_imports():
        file = target.name if target.name in names else target.name.rpartition("/")[0]
        if file in names and file != source.name:
            yield file


def _floor(package: str) -> int | None:
    return next((number for number, names in enumerate(FLOORS) if package in names), None)


RULES: tuple[Callable[[Source], Iterator[str]], ...] = (
    edges_are_not_imported,
    arrows_point_down,
    outsiders_use_the_contract,
    pure_files_are_pure,
    geometry_decides_alone,
    libraries_have_their_place,
    core_never_commits,
    only_the_clock_reads_the_clock,
    emits_name_a_room,
    calls_outside_have_a_timeout,
    says_what_it_owns,
    is_short,
)
