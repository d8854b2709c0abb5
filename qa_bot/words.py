"""BM25 over passages: the lexical half of retrieval.

The weight of every word in every passage is computed at build time and kept by word, in arrays that
are mapped, not read: a question touches the columns of its own words alone (the layout of BM25S,
Lù 2024).
"""

import json
import re
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import Stemmer
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from qa_bot.encoder import Vectors

_STEMMER = Stemmer.Stemmer("english")
# Chinese characters, kana and hangul, of scripts that put no spaces between words, or not between all.
_CJK = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"\b\w\w+\b|[{_CJK}]")
CJK = re.compile(f"[{_CJK}]")  # a character of one
_CJK_OR_NOT = re.compile(rf"[{_CJK}]+|[^{_CJK}]{{2,}}")

# NLTK's English stop words, and the rest of "how many", "how much" and "whose", which ask and mean
# nothing else.
_STOP_WORDS = """
about above after again against ain all am an and any are aren as at be because been before being below
between both but by can couldn did didn do does doesn doing don down during each few for from further had
hadn has hasn have haven having he her here hers herself him himself his how if in into is isn it its
itself just ll ma me mightn more most mustn my myself needn no nor not now of off on once only or other
our ours ourselves out over own re same shan she should shouldn so some such than that the their theirs
them themselves then there these they this those through to too under until up ve very was wasn we were
weren what when where which while who whom why will with won wouldn you your yours yourself yourselves
many much whose
"""
_NO_CONTENT = frozenset(_STOP_WORDS.split())

_POSTING = np.dtype([("word", np.int32), ("row", np.int32), ("count", np.int32)])
_BLOCK = 1 << 20  # postings sorted at a time


def content_words(text: str) -> list[str]:
    """The stems of a text's words, in order, without stop words (question words among them)."""
    return stems(spelled_words(text.lower()))


def spelled_words(text: str) -> list[str]:
    """The words that `content_words` gives the stems of, as the text spells them.

    Of scripts without spaces these are pairs of neighbouring characters, as of Lucene's CJKAnalyzer: two
    texts that share a word share its pairs, whatever stands around it.
    """
    words = _WORD.findall(text)
    if CJK.search(text):
        words = [part for word in words for run in _CJK_OR_NOT.findall(word) for part in _pairs(run)]
    return [word for word in words if word.lower() not in _NO_CONTENT]


def _pairs(run: str) -> list[str]:
    """The pairs of neighbouring characters of a run without spaces; another word is one whole."""
    whole = len(run) == 1 or not CJK.match(run)
    return [run] if whole else [run[i : i + 2] for i in range(len(run) - 1)]


def stems(words: Sequence[str]) -> list[str]:
    """The stem of each word, in lower case."""
    stemmed: list[str] = _STEMMER.stemWords([word.lower() for word in words])
    return stemmed


class WordIndex:
    """BM25 (Lucene's variant) with scores as a share of a question's best possible one.

    A passage's score is the sum over the question's words of idf(word) * saturation, with

        saturation = count / (count + k1 * (1 - b + b * length / mean length)), in [0, 1)
        idf(word) = ln(1 + (n - df + 0.5) / (df + 0.5))

    and the best possible is the sum of idf(word). A word that occurs nowhere has df = 0, so it
    pulls the share of every passage down: it is something that the sources do not mention.
    """

    def __init__(
        self,
        vocabulary: dict[str, int],
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        saturations: NDArray[np.float32],
        count: int,
    ) -> None:
        self._vocabulary = vocabulary
        self._starts = starts  # of each word's stretch of `rows` and `saturations`; the last is their end
        self._rows = rows
        self._saturations = saturations
        self._count = count

    @classmethod
    def build(cls, folder: Path, texts: Iterable[str], k1: float, b: float) -> None:
        """Index `texts` into a new folder; row i is the i-th. No text or posting is held in memory."""
        folder.mkdir()
        with tempfile.TemporaryFile(dir=folder) as spool:
            vocabulary, lengths = _spool_postings(spool, texts)
            frequencies = np.zeros(len(vocabulary), dtype=np.int64)
            for block in _blocks(spool):
                frequencies += np.bincount(block["word"], minlength=len(vocabulary))
            starts = np.concatenate([[0], np.cumsum(frequencies)]).astype(np.int64)
            norms = k1 * (1 - b + b * lengths / max(float(lengths.mean()), 1e-9))
            size = max(int(starts[-1]), 1)  # nothing cannot be mapped
            rows = open_memmap(folder / "rows.npy", mode="w+", dtype=np.int32, shape=(size,))
            saturations = open_memmap(folder / "saturations.npy", mode="w+", dtype=np.float32, shape=(size,))
            free = starts[:-1].copy()  # where the next posting of each word goes
            for block in _blocks(spool):
                block = block[np.argsort(block["word"], kind="stable")]
                words, first, counts = np.unique(block["word"], return_index=True, return_counts=True)
                places = np.repeat(free[words] - first, counts) + np.arange(len(block))
                rows[places] = block["row"]
                saturations[places] = block["count"] / (block["count"] + norms[block["row"]])
                free[words] += counts
            rows.flush()
            saturations.flush()
        np.save(folder / "starts.npy", starts)
        content = {"texts": len(lengths), "words": list(vocabulary)}
        (folder / "words.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "WordIndex":
        """Open what `build` wrote; raises OSError, ValueError or KeyError where it is not whole."""
        content = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        starts = np.load(folder / "starts.npy")
        rows = np.asarray(np.load(folder / "rows.npy", mmap_mode="r"))
        saturations = np.asarray(np.load(folder / "saturations.npy", mmap_mode="r"))
        vocabulary = {word: number for number, word in enumerate(content["words"])}
        if len(starts) != len(vocabulary) + 1 or len(rows) != len(saturations) or starts[-1] > len(rows):
            raise ValueError("the word index does not hold together")
        return cls(vocabulary, starts, rows, saturations, content["texts"])

    def __len__(self) -> int:
        return self._count

    def scores(self, question: str) -> Vectors:
        """Each row's share of the question's best possible BM25 score, shape (n,), in [0, 1]."""
        scores = np.zeros(len(self), dtype=np.float32)
        words = content_words(question)
        idf = self.idf(words)
        best = float(idf.sum())
        for word, weight in zip(words, idf, strict=True):
            if word in self._vocabulary:
                column = self._column(word)
                scores[self._rows[column]] += np.float32(weight / best) * self._saturations[column]
        return scores

    def idf(self, words: Sequence[str]) -> NDArray[np.float64]:
        """The inverse document frequency of each stemmed word, shape (len(words),)."""
        columns = (self._column(word) if word in self._vocabulary else slice(0, 0) for word in words)
        counts = np.array([column.stop - column.start for column in columns])
        return np.log1p((len(self) - counts + 0.5) / (counts + 0.5))

    def known(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each stemmed word occurs at all, shape (len(words),)."""
        return np.array([word in self._vocabulary for word in words], dtype=bool)

    def _column(self, word: str) -> slice:
        number = self._vocabulary[word]
        return slice(int(self._starts[number]), int(self._starts[number + 1]))


def _spool_postings(spool: IO[bytes], texts: Iterable[str]) -> tuple[dict[str, int], NDArray[np.float32]]:
    """Write every text's postings; the number of each word, and how many words each text has."""
    vocabulary: dict[str, int] = {}
    lengths = array("i")
    for row, text in enumerate(texts):
        words = content_words(text)
        lengths.append(len(words))
        counts = Counter(vocabulary.setdefault(word, len(vocabulary)) for word in words)
        postings = np.empty(len(counts), dtype=_POSTING)
        postings["word"], postings["row"], postings["count"] = list(counts), row, list(counts.values())
        spool.write(postings.tobytes())
    return vocabulary, np.array(lengths, dtype=np.float32)


def _blocks(spool: IO[bytes]) -> Iterator[NDArray[Any]]:
    spool.seek(0)
    while block := spool.read(_BLOCK * _POSTING.itemsize):
        yield np.frombuffer(block, dtype=_POSTING)
