"""Question + passages -> Answer: the words that say it, or an abstention."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from qa_bot.calibration import THRESHOLD, Calibration
from qa_bot.chunking import sentences
from qa_bot.encoder import Encoder
from qa_bot.types import Answer, Citation, Passage, Question, ScoredPassage
from qa_bot.words import WordIndex, content_words

_BEGINS_WITH_PRONOUN = re.compile(r"(it|its|he|his|she|her|they|their|this|these|those)\b", re.IGNORECASE)


class Reader(Protocol):
    """Finds the answer in passages; whatever finds it, the answer is their words."""

    def read(self, question: Question, passages: Sequence[ScoredPassage]) -> Answer:
        """Answer from `passages`, best first and at least one; they become `Answer.nearest`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    passage: Passage
    start: int  # in passage.text
    end: int
    evidence: float  # log-odds that these words answer the question


class SentenceReader:
    """Answers with the sentence that matches the question best.

    The evidence for a sentence is logistic in two things known without reading: its cosine with
    the question, and the idf-weighted share of the question's words in it. The weights are a
    logistic regression over the development half of evals/article.jsonl, rounded.

    A follow-up has few words of its own, so its sentences are also weighed by how well their
    passage matches the topic; and a sentence that was the answer to the topic counts less, unless
    the question has no word of content ("When?") and so asks for more of the same.
    """

    COSINE, COVERAGE, BIAS = 3.0, 6.0, -5.0
    TOPIC, GIVEN = 10.0, -1.0  # by the follow-ups of the same half

    # qa-bot calibrate evals/article.jsonl --split dev
    CALIBRATION = Calibration(
        slope=0.622, bias=0.083, threshold=THRESHOLD, reader="sentence", cases=117, fitted_to="article, dev"
    )

    def __init__(
        self, encoder: Encoder, words: WordIndex, calibration: Calibration, threshold: float
    ) -> None:
        self._encoder = encoder
        self._words = words
        self._calibration = calibration
        self._threshold = threshold

    def read(self, question: Question, passages: Sequence[ScoredPassage]) -> Answer:
        best = max(self._candidates(question, passages), key=lambda candidate: candidate.evidence)
        score = self._calibration.score(best.evidence)
        abstained = score < self._threshold
        return Answer(
            question=question.text,
            understood=question.understood,
            text=None if abstained else best.passage.text[best.start : best.end],
            abstained=abstained,
            score=score,
            citations=() if abstained else (cite(best.passage, best.start, best.end),),
            nearest=tuple(passages),
        )

    def _candidates(self, question: Question, passages: Sequence[ScoredPassage]) -> list[_Candidate]:
        spans = [(scored, *span) for scored in passages for span in sentences(scored.passage.text)]
        texts = [scored.passage.text[start:end] for scored, start, end in spans]
        cosines = self._encoder.encode_documents(texts) @ self._encoder.encode_query(question.text)
        asked = list(dict.fromkeys(content_words(question.text)))
        candidates = []
        for (scored, start, end), text, cosine in zip(spans, texts, cosines, strict=True):
            evidence = self.BIAS + self.COSINE * float(cosine) + self.COVERAGE * self._coverage(asked, text)
            if question.topic:
                evidence += self.TOPIC * scored.score
                given, sentence = question.topic.answer or "", " ".join(text.split())
                if asked and given and (sentence in given or given in sentence):
                    evidence += self.GIVEN
            candidates.append(_Candidate(passage=scored.passage, start=start, end=end, evidence=evidence))
        return candidates

    def _coverage(self, asked: Sequence[str], text: str) -> float:
        """The share of the words asked for, weighted by idf, that occur in the text, in [0, 1]."""
        if not asked:
            return 0.0
        there = set(content_words(text))
        weights = self._words.idf(asked)
        return float(sum(w for word, w in zip(asked, weights, strict=True) if word in there) / weights.sum())


def cite(passage: Passage, start: int, end: int) -> Citation:
    """The citation of a sentence, passage.text[start:end], as the answer.

    The quote is the sentence, after the one before it where it begins with a pronoun.
    """
    quote_start = start
    if _BEGINS_WITH_PRONOUN.match(passage.text, start):
        before = [first for first, last in sentences(passage.text, 0, start) if last <= start]
        quote_start = before[-1] if before else start
    return Citation(
        source=passage.source,
        start=passage.start + quote_start,
        end=passage.start + end,
        quote=passage.text[quote_start:end],
        answer_start=start - quote_start,
        answer_end=end - quote_start,
        title=passage.title,
        section=passage.section,
        page=passage.page,
        url=passage.url,
        date=passage.date,
    )
