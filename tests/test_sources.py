"""A folder of files becomes documents whose text and sections are exact, or is named and skipped."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qa_bot import Document, SourcesError
from qa_bot.sources import PARSERS, Skipped, SourceFile, parse_html, parse_markdown, parse_text, read, scan

MARKDOWN = """---
title: "Lamps: a history"
author: Jane Doe
date: 2023-04-03
url: https://example.org/lamps
tags: [a, b]
---

Before any heading.

# Lamps: a history

Opening words.

## Oil

```
# not a heading
```

### Wicks

Text.

Gas and *light*
---------------

Last.
"""


def make(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def outcome(folder: Path) -> tuple[dict[str, Document], dict[str, str]]:
    """Documents by source, and reasons by source."""
    found, skipped = scan(folder)
    results = [read(file) for file in found]
    skipped += [result for result in results if isinstance(result, Skipped)]
    documents = {result.source: result for result in results if isinstance(result, Document)}
    return documents, {skip.source: skip.reason for skip in skipped}


def test_markdown_is_kept_verbatim_and_its_headings_and_front_matter_are_in_no_section() -> None:
    document = parse_markdown("lamps.md", MARKDOWN.encode())
    assert document and document.text == MARKDOWN
    assert (document.title, document.author, document.date) == ("Lamps: a history", "Jane Doe", "2023-04-03")
    assert document.url == "https://example.org/lamps"
    sections = [(s.heading, document.text[s.start : s.end].strip()) for s in document.sections]
    assert sections == [
        (None, "Before any heading."),
        (None, "Opening words."),  # the title is no section of itself
        ("Oil", "```\n# not a heading\n```"),
        ("Oil › Wicks", "Text."),
        ("Gas and light", "Last."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "---\nunclosed: yes\n\nText.",
        "---\n- a\n- list\n---\nText.",
        "---\n{: bad\n---\nText.",
        "---\n---\nText.",
    ],
)
def test_what_is_no_front_matter_is_text(text: str) -> None:
    document = parse_markdown("a.md", text.encode())
    assert document and document.text == text and document.title is None
    assert document.text[document.sections[-1].start :].endswith("Text.")


def test_front_matter_can_leave_a_file_out(tmp_path: Path) -> None:
    make(tmp_path, {"README.md": "---\nindex: false\n---\nHow to add files.", "a.md": "Text."})
    assert outcome(tmp_path) == ({"a.md": parse_markdown("a.md", b"Text.")}, {})


@pytest.mark.parametrize("text", ["a\r\nb\rc\n", "\tx \f y\x0b", "🦊 שלום é\u2028z", "no end"])
def test_plain_text_is_kept_to_the_character(text: str) -> None:
    assert parse_text("a.txt", text.encode()).text == text
    assert parse_text("a.txt", b"\xef\xbb\xbf" + text.encode()).text == text  # a byte order mark is no text


def test_html_gives_its_main_text_with_sections_and_nothing_of_its_code() -> None:
    page = """<html><head><title>Lamps</title><meta name="author" content="Jane Doe">
    <link rel="canonical" href="https://example.org/lamps"><style>.x{color:red}</style></head><body>
    <nav>Home About</nav><article><h1>Lamps</h1><p>The first
    lamps burned <b>oil</b> &amp; fat for light in the long dark evenings of the winter.</p>
    <h2>Gas</h2><p>Gas came with pipes.<br>It hissed in the streets of every town.</p>
    <ul><li>It was cheap</li><li>It was bright</li></ul>
    <table><tr><td>Paris</td><td>1820</td></tr></table><script>alert("x")</script></article></body></html>"""
    document = parse_html("lamps.html", page.encode())
    assert document.text.split("\n\n") == [
        "Lamps",
        "The first lamps burned oil & fat for light in the long dark evenings of the winter.",
        "Gas",
        "Gas came with pipes. It hissed in the streets of every town.",
        "It was cheap",
        "It was bright",
        "Paris 1820",
    ]
    assert [section.heading for section in document.sections] == [None, None, "Gas"]
    assert (document.title, document.author, document.url) == (
        "Lamps",
        "Jane Doe",
        "https://example.org/lamps",
    )


def test_a_page_too_short_for_an_article_gives_all_its_words() -> None:
    assert (
        parse_html("a.html", b"<p>The lamp is <b>green</b>.</p><script>x()</script>").text
        == "The lamp is green."
    )


def test_each_bad_file_is_named_with_its_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    make(
        folder,
        {
            "good.txt": "The lamp is green.",
            "deep/er/good.MD": "The river is long.",
            "quote'\"; é.txt": "The stone is old.",
            "empty.txt": b"",
            "blank.md": "  \n\n",
            "headings.md": "# Only\n\n## Headings\n",
            "binary.txt": b"GIF89a\0\1",
            "latin.txt": "café".encode("latin-1"),
            "empty.html": "<html><body><script>x()</script></body></html>",
            "picture.png": b"\x89PNG",
            "new\nline.txt": "x",
            ".hidden.txt": "x",
            ".git/config.txt": "x",
        },
    )
    make(tmp_path, {"secret.txt": "The key is under the mat.", "other/file.txt": "x"})
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "folder.txt").symlink_to(tmp_path / "other")
    (folder / "inside").symlink_to(folder / "deep")
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    (folder / "gone.txt").symlink_to(folder / "nothing.txt")
    os.mkfifo(folder / "pipe.txt")
    documents, reasons = outcome(folder)
    assert sorted(documents) == ["deep/er/good.MD", "good.txt", "quote'\"; é.txt"]
    assert reasons == {
        "empty.txt": "empty",
        "blank.md": "empty",
        "headings.md": "no text in it",
        "binary.txt": "binary, not text",
        "latin.txt": "not UTF-8 (byte 3); save it as UTF-8",
        "empty.html": "no text in it",
        "picture.png": f"not one of {', '.join(PARSERS)}",
        "new\\nline.txt": "unprintable file name",
        "out.txt": "a link out of the sources folder",
        "folder.txt": "a link out of the sources folder",
        "inside": "not a file",
        "loop.txt": "not a file",
        "gone.txt": "not a file",
        "pipe.txt": "not a file",
    }


def test_a_file_that_cannot_be_opened_is_skipped_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, {"a.txt": "x", "b.txt": "The lamp is green."})
    real = Path.open

    def denied(self: Path, *args: object, **kwargs: object) -> object:
        if self.name == "a.txt":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **kwargs)  # type: ignore[call-overload]

    with monkeypatch.context() as locked:
        locked.setattr(Path, "open", denied)
        files, skipped = scan(tmp_path)
    assert skipped == [Skipped(source="a.txt", reason="unreadable: Permission denied", passing=True)]
    assert [file.source for file in files] == ["b.txt"]
    gone = SourceFile(source="c.txt", path=tmp_path / "c.txt", sha256="")
    assert read(gone) == Skipped(source="c.txt", reason="unreadable: No such file or directory", passing=True)


def test_a_folder_that_is_none_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(SourcesError, match=r"no folder .* qa-bot index --sources DIR"):
        scan(tmp_path / "nowhere")


markdown_line = st.sampled_from(
    ["# One", "## Two", "Three\n===", "text", "- item", "```", "> quote", "", "\r", "---"]
)


@hypothesis_settings(max_examples=150, deadline=None, derandomize=True)
@given(st.one_of(st.text(min_size=1), st.lists(markdown_line, min_size=1).map("\n".join)))
def test_sections_are_ordered_ranges_of_a_text_that_is_the_file_s(text: str) -> None:
    data = text.encode()
    if not data.strip() or b"\0" in data:
        return
    for parse in (parse_text, parse_markdown):
        document = parse("a", data)
        assert document and document.text == data.decode("utf-8-sig")
        ends = [0, *(bound for s in document.sections for bound in (s.start, s.end)), len(document.text)]
        assert ends == sorted(ends)
