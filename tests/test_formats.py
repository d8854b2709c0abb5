"""Formats that people have: what is read of each, where it stands, and what is refused and why."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import documents
import pytest
from conftest import FakeEncoder
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import PROPERTY, TEXT

from qa_bot import Document, QABot, Settings, build_index
from qa_bot.formats import paragraphs_of_lines
from qa_bot.markup import decode
from qa_bot.sources import PARSERS, Skipped, SourceFile, read


def _read(folder: Path, name: str, data: bytes) -> Document | Skipped | None:
    (folder / name).write_bytes(data)
    return read(SourceFile(source=name, path=folder / name, sha256="unknown"))


def _document(folder: Path, name: str, data: bytes) -> Document:
    document = _read(folder, name, data)
    assert isinstance(document, Document), document
    return document


def _sections(document: Document) -> list[tuple[str | None, int | None, str]]:
    cut = ((s.heading, s.page, document.text[s.start : s.end].strip()) for s in document.sections)
    return [section for section in cut if section[2]]


def test_a_pdf_is_its_lines_joined_to_paragraphs_page_by_page(tmp_path: Path) -> None:
    pages = [
        [
            "The museum of the town was opened by the mayor in the year",
            "1998. It has a green door.",
            "Ann signed the treaty in Paris, which is a city in France and",
            "is full of cyber-",
            "space.",
        ],
        ["The fox lives by the river."],
    ]
    document = _document(tmp_path, "a.pdf", documents.pdf(pages, title="Town"))
    assert _sections(document) == [
        (
            None,
            1,
            "The museum of the town was opened by the mayor in the year 1998. It has a green door.\n\n"
            "Ann signed the treaty in Paris, which is a city in France and is full of cyberspace.",
        ),
        (None, 2, "The fox lives by the river."),
    ]
    assert (document.title, document.author, document.date) == ("Town", "Jane Doe", "2023-04-03")
    assert _document(tmp_path, "b.pdf", documents.pdf(pages, title="report.doc")).title is None


def test_a_word_document_is_its_headings_paragraphs_and_tables(tmp_path: Path) -> None:
    data = documents.docx(
        [
            ("Heading1", "Making"),
            ("", "A smith made the lamp."),
            ("Heading2", "Metal"),
            ("", "It is of brass."),
            ("row", "Height|30 cm"),
        ]
    )
    document = _document(tmp_path, "a.docx", data)
    assert _sections(document) == [
        ("Making", None, "A smith made the lamp."),
        ("Making › Metal", None, "It is of brass.\n\nHeight\n\n30 cm"),
    ]
    assert (document.title, document.author, document.date) == ("Lamps", "Jane Doe", "2023-04-03")


def test_a_presentation_is_a_section_a_slide_with_its_number(tmp_path: Path) -> None:
    data = documents.pptx(
        [("Making", ["A smith made the lamp.", "In 1998."]), ("Cost", ["Nine euros."])], "Slow."
    )
    document = _document(tmp_path, "a.pptx", data)
    assert _sections(document) == [
        ("Making", 1, "A smith made the lamp.\n\nIn 1998.\n\nSlow."),
        ("Cost", 2, "Nine euros."),
    ]
    assert document.title == "Lamps"


def test_an_e_book_is_its_chapters_in_reading_order(tmp_path: Path) -> None:
    chapters = [
        "<h1>One</h1><p>The <em>fox</em> lives<br/>by the river.</p><script>no()</script>",
        "<div><h2>Two</h2>Ann &amp; Bob signed.<ul><li>first</li><li>second</li></ul></div>",
    ]
    document = _document(tmp_path, "a.epub", documents.epub(chapters))
    assert _sections(document) == [
        ("One", None, "The fox lives by the river."),
        ("One › Two", None, "Ann & Bob signed.\n\nfirst\n\nsecond"),
    ]
    assert (document.title, document.author, document.date) == ("The Lamp", "Jane Doe", "1998-05-01")


def test_a_table_is_its_rows_each_with_the_names_of_the_columns(tmp_path: Path) -> None:
    text = 'Country;Capital;Note\r\nFrance;Paris;"on the Seine;\r\nold"\r\n\r\nKenya;Nairobi;;extra\r\n'
    document = _document(tmp_path, "a.csv", text.encode())
    assert document.text == (
        "Country: France; Capital: Paris; Note: on the Seine; old\n\nCountry: Kenya; Capital: Nairobi; extra"
    )
    assert _document(tmp_path, "a.tsv", b"Name\tAge\nAnn\t9\n").text == "Name: Ann; Age: 9"


def test_records_are_paragraphs_of_names_and_values(tmp_path: Path) -> None:
    records = [
        {"name": "Ann", "home": {"city": "Paris"}, "tags": ["a", 1, None]},
        "plain",
        {"x": [{"y": True}]},
    ]
    expected = "name: Ann\nhome.city: Paris\ntags: a, 1, null\n\nplain\n\nx.y: true"
    lines = "\n\n".join(json.dumps(record) for record in records)
    assert _document(tmp_path, "a.jsonl", lines.encode()).text == expected
    assert _document(tmp_path, "a.json", json.dumps(records).encode()).text == expected
    assert _read(tmp_path, "b.jsonl", b'{"a": 1}\n{oops}\n').reason.startswith("line 2 is no JSON (")  # type: ignore[union-attr]


def test_a_saved_page_has_the_address_that_the_browser_noted(tmp_path: Path) -> None:
    page = "<!DOCTYPE html>\n<!-- saved from url=(0024)https://example.org/a?b -->\n<html><body><p>Words.</p>"
    assert _document(tmp_path, "a.html", page.encode()).url == "https://example.org/a?b"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "café"),
        ("cp1252", "The museum’s “late” opening – in 1998 – cost 5 €."),
        ("latin-1", "Die Straße ist schöner und größer als früher."),
        ("cp1251", "Он открыл музей в Париже в 1998 году и подписал договор."),
        ("shift_jis", "日本語の文章です。博物館は一九九八年に開館した。"),
        ("gb18030", "他在北京打开了博物馆，时间是一九九八年。"),
        ("utf-16", "Two rivers meet."),
        ("utf-32", "Two rivers meet."),
        ("utf-8-sig", "Zwei Flüsse."),
    ],
)
def test_the_encoding_of_a_text_is_found(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


@given(text=TEXT)
@example(text="")
@PROPERTY
def test_joining_printed_lines_keeps_every_word(text: str) -> None:
    words = text.replace("\ufffe", "").replace("\x02", "").replace("-", "").split()
    joined = "".join(paragraphs_of_lines(text)).replace("\ufffe", "").replace("\x02", "").replace("-", "")
    assert "".join(joined.split()) == "".join(words)


BAD: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "no PDF": ("a.pdf", lambda: b"words", "broken, or no PDF"),
    "half a PDF": ("a.pdf", lambda: documents.pdf([["Words."]])[:60], "broken, or no PDF"),
    "encrypted PDF": ("a.pdf", lambda: documents.pdf([["Words."]], encrypted=True), "encrypted; save a copy"),
    "scanned PDF": ("a.pdf", lambda: documents.pdf([[], []]), "no text in it, only pictures of pages"),
    "no zip": ("a.docx", lambda: b"words", "broken, or no .docx file"),
    "another zip": ("a.docx", lambda: documents.zipped({"a": "b"}), "broken, or no .docx file"),
    "encrypted Office": (
        "a.docx",
        lambda: b"\xd0\xcf\x11\xe0" + bytes(600),
        "encrypted, or of an old format",
    ),
    "half a zip": ("a.pptx", lambda: documents.pptx([("A", ["B"])])[:-900], "broken, or no .pptx file"),
    "no document in it": ("a.docx", lambda: documents.zipped({"word/document.xml": "<"}), "broken"),
    "zip bomb": (
        "a.epub",
        lambda: documents.zipped({"a": bytes(600 << 20)}),
        "unpacks to 600 MB",
    ),
    "DRM": (
        "a.epub",
        lambda: documents.epub(
            ["<p>x</p>"],
            **{
                "META-INF/encryption.xml": '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#">'
                '<e:CipherReference URI="OEBPS/text/chapter%200.xhtml"/></encryption>'
            },
        ),
        "encrypted (DRM)",
    ),
    "no container": ("a.epub", lambda: documents.zipped({"a": "b"}), "broken, or no .epub file"),
    "nested JSON": ("a.json", lambda: b"[" * 200_000, "nested too deeply"),
    "no rows": ("a.csv", lambda: b"a,b\n", "no text in it"),
}


@pytest.mark.parametrize(("name", "make", "reason"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_named_with_a_reason_in_one_line(
    tmp_path: Path, name: str, make: Callable[[], bytes], reason: str
) -> None:
    skipped = _read(tmp_path, name, make())
    assert isinstance(skipped, Skipped) and skipped.reason.startswith(reason), skipped
    assert "\n" not in skipped.reason and not skipped.passing


_SEEDS = {
    ".pdf": documents.pdf([["The fox lives by the river."], ["Two."]]),
    ".docx": documents.docx([("Heading1", "Fox"), ("", "It lives."), ("row", "a|b")]),
    ".pptx": documents.pptx([("Fox", ["It lives."])]),
    ".epub": documents.epub(["<h1>Fox</h1><p>It lives.</p>"]),
    ".html": b"<html><body><h1>Fox</h1><p>The fox lives by the river, in a den.</p></body></html>",
    ".md": b"---\ntitle: A\n---\n# Fox\n\nIt lives.\n",
    ".csv": b"a,b\n1,2\n",
    ".json": b'[{"a": "b"}, 1]',
    ".jsonl": b'{"a": "b"}\n[1]\n',
    ".txt": b"The fox.",
}
_EDIT = st.tuples(st.floats(0, 1), st.binary(max_size=6), st.integers(0, 40))


@given(suffix=st.sampled_from(sorted(_SEEDS)), edits=st.lists(_EDIT, min_size=1, max_size=6))
@PROPERTY
def test_whatever_a_file_holds_it_is_a_whole_document_or_a_reason(
    suffix: str, edits: list[tuple[float, bytes, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = _SEEDS[suffix]
    for place, inserted, dropped in edits:
        at = int(place * len(data))
        data = data[:at] + inserted + data[at + dropped :]
    result = _read(tmp_path_factory.getbasetemp(), f"fuzzed{suffix}", data)
    if isinstance(result, Document):
        result.text.encode()
        borders = [border for s in result.sections for border in (s.start, s.end)]
        assert all(a <= b for a, b in pairwise([0, *borders, len(result.text)]))
    elif result is not None:
        assert result.reason.isprintable() and not result.passing


def test_every_format_is_answered_from_with_its_page_and_exact_offsets(settings: Settings) -> None:
    said = "The {} was opened in {}."
    files = {
        "a.pdf": documents.pdf([["Nothing."], [said.format("museum", 1901)]]),
        "b.docx": documents.docx([("", said.format("station", 1902))]),
        "c.pptx": documents.pptx([("One", ["Nothing."]), ("Two", [said.format("library", 1903)])]),
        "d.epub": documents.epub([f"<p>{said.format('theatre', 1904)}</p>"]),
        "e.csv": b"Place,Opened\nharbour,1905\n",
        "f.jsonl": b'{"place": "bridge", "opened": 1906}\n',
        "g.html": f"<html><body><p>{said.format('school', 1907)}</p></body></html>".encode(),
        "h.md": said.format("market", 1908).encode(),
        "i.txt": said.format("church", 1909).encode("utf-16"),
    }
    assert {Path(name).suffix for name in files} | {".markdown", ".htm", ".tsv", ".ndjson", ".json"} == set(
        PARSERS
    )
    for name, data in files.items():
        (settings.sources / name).write_bytes(data)
    manifest = build_index(settings, FakeEncoder()).manifest
    assert manifest.documents == len(files) and not manifest.skipped
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    pages = {}
    for place, year in (("museum", 1901), ("station", 1902), ("library", 1903), ("theatre", 1904)):
        answer = bot.ask(f"When was the {place} opened?")
        assert answer.text == str(year), (place, answer)
        citation = answer.citations[0]
        assert bot.document(citation.source).text[citation.start : citation.end] == citation.quote
        pages[citation.source] = citation.page
    assert pages == {"a.pdf": 2, "b.docx": None, "c.pptx": 2, "d.epub": None}
    for place, source in (
        ("harbour", "e.csv"),
        ("bridge", "f.jsonl"),
        ("school", "g.html"),
        ("church", "i.txt"),
    ):
        assert bot.retrieve(f"{place} opened", 1)[0].passage.source == source
