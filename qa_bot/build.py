"""Sources -> a build, made beside the one that answers and put in its place when whole.

Until then, and when anything fails or the process is killed, the old build answers. The one
before is kept, for a bot that is just opening it.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qa_bot import contents
from qa_bot.chunking import split
from qa_bot.config import Settings
from qa_bot.encoder import Encoder
from qa_bot.errors import IndexUnusable, SourcesError
from qa_bot.files import file_digest, sync, write_synced
from qa_bot.index import Index, open_index, open_parts
from qa_bot.known import Known, same_passages, same_vectors
from qa_bot.languages import foreign_language
from qa_bot.manifest import (
    FORMAT,
    STARTERS,
    Manifest,
    build_id,
    pinned,
    verify,
)
from qa_bot.models import encoder_for_build, reader_for_build
from qa_bot.parsing import ParserProcess
from qa_bot.phrases import Phrase
from qa_bot.publishing import UNFINISHED, alone, point, prune, publish, sweep
from qa_bot.reader import CALIBRATION, Reader
from qa_bot.retriever import Retriever
from qa_bot.sources import Skipped, SourceFile, merged, scan
from qa_bot.span_model import SpanModel
from qa_bot.starters import make_starters
from qa_bot.types import Answer, Document, Passage, Question
from qa_bot.vectors import VectorIndex, create_rows
from qa_bot.words import WordIndex

_BLOCK = 4096  # passages embedded at a time

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
    "PyStemmer",
    "charset-normalizer",
    "mammoth",
    "pypdfium2",
    "python-pptx",
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
    settings: Settings,
    encoder: Encoder | None = None,
    on_progress: Progress | None = None,
    reader: SpanModel | None = None,
) -> BuildReport:
    """Make `settings.index` answer from `settings.sources`, doing nothing where it already does.

    The encoder is that of `settings.model` unless one is given, the reader that of `settings.reader`
    likewise. Raises ModelError where there is none, SourcesError where there is nothing to index,
    IndexBusy where another process is at it, IndexUnusable where the directory cannot be written.
    Whatever it raises, the build that was there still answers.
    """
    began = time.monotonic()
    encoder = encoder or encoder_for_build(settings.model)
    reader = reader or reader_for_build(settings.reader)
    job = _job(settings, encoder, reader, on_progress or (lambda what, done, total: None))
    # Of the files as they were found, before they are read: one that changes in between makes the
    # next build differ.
    fingerprint = hashlib.sha256(json.dumps(job.inputs, sort_keys=True).encode()).hexdigest()
    with alone(settings.index):
        sweep(settings.index)
        previous = _previous(settings.index)
        manifest = previous.manifest if previous else None
        # What was skipped for a passing reason may be readable now.
        lasting = manifest and not any(skip.passing for skip in manifest.skipped)
        if previous and manifest and lasting and manifest.fingerprint == fingerprint:
            if pinned(settings.index):
                point(settings.index, previous.path.name)
            seconds = time.monotonic() - began
            return BuildReport(unchanged=True, manifest=manifest, embedded=0, seconds=seconds)
        try:
            manifest, embedded = _build(job, fingerprint, previous)
        except Exception:
            sweep(settings.index)
            raise
        seconds = time.monotonic() - began
        return BuildReport(unchanged=False, manifest=manifest, embedded=embedded, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What one build works on; reading the files adds to `skipped`, `languages` and `inputs`."""

    settings: Settings
    encoder: Encoder
    reader: SpanModel
    files: Sequence[SourceFile]
    skipped: list[Skipped]
    languages: dict[str, str]
    inputs: dict[str, Any]
    progress: Progress


def _job(settings: Settings, encoder: Encoder, reader: SpanModel, progress: Progress) -> _Job:
    files, skipped = scan(settings.sources)
    inputs = {
        "format": FORMAT,
        "folder": _relative(settings.sources, settings.index),
        "sources": {file.source: file.sha256 for file in files},
        "origins": {file.source: asdict(file.origin) for file in files if file.origin},
        "skipped": {skip.source: skip.reason for skip in skipped},
        "settings": {
            "passage_tokens": settings.passage_tokens,
            "bm25_k1": settings.bm25_k1,
            "bm25_b": settings.bm25_b,
        },
        "encoder": {"name": encoder.name, "digest": encoder.digest, "runtime": encoder.runtime},
        # The packaged one comes with the program, whichever version answers.
        "reader": None if reader.packaged else {"name": reader.name, "digest": reader.digest},
        "starters": reader.digest,  # what they were asked of
        "versions": {library: version(library) for library in _LIBRARIES},
    }
    return _Job(
        settings=settings,
        encoder=encoder,
        reader=reader,
        files=merged(files),
        skipped=skipped,
        languages={},
        inputs=inputs,
        progress=progress,
    )


def _relative(sources: Path, index: Path) -> str:
    """Where the sources are, seen from the index: both may move together."""
    try:
        return Path(os.path.relpath(sources, index)).as_posix()
    except ValueError:  # another drive
        return sources.absolute().as_posix()


def _build(job: _Job, fingerprint: str, previous: Index | None) -> tuple[Manifest, int]:
    """Make a build and publish it; its manifest, and how many passages were embedded for it."""
    settings, encoder = job.settings, job.encoder
    now = datetime.now(UTC)
    path = settings.index / "builds" / UNFINISHED
    path.mkdir(parents=True)
    with ParserProcess() as parsers:
        read = _with_language(job, _read(job, parsers, previous))
        documents, passages = contents.write(path / "contents.db", read)
    if not passages:
        named = "".join(f"\n  {skip.source}: {skip.reason}" for skip in job.skipped)
        raise SourcesError(
            f"There is nothing to index in {str(settings.sources)!r}. "
            f"Put documents there (.pdf, .docx, .html, .md, .txt ...), then run: qa-bot index "
            f"(or empty the index: qa-bot purge){named}"
        )
    with closing(contents.Contents(path / "contents.db")) as written:
        reusable = previous if previous and same_vectors(previous.manifest.inputs, job.inputs) else None
        embedded = _write_vectors(path / "vectors", written.passages, encoder, reusable, job.progress)
        search = VectorIndex.build(path / "vectors")
        texts = (passage.embedded for passage in written.passages)
        WordIndex.build(path / "words", texts, settings.bm25_k1, settings.bm25_b)
    starters = json.dumps(_starters(job, path), ensure_ascii=False)
    (path / STARTERS).write_text(starters, encoding="utf-8")
    for model in (encoder, job.reader):
        model.save(settings.index / "models")
    manifest = Manifest(
        format=FORMAT,
        built_at=now.isoformat(timespec="seconds"),
        fingerprint=fingerprint,
        inputs=job.inputs,
        dimension=encoder.dimension,
        search=search,
        documents=documents,
        passages=passages,
        skipped=tuple(job.skipped),
        languages=job.languages,
        files=_seal(path),
    )
    content = json.dumps(asdict(manifest), indent=2, ensure_ascii=False)
    write_synced(path / "manifest.json", content)
    # The time first: names sort by age, also two of one second.
    name = f"{now:%Y%m%dT%H%M%S%f}-{build_id(content.encode())}"
    publish(settings.index, name)
    prune(settings.index, keep={name, previous.path.name if previous else name})
    return manifest, embedded


def _read(
    job: _Job, parsers: ParserProcess, previous: Index | None
) -> Iterator[tuple[Document, Sequence[Passage]]]:
    """Documents with their passages; what cannot be read goes to `skipped`, digests to `inputs`."""
    settings, encoder = job.settings, job.encoder
    known = Known(previous) if previous and same_passages(previous.manifest.inputs, job.inputs) else None
    for done, file in enumerate(job.files):
        if known and (found := known.document(file)):
            yield found
            continue
        if known and (skip := known.skip(file)):
            job.skipped.append(skip)
            continue

        def on_part(part: int, parts: int, done: int = done, source: str = file.source) -> None:
            what = Phrase("Reading {source}, {part:,} of {parts:,}", source=source, part=part, parts=parts)
            job.progress(what, done, len(job.files))

        job.progress(Phrase("Reading {source}", source=file.source), done, len(job.files))
        match parsers.read(file, on_part):
            case Document() as document:
                job.inputs["sources"][document.source] = document.sha256
                # Asked here: the model need not be loaded to find that there is no document.
                budget = min(settings.passage_tokens, encoder.max_tokens)
                yield document, split(document, encoder.count_tokens, budget)
            case Skipped() as skip:
                job.skipped.append(skip)
    job.progress(Phrase("Reading"), len(job.files), len(job.files))


def _with_language(
    job: _Job, read: Iterable[tuple[Document, Sequence[Passage]]]
) -> Iterator[tuple[Document, Sequence[Passage]]]:
    """The same, those in another language than English noted in `languages`."""
    for document, passages in read:
        if language := foreign_language(document.text):
            job.languages[document.source] = language
        yield document, passages


def _starters(job: _Job, path: Path) -> list[tuple[str, str]]:
    """Questions that the build answers well, as a bot asks that nobody calibrated."""
    parts = open_parts(path)
    retriever = Retriever(parts, job.encoder, job.settings)
    reader = Reader(job.reader, parts.words, CALIBRATION, CALIBRATION.threshold)

    def ask(question: str) -> Answer:
        return reader.read(
            Question(text=question, understood=question), retriever.retrieve(question, job.settings.top_k)
        )

    return [(starter.question, starter.source) for starter in make_starters(parts.passages, ask)]


def _write_vectors(
    folder: Path,
    passages: Sequence[Passage],
    encoder: Encoder,
    previous: Index | None,
    progress: Progress,
) -> int:
    """Write a row a passage, block by block; how many had to be embedded, the others being known."""
    rows = create_rows(folder, len(passages), encoder.dimension)
    # Rows by a digest of what was embedded: of the previous build, and of this one so far.
    known = {_key(p): row for row, p in enumerate(previous.passages)} if previous else {}
    seen: dict[bytes, int] = {}
    embedded = done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(Phrase("Embedding"), done, len(passages))

    for start in range(0, len(passages), _BLOCK):
        fresh: dict[int, str] = {}
        again: dict[int, int] = {}
        for row, passage in enumerate(passages[start : start + _BLOCK], start):
            key = _key(passage)
            if key in seen:
                again[row] = seen[key]
            elif previous and key in known:
                rows[row] = previous.vectors.rows[known[key]]
            else:
                fresh[row] = passage.embedded
            seen.setdefault(key, row)
        if fresh:
            rows[list(fresh)] = encoder.encode_documents(list(fresh.values()), advance)
            embedded += len(fresh)
        for row, first in again.items():
            rows[row] = rows[first]
        advance(min(_BLOCK, len(passages) - start) - len(fresh))
    rows.flush()
    return embedded


def _key(passage: Passage) -> bytes:
    return hashlib.blake2b(passage.embedded.encode(), digest_size=16).digest()


def _previous(folder: Path) -> Index | None:
    """The build that answers now, if there is one and every byte of it is as it was written."""
    try:
        return None if verify(folder) else open_index(folder)
    except IndexUnusable:
        return None


def _seal(path: Path) -> dict[str, dict[str, Any]]:
    """Flush every file of a build to the disk; their sizes and digests."""
    sealed = {}
    for file in sorted(path.rglob("*")):
        if file.is_file():
            size = file.stat().st_size
            sealed[file.relative_to(path).as_posix()] = {"bytes": size, "sha256": file_digest(file)}
        sync(file)
    return sealed
