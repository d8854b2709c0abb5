"""What speaks for a candidate answer: the reader's score beside what can be known without reading.

A span scores well wherever the words around it look like an answer; that the passage speaks of
something else, or of another year or number, is what the reader is prone to overlook, so words of the
question that are not there count against it.
"""

import re
from dataclasses import astuple, dataclass, fields

import numpy as np

from qa_bot.types import Passage
from qa_bot.words import CJK, WordIndex, content_words, spelled_words, stems

NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


LIMIT = 12.0  # log-odds beyond which nothing is surer


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one candidate, and, in two others of these, what each counts."""

    found: float  # that its passage holds an answer, in log-odds within +-LIMIT
    dense: float  # of its passage, as retrieved
    lexical: float
    missing: float  # share of the question's words, by idf, that its passage lacks
    numbers: float  # 1 where a number of the question is not in its passage

    def weighed(self, weights: "Evidence") -> float:
        """The weighted sum of all."""
        return float(sum(a * b for a, b in zip(astuple(self), astuple(weights), strict=True)))


FEATURES = tuple(field.name for field in fields(Evidence))


class Asked:
    """A question, weighed word by word against a collection."""

    def __init__(self, question: str, words: WordIndex) -> None:
        self.numbers = list(dict.fromkeys(NUMBER.findall(question)))
        spelled = spelled_words(question)
        self._spelled = dict(zip(stems(spelled), spelled, strict=True))  # a stem, and how it was typed
        self._weights = words.idf(list(self._spelled))
        self._total = max(float(self._weights.sum()), 1e-9)
        self._known = words.known(list(self._spelled))

    @property
    def unknown_words(self) -> list[str]:
        """The words of the question that no passage has, as they were typed."""
        words = zip(self._spelled.values(), self._known, strict=True)
        # Of scripts without spaces these are pairs of characters, perhaps of two words.
        return [word for word, known in words if not known and not CJK.search(word)]

    def missing(self, passage: Passage) -> float:
        """The share of the question's words, by idf, that a passage lacks."""
        there = set(content_words(passage.embedded))
        absent = np.array([word not in there for word in self._spelled], dtype=bool)
        return float(self._weights[absent].sum()) / self._total

    def missing_numbers(self, passage: Passage) -> list[str]:
        """The numbers of the question that a passage lacks."""
        there = set(NUMBER.findall(passage.embedded))
        return [number for number in self.numbers if number not in there]
