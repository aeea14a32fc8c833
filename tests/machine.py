"""Brings the machine what the tests need and pip cannot: PostgreSQL with PostGIS, a browser, nginx."""

import ctypes
import os
import shutil
import subprocess
import sys

from tests.postgres import NoPostgres, programs

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
POSTGRES = ["postgresql", "postgresql-postgis"]
BROWSER = ["chromium"]
FRONT = ["nginx-light"]
LIBRARY = ["libatomic1"]  # Playwright brings a Node.js of its own, which a bare Debian cannot start without it


def main() -> int:
    """0 when everything is here; else what is missing has been said."""
    missing = missing_packages()
    if not missing:
        return 0
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None:
        print(
            f"✗ The tests need {' '.join(missing)} (names of Debian's packages): install them, then run make test again."
        )
        return 1
    if os.geteuid() != 0:
        print(f"✗ The tests need Debian packages that only root can install:\n    sudo {' '.join(command)}")
        return 1
    print(f"· Installing {' '.join(missing)} (as root, with apt-get)", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], command):
        done = subprocess.run([*step, "-qq"], env=quiet, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            print(f"✗ {' '.join(step)} failed; what is above says why.")
            return 1
    still = missing_packages()
    if still:
        print(f"✗ {' '.join(still)}: installed, and yet not found.")
    return int(bool(still))


def missing_packages() -> list[str]:
    """The Debian packages that this machine still lacks."""
    missing = []
    if not os.environ.get("TEST_DATABASE_URL") and not has_postgis():
        missing += POSTGRES
    if not any(shutil.which(name) for name in BROWSERS):
        missing += BROWSER
    if not any(shutil.which("nginx", path=folder) for folder in (None, "/usr/sbin:/usr/local/sbin")):
        missing += FRONT
    if sys.platform == "linux" and not has_library("libatomic.so.1"):
        missing += LIBRARY
    return missing


def has_library(name: str) -> bool:
    """Whether the loader finds a shared library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def has_postgis() -> bool:
    """Whether tests/postgres.py finds what it starts."""
    try:
        programs()
    except NoPostgres:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
