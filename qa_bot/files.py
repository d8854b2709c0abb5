"""Digests of files, and files that survive a power cut."""

import hashlib
import os
from pathlib import Path


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
