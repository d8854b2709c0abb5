"""Which build answers: publishing one in a single step, going back, and removing what is of no use.

Everything here happens under a lock that the system takes back from a process that dies.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from qa_bot.errors import IndexBusy, IndexUnusable
from qa_bot.files import remove_unused, sync, write_synced
from qa_bot.manifest import NOT_AS_WRITTEN, Manifest, current_path, faults_of, parse

UNFINISHED = ".unfinished"  # the name of a build until it is whole; hidden ones are swept away


def roll_back(index: Path) -> Manifest:
    """Have the build before the current one answer, until the next call of `build_index`.

    Raises IndexUnusable where there is none, or none that is whole; then nothing has changed.
    """
    with alone(index):
        try:
            current = current_path(index).name
        except (OSError, IndexUnusable):
            current = "~"  # damaged: any is before it
        for path in sorted((index / "builds").glob("[!.]*"), reverse=True):
            if path.name < current and (manifest := _manifest(path)) and not faults_of(path):
                point(index, path.name, "pinned\n")
                return manifest
    raise IndexUnusable(
        f"The index in {str(index)!r} holds no whole build before the current one. "
        f"Build it again with: qa-bot index --index {index}"
    )


def purge(index: Path) -> list[str]:
    """Remove every build but the one that answers, so that no text of deleted documents is left.

    The names of builds that other processes have open, and that are still there.
    """
    with alone(index):
        sweep(index)
        keep = {current_path(index).name} if (index / "CURRENT").is_file() else set()
        return prune(index, keep)


def forget(index: Path) -> None:
    """Have no build answer: for where every document was deleted. `purge` removes their text."""
    with alone(index):
        (index / "CURRENT").unlink(missing_ok=True)
        sync(index)


@contextmanager
def alone(index: Path) -> Iterator[None]:
    """The lock that one process at a time builds under; what goes wrong, as a user would name it."""
    try:
        index.mkdir(parents=True, exist_ok=True)
        with FileLock(index / "build.lock", timeout=0):
            yield
    except Timeout:
        raise IndexBusy(
            f"Another process is building the index in {str(index)!r}. "
            "Wait for it to end, then run: qa-bot index"
        ) from None
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise IndexUnusable(
            f"The index in {str(index)!r} cannot be written: {why}. "
            "Make room or mend its permissions, then run: qa-bot index"
        ) from error


def publish(folder: Path, name: str) -> None:
    """Make a finished build the one that answers: durable first, then named in one step."""
    builds = folder / "builds"
    unfinished = builds / UNFINISHED
    sync(unfinished)
    os.rename(unfinished, builds / name)
    sync(builds)
    point(folder, name)


def point(folder: Path, name: str, pinned: str = "") -> None:
    """Name the build that answers, in one step."""
    pointer = folder / "CURRENT.new"
    write_synced(pointer, f"{name}\n{pinned}")
    os.replace(pointer, folder / "CURRENT")
    sync(folder)


def sweep(folder: Path) -> None:
    """Remove what a build that failed or was killed left."""
    for path in (folder / "builds").glob(".*"):
        shutil.rmtree(path, ignore_errors=True)


def prune(folder: Path, keep: set[str]) -> list[str]:
    """Remove the other builds, but those that are in use, and the models of none; what is in use."""
    others = [path for path in (folder / "builds").glob("[!.]*") if path.name not in keep]
    in_use = [path.name for path in others if not remove_unused(path, path / "manifest.json")]
    manifests = [_manifest(folder / "builds" / name) for name in (*keep, *in_use)]
    models = {digest for manifest in manifests if manifest for digest in manifest.models}
    for path in (folder / "models").glob("*"):
        if path.name not in models:
            shutil.rmtree(path, ignore_errors=True)
    return in_use


def _manifest(path: Path) -> Manifest | None:
    """The manifest of a build, if it is as it was written."""
    try:
        return parse(path)
    except (IndexUnusable, *NOT_AS_WRITTEN):
        return None
