"""Question + passages -> Answer: the words that say it, or an abstention."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qa_bot.calibration import THRESHOLD, Calibration
from qa_bot.chunking import sentences
from qa_bot.evidence import LIMIT, Asked, Evidence
from qa_bot.phrases import Phrase
from qa_bot.span_model import PACKAGED, Span, SpanModel
from qa_bot.types import Answer, Citation, Passage, Question, ScoredPassage
from qa_bot.words import WordIndex

_BEGINS_WITH_PRONOUN = re.compile(r"(it|its|he|his|she|her|they|their|this|these|those)\b", re.IGNORECASE)
_ABBREVIATION = re.compile(r"(?:\b\w\.)+$")
_PAIRS = (("(", ")"), ("[", "]"), ("“", "”"), ("‘", "’"), ('"', '"'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stretch of a passage that may be the answer: passage.text[start:end]."""

    scored: ScoredPassage
    start: int
    end: int
    evidence: Evidence

    @property
    def text(self) -> str:
        return self.scored.passage.text[self.start : self.end]


# Which passage's answer to give, and how sure to be of it: two fits (training/evidence.py).
RANKING = Evidence(found=0.316, dense=2.507, lexical=0.566, missing=-2.653, numbers=0.0)
CERTAINTY = Evidence(found=0.278, dense=0.0, lexical=0.0, missing=0.0, numbers=-1.987)

# The bias is of the second of them.
CALIBRATION = Calibration(
    slope=1.0,
    bias=-1.138,
    threshold=THRESHOLD,
    reader=PACKAGED,
    cases=838,
    fitted_to="2 articles of SQuAD 2.0, and article, dev",
)


class Reader:
    """Answers with the best span of the best passage, and withholds it where too little speaks for it."""

    def __init__(
        self, model: SpanModel, words: WordIndex, calibration: Calibration, threshold: float
    ) -> None:
        self.model = model
        self._words = words
        self._calibration = calibration
        self.threshold = threshold

    def read(self, question: Question, passages: Sequence[ScoredPassage]) -> Answer:
        """Answer from `passages`, best first and at least one; they become `Answer.nearest`."""
        asked = Asked(question.understood, self._words)
        candidates = self._candidates(question, asked, passages)
        # The first of equals: max keeps the order of the passages.
        best = max(candidates, key=lambda candidate: candidate.evidence.weighed(RANKING), default=None)
        score = self.certainty(best) if best else 0.0
        chosen = best if score >= self.threshold else None
        return Answer(
            question=question.text,
            understood=question.understood,
            text=chosen.text if chosen else None,
            abstained=chosen is None,
            score=score,
            citations=(cite(chosen.scored.passage, chosen.start, chosen.end),) if chosen else (),
            nearest=tuple(passages),
            reason=None if chosen else _why_not(asked, passages),
        )

    def certainty(self, candidate: Candidate) -> float:
        """The estimated probability that a candidate answers the question, in [0, 1]."""
        return self._calibration.score(candidate.evidence.weighed(CERTAINTY))

    def candidates(self, question: Question, passages: Sequence[ScoredPassage]) -> list[Candidate]:
        """Of each passage the span that answers best, with its evidence."""
        return self._candidates(question, Asked(question.understood, self._words), passages)

    def _candidates(
        self, question: Question, asked: Asked, passages: Sequence[ScoredPassage]
    ) -> list[Candidate]:
        texts = [scored.passage.text for scored in passages]
        spans = self.model.read(question.read, texts)
        whole = [span and _whole_words(text, span) for span, text in zip(spans, texts, strict=True)]
        return [
            Candidate(
                scored=scored,
                start=span.start,
                end=span.end,
                evidence=Evidence(
                    found=_within(span.found),
                    dense=scored.dense,
                    lexical=scored.lexical,
                    missing=asked.missing(scored.passage),
                    numbers=float(bool(asked.missing_numbers(scored.passage))),
                ),
            )
            for scored, span in zip(passages, whole, strict=True)
            if span
        ]


def _why_not(asked: Asked, passages: Sequence[ScoredPassage]) -> Phrase:
    """Why the sources do not say, in one line."""
    unknown = asked.unknown_words
    telling = [word for word in unknown if word[0].isdigit() or word[0].isupper()]  # numbers and names
    if unknown:
        words = tuple(f"“{word}”" for word in (telling or unknown)[:3])
        return Phrase("The sources nowhere mention {words}.", words=words)
    lacking = [set(asked.missing_numbers(scored.passage)) for scored in passages]
    numbers = tuple(number for number in asked.numbers if all(number in those for those in lacking))
    if numbers:
        return Phrase("What comes nearest to the question does not mention {numbers}.", numbers=numbers[:3])
    return Phrase("What comes nearest to the question does not answer it.")


def _within(score: float) -> float:
    return max(-LIMIT, min(LIMIT, score))


def _whole_words(text: str, span: Span) -> Span | None:
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
