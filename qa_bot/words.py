"""BM25 over passages: the lexical half of retrieval."""

from collections.abc import Sequence
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN_PLUS
from numpy.typing import NDArray

from qa_bot.encoder import Vectors

_STEMMER = Stemmer.Stemmer("english")

# The rest of "how many", "how much" and "whose", which ask and mean nothing else.
_STOP_WORDS = (*STOPWORDS_EN_PLUS, "many", "much", "whose")


def content_words(text: str) -> list[str]:
    """The stems of a text's words, in order, without stop words (question words among them)."""
    tokens = bm25s.tokenize(
        [text], stopwords=_STOP_WORDS, stemmer=_STEMMER, return_ids=False, show_progress=False
    )
    words: list[str] = tokens[0]
    return words


class WordIndex:
    """BM25 (Lucene's variant, by bm25s) with scores as a share of a question's best possible one.

    A passage's score is the sum over the question's words of idf(word) * saturation, with
    saturation in [0, 1); the best possible is the sum of idf(word), with
    idf(word) = ln(1 + (n - df + 0.5) / (df + 0.5)). A word that occurs nowhere has df = 0, so it
    pulls the share of every passage down: it is something that the sources do not mention.
    """

    def __init__(self, bm25: bm25s.BM25) -> None:
        self._bm25 = bm25
        self._passage_counts = np.diff(bm25.scores["indptr"])  # df of each word of the vocabulary

    @classmethod
    def of(cls, texts: Sequence[str], k1: float, b: float) -> "WordIndex":
        """Index `texts`; row i is texts[i]."""
        tokens = bm25s.tokenize(list(texts), stopwords=_STOP_WORDS, stemmer=_STEMMER, show_progress=False)
        bm25 = bm25s.BM25(k1=k1, b=b, method="lucene")
        if not tokens.vocab:  # not one word in all of the texts, which bm25s cannot index
            tokens = bm25s.tokenization.Tokenized(ids=[[0]] * len(texts), vocab={"": 0})
        bm25.index(tokens, show_progress=False)
        return cls(bm25)

    @classmethod
    def load(cls, folder: Path) -> "WordIndex":
        """Read what `save` wrote; raises OSError or ValueError where it is not whole."""
        return cls(bm25s.BM25.load(folder, show_progress=False))

    def save(self, folder: Path) -> None:
        self._bm25.save(folder, show_progress=False)

    def __len__(self) -> int:
        return int(self._bm25.scores["num_docs"])

    def scores(self, question: str) -> Vectors:
        """Each row's share of the question's best possible BM25 score, shape (n,), in [0, 1]."""
        words = content_words(question)
        best = float(self.idf(words).sum())
        if not best:
            return np.zeros(len(self), dtype=np.float32)
        known = [word for word in words if word in self._bm25.vocab_dict]
        if not known:
            return np.zeros(len(self), dtype=np.float32)
        shares: Vectors = self._bm25.get_scores(known) / np.float32(best)
        return shares

    def idf(self, words: Sequence[str]) -> NDArray[np.float64]:
        """The inverse document frequency of each stemmed word, shape (len(words),)."""
        vocabulary = self._bm25.vocab_dict
        counts = np.array([self._passage_counts[vocabulary[w]] if w in vocabulary else 0 for w in words])
        return np.log1p((len(self) - counts + 0.5) / (counts + 0.5))
