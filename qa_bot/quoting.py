"""A span of a passage -> whole words, and the citation of them in their sentence."""

import re
from dataclasses import replace

from qa_bot.chunking import sentences
from qa_bot.span_model import Span
from qa_bot.types import Citation, Passage

_BEGINS_WITH_PRONOUN = re.compile(r"(it|its|he|his|she|her|they|their|this|these|those)\b", re.IGNORECASE)
_ABBREVIATION = re.compile(r"(?:\b\w\.)+$")
_PAIRS = (("(", ")"), ("[", "]"), ("“", "”"), ("‘", "’"), ('"', '"'))


def whole_words(text: str, span: Span) -> Span | None:
    """The span in whole words, with its currency or percent sign, without punctuation around it.

    None where nothing but punctuation is left.
    """
    start, end = span.start, span.end
    while start > 0 and _inside_a_word(text, start):
        start -= 1
    while end < len(text) and _inside_a_word(text, end):
        end += 1
    if start > 0 and text[start - 1] in "$€£¥#":
        start -= 1
    if end < len(text) and text[end] == "%":
        end += 1
    before = None
    while before != (start, end) and start < end:
        before = start, end
        first, last = text[start], text[end - 1]
        full_stop = last == "." and not _ABBREVIATION.search(text, start, end)
        if first.isspace() or first in ",;:.!?":
            start += 1
        elif last.isspace() or last in ",;:!?" or full_stop:
            end -= 1
        elif any(first == left and right not in text[start + 1 : end] for left, right in _PAIRS):
            start += 1
        elif any(last == right and left not in text[start : end - 1] for left, right in _PAIRS):
            end -= 1
    return replace(span, start=start, end=end) if start < end else None


def _inside_a_word(text: str, at: int) -> bool:
    # From U+2E80 on are the scripts of East Asia, which put no spaces between words.
    return text[at - 1].isalnum() and text[at].isalnum() and text[at] < "\u2e80"


def cite(passage: Passage, start: int, end: int) -> Citation:
    """The citation of passage.text[start:end] as the answer.

    The quote is the sentence that it stands in, or the sentences; after the one before where it
    begins with a pronoun.
    """
    spans = list(sentences(passage.text))
    around = [span for span in spans if span[0] < end and start < span[1]]
    quote_start = min([start, *(first for first, _ in around)])
    quote_end = max([end, *(last for _, last in around)])
    if _BEGINS_WITH_PRONOUN.match(passage.text, quote_start):
        before = [first for first, last in spans if last <= quote_start]
        quote_start = before[-1] if before else quote_start
    return Citation(
        source=passage.source,
        start=passage.start + quote_start,
        end=passage.start + quote_end,
        quote=passage.text[quote_start:quote_end],
        answer_start=start - quote_start,
        answer_end=end - quote_start,
        also=passage.also,
        title=passage.title,
        section=passage.section,
        page=passage.page,
        url=passage.url,
        date=passage.date,
    )
