"""Digests of files, locks on them, and files that survive a power cut."""

import hashlib
import os
import shutil
import weakref
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(directory: Path) -> str:
    """SHA-256 over the names and contents of a directory's files, hidden ones apart."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            digest.update(f"{relative.as_posix()}\0{file_digest(path)}\n".encode())
    return digest.hexdigest()


class Hold:
    """A shared lock on a file of a build that is in use; given back with the last use of this value."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file is gone, or is just being removed."""
        descriptor = os.open(path, os.O_RDONLY)
        self.release = weakref.finalize(self, os.close, descriptor)
        if fcntl:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise
            except OSError:  # a file system without locks
                return
            if not os.path.exists(path):
                raise FileNotFoundError(path)


def remove_unused(folder: Path, held: Path) -> bool:
    """Remove `folder` unless somebody holds the file `held` of it; whether it is gone.

    Where there are no such locks (Windows), a folder with open files cannot be renamed.
    """
    try:
        descriptor = os.open(held, os.O_RDONLY)
    except OSError:
        descriptor = None  # it is not whole: nobody can have opened it
    try:
        if fcntl and descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = folder.with_name(f".{folder.name}")
        os.rename(folder, gone)
    except OSError:
        return False
    finally:
        if descriptor is not None:
            os.close(descriptor)
    shutil.rmtree(gone, ignore_errors=True)
    return True


def sync(path: Path) -> None:
    """Have a file or directory on the disk before this returns."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a directory, and orders a rename itself
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, text: str) -> None:
    """Write a text file that is on the disk when this returns."""
    path.write_text(text, encoding="utf-8", newline="\n")
    sync(path)
