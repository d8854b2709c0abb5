"""What an earlier build made of files that have not changed, so that a new one need not make it again."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from qa_bot.index import Index
from qa_bot.sources import Skipped, SourceFile, described, parser_of
from qa_bot.types import Document, Passage


class Known:
    """What the previous build made of files, by their bytes, their parser and where they came from."""

    def __init__(self, previous: Index) -> None:
        self._previous = previous
        self._origins = previous.manifest.inputs["origins"]
        self._documents = {
            (sha256, parser_of(Path(source))): source
            for source, sha256 in previous.documents.digests().items()
        }
        self._skips = {skip.source: skip for skip in previous.manifest.skipped if not skip.passing}

    def document(self, file: SourceFile) -> tuple[Document, Sequence[Passage]] | None:
        """The document and its passages under the file's names, if the bytes were read before."""
        source = self._documents.get((file.sha256, parser_of(file.path)))
        if source is None or self._origins.get(source) != (file.origin and asdict(file.origin)):
            return None
        rows = self._previous.documents.rows_of(source)
        document = described(self._previous.documents[source], file)
        passages = [
            replace(passage, source=document.source, also=document.also)
            for passage in self._previous.passages[rows.start : rows.stop]
        ]
        return document, passages

    def skip(self, file: SourceFile) -> Skipped | None:
        """The reason why the same bytes under the same name could not be read before."""
        same = self._previous.manifest.sources.get(file.source) == file.sha256
        return self._skips.get(file.source) if same else None


def same_passages(before: dict[str, Any], now: dict[str, Any]) -> bool:
    tokens = "passage_tokens"
    return same_vectors(before, now) and before["settings"][tokens] == now["settings"][tokens]


def same_vectors(before: dict[str, Any], now: dict[str, Any]) -> bool:
    return all(before[key] == now[key] for key in ("encoder", "versions"))
