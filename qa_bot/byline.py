"""Who wrote it, when, and for whom: questions about a document itself.

"Who wrote this?" shares no word with "By Jane Doe", so no search by likeness finds it. Where a
question is about nothing but a document's author, date or publisher, the front matter says what
to look for, and the answer is the sentence of the body that says it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from qa_bot.chunking import sentences
from qa_bot.types import Document, Passage
from qa_bot.words import content_words

BYLINE_SCORE = 0.9  # a rule has no evidence to weigh; it is right where it applies, but for surprises

# A question is about the document itself if it asks with one of the first and has no word of
# content beyond all of these. Compared as stems.
_ASKS = {
    "author": "author wrote write written writer byline reporter journalist penned filed reported who by",
    "date": "date dated published publication posted updated when day year month",
    "publisher": "publisher published newspaper outlet magazine site publication source",
}
_THE_DOCUMENT = (
    "article story piece text document report news item name called come appear run person page whose"
)


def _stems(words: str) -> frozenset[str]:
    return frozenset(content_words(words))


_ASKING = {field: _stems(words) for field, words in _ASKS.items()}
_ABOUT = _stems(_THE_DOCUMENT).union(*_ASKING.values())
_OPENS = {
    "author": re.compile(r"\W*(and\W+)?(who|whose|which|what|name|by|author|byline)\b", re.IGNORECASE),
    "date": re.compile(
        r"\W*(and\W+)?(when|what|which|on|date|how old|publication|published)\b", re.IGNORECASE
    ),
    "publisher": re.compile(r"\W*(and\W+)?(which|what|where|who|publisher|by|in)\b", re.IGNORECASE),
}


def asked_field(question: str) -> str | None:
    """ "author", "date" or "publisher" where that of a document is all that is asked, else None."""
    words = _stems(question)
    if not words or not words <= _ABOUT:
        return None
    fields = [f for f in _ASKING if words & _ASKING[f] and _OPENS[f].match(question)]
    # "published" asks for a date after "when", for a publisher after "who" and "where".
    opening = re.search(r"\b(when|date|day|year|month|who|whose|where)\b", question.lower())
    first = {"who": ("author", "publisher"), "whose": ("author",), "where": ("publisher",)}
    preferred = first.get(opening[1], ("date",)) if opening else tuple(_ASKING)
    return next((field for field in preferred if field in fields), fields[0] if fields else None)


def find_byline(
    field: str, document: Document, passages: Sequence[Passage]
) -> tuple[Passage, int, int] | None:
    """The first sentence of the document that says the field: a passage, and the span in it."""
    value = getattr(document, field)
    if not value:
        return None
    spellings = [re.escape(spelling) for spelling in (_date_spellings(value) if field == "date" else [value])]
    said = re.compile(rf"(?<!\w)(?:{'|'.join(spellings)})(?!\w)", re.IGNORECASE)
    for passage in passages:
        if passage.source == document.source:
            for start, end in sentences(passage.text):
                if said.search(passage.text[start:end]):
                    return passage, start, end
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
