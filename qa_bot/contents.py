"""The documents and passages of a build, in SQLite: read when they are asked for.

Row i of `passages` is row i of the vectors and of the words; a document's passages are neighbours.
"""

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

from qa_bot.types import Document, Passage, Section

_SCHEMA = """
CREATE TABLE documents (
    id INTEGER PRIMARY KEY, source TEXT UNIQUE NOT NULL, sha256 TEXT NOT NULL, text TEXT NOT NULL,
    sections TEXT NOT NULL, also TEXT NOT NULL, title TEXT, author TEXT, publisher TEXT, date TEXT, url TEXT,
    first_row INTEGER NOT NULL, end_row INTEGER NOT NULL
);
CREATE TABLE passages (
    row INTEGER PRIMARY KEY, document INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    context TEXT NOT NULL, section TEXT, page INTEGER
);
"""
_DOCUMENT = "source, sha256, text, sections, also, title, author, publisher, date, url"
_BY_NAME = (
    "SELECT id FROM documents WHERE source = ?",
    "SELECT documents.id FROM documents, json_each(also) WHERE json_each.value = ?",
)
_BY_PATTERN = (
    "SELECT id FROM documents WHERE source GLOB ?1 "
    "OR EXISTS (SELECT 1 FROM json_each(also) WHERE value GLOB ?1) ORDER BY id",
)
_BYLINES = ("author", "publisher", "date")
_PASSAGES = 'SELECT document, start, "end", context, section, page FROM passages'
_RANGE = "row >= ? AND row < ?"
_AMONG = "row IN (SELECT value FROM json_each(?))"
_KEPT_DOCUMENTS = 32  # in memory, the last that passages were cut from


def write(path: Path, read: Iterable[tuple[Document, Sequence[Passage]]]) -> tuple[int, int]:
    """Write documents, each with its passages, as they come; how many there were of both."""
    documents = row = 0
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_SCHEMA)
        for documents, (document, passages) in enumerate(read, start=1):
            fields = asdict(document) | {"id": documents, "first_row": row, "end_row": row + len(passages)}
            for name in ("sections", "also"):
                fields[name] = json.dumps(fields[name], ensure_ascii=False)
            names = ", ".join(fields)
            values = ", ".join(f":{name}" for name in fields)
            database.execute(f"INSERT INTO documents ({names}) VALUES ({values})", fields)  # noqa: S608
            database.executemany(
                "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (row + i, documents, p.start, p.end, p.context, p.section, p.page)
                    for i, p in enumerate(passages)
                ),
            )
            row += len(passages)
    return documents, row


class Contents:
    """What `write` wrote. Safe to share between threads; raises sqlite3.Error where it is damaged."""

    def __init__(self, path: Path) -> None:
        # Immutable: no lock and no journal is ever written beside it.
        self._database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        self._lock = threading.Lock()
        # With the last use of it, where nobody closes it.
        self.close = weakref.finalize(self, self._database.close)
        self._kept = lru_cache(_KEPT_DOCUMENTS)(self._document)
        self.documents = Documents(self)
        self.passages = Passages(self)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock:
            return self._database.execute(query, parameters).fetchall()

    def document(self, number: int) -> Document:
        """A document by its id."""
        return self._kept(number)

    def _document(self, number: int) -> Document:
        source, sha256, text, sections, also, *rest = self.rows(
            f"SELECT {_DOCUMENT} FROM documents WHERE id = ?",  # noqa: S608
            number,
        )[0]
        title, author, publisher, date, url = rest
        return Document(
            source=source,
            sha256=sha256,
            text=text,
            sections=tuple(Section(**section) for section in json.loads(sections)),
            also=tuple(json.loads(also)),
            title=title,
            author=author,
            publisher=publisher,
            date=date,
            url=url,
        )


class Documents(Mapping[str, Document]):
    """Documents by source, in their order; each is found by its other names, too."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def __getitem__(self, source: str) -> Document:
        for query in _BY_NAME:
            for (number,) in self._contents.rows(query, source):
                return self._contents.document(number)
        raise KeyError(source)

    def __iter__(self) -> Iterator[str]:
        return (source for (source,) in self._contents.rows("SELECT source FROM documents ORDER BY id"))

    def __len__(self) -> int:
        return int(self._contents.rows("SELECT coalesce(max(id), 0) FROM documents")[0][0])

    def with_byline(self, field: str, limit: int, among: Sequence[int] | None = None) -> list[str]:
        """The sources of up to `limit` documents, of those ids, with an author, a publisher or a date."""
        if field not in _BYLINES:
            raise ValueError(f"{field!r} is none of {_BYLINES}")
        narrowed = "" if among is None else "AND id IN (SELECT value FROM json_each(?))"
        found = self._contents.rows(
            f"SELECT source FROM documents WHERE {field} != '' {narrowed} ORDER BY id LIMIT ?",  # noqa: S608
            *(() if among is None else (json.dumps(among),)),
            limit,
        )
        return [source for (source,) in found]

    def ids(self, name: str) -> list[int]:
        """The ids of the documents of that name or, where there is none, whose name matches it as a pattern.

        In a pattern, * is any characters, / among them, ? is one, and [ab] is one of those.
        """
        for query in (*_BY_NAME, *_BY_PATTERN):
            if found := self._contents.rows(query, name):
                return [number for (number,) in found]
        return []

    def lengths(self) -> list[int]:
        """How many passages each document has, in their order."""
        rows = self._contents.rows("SELECT end_row - first_row FROM documents ORDER BY id")
        return [length for (length,) in rows]

    def dates(self) -> list[str | None]:
        """The date of each document as it is written there, in their order."""
        return [written for (written,) in self._contents.rows("SELECT date FROM documents ORDER BY id")]

    def listed(self, wanted: str, limit: int) -> list[tuple[str, str | None]]:
        """(source, title) of up to `limit` documents whose source or title holds `wanted`, in their order."""
        query = (
            "SELECT source, title FROM documents WHERE instr(lower(source), lower(?1)) > 0 "
            "OR instr(lower(coalesce(title, '')), lower(?1)) > 0 ORDER BY id LIMIT ?2"
        )
        return [(source, title) for source, title in self._contents.rows(query, wanted, limit)]

    def digests(self) -> dict[str, str]:
        """The SHA-256 of each document's file, by source."""
        return dict(self._contents.rows("SELECT source, sha256 FROM documents ORDER BY id"))

    def rows_of(self, source: str) -> range:
        """Which passages are of a document; none where there is no such document."""
        try:
            known = self[source].source
        except KeyError:
            return range(0)
        query = "SELECT first_row, end_row FROM documents WHERE source = ?"
        return range(*self._contents.rows(query, known)[0])


class Passages(Sequence[Passage]):
    """Passages by row."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def __len__(self) -> int:
        return int(self._contents.rows("SELECT coalesce(max(row) + 1, 0) FROM passages")[0][0])

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | Sequence[Passage]:
        if isinstance(row, slice):
            rows = range(len(self))[row]
            if rows.step != 1:
                return [self[i] for i in rows]
            return list(self._read(_RANGE, rows.start, rows.stop))
        number = int(row) + len(self) if row < 0 else int(row)
        for passage in self._read(_RANGE, number, number + 1):
            return passage
        raise IndexError(row)

    def __iter__(self) -> Iterator[Passage]:
        for start in range(0, len(self), 1024):
            yield from self._read(_RANGE, start, start + 1024)

    def take(self, rows: Sequence[int]) -> list[Passage]:
        """The passages of these rows, in their order, by one query."""
        ascending = sorted(set(rows))
        found = dict(zip(ascending, self._read(_AMONG, json.dumps(ascending)), strict=True))
        return [found[row] for row in rows]

    def _read(self, where: str, *parameters: int | str) -> Iterator[Passage]:
        found = self._contents.rows(f"{_PASSAGES} WHERE {where} ORDER BY row", *parameters)
        for number, first, end, context, section, page in found:
            document = self._contents.document(number)
            yield Passage(
                source=document.source,
                start=first,
                end=end,
                text=document.text[first:end],
                context=context,
                also=document.also,
                title=document.title,
                section=section,
                page=page,
                url=document.url,
                date=document.date,
            )
