"""A model's name -> what runs it: its export where it has one; of an encoder, else the model itself."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from qa_bot.config import DEFAULT_MODEL
from qa_bot.encoder import Encoder, OnnxEncoder
from qa_bot.errors import ModelError
from qa_bot.files import digest_of
from qa_bot.onnx_export import NOT_EXPORTABLE, RECIPE
from qa_bot.sentence_transformer import SentenceTransformerEncoder, locate
from qa_bot.span_model import SpanModel

_EXPORTED_BY = ("sentence-transformers", "transformers", "torch", "onnx", "onnxscript", "onnxruntime")
_REASON = "not-exportable.txt"
_SEAL = ".digest"  # hidden, so that it is no part of what it seals

Notify = Callable[[str], None]


def encoder_for_build(
    model: str | None = None, *, download: bool = False, notify: Notify = lambda line: None
) -> Encoder:
    """The encoder of a sentence-transformers model, for building an index.

    That is its export, made the first time and kept in the user's cache (QA_BOT_CACHE names another
    directory), or, where the model cannot be exported, the model itself, run by torch; `notify` is
    told which. Raises ModelError where there is no such model, or no room for its export.
    """
    reference = SentenceTransformerEncoder(model or DEFAULT_MODEL, download=download)
    folder = _exported("qa_bot.export", reference.name, reference.path, reference.files_digest, notify)
    reason = _why_not(folder)
    if reason:
        notify(
            f"{reference.name} cannot be exported ({reason}), "
            "so it runs on torch: questions start in seconds."
        )
        return reference
    return OnnxEncoder(reference.name, folder)


def reader_for_build(
    model: str | None = None, *, download: bool = False, notify: Notify = lambda line: None
) -> SpanModel:
    """The extractive model that answers: the packaged one, or any of transformers' question answering.

    `model` is a directory or the name of a hub repository; its export is made and kept as an
    encoder's is. Raises ModelError where there is no such model, or where it cannot be exported.
    """
    if model is None:
        return SpanModel()
    path = locate(model, download, "--reader")
    folder = _exported("qa_bot.export_reader", model, path, digest_of(path), notify)
    reason = _why_not(folder)
    if reason:
        raise ModelError(
            f"The model {model!r} cannot be made a reader ({reason}). "
            "Name one for extractive question answering with --reader, or leave it out."
        )
    return SpanModel(model, folder)


def _exported(module: str, name: str, path: Path, files_digest: str, notify: Notify) -> Path:
    """The folder with the export of the model in `path`, or with why there is none; made the first time."""
    # What decides the bytes of an export: the model's files, how it is made, and by what.
    inputs = [module, files_digest, str(RECIPE), *(version(library) for library in _EXPORTED_BY)]
    folder = _cache() / hashlib.sha256(" ".join(inputs).encode()).hexdigest()
    if not _is_whole(folder):
        notify(f"Preparing the model {name} (once) ...")
        try:
            _export(module, name, path, folder)
        except OSError as error:
            raise ModelError(
                f"The model {name!r} cannot be prepared in {folder.parent}: {error.strerror}. "
                "Make room or mend its permissions, or set QA_BOT_CACHE to another directory."
            ) from error
    return folder


def _export(module: str, name: str, path: Path, folder: Path) -> None:
    """Fill `folder` with the export, or with the reason why there is none, whole or not at all."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as scratch:
        made = Path(scratch, "made")
        made.mkdir()
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", module, str(path), str(made)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        if done.returncode == NOT_EXPORTABLE:
            shutil.rmtree(made)
            made.mkdir()
            made.joinpath(_REASON).write_text(said + "\n", encoding="utf-8")
        elif done.returncode:  # killed, or no room: the next time may go better
            raise ModelError(f"The model {name!r} could not be prepared: {said}. Make room, then try again.")
        made.joinpath(_SEAL).write_text(digest_of(made), encoding="utf-8")
        try:
            made.rename(folder)
        except OSError:  # another process was first
            if not _is_whole(folder):
                raise


def _why_not(folder: Path) -> str | None:
    reason = folder / _REASON
    return reason.read_text(encoding="utf-8").strip() if reason.is_file() else None


def _is_whole(folder: Path) -> bool:
    """Whether there is an export, and every byte of it is as it was written."""
    seal = folder / _SEAL
    return seal.is_file() and seal.read_text(encoding="utf-8") == digest_of(folder)


def _cache() -> Path:
    named = os.environ.get("QA_BOT_CACHE")
    return (Path(named) if named else user_cache_path("qa-bot", appauthor=False)) / "models"
