"""Who wrote it, when, and for whom: questions about a document itself.

"Who wrote this?" shares no word with "By Jane Doe", so no search by likeness finds it. Where a
question is about nothing but a document's author, date or publisher, the front matter says what
to look for, and the answer is where the body says it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from qa_bot.types import Document, Passage
from qa_bot.words import content_words

BYLINE_SCORE = 0.9  # a rule has no evidence to weigh; it is right where it applies, but for surprises

_ABOUT_A_DOCUMENT = frozenset(
    content_words(
        "article story piece text document report news item page byline author wrote write written writer "
        "reporter journalist penned filed reported publisher published publication posted dated updated "
        "newspaper magazine outlet site"
    )
)
_FILLERS = frozenset(content_words("name named called come appear run date day month year"))

# The first that the question matches says what it asks for.
_ASKS_FOR = (
    (
        "publisher",
        re.compile(r"\b(newspaper|magazine|outlet|publisher|(who|where)\b.*\bpublish)", re.IGNORECASE),
    ),
    ("author", re.compile(r"\b(who|whose|author|byline|writer|reporter|journalist)\b", re.IGNORECASE)),
    ("date", re.compile(r"\b(when|date|dated|day|month|year)\b", re.IGNORECASE)),
)


def asked_field(question: str) -> str | None:
    """ "author", "date" or "publisher" where that of a document is all that is asked, else None."""
    words = set(content_words(question))
    if not words & _ABOUT_A_DOCUMENT or not words <= _ABOUT_A_DOCUMENT | _FILLERS:
        return None
    return next((field for field, asks in _ASKS_FOR if asks.search(question)), None)


def find_byline(
    field: str, document: Document, passages: Sequence[Passage]
) -> tuple[Passage, int, int] | None:
    """Where the document's passages first say the field: one of them, and the span of the value in it."""
    value = getattr(document, field)
    if not value:
        return None
    spellings = [re.escape(spelling) for spelling in (_date_spellings(value) if field == "date" else [value])]
    said = re.compile(rf"(?<!\w)(?:{'|'.join(spellings)})(?!\w)", re.IGNORECASE)
    for passage in passages:
        found = said.search(passage.text)
        if found:
            return passage, *found.span()
    return None


def _date_spellings(value: str) -> Iterator[str]:
    """An ISO date as bodies of text write it."""
    yield value
    try:
        day = date.fromisoformat(value[:10])
    except ValueError:
        return
    for month in (f"{day:%B}", f"{day:%b}", f"{day:%b}."):
        for number in (f"{day.day}", f"{day.day:02}"):
            yield f"{month} {number}, {day.year}"
            yield f"{number} {month} {day.year}"
