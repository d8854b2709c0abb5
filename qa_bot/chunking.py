"""Document -> Passages that end on sentence or paragraph borders and fit an encoder's window."""

import re
from collections.abc import Callable, Iterator

import sentencex

from qa_bot.types import Document, Passage

Span = tuple[int, int]
CountTokens = Callable[[str], int]

# An empty line, or a line that begins a list item.
_PARAGRAPH_BORDER = re.compile(r"(?:\r?\n[ \t]*){2,}|\r?\n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])")

# Characters of a paragraph, at most. No writer's is so long; what splits one takes the square of it.
_LONGEST = 20_000

_LIST_MARKER = re.compile(r"\s*\d{1,3}[.)]\s*")

# Words of prose have about 5 characters a token. What has more is no prose (a word of 10,000
# letters can be one unknown token), and its passages must stay of a size that a reader can check.
_CHARS_PER_TOKEN = 10


def split(document: Document, count_tokens: CountTokens, max_tokens: int) -> tuple[Passage, ...]:
    """Cut a document's sections into passages of at most `max_tokens`, title and section included.

    A passage is as many neighbouring paragraphs of one section as fit. A paragraph that does not
    fit alone counts as its sentences, and a sentence that does not, as groups of its words.
    """
    passages = []
    for section in document.sections:
        context = _context(document.title, section.heading, count_tokens, max_tokens // 4)
        budget = max_tokens - (count_tokens(context) if context else 0)
        for start, end in _pack(document.text, section.start, section.end, count_tokens, budget):
            passages.append(
                Passage(
                    source=document.source,
                    start=start,
                    end=end,
                    text=document.text[start:end],
                    context=context,
                    also=document.also,
                    title=document.title,
                    section=section.heading,
                    page=section.page,
                    url=document.url,
                    date=document.date,
                )
            )
    return tuple(passages)


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """The sentences of text[start:end], without the white space around them, in order."""
    for paragraph in _paragraphs(text, start, len(text) if end is None else end):
        yield from _sentences_of_paragraph(text, *paragraph)


def _paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    for border in _PARAGRAPH_BORDER.finditer(text, start, end):
        yield from _stretches(text, start, border.start())
        start = border.end()
    yield from _stretches(text, start, end)


def _stretches(text: str, start: int, end: int) -> Iterator[Span]:
    """The whole, but for the white space around it, in as many parts as _LONGEST makes of it."""
    while end - start > _LONGEST:
        space = text.rfind(" ", start, start + _LONGEST)
        cut = space if space > start else start + _LONGEST
        if text[start:cut].strip():
            yield _strip(text, start, cut)
        start = cut
    if text[start:end].strip():
        yield _strip(text, start, end)


def _sentences_of_paragraph(text: str, start: int, end: int) -> Iterator[Span]:
    # The splitter loses characters at line ends and stumbles over exotic white space: give it
    # plain spaces, as many. Given those it returns every character, so lengths are offsets.
    stop = start
    for sentence in sentencex.segment("en", re.sub(r"\s", " ", text[start:end])):
        stop += len(sentence)
        if _LIST_MARKER.fullmatch(text, start, stop):
            continue  # "2." begins the item, it is no sentence
        if text[start:stop].strip():
            yield _strip(text, start, stop)
        start = stop
    if text[start:end].strip():
        yield _strip(text, start, end)


def _strip(text: str, start: int, end: int) -> Span:
    stretch = text[start:end]
    return start + len(stretch) - len(stretch.lstrip()), start + len(stretch.rstrip())


def _pack(text: str, start: int, end: int, count_tokens: CountTokens, budget: int) -> Iterator[Span]:
    """Join neighbouring units of text while together they fit the budget."""

    def size(stretch: str) -> int:
        by_length = len(stretch) // _CHARS_PER_TOKEN
        # What is too long anyway need not be counted: it may be a whole book.
        return by_length if by_length > budget else max(count_tokens(stretch), by_length)

    current: Span | None = None
    for unit in _units(text, start, end, size, budget):
        if current and size(text[current[0] : unit[1]]) <= budget:
            current = (current[0], unit[1])
            continue
        if current:
            yield current
        current = unit
    if current:
        yield current


def _units(text: str, start: int, end: int, size: CountTokens, budget: int) -> Iterator[Span]:
    """Paragraphs; of one that does not fit, its sentences; of one that does not, groups of words."""
    for paragraph in _paragraphs(text, start, end):
        if size(text[slice(*paragraph)]) <= budget:
            yield paragraph
            continue
        for first, last in _sentences_of_paragraph(text, *paragraph):
            if size(text[first:last]) <= budget:
                yield first, last
                continue
            from semantic_text_splitter import TextSplitter  # of the build alone, and rarely

            splitter = TextSplitter.from_callback(size, budget)
            for offset, piece in splitter.chunk_indices(text[first:last]):
                yield _strip(text, first + offset, first + offset + len(piece))


def _context(title: str | None, heading: str | None, count_tokens: CountTokens, limit: int) -> str:
    """Title and section for embedding, cut to `limit` tokens."""
    context = ". ".join(part for part in (title, heading) if part)
    while context and count_tokens(context) > limit:
        context = context[: len(context) * 3 // 4]
    return context
