"""qa-bot add: files and pages into the sources, from a real server that is not always kind."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import documents
import pytest
from conftest import FakeEncoder

from qa_bot import QABot, Settings, adding, build_index
from qa_bot.adding import add_file, add_url, forget_origins, is_public
from qa_bot.errors import AddError
from qa_bot.sources import ORIGINS

PAGE = b"<html><head><title>Lamps</title></head><body><p>The museum opened in 1998.</p></body></html>"
TODAY = "2026-01-02"


class _Site(BaseHTTPRequestHandler):
    pages: ClassVar[dict[str, tuple[str, bytes]]] = {
        "/lamps?id=1": ("text/html; charset=utf-8", PAGE),
        "/report": ("application/pdf", documents.pdf([["The museum opened in 1998."]])),
        "/notes.md": ("text/plain", b"# Notes\n\nThe fox lives by the river.\n"),
        "/picture": ("image/png", b"PNG"),
        "/../../etc/passwd": ("text/plain", b"root"),
        "/": ("text/html", PAGE),
    }

    redirects: ClassVar[dict[str, str]] = {
        "/away": "http://[::1]:1/secret",
        "/file": "file:///etc/passwd",
        "/round": "/round",
        "/moved": "/lamps?id=1",
    }

    def do_GET(self) -> None:
        if self.path in self.redirects:
            self.send_response(302)
            self.send_header("Location", self.redirects[self.path])
            self.end_headers()
        elif self.path in self.pages:
            kind, content = self.pages[self.path]
            self._begin(kind)
            self.wfile.write(content)
        elif self.path == "/endless":
            self._begin("text/html")
            for _ in range(10_000):
                self.wfile.write(b"word " * 1_000)
        elif self.path == "/drip":
            self._begin("text/html")
            for _ in range(200):
                self.wfile.write(b".")
                time.sleep(0.05)
        elif self.path == "/garbage":
            self.wfile.write(b"\0\0\0 no HTTP\r\n\r\n")
        else:
            self.send_error(404)

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # clients hang up on purpose


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with _Server(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_page_and_a_document_are_fetched_and_cited_with_address_and_day(
    site: str, settings: Settings
) -> None:
    page = add_url(f"{site}/moved#top", settings.sources, TODAY, allow_private=True)
    report = add_url(f"{site}/report", settings.sources, TODAY, allow_private=True)
    assert page == "127-0-0-1-lamps-id-1.html" and report == "127-0-0-1-report.pdf"
    assert (settings.sources / page).read_bytes() == PAGE
    assert build_index(settings, FakeEncoder()).manifest.documents == 2
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    citation = bot.ask("When did the museum open?", sources={page}).citations[0]
    assert (citation.url, citation.date) == (f"{site}/lamps?id=1", TODAY)
    assert bot.document(report).url == f"{site}/report"
    assert bot.document(report).date == "2023-04-03"  # its own
    assert build_index(settings, FakeEncoder()).unchanged
    assert add_url(f"{site}/lamps?id=1", settings.sources, "2026-01-03", allow_private=True) == page
    encoder = FakeEncoder()
    assert not build_index(settings, encoder).unchanged and not encoder.embedded
    assert QABot.open(settings.index, encoder=encoder).document(page).date == "2026-01-03"
    (settings.sources / page).unlink()
    forget_origins(settings.sources)
    assert json.loads((settings.sources / ORIGINS).read_text()).keys() == {report}


def test_a_name_is_of_the_address_and_stays_in_the_folder(site: str, tmp_path: Path) -> None:
    assert add_url(f"{site}/notes.md", tmp_path, TODAY, allow_private=True) == "127-0-0-1-notes.md"
    (tmp_path / "127-0-0-1.html").write_text("mine")
    assert add_url(site, tmp_path, TODAY, allow_private=True) == "127-0-0-1-2.html"
    assert (tmp_path / "127-0-0-1.html").read_text() == "mine"
    name = add_url(f"{site}/../../etc/passwd", tmp_path, TODAY, allow_private=True)
    assert name == "127-0-0-1-etc-passwd.txt"
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".adding")} == {
        ORIGINS, "127-0-0-1-notes.md", "127-0-0-1.html", "127-0-0-1-2.html", name,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/nothing", "the server says 404 Not Found"),
        ("/away", "::1 (::1) is not on the open internet; --allow-private"),
        ("/file", "it redirects in circles, or to no page"),
        ("/round", "it redirects in circles, or"),
        ("/picture", "it is image/png, not one of .txt"),
        ("/garbage", "no HTTP"),
        ("/endless", "1 MB are the most"),
        ("/drip", "it took longer than 1 s"),
    ],
)
def test_what_a_server_does_wrong_is_one_sentence_and_leaves_nothing(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.setattr(adding, "MAX_FETCHED_BYTES", 1 << 20)
    monkeypatch.setattr(adding, "DEADLINE_S", 1.0)
    monkeypatch.setattr(adding, "is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(AddError) as raised:
        add_url(f"{site}{path}", tmp_path, TODAY)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_this_machine_and_private_networks_are_refused_before_a_byte_is_sent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        with pytest.raises(AddError, match="not on the open internet; --allow-private"):
            add_url(f"http://127.0.0.1:{listener.getsockname()[1]}/", tmp_path, TODAY)
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/a", "file:///etc/passwd", "http://", "http:///a", "http://me:secret@example.org/",
     "http://[::1", "http://a\nb/"],
)  # fmt: skip
def test_an_address_that_is_none_is_one_sentence(tmp_path: Path, url: str) -> None:
    with pytest.raises(AddError, match="Cannot fetch") as raised:
        add_url(url, tmp_path, TODAY)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
     "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1",
     "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1"],
)  # fmt: skip
def test_addresses_that_are_not_of_the_open_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
)
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


def test_a_file_is_copied_and_nothing_is_overwritten(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    path = tmp_path / "a.txt"
    path.write_text("The fox.")
    assert add_file(path, sources) == "a.txt" == add_file(path, sources)
    assert (sources / "a.txt").read_text() == "The fox." and len(list(sources.iterdir())) == 1
    assert add_file(sources / "a.txt", sources) == "a.txt"  # it is there
    path.write_text("The river.")
    with pytest.raises(AddError, match="is another file"):
        add_file(path, sources)
    assert (sources / "a.txt").read_text() == "The fox."
    for name, said in (("b.png", "not one of"), ("gone.txt", "no such file"), (".c.txt", "hidden")):
        if not name.startswith("gone"):
            (tmp_path / name).write_text("x")
        with pytest.raises(AddError, match=said):
            add_file(tmp_path / name, sources)
    (tmp_path / "d.txt").mkdir()
    with pytest.raises(AddError, match="no such file"):
        add_file(tmp_path / "d.txt", sources)


@pytest.mark.parametrize(
    "noted", ["", "[]", '{"a.txt": 1}', '{"a.txt": {"url": "javascript:x", "date": "x"}}', "{", "[" * 99_999]
)
def test_notes_of_origins_that_are_damaged_are_passed_over(settings: Settings, noted: str) -> None:
    (settings.sources / "a.txt").write_text("The fox.")
    (settings.sources / ORIGINS).write_text(noted)
    build_index(settings, FakeEncoder())
    assert QABot.open(settings.index, encoder=FakeEncoder()).document("a.txt").url is None
