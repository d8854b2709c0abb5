"""A folder of files -> Documents.

One parser a suffix, in PARSERS. A parser is a pure function of a file's name and bytes, raises
ValueError with a reason where it can make nothing of them, and returns None for a file that asks
to be left out.
"""

import hashlib
import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from qa_bot.errors import SourcesError
from qa_bot.types import Document, Section

# Control and format characters, line and paragraph separators, and lone surrogates, which stand for
# the bytes of a name that is not UTF-8.
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")

HEADING_SEPARATOR = " › "


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was not indexed, and why."""

    source: str
    reason: str
    passing: bool = False  # the next build may fare better: it was unreadable, not unfit


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that can be indexed: its name below the folder, its place, its content's digest."""

    source: str
    path: Path
    sha256: str


def scan(folder: Path) -> tuple[list[SourceFile], list[Skipped]]:
    """Find the files of `folder` that have a parser, in the order of their names.

    Hidden files and folders are passed over. Symbolic links are followed to files inside the
    folder only; a link to a folder is never followed. Files of other suffixes are skipped.
    Raises SourcesError where `folder` is no folder.
    """
    if not folder.is_dir():
        raise SourcesError(
            f"There is no folder {str(folder)!r} to read sources from. "
            "Create it, or name another: qa-bot index --sources DIR"
        )
    root = folder.resolve()
    files: list[SourceFile] = []
    skipped: list[Skipped] = []
    for path, error in _walk(folder):
        source = path.relative_to(folder).as_posix()
        if any(unicodedata.category(c) in _UNPRINTABLE for c in source):
            skipped.append(Skipped(source=ascii(source)[1:-1], reason="unprintable file name"))
        elif error:
            skipped.append(Skipped(source=source, reason=f"unreadable: {error.strerror}", passing=True))
        elif not Path(os.path.realpath(path)).is_relative_to(root):
            skipped.append(Skipped(source=source, reason="a link out of the sources folder"))
        elif not os.path.isfile(path):  # a link to a folder or to nothing, a pipe, a device
            skipped.append(Skipped(source=source, reason="not a file"))
        elif path.suffix.lower() not in PARSERS:
            kinds = ", ".join(PARSERS)
            skipped.append(Skipped(source=source, reason=f"not one of {kinds}"))
        else:
            try:
                with path.open("rb") as stream:
                    sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
                files.append(SourceFile(source=source, path=path, sha256=sha256))
            except OSError as error:
                reason = f"unreadable: {error.strerror}"
                skipped.append(Skipped(source=source, reason=reason, passing=True))
    return files, skipped


def read(file: SourceFile) -> Document | Skipped | None:
    """Parse one file; None where the file asks to be left out."""
    try:
        document = PARSERS[file.path.suffix.lower()](file.source, file.path.read_bytes())
    except OSError as error:
        reason = f"unreadable: {error.strerror}"
        return Skipped(source=file.source, reason=reason, passing=True)
    except ValueError as error:
        return Skipped(source=file.source, reason=str(error))
    if document and not any(document.text[s.start : s.end].strip() for s in document.sections):
        return Skipped(source=file.source, reason="no text in it")
    return document


def _walk(folder: Path) -> Iterator[tuple[Path, OSError | None]]:
    """Every visible file, link to a folder, and folder that cannot be read (with why)."""
    unreadable: list[OSError] = []
    for directory, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(directory, name).is_symlink()]
        for name in sorted([*names, *links]):
            if not name.startswith("."):
                yield Path(directory, name), None
    for error in unreadable:
        yield Path(error.filename), error


def parse_text(source: str, data: bytes) -> Document:
    """Plain text, kept verbatim."""
    text = _decode(data)
    sections = (Section(heading=None, start=0, end=len(text)),)
    return Document(source=source, sha256=_sha256(data), text=text, sections=sections)


def parse_markdown(source: str, data: bytes) -> Document | None:
    """Markdown, kept verbatim: a section a heading; YAML front matter is metadata.

    `index: false` in the front matter leaves the file out.
    """
    text = _decode(data)
    metadata, body_start = _front_matter(text)
    if metadata.get("index", "").lower() == "false":
        return None
    headings = list(_markdown_headings(text, body_start))
    title = metadata.get("title") or next((h for level, h, *_ in headings if level == 1), None)
    return Document(
        source=source,
        sha256=_sha256(data),
        text=text,
        sections=_sections(headings, body_start, len(text), title),
        title=title,
        author=metadata.get("author"),
        publisher=metadata.get("publisher"),
        date=metadata.get("date"),
        url=_web_address(metadata.get("url")),
    )


_BLOCKS = ("p", "quote", "item", "row", "code")


def parse_html(source: str, data: bytes) -> Document:
    """The main text of a web page, by trafilatura: paragraphs apart by an empty line."""
    import trafilatura  # half a second; only a build with HTML in it pays

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # the build names what it cannot read

    _refuse_no_text(data)
    extracted = trafilatura.bare_extraction(data, include_comments=False, with_metadata=True)
    if extracted is None or isinstance(extracted, dict) or extracted.body is None:
        text = _all_words(data)  # too little of it for an article
        sections = (Section(heading=None, start=0, end=len(text)),)
        return Document(source=source, sha256=_sha256(data), text=text, sections=sections)
    blocks: list[str] = []
    headings: list[tuple[int, str, int, int]] = []
    position = 0
    for element, words in _html_blocks(extracted.body):
        if element.tag == "head":
            level = int(element.get("rend", "h2")[1:])
            headings.append((level, words, position, position + len(words)))
        blocks.append(words)
        position += len(words) + 2
    text = "\n\n".join(blocks)
    return Document(
        source=source,
        sha256=_sha256(data),
        text=text,
        sections=_sections(headings, 0, len(text), extracted.title),
        title=extracted.title,
        author=extracted.author,
        publisher=extracted.sitename,
        date=extracted.date,
        url=_web_address(extracted.url),
    )


def _html_blocks(body: Any) -> Iterator[tuple[Any, str]]:
    """(element, words) of each block of an extracted page, in order; bare text is of its parent."""

    def words_of(pieces: Iterable[str]) -> str:
        return " ".join(" ".join(pieces).split())

    pieces: list[tuple[Any, str]] = [(body, words_of([body.text or ""]))]
    for child in body:
        blocks = [
            element
            for element in child.iter("head", *_BLOCKS)
            if not any(ancestor.tag in _BLOCKS for ancestor in element.iterancestors())
        ]
        pieces += [(element, words_of(element.itertext())) for element in blocks or [child]]
        pieces.append((body, words_of([child.tail or ""])))
    return ((element, words) for element, words in pieces if words)


def _all_words(data: bytes) -> str:
    """Every word of a page's body, line by line."""
    from lxml import etree, html

    try:
        page = html.document_fromstring(data.decode("utf-8-sig") if _is_utf8(data) else data)
    except (etree.ParserError, ValueError):
        return ""
    for element in page.xpath("//script | //style | //template | //noscript | //title"):
        element.drop_tree()
    lines = (" ".join(line.split()) for line in page.text_content().splitlines())
    return "\n".join(line for line in lines if line)


PARSERS: dict[str, Callable[[str, bytes], Document | None]] = {
    ".txt": parse_text,
    ".md": parse_markdown,
    ".markdown": parse_markdown,
    ".html": parse_html,
    ".htm": parse_html,
}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse_no_text(data: bytes) -> None:
    if not data.strip():
        raise ValueError("empty")
    if b"\0" in data:
        raise ValueError("binary, not text")


def _decode(data: bytes) -> str:
    _refuse_no_text(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte {error.start}); save it as UTF-8") from None


_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def _front_matter(text: str) -> tuple[dict[str, str], int]:
    """The scalars of a YAML front matter as strings, and where the body begins."""
    import yaml

    match = _FRONT_MATTER.match(text)
    if not match:
        return {}, 0
    try:
        # BaseLoader makes strings of all scalars: a date stays as it was written.
        values = yaml.load(match[1], Loader=yaml.BaseLoader)  # noqa: S506 (makes no objects)
    except (yaml.YAMLError, RecursionError):
        return {}, 0
    if not isinstance(values, dict):
        return {}, 0
    # YAML can spell lone surrogates, which no file can hold.
    scalars = {
        key.lower(): value.encode("utf-8", "replace").decode()
        for key, value in values.items()
        if isinstance(key, str) and isinstance(value, str)
    }
    return scalars, match.end()


_WORDS = ("text", "text_special", "code_inline", "softbreak", "hardbreak")


def _markdown_headings(text: str, body_start: int) -> Iterator[tuple[int, str, int, int]]:
    """(level, heading, start, end) of each top-level heading, in order; end is after its line."""
    from markdown_it import MarkdownIt

    body = text[body_start:]
    # The parser's line numbers count \n, \r\n and \r alike.
    line_starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", body))]
    line_starts.append(len(body))
    tokens = MarkdownIt("commonmark").parse(body)
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            first, last = token.map
            # Text, code and, for a line break, a space; no markup.
            parts = (child.content or " " for child in inline.children or [] if child.type in _WORDS)
            heading = " ".join("".join(parts).split())
            if heading:
                start, end = line_starts[first], line_starts[min(last, len(line_starts) - 1)]
                yield int(token.tag[1:]), heading, body_start + start, body_start + end


def _sections(
    headings: list[tuple[int, str, int, int]], start: int, end: int, title: str | None
) -> tuple[Section, ...]:
    """The ranges between headings, each with the path of headings above it (but for the title)."""
    sections = []
    path: list[tuple[int, str]] = []
    heading: str | None = None
    for level, words, heading_start, heading_end in headings:
        sections.append(Section(heading=heading, start=start, end=heading_start))
        path = [*((above, name) for above, name in path if above < level), (level, words)]
        heading = HEADING_SEPARATOR.join(name for _, name in path if name != title) or None
        start = heading_end
    sections.append(Section(heading=heading, start=start, end=end))
    return tuple(sections)


def _web_address(url: str | None) -> str | None:
    """The address where it is one of the web, so that it may be shown as a link; else None."""
    return url if url and re.match(r"https?://[^\s\"'<>]+\Z", url) else None
