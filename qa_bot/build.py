"""Sources -> a build, made beside the one that answers and put in its place when whole.

Until then, and when anything fails or the process is killed, the old build answers. The one
before is kept, for a bot that is just opening it.
"""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from qa_bot.chunking import split
from qa_bot.config import Settings
from qa_bot.encoder import Encoder, Vectors
from qa_bot.errors import IndexBusy, IndexUnusable, SourcesError
from qa_bot.index import FORMAT, Index, Manifest, open_index, verify
from qa_bot.models import encoder_for_build
from qa_bot.sources import Skipped, SourceFile, read, scan
from qa_bot.types import Document, Passage
from qa_bot.vectors import VectorIndex
from qa_bot.words import WordIndex

UNFINISHED = "."  # begins the name of a build until it is whole

# Libraries whose version may change a document's text, its passages or their vectors, but for those
# that only SentenceTransformerEncoder.digest knows of.
_LIBRARIES = (
    "qa-bot",
    "PyYAML",
    "lxml",
    "trafilatura",
    "markdown-it-py",
    "sentencex",
    "semantic-text-splitter",
    "tokenizers",
    "onnxruntime",
    "faiss-cpu",
    "bm25s",
    "PyStemmer",
)

Progress = Callable[[str, int, int], None]  # what is being done, done so far, in all


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a call of `build_index` did."""

    unchanged: bool
    manifest: Manifest
    embedded: int  # passages that the encoder had to read; the others were there
    seconds: float


def build_index(
    settings: Settings, encoder: Encoder | None = None, on_progress: Progress | None = None
) -> BuildReport:
    """Make `settings.index` answer from `settings.sources`, doing nothing where it already does.

    The encoder is that of `settings.model` unless one is given. Raises ModelError where there is
    none, SourcesError where there is nothing to index, IndexBusy where another process is at it,
    IndexUnusable where the directory cannot be written. Whatever it raises, the build that was
    there still answers.
    """
    began = time.monotonic()
    encoder = encoder or encoder_for_build(settings.model)
    files, skipped = scan(settings.sources)
    inputs = _inputs(settings, encoder, files, skipped)
    fingerprint = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    try:
        settings.index.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.index / "build.lock", timeout=0):
            _sweep(settings.index)
            previous = _previous(settings.index)
            manifest = previous.manifest if previous else None
            # What was skipped for a passing reason may be readable now.
            lasting = manifest and not any(skip.passing for skip in manifest.skipped)
            if manifest and lasting and manifest.fingerprint == fingerprint:
                seconds = time.monotonic() - began
                return BuildReport(unchanged=True, manifest=manifest, embedded=0, seconds=seconds)
            return _build(
                settings, encoder, files, skipped, inputs, fingerprint, previous, began, on_progress
            )
    except Timeout:
        raise IndexBusy(
            f"Another process is building the index in {str(settings.index)!r}. "
            "Wait for it to end, then run: qa-bot index"
        ) from None
    except OSError as error:
        raise IndexUnusable(
            f"The index in {str(settings.index)!r} cannot be written: {error.strerror}. "
            "Make room or mend its permissions, then run: qa-bot index"
        ) from error


def _inputs(
    settings: Settings, encoder: Encoder, files: Sequence[SourceFile], skipped: Sequence[Skipped]
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "sources": {file.source: file.sha256 for file in files},
        "skipped": {skip.source: skip.reason for skip in skipped},
        "settings": {
            "passage_tokens": settings.passage_tokens,
            "bm25_k1": settings.bm25_k1,
            "bm25_b": settings.bm25_b,
        },
        "encoder": {"name": encoder.name, "digest": encoder.digest, "runtime": encoder.runtime},
        "versions": {library: version(library) for library in _LIBRARIES},
    }


def _build(
    settings: Settings,
    encoder: Encoder,
    files: Sequence[SourceFile],
    skipped: list[Skipped],
    inputs: dict[str, Any],
    fingerprint: str,
    previous: Index | None,
    began: float,
    on_progress: Progress | None,
) -> BuildReport:
    progress = on_progress or (lambda what, done, total: None)
    documents: list[Document] = []
    for done, file in enumerate(files, start=1):
        match read(file):
            case Document() as document:
                documents.append(document)
                inputs["sources"][document.source] = document.sha256
            case Skipped() as skip:
                skipped.append(skip)
        progress("Reading", done, len(files))

    passages: list[Passage] = []
    if documents:  # else the model need not be loaded to say so
        budget = min(settings.passage_tokens, encoder.max_tokens)
        for done, document in enumerate(documents, start=1):
            passages += split(document, encoder.count_tokens, budget)
            progress("Splitting", done, len(documents))
    if not passages:
        named = "".join(f"\n  {skip.source}: {skip.reason}" for skip in skipped)
        raise SourcesError(
            f"There is nothing to index in {str(settings.sources)!r}. "
            f"Put .txt, .md or .html files there, then run: qa-bot index{named}"
        )

    rows, embedded = _vectors(passages, encoder, _known(previous, inputs), progress)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    path = settings.index / "builds" / f"{UNFINISHED}{name}"
    path.mkdir(parents=True)
    _write_lines(path / "documents.jsonl", (asdict(document) for document in documents))
    _write_lines(path / "passages.jsonl", (_passage_fields(passage) for passage in passages))
    VectorIndex.of(rows).save(path / "vectors.faiss")
    WordIndex.of([p.embedded for p in passages], settings.bm25_k1, settings.bm25_b).save(path / "bm25")
    encoder.save(settings.index / "models")
    # The fingerprint is of the files as they were found, before they were read: one that changed
    # in between makes the next build differ.
    manifest = Manifest(
        format=FORMAT,
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=fingerprint,
        inputs=inputs,
        dimension=rows.shape[1],
        documents=len(documents),
        passages=len(passages),
        skipped=tuple(skipped),
        files=_seal(path),
    )
    _write_synced(path / "manifest.json", json.dumps(asdict(manifest), indent=2, ensure_ascii=False))
    _publish(settings.index, name)
    _prune(settings.index / "builds", keep={name, previous.path.name if previous else name})
    _prune(
        settings.index / "models",
        keep={m.encoder_digest for m in (manifest, previous.manifest if previous else manifest)},
    )
    seconds = time.monotonic() - began
    return BuildReport(unchanged=False, manifest=manifest, embedded=embedded, seconds=seconds)


def _known(previous: Index | None, inputs: dict[str, Any]) -> dict[str, Vectors]:
    """The vectors of the previous build by the string that was embedded, if they may be used."""
    if previous is None or any(previous.manifest.inputs[k] != inputs[k] for k in ("encoder", "versions")):
        return {}
    rows = previous.vectors.rows
    return {passage.embedded: rows[i] for i, passage in enumerate(previous.passages)}


def _vectors(
    passages: Sequence[Passage], encoder: Encoder, known: dict[str, Vectors], progress: Progress
) -> tuple[Vectors, int]:
    """A row a passage, and how many of them had to be embedded."""
    new = list(dict.fromkeys(p.embedded for p in passages if p.embedded not in known))
    if new:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress("Embedding", done, len(new))

        known = known | dict(zip(new, encoder.encode_documents(new, advance), strict=True))
    return np.stack([known[passage.embedded] for passage in passages]), len(new)


def _previous(folder: Path) -> Index | None:
    """The build that answers now, if there is one and every byte of it is as it was written."""
    try:
        return None if verify(folder) else open_index(folder)
    except IndexUnusable:
        return None


def _publish(folder: Path, name: str) -> None:
    """Make a finished build the one that answers: durable first, then named in one step."""
    builds = folder / "builds"
    _sync(builds / f"{UNFINISHED}{name}")
    os.rename(builds / f"{UNFINISHED}{name}", builds / name)
    _sync(builds)
    pointer = folder / "CURRENT.new"
    _write_synced(pointer, name + "\n")
    os.replace(pointer, folder / "CURRENT")
    _sync(folder)


def _sweep(folder: Path) -> None:
    """Remove what a build that failed or was killed left."""
    for path in (folder / "builds").glob(f"{UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def _prune(folder: Path, keep: set[str]) -> None:
    """Remove what is of no build that a bot can be opening."""
    for path in folder.glob("*"):
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)


def _seal(path: Path) -> dict[str, dict[str, Any]]:
    """Flush every file of a build to the disk; their sizes and digests."""
    sealed = {}
    for file in sorted(path.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            sealed[file.relative_to(path).as_posix()] = {"bytes": len(content), "sha256": digest}
        _sync(file)
    return sealed


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a directory, and orders a rename itself
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
    _sync(path)


def _write_lines(path: Path, values: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for value in values:
            stream.write(json.dumps(value, ensure_ascii=False) + "\n")


def _passage_fields(passage: Passage) -> dict[str, Any]:
    """What of a passage its document does not say."""
    return {
        "source": passage.source,
        "start": passage.start,
        "end": passage.end,
        "context": passage.context,
        "section": passage.section,
        "page": passage.page,
    }
