"""An exported model's files, opened to be run by onnxruntime and tokenizers."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from qa_bot.errors import ModelError
from qa_bot.files import digest_of, sync

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL, TOKENIZER = "model.onnx", "tokenizer.json"


def load_session(name: str, folder: Path) -> "InferenceSession":
    """The model in `folder`, run on the caller's thread alone; raises ModelError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # texts are run side by side instead, each by itself
    # The export did what there is to do.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever a damaged file makes the library raise
        raise unusable(name, folder, error) from error


def load_tokenizer(name: str, folder: Path) -> "Tokenizer":
    """The tokenizer in `folder`, which pads and cuts nothing; raises ModelError."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the library raises no class of its own
        raise unusable(name, folder, error) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def keep(folder: Path, digest: str, models: Path) -> None:
    """Have a whole copy of `folder`, whose digest_of is `digest`, in models/<digest>."""
    kept = models / digest
    if not kept.is_dir() or digest_of(kept) != digest:
        fresh = models / f".{digest}"
        for stale in (fresh, kept):
            shutil.rmtree(stale, ignore_errors=True)
        shutil.copytree(folder, fresh, ignore=shutil.ignore_patterns(".*"))
        for path in (*fresh.rglob("*"), fresh):
            sync(path)
        fresh.rename(kept)
        sync(models)


def unusable(name: str, folder: Path, error: Exception) -> ModelError:
    """The error of an exported model whose files are not as they were written."""
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return ModelError(
        f"The exported model {name!r} in {folder} cannot be loaded: {reason[0]} "
        "Build the index again with: qa-bot index"
    )


def cores() -> int:
    """The processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
