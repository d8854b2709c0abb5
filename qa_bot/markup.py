"""Text, Markdown and web pages -> Documents."""

import codecs
import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

from qa_bot.blocks import Block, Path, below, lay_out, name_of
from qa_bot.types import Document, Section


def parse_text(source: str, data: bytes) -> Document:
    """Plain text, kept verbatim."""
    text = decode(data)
    sections = (Section(heading=None, start=0, end=len(text)),)
    return Document(source=source, sha256=sha256(data), text=text, sections=sections)


def parse_markdown(source: str, data: bytes) -> Document | None:
    """Markdown, kept verbatim: a section a heading; YAML front matter is metadata.

    `index: false` in the front matter leaves the file out.
    """
    text = decode(data)
    metadata, body_start = _front_matter(text)
    if metadata.get("index", "").lower() == "false":
        return None
    headings = list(_markdown_headings(text, body_start))
    title = metadata.get("title") or next((h for level, h, *_ in headings if level == 1), None)
    return Document(
        source=source,
        sha256=sha256(data),
        text=text,
        sections=_markdown_sections(headings, body_start, len(text), title),
        title=title,
        author=metadata.get("author"),
        publisher=metadata.get("publisher"),
        date=metadata.get("date"),
        url=web_address(metadata.get("url")),
    )


def parse_html(source: str, data: bytes) -> Document:
    """The main text of a web page, by trafilatura: paragraphs apart by an empty line."""
    import trafilatura  # half a second; only a build with HTML in it pays

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # the build names what it cannot read

    refuse_no_text(data)
    extracted = trafilatura.bare_extraction(
        data,
        include_comments=False,
        with_metadata=True,
        # A date that the page gives as its own, not any year in its words.
        date_extraction_params={"extensive_search": False, "original_date": True},
    )
    if extracted is None or isinstance(extracted, dict) or extracted.body is None:
        words = _all_words(data)  # too little of it for an article
        whole = (Section(heading=None, start=0, end=len(words)),)
        return Document(source=source, sha256=sha256(data), text=words, sections=whole, url=_saved_from(data))
    text, sections = lay_out(_extracted_blocks(extracted.body), extracted.title)
    return Document(
        source=source,
        sha256=sha256(data),
        text=text,
        sections=sections,
        title=extracted.title,
        author=extracted.author,
        publisher=extracted.sitename,
        date=extracted.date,
        url=web_address(extracted.url) or _saved_from(data),
    )


def blocks_of_page(root: Any, page: int | None = None) -> Iterator[Block]:
    """The blocks of an HTML or XHTML tree that is all content: no menus to leave out."""
    from lxml import etree

    pieces: list[str] = []
    level = 0

    def taken() -> Iterator[Block]:
        words = " ".join("".join(pieces).split())
        pieces.clear()
        if words:
            yield Block(words, level, page)

    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event in ("comment", "pi"):
            pieces.append(element.tail or "")
            continue
        name = etree.QName(element).localname
        block = name in _BLOCK_TAGS or re.fullmatch("h[1-6]", name)
        if event == "start":
            if block:
                yield from taken()
                level = int(name[1]) if block is not True else 0
            if name not in _SILENT_TAGS:
                pieces.append(element.text or "")
        else:
            if block:
                yield from taken()
                level = 0
            pieces.append(" " if name in ("td", "th", "br") else "")
            pieces.append(element.tail or "")
    yield from taken()


_LISTS = ("li", "ul", "ol", "dl", "dt", "dd")
_BLOCK_TAGS = frozenset(
    (*_LISTS, "p", "div", "section", "article", "blockquote", "pre", "tr", "table", "figcaption", "body")
)
_SILENT_TAGS = frozenset(("script", "style", "template", "noscript", "title"))


# --- web pages --------------------------------------------------------------------------------

_BLOCKS = ("p", "quote", "item", "row", "code")


def _extracted_blocks(body: Any) -> Iterator[Block]:
    """The blocks of a page as trafilatura extracts it, in order."""

    def words_of(pieces: Iterable[str]) -> str:
        return " ".join(" ".join(pieces).split())

    yield Block(words_of([body.text or ""]))
    for child in body:
        blocks = [
            element
            for element in child.iter("head", *_BLOCKS)
            if not any(ancestor.tag in _BLOCKS for ancestor in element.iterancestors())
        ]
        for element in blocks or [child]:
            level = int(element.get("rend", "h2")[1:]) if element.tag == "head" else 0
            yield Block(words_of(element.itertext()), level)
        yield Block(words_of([child.tail or ""]))


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


_SAVED_FROM = re.compile(rb"<!--\s*saved from url=\(\d+\)(\S+)\s*-->")


def _saved_from(data: bytes) -> str | None:
    """The address that a browser noted in a page that it saved."""
    match = _SAVED_FROM.search(data[:4096])
    return web_address(match[1].decode("ascii", "replace")) if match else None


def web_address(url: str | None) -> str | None:
    """The address where it is one of the web, so that it may be shown as a link; else None."""
    return url if url and re.match(r"https?://[^\s\"'<>]+\Z", url) else None


# --- bytes ------------------------------------------------------------------------------------


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


_MARKS = (  # byte order marks; UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What Windows-1252 has beyond ASCII and a western text may hold.
_WESTERN = re.compile("[\\x00-\\x7fÀ-ÖØ-öø-ÿŒœŠšŽžŸ“”‘’‚„–—…•€£§©®™°·«»¡¿ªº\\xa0]*")
_WESTERN_SHARE = 0.25  # of letters beyond ASCII, at most
_SAMPLE = 200_000  # bytes that are enough to tell an encoding


def refuse_no_text(data: bytes) -> None:
    if not data.strip():
        raise ValueError("empty")
    if b"\0" in data:
        raise ValueError("binary, not text")


def decode(data: bytes) -> str:
    """The text of a file in whatever encoding it is; raises ValueError where none is found."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise ValueError(f"not the {encoding.upper()} that it says it is") from None
    refuse_no_text(data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = error.start
    with suppress(UnicodeDecodeError):
        western = data.decode("cp1252")
        beyond = sum(c > "\x7f" for c in western)
        if _WESTERN.fullmatch(western) and beyond <= _WESTERN_SHARE * len(western):
            return western
    # Of a stretch around the first byte that is not UTF-8: a large file is ASCII for the most part.
    from charset_normalizer import from_bytes

    found = from_bytes(data[max(0, place - _SAMPLE // 2) :][:_SAMPLE]).best()
    if found is not None and not found.encoding.startswith(("utf_16", "utf_32", "utf_7")):
        with suppress(UnicodeDecodeError):
            return data.decode(found.encoding)
    raise ValueError(f"in no known encoding (byte {place} is not UTF-8); save it as UTF-8")


# --- Markdown ---------------------------------------------------------------------------------

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


MAX_HEADING = 1_000  # characters of a line that can be a heading
_WORDS = ("text", "text_special", "code_inline", "softbreak", "hardbreak")


def _markdown_headings(text: str, body_start: int) -> Iterator[tuple[int, str, int, int]]:
    """(level, heading, start, end) of each top-level heading, in order; end is after its line."""
    from markdown_it import MarkdownIt

    body = text[body_start:]
    # The parser's line numbers count \n, \r\n and \r alike.
    line_starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", body))]
    line_starts.append(len(body))
    markdown = MarkdownIt("commonmark")
    references: dict[str, Any] = {}
    # Inline markup matters in headings alone, and takes the square of its length at worst.
    tokens = MarkdownIt("commonmark").disable("inline").parse(body, references)
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            first, last = token.map
            # Text, code and, for a line break, a space; no markup.
            children = markdown.parseInline(inline.content[:MAX_HEADING], references)[0].children or []
            parts = (child.content or " " for child in children if child.type in _WORDS)
            heading = " ".join("".join(parts).split())
            if heading:
                start, end = line_starts[first], line_starts[min(last, len(line_starts) - 1)]
                yield int(token.tag[1:]), heading, body_start + start, body_start + end


def _markdown_sections(
    headings: list[tuple[int, str, int, int]], start: int, end: int, title: str | None
) -> tuple[Section, ...]:
    """The ranges between headings, each with the path of headings above it (but for the title)."""
    sections = []
    path: Path = []
    for level, words, heading_start, heading_end in headings:
        sections.append(Section(heading=name_of(path, title), start=start, end=heading_start))
        path = below(path, level, words)
        start = heading_end
    sections.append(Section(heading=name_of(path, title), start=start, end=end))
    return tuple(sections)
