"""What an index directory holds, and whether it is as it was written.

index/CURRENT               the name of the build that answers, replaced in one step; "pinned" where a
                            rollback chose it
index/builds/<time>-<id>/   manifest.json (written last), contents.db, vectors/, words/, starters.json;
                            the id is of the manifest's digest, and that has those of the other files
index/models/<digest>/      the exported models of the builds, by their content
index/build.lock            held by the process that builds
"""

import hashlib
import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa_bot.config import DEFAULT_MODEL, Settings
from qa_bot.errors import IndexUnusable
from qa_bot.files import digest_of, file_digest
from qa_bot.sources import Skipped, scan

FORMAT = 6

STARTERS = "starters.json"  # in a build: [[question, source], ...]

# What reading files raises that are not the ones that a build wrote.
NOT_AS_WRITTEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, sqlite3.Error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a build was made of, and what it holds."""

    format: int
    built_at: str  # UTC, ISO 8601
    fingerprint: str  # SHA-256 of `inputs`: equal inputs make equal builds
    inputs: dict[str, Any]  # sources' digests, settings, the encoder, library versions
    dimension: int
    search: str  # how the vectors are searched, in FAISS's terms
    documents: int
    passages: int
    skipped: tuple[Skipped, ...]
    files: dict[str, dict[str, Any]]  # name -> bytes, sha256
    languages: dict[str, str]  # of documents that seem to be in another than English, by source

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

    @property
    def reader(self) -> tuple[str, str] | None:
        """Name and digest of the reader that the user named; None: the packaged one."""
        reader = self.inputs["reader"]
        return (str(reader["name"]), str(reader["digest"])) if reader else None

    @property
    def english_only(self) -> bool:
        """Whether the packaged encoder or reader is at work, which know no other language."""
        return self.reader is None or self.model.endswith(DEFAULT_MODEL)

    @property
    def sources(self) -> dict[str, str]:
        """SHA-256 of every file that was read or skipped for what it holds, by name."""
        return dict(self.inputs["sources"])

    def fetched(self, source: str) -> str | None:
        """The day on which a file was fetched, as its citations give it where it has no date itself."""
        origin = self.inputs["origins"].get(source)
        return str(origin["date"]) if origin else None

    def settings(self, index: Path) -> Settings:
        """Settings with which the build can be made again, from the folder that it was made from."""
        return Settings(sources=index / str(self.inputs["folder"]), index=index, **self.inputs["settings"])

    @property
    def models(self) -> list[str]:
        """The digests of the exported models that the index keeps."""
        kept = [self.encoder_digest] if self.runtime == "onnxruntime" else []
        return [*kept, self.reader[1]] if self.reader else kept


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the build that CURRENT names; raises IndexUnusable."""
    try:
        return parse(current_path(folder))
    except NOT_AS_WRITTEN as error:
        raise damaged(folder, str(error) or type(error).__name__) from error


def current_build(folder: Path) -> str:
    """The name of the build that answers now; raises IndexUnusable."""
    try:
        return current_path(folder).name
    except OSError as error:
        raise damaged(folder, str(error)) from error


def verify(folder: Path) -> list[str]:
    """What is wrong with the files of the current build, by their digests; empty if nothing is."""
    try:
        return faults_of(current_path(folder))
    except NOT_AS_WRITTEN as error:
        raise damaged(folder, str(error) or type(error).__name__) from error


def faults_of(path: Path) -> list[str]:
    """`verify` of the build in `path`; raises IndexUnusable, and NOT_AS_WRITTEN of its manifest."""
    manifest = parse(path)
    faults = []
    for name, expected in manifest.files.items():
        try:
            digest = file_digest(path / name)
        except OSError as error:
            faults.append(f"{name}: {error.strerror}")
            continue
        if digest != expected["sha256"]:
            faults.append(f"{name}: not the bytes that were written")
    for digest in manifest.models:
        if digest_of(path.parent.parent / "models" / digest) != digest:
            faults.append(f"models/{digest}: not the model that was written")
    return faults


def changed_sources(folder: Path, sources: Path) -> list[str]:
    """The files that were added, changed or removed since the build, by name, sorted."""
    indexed = read_manifest(folder).sources
    now = {file.source: file.sha256 for file in scan(sources)[0]}
    return sorted(s for s in indexed.keys() | now.keys() if indexed.get(s) != now.get(s))


def current_path(folder: Path) -> Path:
    """The directory of the build that answers."""
    pointer = folder / "CURRENT"
    if not pointer.is_file():
        raise IndexUnusable(
            f"There is no index in {str(folder)!r}. Build it with: qa-bot index --index {folder}"
        )
    match = _POINTER.fullmatch(pointer.read_text(encoding="utf-8", errors="replace"))
    if not match:
        raise damaged(folder, "CURRENT names no build")
    return folder / "builds" / match["name"]


_POINTER = re.compile(r"(?P<name>[0-9A-Za-z-]+)\n(?P<pinned>pinned\n)?")  # never a path out of builds/


def pinned(folder: Path) -> bool:
    """Whether a rollback chose the build that answers: only an explicit build takes its place."""
    try:
        match = _POINTER.fullmatch((folder / "CURRENT").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False
    return bool(match and match["pinned"])


def build_id(manifest: bytes) -> str:
    """The last part of a build's name, by which its manifest is known to be the one that was written."""
    return hashlib.sha256(manifest).hexdigest()[:16]


def parse(path: Path) -> Manifest:
    """The manifest of the build in `path`; raises IndexUnusable, and NOT_AS_WRITTEN."""
    content = (path / "manifest.json").read_bytes()
    try:
        fields = json.loads(content)
    except ValueError:
        raise ValueError("manifest.json is no JSON") from None
    if fields["format"] != FORMAT:
        raise IndexUnusable(
            f"The index in {str(path.parent.parent)!r} has format {fields['format']}, but this qa-bot "
            f"reads format {FORMAT}. Build it again with: qa-bot index --index {path.parent.parent}"
        )
    if path.name.rpartition("-")[2] != build_id(content):
        raise ValueError("manifest.json is not the one that was written")
    skipped = tuple(Skipped(**skip) for skip in fields.pop("skipped"))
    manifest = Manifest(**fields, skipped=skipped)
    named = all((manifest.model, manifest.encoder_digest, manifest.runtime, *manifest.models))
    whole = named and manifest.inputs["sources"].keys()
    if not whole or not all(isinstance(f["bytes"], int) and f["sha256"] for f in manifest.files.values()):
        raise ValueError("the manifest is not whole")
    return manifest


def damaged(folder: Path, fault: str) -> IndexUnusable:
    return IndexUnusable(
        f"The index in {str(folder)!r} is damaged ({fault}). "
        f"Build it again with: qa-bot index --index {folder}"
    )
