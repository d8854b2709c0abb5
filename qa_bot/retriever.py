"""Question -> ScoredPassages: dense and BM25 search, fused.

The fused score is a weighted mean of the cosine and of BM25 divided by the most that BM25 could
give this question (the sum of its words' idf, words that occur nowhere included). Both are of
one scale for every question and corpus, so the score of one question compares with another's.
"""

import numpy as np
from numpy.typing import NDArray

from qa_bot.config import Settings
from qa_bot.encoder import Encoder
from qa_bot.errors import InvalidQuestion
from qa_bot.index import Parts
from qa_bot.types import ScoredPassage


class Retriever:
    """Finds the passages of one open index that match a question best."""

    def __init__(self, index: Parts, encoder: Encoder, settings: Settings) -> None:
        self._index = index
        self.encoder = encoder
        self._settings = settings

    def retrieve(
        self, question: str, top_k: int, within: NDArray[np.int64] | None = None
    ) -> tuple[ScoredPassage, ...]:
        """The `top_k` best passages, best first; fewer where there are fewer.

        `within` narrows the search to those rows, ascending and at least one. Raises InvalidQuestion
        where top_k < 1.
        """
        if top_k < 1:
            raise InvalidQuestion(f"top_k must be at least 1, but it is {top_k}.")
        index = self._index
        vector = self.encoder.encode_query(question)
        lexical = index.words.scores(question)
        among = lexical if within is None else lexical[within]
        candidates = min(max(self._settings.candidates, top_k), len(among))
        by_words = np.argpartition(-among, candidates - 1)[:candidates]
        if within is not None:
            by_words = within[by_words]
        by_likeness = index.vectors.nearest(vector, candidates, within)
        rows = np.array(sorted({*by_likeness.tolist(), *by_words.tolist()}), dtype=np.int64)
        dense = index.vectors.cosines(vector, rows)
        weight = self._settings.dense_weight
        fused = weight * dense + (1 - weight) * lexical[rows]
        best = np.lexsort((rows, -fused))[:top_k]  # equals keep the order of the sources
        passages = index.passages.take(rows[best].tolist())
        return tuple(
            ScoredPassage(
                passage=passage,
                score=float(fused[i]),
                dense=float(dense[i]),
                lexical=float(lexical[rows[i]]),
            )
            for passage, i in zip(passages, best, strict=True)
        )
