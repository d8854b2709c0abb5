"""Blocks of a document (a paragraph, a heading, a row) -> its text and sections, and the document."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from qa_bot.types import Document, Section

HEADING_SEPARATOR = " › "

Path = list[tuple[int, str]]  # (level, words) of the headings above, outermost first


@dataclass(frozen=True, slots=True)
class Block:
    """Words that stand together, on one line or on several."""

    words: str
    level: int = 0  # of a heading, from 1; 0: text
    page: int | None = None


def lay_out(blocks: Iterable[Block], title: str | None = None) -> tuple[str, tuple[Section, ...]]:
    """The text of the blocks, apart by an empty line, and its sections: one a heading and page."""
    words: list[str] = []
    sections: list[Section] = []
    path: Path = []
    start = position = 0
    page = None
    for block in blocks:
        if not block.words.strip():
            continue
        if block.level or block.page != page:
            sections.append(Section(heading=name_of(path, title), start=start, end=position, page=page))
            start, page = position, block.page
        words.append(block.words)
        position += len(block.words) + 2
        if block.level:
            path = below(path, block.level, block.words)
            start = position
    end = max(position - 2, 0)
    sections.append(Section(heading=name_of(path, title), start=min(start, end), end=end, page=page))
    return "\n\n".join(words), tuple(sections)


def below(path: Path, level: int, words: str) -> Path:
    """The headings above what follows a heading of `level`."""
    return [*((above, name) for above, name in path if above < level), (level, words)]


def name_of(path: Path, title: str | None) -> str | None:
    """How a section below these headings is named; the document's title is left out."""
    return HEADING_SEPARATOR.join(name for _, name in path if name != title) or None


def document_of(
    source: str,
    data: bytes,
    blocks: Iterable[Block],
    title: str | None = None,
    author: str | None = None,
    publisher: str | None = None,
    date: str | None = None,
) -> Document:
    """The document of a file that is laid out from blocks; its digest is of `data`."""
    text, sections = lay_out(blocks, title)
    return Document(
        source=source,
        sha256=hashlib.sha256(data).hexdigest(),
        text=text,
        sections=sections,
        title=title,
        author=author,
        publisher=publisher,
        date=date,
    )
