"""A question and a text -> the span of the text that answers it, weighed against "not here".

`SpanModel` runs an extractive question-answering model, exported by `export_reader`, on onnxruntime
and tokenizers alone.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qa_bot.files import digest_of
from qa_bot.onnx_files import cores, keep, load_session, load_tokenizer, unusable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

CONFIG = "reader.json"

# The one that comes with the program; the number changes with its weights (training/README.md).
PACKAGED = "qa-bot-reader-2"
PACKAGED_FOLDER = Path(__file__).parent / "reader_model"

QUESTION_TOKENS = 96  # of a longer question, the first so many are read
STRIDE = 64  # tokens that neighbouring windows of a long text share
SPAN_TOKENS = 30  # an answer has at most so many; SQuAD's longest that are not sentences
SPANS = 30  # weighed against each other in each window
TEMPERATURE, RECALL = 0.4, 1.25  # of `_most_overlap`, by the articles that calibrate (training/README.md)

Characters = NDArray[np.int64]  # offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """text[start:end], the words of a text that answer best, and how likely it answers at all.

    `found` is the log-odds of any start and any end against the first token's, which stand for "not
    here". It compares across texts, which a softmax over the spans of one text would not (Clark &
    Gardner 2018).
    """

    start: int
    end: int
    found: float


class SpanModel:
    """An exported extractive model; each text is run by itself, unpadded, as many at once as cores.

    `name` is the model as the user named it, `folder` what `export_reader` wrote, `digest` its
    digest_of where that is known (the packaged one goes by its name). Raises ModelError where the
    folder is not whole.
    """

    def __init__(
        self, name: str = PACKAGED, folder: Path = PACKAGED_FOLDER, digest: str | None = None
    ) -> None:
        self.name = name
        self.folder = folder
        self.packaged = folder == PACKAGED_FOLDER
        self._digest = PACKAGED if self.packaged else digest
        try:
            self._config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            self._window = int(self._config["window"])
            self._takes = frozenset(self._config["inputs"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise unusable(name, folder, error) from error

    @property
    def digest(self) -> str:
        """Of the model's files: scores of two digests do not compare."""
        return self._digest or digest_of(self.folder)

    def save(self, models: Path) -> None:
        """Put what opens this model again into models/<digest>, unless the program brings it."""
        if not self.packaged:
            keep(self.folder, self.digest, models)

    def read(self, question: str, texts: Sequence[str]) -> list[Span | None]:
        """Of each text the span that answers best; None of a text without words."""
        question = self._cut(question)
        _ = self._session, self._pairs  # loaded here, not by each of the threads
        if len(texts) == 1:
            return [self._read(question, texts[0])]
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(lambda text: self._read(question, text), texts))

    def _read(self, question: str, text: str) -> Span | None:
        first = self._pairs.encode(question, text)
        spans = [self._read_window(window) for window in (first, *first.overflowing)]
        return max((span for span in spans if span), key=lambda span: span.found, default=None)

    def _read_window(self, window: "Encoding") -> Span | None:
        tokens = [i for i, sequence in enumerate(window.sequence_ids) if sequence == 1]
        if not tokens:
            return None
        starts, ends = self._run(window)
        null = float(starts[0] + ends[0])
        starts, ends = starts[tokens], ends[tokens]
        scores = starts[:, None] + ends[None, :] - null
        # An end is not before its start, nor far behind it.
        behind = np.arange(len(tokens))[None, :] - np.arange(len(tokens))[:, None]
        scores[(behind < 0) | (behind >= SPAN_TOKENS)] = -np.inf
        flat = scores.ravel()
        likely = np.argpartition(-flat, SPANS)[:SPANS] if len(flat) > SPANS else np.arange(len(flat))
        likely = likely[np.isfinite(flat[likely])]
        firsts, lasts = np.divmod(likely, len(tokens))
        offsets = np.array(window.offsets)[tokens]
        start, end = offsets[firsts, 0], offsets[lasts, 1]
        chosen = _most_overlap(start, end, flat[likely])
        return Span(
            start=int(start[chosen]),
            end=int(end[chosen]),
            found=float(np.logaddexp.reduce(starts) + np.logaddexp.reduce(ends) - null),
        )

    def logits(self, question: str, text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Start and end logits of every token of one window of question and text, shape (tokens,)."""
        return self._run(self._pairs.encode(question, text))

    def _run(self, window: "Encoding") -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        inputs = {"input_ids": window.ids, "token_type_ids": window.type_ids}
        feed = {name: np.array([ids], dtype=np.int64) for name, ids in inputs.items() if name in self._takes}
        starts, ends = self._session.run(None, feed)
        return starts[0], ends[0]

    def _cut(self, question: str) -> str:
        limit = min(QUESTION_TOKENS, self._window // 2)
        if len(question) <= limit:  # no token is less than a character
            return question
        offsets = self._plain.encode(question, add_special_tokens=False).offsets
        return question if len(offsets) <= limit else question[: offsets[limit - 1][1]]

    @cached_property
    def _plain(self) -> "Tokenizer":
        return load_tokenizer(self.name, self.folder)

    @cached_property
    def _pairs(self) -> "Tokenizer":
        tokenizer = load_tokenizer(self.name, self.folder)
        stride = min(STRIDE, self._window // 4)
        tokenizer.enable_truncation(self._window, stride=stride, strategy="only_second")
        return tokenizer

    @cached_property
    def _session(self) -> "InferenceSession":
        return load_session(self.name, self.folder)


def _most_overlap(start: Characters, end: Characters, scores: NDArray[np.float32]) -> int:
    """Which of the spans shares most with what the true one may be.

    That is, of greatest expected F-measure of characters under the spans' softmax (minimum Bayes risk;
    Goel & Byrne 2000). RECALL above 1 counts what is left out for more than what is too much, for
    models tend to stop at the first item of a list.
    """
    chance = np.exp((scores - scores.max()) / TEMPERATURE)
    shared = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
    length = np.maximum(end - start, 1)
    overlap = (1 + RECALL**2) * np.maximum(shared, 0) / (RECALL**2 * length[None, :] + length[:, None])
    return int((overlap @ chance).argmax())
