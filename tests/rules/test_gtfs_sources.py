"""Where feeds come from: folders, zips, zips in zips, addresses; what is refused before it can do harm."""

import contextlib
import io
import re
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.network import gtfs, gtfs_sources
from backend.network.gtfs_download import downloaded, shown
from backend.network.gtfs_report import FeedRefused
from tests.feeds import FILES

TOWN = Path(__file__).resolve().parents[2] / "backend" / "simulation" / "town"


def packed(prefix="", extra=None):
    """A zip of the demo town, as bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(TOWN.glob("*.txt")):
            archive.write(file, prefix + file.name)
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return target.getvalue()


def zip_of(**files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_zip", ".zip"), content)
    return target.getvalue()


SMALL = zip_of(**{name: text.encode() for name, text in FILES.items()})
SHAPES = {
    "flat": packed(),
    "four folders deep": packed("a/b/c/d/"),
    "beside what macOS adds": packed("feed/", {"__MACOSX/feed/._stops.txt": b"\0\1", "feed/._routes.txt": b"\0"}),
    "in a zip": zip_of(feed_zip=packed()),
    "in a zip, in a folder": zip_of(a__b__feed_zip=packed("x/")),
    "in a zip in a zip": zip_of(outer_zip=zip_of(feed_zip=packed())),
}


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
def test_a_feed_is_found_however_it_is_packed(tmp_path, content):
    (tmp_path / "feed.zip").write_bytes(content)
    assert gtfs.read(tmp_path / "feed.zip").counts["lines"] == 10


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
def test_the_same_holds_for_folders(tmp_path, content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert gtfs.read(tmp_path / "unpacked").counts["lines"] == 10


def refusal(path):
    with pytest.raises(FeedRefused) as refused:
        gtfs.read(path)
    return str(refused.value)


def test_two_feeds_in_one_zip_are_refused(tmp_path):
    (tmp_path / "two.zip").write_bytes(zip_of(bus_zip=packed(), metro_zip=packed()))
    assert refusal(tmp_path / "two.zip") == "two.zip: holds several feeds: bus.zip, metro.zip"
    (tmp_path / "both.zip").write_bytes(packed("bus/", {"metro/stops.txt": ""}))
    assert refusal(tmp_path / "both.zip") == "both.zip: holds several feeds: bus, metro"


def test_zips_in_zips_have_an_end(tmp_path):
    (tmp_path / "deep.zip").write_bytes(zip_of(a_zip=zip_of(b_zip=zip_of(c_zip=packed()))))
    assert refusal(tmp_path / "deep.zip") == "b.zip: zips in zips, more than 2 deep"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    (tmp_path / "bomb.zip").write_bytes(packed(extra={"levels.txt": bytes(20_000_000)}))
    assert refusal(tmp_path / "bomb.zip").startswith("levels.txt: a zip bomb: ")
    (tmp_path / "inner.zip").write_bytes(zip_of(feed_zip=packed(extra={"levels.txt": bytes(20_000_000)})))
    assert refusal(tmp_path / "inner.zip").startswith("levels.txt: a zip bomb: ")


def test_too_many_and_too_large_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(gtfs_sources, "MOST_ENTRIES", 20)
    (tmp_path / "many.zip").write_bytes(packed(extra={f"{n}.txt": b"" for n in range(20)}))
    assert refusal(tmp_path / "many.zip") == "many.zip: 28 files in the zip; 20 are accepted"
    monkeypatch.setattr(gtfs_sources, "LARGEST_UNPACKED", 1000)
    (tmp_path / "large.zip").write_bytes(packed())
    assert refusal(tmp_path / "large.zip").endswith("bytes unpacked; 1000 are accepted")


def test_a_locked_zip_is_refused(tmp_path):
    content = bytearray(packed())
    for sign, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.find(sign)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(sign, at + 4)
    (tmp_path / "locked.zip").write_bytes(content)
    assert "cannot be unpacked" in refusal(tmp_path / "locked.zip")
    assert "\n" not in refusal(tmp_path / "locked.zip")


@pytest.mark.parametrize("version", [96, 255])
def test_a_zip_of_a_later_kind_is_refused(tmp_path, version):
    content = bytearray(SMALL)
    content[content.find(b"PK\1\2") + 6] = version
    (tmp_path / "later.zip").write_bytes(content)
    assert "zip file version" in refusal(tmp_path / "later.zip")


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=4), st.integers(0, 3000))
def test_a_damaged_zip_is_a_network_or_one_line(tmp_path_factory, changes, cut):
    content = bytearray(SMALL)
    for place, byte in changes:
        content[place] = byte
    path = tmp_path_factory.mktemp("damaged") / "feed.zip"
    path.write_bytes(content[: len(content) - cut] if cut < len(content) // 2 else content)
    try:
        gtfs.read(path)
    except FeedRefused as refused:
        assert str(refused).isprintable()


def test_a_refusal_cannot_command_a_terminal(tmp_path):
    (tmp_path / "feed.zip").write_bytes(zip_of(**{"\33[2J1_zip": packed(), "\n2_zip": packed()}))
    assert refusal(tmp_path / "feed.zip").isprintable()


@contextlib.contextmanager
def server(answer):
    """An HTTP server on this machine that answers every GET by `answer(handler)`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *args):
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


def sends(content, length=None, code=200, **headers):
    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def fetch(address, **limits):
    with downloaded(address, **limits) as path:
        return path.read_bytes()


def fetch_refused(address, **limits):
    with pytest.raises(FeedRefused) as refused:
        fetch(address, **limits)
    return str(refused.value)


def test_a_feed_is_brought_from_an_address_and_leaves_nothing_behind():
    with server(sends(packed())) as url:
        with downloaded(f"{url}/gtfs/rtm.zip?key=secret") as path:
            assert gtfs.read(path).counts["lines"] == 10
            assert path.name == "rtm.zip"
        assert not path.exists()


def test_the_key_in_an_address_is_never_shown():
    assert shown("https://me:secret@example.org:8443/a/b.zip?key=1#x") == "https://example.org:8443/a/b.zip"


def test_redirects_stay_on_http():
    with server(sends(b"feed")) as there:
        with server(sends(b"", code=302, Location=f"{there}/feed.zip")) as here:
            assert fetch(here) == b"feed"
        for target in ("file:///etc/passwd", "ftp://127.0.0.1/feed.zip"):
            with server(sends(b"", code=302, Location=target)) as here:
                assert re.search("not followed|not allowed", fetch_refused(here))
    with server(lambda handler: sends(b"", code=302, Location=handler.path + "x")(handler)) as endless:
        assert fetch_refused(endless + "/a")


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://example.org/feed.zip", "data://text/plain,x"])
def test_only_http_addresses_are_read(address):
    assert fetch_refused(address).endswith("only http and https addresses are read")


def test_downloads_are_bounded_in_size_and_time():
    with server(sends(bytes(5000))) as url:
        assert fetch_refused(url, largest=1000).endswith("5000 bytes; 1000 are accepted")

    def unending(handler):
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(40):
                handler.wfile.write(bytes(100))
                time.sleep(0.01)

    with server(unending) as url:
        assert fetch_refused(url, largest=400).endswith("more than 400 bytes")
        assert "not whole after" in fetch_refused(url, whole_s=0.2)


def test_what_does_not_come_whole_is_refused():
    with server(sends(packed()[:100], length=5000)) as url:
        assert "of 5000 bytes" in fetch_refused(url)
    with server(sends(b"no", code=404)) as url:
        assert fetch_refused(url).endswith("the server answers 404 Not Found")
    assert "cannot be fetched" in fetch_refused(url), "nobody listens there any more"
