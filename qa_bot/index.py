"""Open and verify an index directory.

index/CURRENT               the name of the build that answers, replaced in one step
index/builds/<name>/        manifest.json (written last), documents.jsonl, passages.jsonl,
                            vectors.faiss, bm25/
index/models/<digest>/      the exported model of the builds, by its content
index/build.lock            held by the process that builds
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa_bot.encoder import digest_of
from qa_bot.errors import IndexUnusable
from qa_bot.sources import Skipped, scan
from qa_bot.types import Document, Passage, Section
from qa_bot.vectors import VectorIndex
from qa_bot.words import WordIndex

FORMAT = 2

# What reading files raises that are not the ones that a build wrote.
_NOT_AS_WRITTEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a build was made of, and what it holds."""

    format: int
    built_at: str  # UTC, ISO 8601
    fingerprint: str  # SHA-256 of `inputs`: equal inputs make equal builds
    inputs: dict[str, Any]  # sources' digests, settings, the encoder, library versions
    dimension: int
    documents: int
    passages: int
    skipped: tuple[Skipped, ...]
    files: dict[str, dict[str, Any]]  # name -> bytes, sha256

    @property
    def model(self) -> str:
        """The encoder's name, as the user gave it."""
        return str(self.inputs["encoder"]["name"])

    @property
    def encoder_digest(self) -> str:
        return str(self.inputs["encoder"]["digest"])

    @property
    def runtime(self) -> str:
        """The library that runs the encoder."""
        return str(self.inputs["encoder"]["runtime"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One whole build, in memory. Row i of `vectors` and `words` is passages[i]."""

    path: Path
    manifest: Manifest
    documents: dict[str, Document]
    passages: tuple[Passage, ...]
    vectors: VectorIndex
    words: WordIndex


def open_index(folder: Path) -> Index:
    """Read the build that CURRENT names; sizes and counts are checked, digests are not.

    Raises IndexUnusable, with the command that mends it.
    """
    try:
        path = _current(folder)
        manifest = _read_manifest(path)
        for name, expected in manifest.files.items():
            size = (path / name).stat().st_size
            if size != expected["bytes"]:
                raise _damaged(folder, f"{name} has {size} bytes instead of {expected['bytes']}")
        documents = {document.source: document for document in _read_documents(path)}
        passages = tuple(_read_passages(path, documents))
        vectors = VectorIndex.load(path / "vectors.faiss")
        words = WordIndex.load(path / "bm25")
    except _NOT_AS_WRITTEN as error:
        raise _damaged(folder, str(error) or type(error).__name__) from error
    if vectors.dimension != manifest.dimension:
        fault = f"vectors of {vectors.dimension} numbers, but the manifest says {manifest.dimension}"
        raise _damaged(folder, fault)
    counts = {"passages": len(passages), "vectors": len(vectors), "BM25 rows": len(words)}
    for what, count in counts.items():
        if count != manifest.passages:
            raise _damaged(folder, f"{count} {what}, but the manifest says {manifest.passages}")
    return Index(
        path=path, manifest=manifest, documents=documents, passages=passages, vectors=vectors, words=words
    )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the build that CURRENT names; raises IndexUnusable."""
    try:
        return _read_manifest(_current(folder))
    except _NOT_AS_WRITTEN as error:
        raise _damaged(folder, str(error) or type(error).__name__) from error


def current_build(folder: Path) -> str:
    """The name of the build that answers now; raises IndexUnusable."""
    try:
        return _current(folder).name
    except OSError as error:
        raise _damaged(folder, str(error)) from error


def model_folder(folder: Path, manifest: Manifest) -> Path | None:
    """Where the exported model of a build is kept; None where its library keeps it."""
    return folder / "models" / manifest.encoder_digest if manifest.runtime == "onnxruntime" else None


def verify(folder: Path) -> list[str]:
    """What is wrong with the files of the current build, by their digests; empty if nothing is."""
    path = _current(folder)
    manifest = read_manifest(folder)
    faults = []
    for name, expected in manifest.files.items():
        try:
            content = (path / name).read_bytes()
        except OSError as error:
            faults.append(f"{name}: {error.strerror}")
            continue
        if hashlib.sha256(content).hexdigest() != expected["sha256"]:
            faults.append(f"{name}: not the bytes that were written")
    model = model_folder(folder, manifest)
    if model and digest_of(model) != manifest.encoder_digest:
        faults.append(f"models/{model.name}: not the model that was written")
    return faults


def changed_sources(folder: Path, sources: Path) -> list[str]:
    """The files that were added, changed or removed since the build, by name, sorted."""
    indexed = read_manifest(folder).inputs["sources"]
    now = {file.source: file.sha256 for file in scan(sources)[0]}
    return sorted(s for s in indexed.keys() | now.keys() if indexed.get(s) != now.get(s))


def _read_lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        return [json.loads(line) for line in stream]


def _read_documents(path: Path) -> Iterable[Document]:
    for fields in _read_lines(path / "documents.jsonl"):
        fields["sections"] = tuple(Section(**section) for section in fields["sections"])
        yield Document(**fields)


def _read_passages(path: Path, documents: dict[str, Document]) -> Iterable[Passage]:
    for fields in _read_lines(path / "passages.jsonl"):
        document = documents[fields["source"]]
        text = document.text[fields["start"] : fields["end"]]
        yield Passage(**fields, text=text, title=document.title, url=document.url, date=document.date)


def _current(folder: Path) -> Path:
    """The directory of the build that answers."""
    pointer = folder / "CURRENT"
    if not pointer.is_file():
        raise IndexUnusable(
            f"There is no index in {str(folder)!r}. Build it with: qa-bot index --index {folder}"
        )
    name = pointer.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch(r"[0-9A-Za-z-]+", name):  # never a path out of builds/
        raise _damaged(folder, "CURRENT names no build")
    return folder / "builds" / name


def _read_manifest(path: Path) -> Manifest:
    fields = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    if fields["format"] != FORMAT:
        raise IndexUnusable(
            f"The index in {str(path.parent.parent)!r} has format {fields['format']}, but this qa-bot "
            f"reads format {FORMAT}. Build it again with: qa-bot index --index {path.parent.parent}"
        )
    skipped = tuple(Skipped(**skip) for skip in fields.pop("skipped"))
    manifest = Manifest(**fields, skipped=skipped)
    whole = (
        manifest.model and manifest.encoder_digest and manifest.runtime and manifest.inputs["sources"].keys()
    )
    if not whole or not all(isinstance(f["bytes"], int) and f["sha256"] for f in manifest.files.values()):
        raise ValueError("the manifest is not whole")
    return manifest


def _damaged(folder: Path, fault: str) -> IndexUnusable:
    return IndexUnusable(
        f"The index in {str(folder)!r} is damaged ({fault}). "
        f"Build it again with: qa-bot index --index {folder}"
    )
