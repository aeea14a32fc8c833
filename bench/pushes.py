"""A push provider in a process of its own, so that a measurement has every alert said again by push.

`python -m bench.pushes FOLDER` writes a service account's key into FOLDER, prints where it listens, and ends with its
standard input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.providers import FcmProvider


def main() -> None:
    """Listens until standard input ends, then prints how many pushes it was given."""
    with FcmProvider() as provider:
        credentials = provider.credentials(Path(sys.argv[1]))
        print(json.dumps({"VIGIE_FCM_CREDENTIALS": credentials, "VIGIE_FCM_URL": provider.fcm_url}), flush=True)
        sys.stdin.read()
        print(len(provider.sent), flush=True)


main()
