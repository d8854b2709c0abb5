"""Open an index directory, and the models that it is asked with."""

import json
from dataclasses import dataclass
from pathlib import Path

from qa_bot.contents import Contents, Documents, Passages
from qa_bot.encoder import Encoder, OnnxEncoder
from qa_bot.files import Hold
from qa_bot.manifest import NOT_AS_WRITTEN, STARTERS, Manifest, current_path, damaged, parse
from qa_bot.span_model import SpanModel
from qa_bot.types import Starter
from qa_bot.vectors import VectorIndex
from qa_bot.words import WordIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a build holds. Row i of `vectors` and `words` is passages[i]."""

    documents: Documents
    passages: Passages
    vectors: VectorIndex
    words: WordIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Parts):
    """One whole build, with what it was made of."""

    path: Path
    manifest: Manifest
    starters: tuple[Starter, ...]  # questions that it answers well
    held: Hold  # while this value lives, nobody removes the build


def open_parts(path: Path) -> Parts:
    """The parts of the build in `path`, mapped; raises NOT_AS_WRITTEN."""
    contents = Contents(path / "contents.db")
    return Parts(
        documents=contents.documents,
        passages=contents.passages,
        vectors=VectorIndex.load(path / "vectors"),
        words=WordIndex.load(path / "words"),
    )


def open_index(folder: Path) -> Index:
    """Open the build that CURRENT names; sizes and counts are checked, digests are not.

    Files are mapped, so opening takes no longer for more passages. Raises IndexUnusable, with the
    command that mends it.
    """
    try:
        path, held = _hold(folder)
        manifest = parse(path)
        for name, expected in manifest.files.items():
            size = (path / name).stat().st_size
            if size != expected["bytes"]:
                raise damaged(folder, f"{name} has {size} bytes instead of {expected['bytes']}")
        parts = open_parts(path)
        starters = tuple(Starter(*pair) for pair in json.loads((path / STARTERS).read_bytes()))
        counts = {
            "documents": (len(parts.documents), manifest.documents),
            "passages": (len(parts.passages), manifest.passages),
            "vectors": (len(parts.vectors), manifest.passages),
            "rows of words": (len(parts.words), manifest.passages),
        }
    except NOT_AS_WRITTEN as error:
        raise damaged(folder, str(error) or type(error).__name__) from error
    if parts.vectors.dimension != manifest.dimension:
        fault = f"vectors of {parts.vectors.dimension} numbers, but the manifest says {manifest.dimension}"
        raise damaged(folder, fault)
    for what, (count, expected_count) in counts.items():
        if count != expected_count:
            raise damaged(folder, f"{count} {what}, but the manifest says {expected_count}")
    return Index(
        path=path,
        manifest=manifest,
        documents=parts.documents,
        passages=parts.passages,
        vectors=parts.vectors,
        words=parts.words,
        starters=starters,
        held=held,
    )


def _hold(folder: Path) -> tuple[Path, Hold]:
    """The build that CURRENT names, held; while builds follow each other fast, the last of them."""
    while True:
        path = current_path(folder)
        try:
            return path, Hold(path / "manifest.json")
        except OSError:
            if current_path(folder) == path:
                raise


def encoder_of_index(folder: Path, manifest: Manifest) -> Encoder:
    """The encoder that an index was built with; raises ModelError."""
    if manifest.runtime == OnnxEncoder.runtime:
        digest = manifest.encoder_digest
        return OnnxEncoder(manifest.model, folder / "models" / digest, digest)
    from qa_bot.sentence_transformer import SentenceTransformerEncoder

    return SentenceTransformerEncoder(manifest.model)


def reader_of_index(folder: Path, manifest: Manifest) -> SpanModel:
    """The extractive model that answers from an index; raises ModelError."""
    if manifest.reader is None:
        return SpanModel()
    name, digest = manifest.reader
    return SpanModel(name, folder / "models" / digest, digest)
