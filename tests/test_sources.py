"""A folder of files -> Documents: what is kept, what is quotable, and what is skipped and why."""

import errno
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeEncoder
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import PROPERTY, TEXT

from qa_bot import Document, QABot, Settings, SourcesError, build_index
from qa_bot.blocks import HEADING_SEPARATOR
from qa_bot.markup import parse_html, parse_markdown, parse_text
from qa_bot.sources import PARSERS, read, scan
from qa_bot.sources import Skipped as SkippedFile

KINDS = f"not one of {', '.join(PARSERS)}"
LONG = "Foxes live in many habitats, among them forests, grasslands, mountains and deserts. " * 4


def _markdown(text: str) -> Document:
    document = parse_markdown("a.md", text.encode())
    assert document
    return document


def _sections(document: Document) -> list[tuple[str | None, str]]:
    return [(s.heading, document.text[s.start : s.end].strip()) for s in document.sections]


def _read_all(folder: Path) -> tuple[dict[str, Document], dict[str, str]]:
    """The documents of a folder, and the reason for each file that is none."""
    files, skipped = scan(folder)
    documents = {}
    for file in files:
        match read(file):
            case Document() as document:
                documents[file.source] = document
            case SkippedFile() as skip:
                skipped.append(skip)
    assert len({skip.source for skip in skipped}) == len(skipped)
    return documents, {skip.source: skip.reason for skip in skipped}


@pytest.mark.parametrize("name", ["a.txt", "A.TXT", "a.md", "deep/er/a.markdown"])
@pytest.mark.parametrize(
    "text",
    [
        "One.\r\nTwo.\r\n\r\nThree.\rFour.",
        "  \n\tWhite space at both ends\x0c\x0bof it \x85\u2028\n\n",
        "🦊👩‍👩‍👧 e\u0301 \ufb01 \u200b \ufeff",
        "\u202bשלום עולם\u202c. مرحبا بالعالم؟",
        "<b>Markup</b> &amp; entities; --- \\* `code`",
    ],
)
def test_plain_text_and_markdown_are_kept_to_the_character(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())  # the byte order mark is no character of the text
    documents, skipped = _read_all(tmp_path)
    assert not skipped and documents[name].text == text
    assert len(documents[name].sections) == 1


@given(TEXT)
@PROPERTY
def test_sections_are_in_order_apart_and_inside_the_text(text: str) -> None:
    for parse in (parse_text, parse_markdown):
        try:
            document = parse("a", text.encode())
        except ValueError as error:
            assert str(error) in ("empty", "binary, not text")
            continue
        assert document is not None
        assert document.text == text.removeprefix("\ufeff")
        borders = [border for s in document.sections for border in (s.start, s.end)]
        assert borders[-1] == len(document.text) and borders[0] >= 0
        assert all(a <= b for a, b in pairwise(borders))


_HEADING = st.tuples(st.integers(1, 4), st.sampled_from(["Alpha", "Beta", "Gamma ray", "Delta 4"]))
_BODY = st.lists(
    st.sampled_from(
        [
            "Prose of one line.",
            "Two lines\nof prose.",
            "```sh\n# no heading\n## nor this\n```",
            "~~~\nSetext?\n======\n~~~",
            "    # code by its indent",
            "> # a heading inside a quote",
            "- # a heading inside a list",
            "#hashtag, no heading",
            "\\# escaped",
            "<!--\n# a comment\n-->",
        ]
    ),
    max_size=3,
).map("\n\n".join)


@given(
    st.lists(st.tuples(_HEADING, _BODY, st.booleans()), max_size=6), _BODY, st.sampled_from(["\n", "\r\n"])
)
@PROPERTY
def test_every_heading_begins_a_section_named_by_the_headings_above_it(
    parts: list[tuple[tuple[int, str], str, bool]], opening: str, newline: str
) -> None:
    text = f"Opening.\n\n{opening}\n\n"
    expected = [(None, f"Opening.\n\n{opening}".strip())]
    title = next((words for (level, words), *_ in parts if level == 1), None)
    above: list[tuple[int, str]] = []
    for (level, words), body, setext in parts:
        underline = {1: "===", 2: "---"}.get(level) if setext else None
        text += f"{words}\n{underline}\n\n" if underline else f"{'#' * level} {words} {'#' * level}\n\n"
        text += f"{body}\n\n"
        above = [*((other, name) for other, name in above if other < level), (level, words)]
        path = HEADING_SEPARATOR.join(name for _, name in above if name != title)
        expected.append((path or None, body.strip()))
    document = _markdown(text.replace("\n", newline))
    assert [(h, words.replace(newline, "\n")) for h, words in _sections(document)] == expected
    assert document.title == title


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("## The *old* `fox` of [Paris](http://a.b)", "The old fox of Paris"),
        ("## R&amp;D \\*star\\*", "R&D *star*"),
        ("A heading of\ntwo lines\n---", "A heading of two lines"),
        ("## Café 🦊 שלום", "Café 🦊 שלום"),
    ],
)
def test_a_heading_is_named_by_its_words_without_their_markup(line: str, heading: str) -> None:
    assert _sections(_markdown(f"{line}\n\nBody.")) == [(None, ""), (heading, "Body.")]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_front_matter_describes_the_document_and_is_in_no_section(newline: str) -> None:
    text = newline.join(
        [
            "---",
            "Title: 'The fox: a life'",
            "author: Ann Lee",
            "publisher: The Daily",
            "date: 2024-05-06",
            "url: https://example.org/fox",
            "tags: [not, a, scalar]",
            "--- ",
            "# The fox: a life",
            "---",
            "Body, with a rule above it.",
        ]
    )
    document = _markdown("\ufeff" + text)
    assert document.text == text
    assert (document.title, document.author) == ("The fox: a life", "Ann Lee")
    assert (document.publisher, document.date) == ("The Daily", "2024-05-06")
    assert document.url == "https://example.org/fox"
    quotable = "".join(words for _, words in _sections(document))
    assert "Ann" not in quotable and quotable.endswith("Body, with a rule above it.")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "https://a.b/'onclick='x", "../x"]
)
def test_only_a_web_address_is_kept_as_one(url: str) -> None:
    assert _markdown(f'---\nurl: "{url}"\n---\nBody.').url is None


@pytest.mark.parametrize(
    "head",
    [
        "---\ntitle: [unclosed\n---\n",
        "---\ntitle: never closed\n",
        "---\n- a list\n---\n",
        "---\njust a string\n---\n",
        "---\na: &x [*x]\n? [b]\n: c\n---\n",
        f"---\n{'[' * 500}\n---\n",
        '---\ntitle: "\x07"\n---\n',
        "---\n---\n",
        "----\ntitle: no\n----\n",
    ],
)
def test_malformed_front_matter_is_text_like_any_other(head: str) -> None:
    document = _markdown(f"{head}\nThe body is quotable.")
    assert document.text == f"{head}\nThe body is quotable."
    assert document.author is None and document.title is None
    assert "The body is quotable." in _sections(document)[-1][1]


def test_a_title_that_is_no_text_does_not_fail_the_build(settings: Settings, encoder: FakeEncoder) -> None:
    (settings.sources / "a.md").write_text('---\ntitle: "\\ud800 odd \\0"\n---\nThe door is green.\n')
    (settings.sources / "b.txt").write_text("The river is wide.")
    build_index(settings, encoder)
    assert (
        QABot.open(settings.index, encoder=encoder).ask("How is the river?").citations[0].quote
        == "The river is wide."
    )


@pytest.mark.parametrize(
    ("word", "left_out"), [("false", True), ("False", True), ("true", False), ("0", False)]
)
def test_index_false_leaves_a_markdown_file_out(tmp_path: Path, word: str, left_out: bool) -> None:
    (tmp_path / "a.md").write_text(f"---\nindex: {word}\n---\nBody.")
    documents, skipped = _read_all(tmp_path)
    assert (not documents) == left_out and not skipped


PAGE = f"""<!doctype html>
<html lang="en"><head><title>All about foxes</title>
<meta name="author" content="Ann Lee"><meta property="og:site_name" content="The Daily">
<meta property="article:published_time" content="2024-05-06">
<link rel="canonical" href="https://example.org/fox">
<style>.styleword {{color: red}}</style><script>var scriptword = 1;</script></head>
<body><nav><a href="/">navword</a></nav>
<article><h1>All about foxes</h1>
<p>The quick   <b>brown</b>
fox &amp; its\xa0friends. {LONG}</p>
<h2>Where they live</h2><p>{LONG}</p>
<ul><li>A first <i>item</i><ul><li>nested in it</li></ul></li><li>A second item</li></ul>
<h3>Dens</h3><script>scriptword()</script><p>{LONG}</p>
<pre><code>dig("codeword")</code></pre>
<table><tr><td>Red fox</td><td>8 kg</td></tr></table>
<blockquote>They are clever, said the farmer.</blockquote></article>
<footer>footerword</footer></body></html>"""


def test_a_web_page_is_its_main_text_by_paragraphs_and_headings() -> None:
    document = parse_html("a.html", PAGE.encode())
    assert (document.title, document.author) == ("All about foxes", "Ann Lee")
    assert (document.publisher, document.date) == ("The Daily", "2024-05-06")
    assert document.url == "https://example.org/fox"
    sections = _sections(document)
    assert [h for h, _ in sections] == [
        None,
        None,
        "Where they live",
        f"Where they live{HEADING_SEPARATOR}Dens",
    ]
    assert sections[1][1].startswith("The quick brown fox & its friends. Foxes")
    assert sections[2][1].endswith("\n\nA first item nested in it\n\nA second item")
    assert "Red fox 8 kg\n\nThey are clever, said the farmer." in sections[3][1]
    for word in ("scriptword", "styleword", "navword", "footerword"):
        assert word not in document.text


def test_code_of_a_web_page_is_text_of_it() -> None:
    assert 'dig("codeword")' in parse_html("a.html", PAGE.encode()).text


@pytest.mark.parametrize(
    "page",
    [
        "<!doctype html><title>T</title><style>p{}</style><p>Short words.</p><script>scriptword()</script>",
        "<p>Short words.</p>",
        "<div>Short words.</div>",
        f"<!-- {'a long comment ' * 20} --><html><body><p>Short words.</p></body></html>",
    ],
)
def test_a_page_too_short_for_an_article_is_taken_whole(tmp_path: Path, page: str) -> None:
    (tmp_path / "a.html").write_text(page)
    documents, skipped = _read_all(tmp_path)
    assert not skipped and documents["a.html"].text == "Short words."


@given(TEXT)
@example("<p>&#xD800;&#0;</p>")
@example("<html>" * 300)
@PROPERTY
def test_whatever_a_web_page_holds_its_sections_are_in_order_and_its_text_is_text(text: str) -> None:
    page = f"<!doctype html><html><body><h2>{text}</h2><p>{LONG}{text}</p>{text}</body></html>"
    try:
        document = parse_html("a.html", page.encode())
    except ValueError as error:
        assert "\0" in text and str(error) == "binary, not text"
        return
    document.text.encode()
    borders = [border for s in document.sections for border in (s.start, s.end)]
    assert all(a <= b for a, b in pairwise([0, *borders, len(document.text)]))


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _file(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


BAD_FILES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": ("empty.txt", _file(b""), "empty"),
    "white space": ("space.md", _file(b" \r\n\t\x0c\n"), "empty"),
    "odd white space": ("odd.txt", _file("\xa0\u2028\u3000".encode()), "no text in it"),
    "byte order mark": ("bom.txt", _file(b"\xef\xbb\xbf"), "no text in it"),
    "headings alone": ("headings.md", _file(b"# A\n## B\n"), "no text in it"),
    "front matter alone": ("front.md", _file(b"---\ntitle: A\n---\n"), "no text in it"),
    "binary": ("binary.txt", _file(b"PK\x03\x04\0\0"), "binary, not text"),
    "UTF-16 without its mark": ("utf16.txt", _file("words".encode("utf-16-le")), "binary, not text"),
    "half of UTF-16": ("half.txt", _file("words".encode("utf-16")[:-1]), "not the UTF-16 that it says it is"),
    "no encoding": (
        "noise.txt",
        _file(bytes(range(0x80, 0x100)) * 4),
        "in no known encoding (byte 0 is not UTF-8); save it as UTF-8",
    ),
    "empty page": ("empty.html", _file(b"\n"), "empty"),
    "page of scripts": ("script.html", _file(b"<html><script>x=1</script></html>"), "no text in it"),
    "binary page": ("image.html", _file(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "binary, not text"),
    "unknown suffix": ("a.doc", _file(b"words"), KINDS),
    "no suffix": ("Makefile", _file(b"words"), KINDS),
    "link out": ("out.txt", _link("../outside/secret.txt"), "a link out of the sources folder"),
    "link out by a link": ("outer.txt", _link("out.txt"), "a link out of the sources folder"),
    "link to a folder": ("folder", _link("good"), "not a file"),
    "link to the folder above": ("up", _link(".."), "a link out of the sources folder"),
    "link to its own folder": ("own", _link("."), "not a file"),
    "link to itself": ("loop.txt", _link("loop.txt"), "not a file"),
    "dangling link": ("dangling.txt", _link("nothing.txt"), "not a file"),
    "link to a name too long": ("long.txt", _link("x" * 300), "not a file"),
    "folder named like a file": ("folder.txt/a.png", _file(b"a,b"), KINDS),
    "named pipe": ("pipe.txt", os.mkfifo, "not a file"),
    "line break in its name": ("a\nb.txt", _file(b"words"), "unprintable file name"),
    "reordered name": ("a\u202etxt.md", _file(b"words"), "unprintable file name"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("name", "make", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_indexed_is_named_with_the_reason_and_the_rest_is_read(
    tmp_path: Path, name: str, make: Callable[[Path], object], reason: str
) -> None:
    sources = tmp_path / "sources"
    for folder in (sources / "good", tmp_path / "outside", (sources / name).parent):
        folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    (sources / "good" / "z.txt").write_text("Good words.")
    if name == "outer.txt":
        (sources / "out.txt").symlink_to("../outside/secret.txt")
    make(sources / name)
    documents, skipped = _read_all(sources)
    assert documents.keys() == {"good/z.txt"}
    shown = ascii(name)[1:-1] if not name.isprintable() else name
    assert skipped[shown] == reason and shown.isprintable()


def test_hidden_files_are_passed_over_and_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    for name in ("a.txt", ".b.txt", ".hidden/c.txt", "quotes \"'`$(x)&.txt", "ünïcödé 日本 🦊.md"):
        (tmp_path / name).write_text("Words.")
    (tmp_path / "link.txt").symlink_to("a.txt")
    documents, skipped = _read_all(tmp_path)
    assert documents.keys() == {"a.txt", "link.txt", "quotes \"'`$(x)&.txt", "ünïcödé 日本 🦊.md"}
    assert not skipped


def test_a_file_name_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("Words.")
    assert _read_all(tmp_path) == ({}, {r"caf\udce9.txt": "unprintable file name"})


@pytest.mark.parametrize("method", ["open", "read_bytes"])
def test_an_unreadable_file_is_skipped_for_a_passing_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    # Not by chmod: root, which runs some tests, reads everything.
    genuine = getattr(Path, method)

    def refuse(path: Path, *arguments: Any, **named: Any) -> object:
        if path.name == "locked.txt":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return genuine(path, *arguments, **named)

    (tmp_path / "locked.txt").write_text("Words.")
    (tmp_path / "open.txt").write_text("Words.")
    monkeypatch.setattr(Path, method, refuse)
    files, skipped = scan(tmp_path)
    results = [*skipped, *(read(file) for file in files)]
    assert SkippedFile(source="locked.txt", reason="unreadable: Permission denied", passing=True) in results
    assert [r.source for r in results if isinstance(r, Document)] == ["open.txt"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return genuine(path)

    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "a.txt").write_text("Words.")
    (tmp_path / "open.txt").write_text("Words.")
    monkeypatch.setattr(os, "scandir", refuse)
    files, skipped = scan(tmp_path)
    assert [file.source for file in files] == ["open.txt"]
    assert skipped == [SkippedFile(source="locked", reason="unreadable: Permission denied", passing=True)]


def test_a_folder_that_is_none_is_an_error_with_the_command_that_mends_it(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("Words.")
    for folder in (tmp_path / "nothing", tmp_path / "file.txt"):
        with pytest.raises(SourcesError, match=r"no folder .*: qa-bot index --sources DIR"):
            scan(folder)
