"""A folder of files -> Documents.

One parser a suffix, in PARSERS. A parser is a pure function of a file's name and bytes, raises
ValueError with a reason where it can make nothing of them, and returns None for a file that asks
to be left out. Other people's files are parsed in a process of their own (parsing.py).
"""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qa_bot.errors import SourcesError
from qa_bot.formats import OnPart, parse_docx, parse_epub, parse_pdf, parse_pptx
from qa_bot.markup import parse_html, parse_markdown, parse_text, web_address
from qa_bot.tables import parse_csv, parse_json, parse_json_lines
from qa_bot.types import Document

# Control and format characters, line and paragraph separators, and lone surrogates, which stand for
# the bytes of a name that is not UTF-8.
UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")

MAX_FILE_BYTES = 256 << 20
MAX_TEXT = 50_000_000  # characters of one document; the Bible has 4 million

ORIGINS = ".origins.json"  # in the sources folder: where `qa-bot add` fetched files from, and when


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was not indexed, and why."""

    source: str
    reason: str
    passing: bool = False  # the next build may fare better: it was unreadable, not unfit


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a file was fetched from, and on which day (ISO 8601)."""

    url: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that can be indexed: its name below the folder, its place, its content's digest."""

    source: str
    path: Path
    sha256: str
    origin: Origin | None = None
    also: tuple[str, ...] = ()  # names of other files with the same bytes and parser


def scan(folder: Path) -> tuple[list[SourceFile], list[Skipped]]:
    """Find the files of `folder` that have a parser, in the order of their names.

    Hidden files and folders are passed over. Symbolic links are followed to files inside the
    folder only; a link to a folder is never followed. Files of other suffixes are skipped.
    Raises SourcesError where `folder` is no folder.
    """
    if not folder.is_dir():
        raise SourcesError(
            f"There is no folder {str(folder)!r} to read sources from. "
            "Create it, or name another: qa-bot index --sources DIR"
        )
    root = folder.resolve()
    origins = read_origins(folder)
    files: list[SourceFile] = []
    skipped: list[Skipped] = []
    for path, error in _walk(folder):
        source = path.relative_to(folder).as_posix()
        if any(unicodedata.category(c) in UNPRINTABLE for c in source):
            skipped.append(Skipped(source=ascii(source)[1:-1], reason="unprintable file name"))
        elif error:
            skipped.append(Skipped(source=source, reason=f"unreadable: {error.strerror}", passing=True))
        elif not Path(os.path.realpath(path)).is_relative_to(root):
            skipped.append(Skipped(source=source, reason="a link out of the sources folder"))
        elif not os.path.isfile(path):  # a link to a folder or to nothing, a pipe, a device
            skipped.append(Skipped(source=source, reason="not a file"))
        elif path.suffix.lower() not in PARSERS:
            kinds = ", ".join(PARSERS)
            skipped.append(Skipped(source=source, reason=f"not one of {kinds}"))
        else:
            try:
                size = path.stat().st_size
                if size > MAX_FILE_BYTES:
                    reason = f"{size >> 20:,} MB long; {MAX_FILE_BYTES >> 20} MB are the most: split it"
                    skipped.append(Skipped(source=source, reason=reason))
                    continue
                with path.open("rb") as stream:
                    sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
                files.append(SourceFile(source=source, path=path, sha256=sha256, origin=origins.get(source)))
            except OSError as error:
                reason = f"unreadable: {error.strerror}"
                skipped.append(Skipped(source=source, reason=reason, passing=True))
    return files, skipped


def merged(files: Sequence[SourceFile]) -> list[SourceFile]:
    """The files, those with the same bytes and parser as one: the first, which knows the others' names."""
    alike: dict[tuple[str, Parser], list[SourceFile]] = {}
    for file in files:
        alike.setdefault((file.sha256, parser_of(file.path)), []).append(file)
    return [
        replace(same[0], also=tuple(file.source for file in same[1:])) if len(same) > 1 else same[0]
        for same in alike.values()
    ]


def read(file: SourceFile, on_part: OnPart = lambda done, total: None) -> Document | Skipped | None:
    """Parse one file; None where the file asks to be left out. Whatever a parser raises is a reason."""
    try:
        document = parser_of(file.path)(file.source, _bytes_of(file.path), on_part)
    except Exception as error:  # a library's may be of any kind
        reason, passing = _why(error)
        return Skipped(source=file.source, reason=_in_one_line(reason), passing=passing)
    if document is None:
        return None
    # What is no character cannot be kept; one for one, so that offsets stay.
    document = replace(document, text=_SURROGATES.sub("\ufffd", document.text))
    reason = ""
    if len(document.text) > MAX_TEXT:
        reason = f"{len(document.text):,} characters of text; {MAX_TEXT:,} are the most: split it"
    elif not any(document.text[s.start : s.end].strip() for s in document.sections):
        reason = "no text in it"
    return Skipped(source=file.source, reason=reason) if reason else described(document, file)


def _bytes_of(path: Path) -> bytes:
    before = path.stat()
    data = path.read_bytes()
    after = path.stat()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, len(data)):
        raise BlockingIOError(0, "it changed while it was being read")
    return data


def _why(error: Exception) -> tuple[str, bool]:
    """What a user should know of a parser's error, and whether it may pass."""
    match error:
        case OSError():
            return f"unreadable: {error.strerror or error}", True
        case ValueError():
            return str(error), False
        case RecursionError():
            return "nested too deeply", False
        case MemoryError():
            return "takes too much memory to read", False
    return f"broken: its parser failed ({type(error).__name__}: {error})", False


def described(document: Document, file: SourceFile) -> Document:
    """The document under the names that its file has, and with its origin."""
    document = replace(document, source=file.source, also=file.also)
    if file.origin is None:
        return document
    return replace(document, url=file.origin.url, date=document.date or file.origin.date)


_SURROGATES = re.compile("[\ud800-\udfff]")


def _in_one_line(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())[:200]


def read_origins(folder: Path) -> dict[str, Origin]:
    """What is noted of fetched files, by source; what is not as `qa-bot add` writes it is passed over."""
    try:
        noted = json.loads((folder / ORIGINS).read_text(encoding="utf-8"))
        return {
            source: Origin(url=origin["url"], date=str(origin["date"]))
            for source, origin in noted.items()
            if web_address(origin["url"])
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _walk(folder: Path) -> Iterator[tuple[Path, OSError | None]]:
    """Every visible file, link to a folder, and folder that cannot be read (with why)."""
    unreadable: list[OSError] = []
    for directory, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(directory, name).is_symlink()]
        for name in sorted([*names, *links]):
            if not name.startswith("."):
                yield Path(directory, name), None
    for error in unreadable:
        yield Path(error.filename), error


Parser = Callable[[str, bytes, OnPart], Document | None]


def _at_once(parse: Callable[[str, bytes], Document | None]) -> Parser:
    """A parser that has no parts to tell of."""
    return lambda source, data, on_part: parse(source, data)


_MARKDOWN, _HTML, _CSV, _JSON_LINES = map(_at_once, (parse_markdown, parse_html, parse_csv, parse_json_lines))

PARSERS: dict[str, Parser] = {
    ".txt": _at_once(parse_text),
    ".md": _MARKDOWN,
    ".markdown": _MARKDOWN,
    ".html": _HTML,
    ".htm": _HTML,
    ".pdf": parse_pdf,
    ".docx": _at_once(parse_docx),
    ".pptx": parse_pptx,
    ".epub": parse_epub,
    ".csv": _CSV,
    ".tsv": _CSV,
    ".jsonl": _JSON_LINES,
    ".ndjson": _JSON_LINES,
    ".json": _at_once(parse_json),
}


def parser_of(path: Path) -> Parser:
    return PARSERS[path.suffix.lower()]
