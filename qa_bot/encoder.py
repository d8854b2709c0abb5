"""Texts -> unit vectors.

`OnnxEncoder` runs what `export` made of a sentence-transformers model, on onnxruntime and
tokenizers alone: no torch is loaded to answer a question.
"""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qa_bot.files import digest_of
from qa_bot.onnx_files import cores, keep, load_session, load_tokenizer, unusable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]

CONFIG = "encoder.json"


class Encoder(Protocol):
    """Turns questions and passages into comparable unit vectors."""

    @property
    def name(self) -> str:
        """The model as the user named it; opens the same encoder again."""

    @property
    def digest(self) -> str:
        """Changes whenever the vectors might: rows of two digests are never compared."""

    @property
    def runtime(self) -> str:
        """The library that runs it: of onnxruntime's, the index keeps the model."""

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""

    @property
    def max_tokens(self) -> int:
        """Tokens of text that the window holds, special tokens and the model's prompts apart."""

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens apart."""

    def encode_query(self, question: str) -> Vectors:
        """One unit vector, shape (dimension,)."""

    def encode_documents(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        """Unit vectors, shape (len(texts), dimension); a row depends on its own text alone.

        `on_done` is called with the number of texts done since the last call.
        """

    def save(self, models: Path) -> None:
        """Put what opens this encoder again into models/<digest>, unless its library keeps it."""


class OnnxEncoder:
    """An exported sentence-transformers model, run by onnxruntime on the CPU.

    Texts are run one by one and unpadded, each on one thread, as many at once as there are cores.
    That wastes nothing on padding; and as int8 arithmetic scales a whole batch alike, it is also
    what makes a row depend on its own text alone.

    `name` is the model as the user named it, `folder` what `export` wrote, `digest` its digest_of
    where that is known. Raises ModelError where the folder is not whole.
    """

    runtime = "onnxruntime"

    def __init__(self, name: str, folder: Path, digest: str | None = None) -> None:
        self.name = name
        self.digest = digest or digest_of(folder)
        self.folder = folder
        try:
            self._config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            self.dimension = int(self._config["dimension"])
            self.max_tokens = int(self._config["max_tokens"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise unusable(name, folder, error) from error

    def count_tokens(self, text: str) -> int:
        return len(self._whole.encode(text, add_special_tokens=False))

    def encode_query(self, question: str) -> Vectors:
        return self._encode(self._config["query_prompt"] + question)

    def encode_documents(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        _ = self._session, self._truncating  # loaded here, not by each of the threads

        def encode(row: int) -> None:
            rows[row] = self._encode(self._config["document_prompt"] + texts[row])

        with ThreadPoolExecutor(cores()) as pool:
            for _ in pool.map(encode, range(len(texts))):
                if on_done:
                    on_done(1)
        return rows

    def save(self, models: Path) -> None:
        keep(self.folder, self.digest, models)

    def _encode(self, text: str) -> Vectors:
        ids = self._truncating.encode(text).ids
        (vectors,) = self._session.run(None, {"input_ids": np.array([ids], dtype=np.int64)})
        vector: Vectors = vectors[0] / max(float(np.linalg.norm(vectors[0])), 1e-12)
        return vector

    @cached_property
    def _whole(self) -> "Tokenizer":
        return load_tokenizer(self.name, self.folder)

    @cached_property
    def _truncating(self) -> "Tokenizer":
        tokenizer = load_tokenizer(self.name, self.folder)
        tokenizer.enable_truncation(int(self._config["window"]))
        return tokenizer

    @cached_property
    def _session(self) -> "InferenceSession":
        return load_session(self.name, self.folder)
