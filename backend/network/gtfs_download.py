"""A feed brought from an address: http or https only, of bounded size, in bounded time, into a file that is removed."""

from __future__ import annotations

import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from backend.network.gtfs_files import Watch, ignore
from backend.network.gtfs_report import FeedRefused

SCHEMES = ("http", "https")
LARGEST = 1024**3
PATIENCE_S = 20.0  # between two packets
WHOLE_S = 600.0
_BLOCK = 1 << 16


def is_address(source: str) -> bool:
    """True for what looks like an address and not like a path, of whatever scheme."""
    return "://" in source


def shown(address: str) -> str:
    """The address as it may be stored: without the key or password that many publishers put into it."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    place = f"{host}:{parts.port}" if parts.port else host
    return urlunsplit((parts.scheme, place, parts.path, "", ""))


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to http or https; never from https to http, where anybody on the way could swap the feed."""

    max_redirections = 5

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str,
    ) -> urllib.request.Request | None:
        """The next request, or a refusal."""
        scheme = urlsplit(newurl).scheme
        if scheme not in SCHEMES or (req.type == "https" and scheme != "https"):
            fp.close()
            raise FeedRefused(shown(req.full_url), 0, "", f"redirects to {scheme}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def downloaded(
    address: str, watch: Watch = ignore, *, largest: int = LARGEST, whole_s: float = WHOLE_S,
) -> Iterator[Path]:
    """The file at an address, for as long as the block lasts. Raises `FeedRefused`."""
    name = shown(address)
    if urlsplit(address).scheme not in SCHEMES:
        raise FeedRefused(name, 0, "", "only http and https addresses are read")
    with tempfile.TemporaryDirectory(prefix="vigie-feed-") as folder:
        path = Path(folder) / (Path(urlsplit(address).path).name[:100] or "feed.zip")
        deadline = time.monotonic() + whole_s
        try:
            with _opener().open(address, timeout=min(PATIENCE_S, whole_s)) as answer, path.open("wb") as file:
                total = int(answer.headers.get("Content-Length") or 0)
                if total > largest:
                    raise FeedRefused(name, 0, "", f"{total} bytes; {largest} are accepted")
                done = 0
                while block := answer.read1(_BLOCK):  # not read(), which waits for a full block, drop by drop
                    done += len(block)
                    if done > largest:
                        raise FeedRefused(name, 0, "", f"more than {largest} bytes")
                    if time.monotonic() > deadline:
                        raise FeedRefused(name, 0, "", f"not whole after {whole_s:.0f} seconds")
                    file.write(block)
                    watch("download", done, max(done, total))
        except urllib.error.HTTPError as error:
            error.close()
            raise FeedRefused(name, 0, "", f"the server answers {error.code} {error.reason}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise FeedRefused(name, 0, "", f"cannot be fetched: {getattr(error, 'reason', error)}") from None
        if total and done < total:
            raise FeedRefused(name, 0, "", f"ends after {done} of {total} bytes")
        yield path


def _opener() -> urllib.request.OpenerDirector:
    # Not build_opener(), which also opens file:, ftp: and data: addresses.
    opener = urllib.request.OpenerDirector()
    handlers: tuple[Any, ...] = (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler, _OnlyHttp,
        urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor,
    )
    for handler in handlers:
        opener.add_handler(handler())
    return opener
