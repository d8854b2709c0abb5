"""Whether files are still what was indexed."""

import hashlib
from pathlib import Path

from qa_bot.manifest import Manifest


class Freshness:
    """Compares files with the digests that a build has of them, at the time of asking.

    A file is read again only where its size or time of change is new: 1 ms for 1 MB, once.
    """

    def __init__(self, index: Path, manifest: Manifest) -> None:
        self._folder = manifest.settings(index).sources.resolve()
        self._digests = manifest.sources
        self._seen: dict[str, tuple[tuple[int, int], bool]] = {}

    def changed(self, names: tuple[str, ...]) -> bool | None:
        """Whether none of a document's files is as it was; None where the sources are not here."""
        if not self._folder.is_dir():
            return None
        return all(self._differs(name) for name in names)

    def _differs(self, name: str) -> bool:
        path = self._folder / name
        try:
            # An index could name any file.
            if not path.resolve().is_relative_to(self._folder):
                return True
            stat = path.stat()
            at = (stat.st_mtime_ns, stat.st_size)
            seen = self._seen.get(name)
            if seen is None or seen[0] != at:
                with path.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                seen = self._seen[name] = (at, digest != self._digests.get(name))
            return seen[1]
        except OSError:
            return True
