"""Question + passages -> Answer: the words that say it, or an abstention."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qa_bot.calibration import THRESHOLD, Calibration
from qa_bot.compound import joined
from qa_bot.conflicts import with_conflicts
from qa_bot.evidence import LIMIT, Asked, Evidence
from qa_bot.lists import MOST as MOST_ITEMS
from qa_bot.lists import alike, asks_for_list, enumeration
from qa_bot.phrases import Phrase
from qa_bot.quoting import cite, whole_words
from qa_bot.span_model import PACKAGED, Span, SpanModel
from qa_bot.types import Answer, Question, ScoredPassage
from qa_bot.words import WordIndex, content_words
from qa_bot.yes_no import SCORE as DECIDED
from qa_bot.yes_no import Decision, asks_yes_or_no, decide


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


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a passage that is read by itself: passage.text[start:end]."""

    scored: ScoredPassage
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.scored.passage.text[self.start : self.end]


# How much less sure it is that a quote bears on a question for yes or no than that its words were asked for
# (the questions for yes or no of the development halves).
BEARS_ON = 0.6
UNDECIDED = Phrase("The sources say neither yes nor no in so many words: read the quote.")
LISTED = 0.5  # least certainty of the second and later items of a list; of less, most is noise

# Which passage's answer to give, and how sure to be of it: two fits (training/evidence.py).
RANKING = Evidence(found=0.316, dense=2.507, lexical=0.566, missing=-2.653, numbers=0.0)
CERTAINTY = Evidence(found=0.278, dense=0.0, lexical=0.0, missing=0.0, numbers=-1.987)

# How far below the best an answer may rank and still be held against it.
_NEAR = 2.0

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
        candidates = self._whole_passages(question, asked, passages)
        # The first of equals: max keeps the order of the passages.
        best = max(candidates, key=lambda candidate: candidate.evidence.weighed(RANKING), default=None)
        asks_yes = asks_yes_or_no(question.understood)
        decision = decide(question.understood, passages) if asks_yes else None
        if decision:
            return _decided(question, decision, passages)
        score = (self.certainty(best) if best else 0.0) * (BEARS_ON if asks_yes else 1.0)
        if best is None or score < self.threshold:
            return Answer(
                question=question.text,
                understood=question.understood,
                text=None,
                abstained=True,
                score=score,
                citations=(),
                nearest=tuple(passages),
                reason=_why_not(asked, passages),
            )
        answer = self._answer(question, best, passages)
        if asks_yes:
            return _undecided(answer, score)
        if asks_for_list(question.understood):
            items = self._items(question, asked, best, candidates)
            parts = [self._answer(question, item, passages) for item in items]
            return joined(answer, parts, "list") if len(parts) > 1 else parts[0]
        return with_conflicts(answer, self._rivals(question, best, candidates, passages))

    def _answer(self, question: Question, chosen: Candidate, passages: Sequence[ScoredPassage]) -> Answer:
        return Answer(
            question=question.text,
            understood=question.understood,
            text=chosen.text,
            abstained=False,
            score=self.certainty(chosen),
            citations=(cite(chosen.scored.passage, chosen.start, chosen.end),),
            nearest=tuple(passages),
        )

    def _rivals(
        self,
        question: Question,
        best: Candidate,
        candidates: Sequence[Candidate],
        passages: Sequence[ScoredPassage],
    ) -> list[Answer]:
        """What other passages answer about as well, as surely as is shown by itself; best first."""
        # However little is withheld: what nobody is sure of contradicts nothing.
        sure = max(self.threshold, self._calibration.threshold)
        near = best.evidence.weighed(RANKING) - _NEAR
        if self.certainty(best) < sure:
            return []
        rivals = [
            candidate
            for candidate in candidates
            if candidate is not best
            and self.certainty(candidate) >= sure
            and candidate.evidence.weighed(RANKING) >= near
        ]
        rivals.sort(key=lambda candidate: candidate.evidence.weighed(RANKING), reverse=True)
        return [self._answer(question, candidate, passages) for candidate in rivals]

    def _items(
        self, question: Question, asked: Asked, first: Candidate, candidates: Sequence[Candidate]
    ) -> list[Candidate]:
        """What else answers a question for several things, after the first and what stands beside it.

        Each passage is read again without what it was found to say, until it says nothing more.
        """
        whole = _enumerated(first)
        if " and " in whole.text:
            return [whole]
        sure = [first, *(c for c in candidates if c is not first and self.certainty(c) >= LISTED)]
        waiting = [(c, _Stretch(c.scored, 0, len(c.scored.passage.text))) for c in sure]
        found: list[Candidate] = []
        while waiting and len(found) < MOST_ITEMS:
            candidate, stretch = waiting.pop(0)
            item = _enumerated(candidate)
            fits = not found or alike(item.text, found[0].text)
            if fits and "\n" not in item.text and not any(_say_the_same(item, other) for other in found):
                found.append(item)
            around = [
                _Stretch(stretch.scored, stretch.start, item.start),
                _Stretch(stretch.scored, item.end, stretch.end),
            ]
            around = [stretch for stretch in around if stretch.text.strip()]
            for more, where in zip(self._candidates(question, asked, around), around, strict=True):
                if more and self.certainty(more) >= LISTED:
                    waiting.append((more, where))
        return found or [first]

    def certainty(self, candidate: Candidate) -> float:
        """The estimated probability that a candidate answers the question, in [0, 1]."""
        return self._calibration.score(candidate.evidence.weighed(CERTAINTY))

    def candidates(self, question: Question, passages: Sequence[ScoredPassage]) -> list[Candidate]:
        """Of each passage the span that answers best, with its evidence."""
        return self._whole_passages(question, Asked(question.understood, self._words), passages)

    def _whole_passages(
        self, question: Question, asked: Asked, passages: Sequence[ScoredPassage]
    ) -> list[Candidate]:
        whole = [_Stretch(scored, 0, len(scored.passage.text)) for scored in passages]
        return [candidate for candidate in self._candidates(question, asked, whole) if candidate]

    def _candidates(
        self, question: Question, asked: Asked, stretches: Sequence[_Stretch]
    ) -> list[Candidate | None]:
        """Of each stretch the span that answers best; None where that is no word."""
        spans = self.model.read(question.understood, [stretch.text for stretch in stretches])
        return [
            _candidate(asked, stretch, span) if span else None
            for stretch, span in zip(stretches, spans, strict=True)
        ]


def _candidate(asked: Asked, stretch: _Stretch, span: Span) -> Candidate | None:
    whole = whole_words(stretch.text, span)
    if not whole:
        return None
    scored = stretch.scored
    return Candidate(
        scored=scored,
        start=stretch.start + whole.start,
        end=stretch.start + whole.end,
        evidence=Evidence(
            found=_within(span.found),
            dense=scored.dense,
            lexical=scored.lexical,
            missing=asked.missing(scored.passage),
            numbers=float(bool(asked.missing_numbers(scored.passage))),
        ),
    )


def _enumerated(candidate: Candidate) -> Candidate:
    """A candidate with the rest of the enumeration that it is in."""
    start, end = enumeration(candidate.scored.passage.text, candidate.start, candidate.end)
    return replace(candidate, start=start, end=end)


def _say_the_same(one: Candidate, other: Candidate) -> bool:
    """Whether of two candidates one has all words of the other."""
    ours, theirs = set(content_words(one.text)), set(content_words(other.text))
    return ours <= theirs or theirs <= ours


def _decided(question: Question, decision: Decision, passages: Sequence[ScoredPassage]) -> Answer:
    """The sentence that decides a question for yes or no, and which of the two it says."""
    passage = decision.scored.passage
    start, end = _trimmed(passage.text, decision.start, decision.end)
    return Answer(
        question=question.text,
        understood=question.understood,
        text=passage.text[start:end],
        abstained=False,
        score=DECIDED,
        citations=(cite(passage, start, end),),
        nearest=tuple(passages),
        kind="yes-no",
        verdict=decision.verdict,
    )


def _undecided(answer: Answer, score: float) -> Answer:
    """The whole quote, where it does not say yes or no outright."""
    (citation,) = answer.citations
    start, end = _trimmed(citation.quote, 0, len(citation.quote))
    whole = replace(citation, answer_start=start, answer_end=end)
    return replace(
        answer,
        text=citation.quote[start:end],
        score=score,
        citations=(whole,),
        kind="yes-no",
        notes=(UNDECIDED,),
    )


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without punctuation around it."""
    span = whole_words(text, Span(start=start, end=end, found=0.0))
    return (span.start, span.end) if span else (start, end)


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
