"""Which passages to look in: those of some documents, by name, by pattern or by date."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qa_bot.contents import Documents
from qa_bot.dates import parse_date, spelled
from qa_bot.errors import InvalidQuestion
from qa_bot.phrases import Phrase

_UNDATED = 0  # no day has this ordinal
_NAMED = 5  # names in a note


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a question is narrowed to: ids of documents, the rows of their passages, both ascending."""

    documents: NDArray[np.int64]
    rows: NDArray[np.int64]
    notes: tuple[str, ...]  # what it is, and what was left out, in sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The arguments of `QABot.ask` that narrow a question."""

    sources: tuple[str, ...] | None = None
    since: date | None = None
    until: date | None = None


def wanted(sources: object, since: object, until: object) -> Wanted:
    """What a form or a caller over HTTP asks for; what is empty narrows nothing. Raises InvalidQuestion."""
    if sources is not None and not (isinstance(sources, list) and all(isinstance(s, str) for s in sources)):
        raise InvalidQuestion("sources must be a list of names or patterns such as reports/*.")
    return Wanted(
        sources=tuple(sources) if sources else None, since=day("since", since), until=day("until", until)
    )


def day(name: str, written: object) -> date | None:
    """The day that a user typed, as `parse_date` reads it; None where it is blank. Raises InvalidQuestion."""
    if written is None or (isinstance(written, str) and not written.strip()):
        return None
    found = parse_date(written) if isinstance(written, str) else None
    if found is None:
        raise InvalidQuestion(
            Phrase(
                "{name} must be a day such as 2023-01-31, but it is {written!r}.",
                name=name,
                written=str(written)[:40],
            )
        )
    return found


class Narrowing:
    """Finds the scope of a question in the documents of one open index."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def scope(self, sources: Collection[str] | None, since: date | None, until: date | None) -> Scope | None:
        """The documents that `sources` name or match, dated from `since` to `until`, both days included.

        None where nothing narrows. A document without a date that names a day is out of every range.
        Raises InvalidQuestion where nothing is left, or where the range ends before it begins.
        """
        if sources is None and since is None and until is None:
            return None
        if since and until and since > until:
            raise InvalidQuestion(
                Phrase(
                    "No day is from {since} to {until}: swap the two.",
                    since=spelled(since),
                    until=spelled(until),
                )
            )
        ids, missing = self._named(sources)
        undated = 0
        if since or until:
            days = self._days[ids - 1]
            undated = int((days == _UNDATED).sum())
            first = since.toordinal() if since else _UNDATED + 1
            last = until.toordinal() if until else date.max.toordinal()
            ids = ids[(days >= first) & (days <= last)]
            if not len(ids):
                raise InvalidQuestion(
                    Phrase(
                        "No document is dated {range}.{undated}",
                        range=_range(since, until),
                        undated=_left_out(undated),
                    )
                )
        return Scope(
            documents=ids,
            rows=self._rows_of(ids),
            notes=(
                _looked_in(len(ids), sources, since, until, undated),
                *(Phrase("No document is named {name}.", name=name) for name in missing),
            ),
        )

    def _named(self, sources: Collection[str] | None) -> tuple[NDArray[np.int64], list[str]]:
        """The ids of documents that `sources` name or match, and those of `sources` that do neither."""
        if sources is None:
            return np.arange(1, len(self._documents) + 1), []
        found = {source: self._documents.ids(source) for source in sorted(sources)}
        ids = np.array(sorted({number for numbers in found.values() for number in numbers}), dtype=np.int64)
        if not len(ids):
            raise InvalidQuestion(
                Phrase(
                    "The index holds none of the documents asked for: {names}. "
                    "A source is a document's name as in citations, or a pattern such as reports/*",
                    names=sorted(sources),
                )
            )
        return ids, [source for source, numbers in found.items() if not numbers]

    def _rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        asked_for = np.zeros(len(self._lengths), dtype=bool)
        asked_for[ids - 1] = True
        return np.flatnonzero(np.repeat(asked_for, self._lengths))

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        """How many passages each document has, shape (documents,); they follow each other."""
        return np.array(self._documents.lengths(), dtype=np.int64)

    @cached_property
    def _days(self) -> NDArray[np.int64]:
        """The ordinal of each document's day, shape (documents,); _UNDATED where it names none."""
        written = self._documents.dates()
        ordinals = {text: day.toordinal() for text in set(written) if (day := parse_date(text))}
        return np.array([ordinals.get(text, _UNDATED) for text in written], dtype=np.int64)


def _looked_in(
    count: int, sources: Collection[str] | None, since: date | None, until: date | None, undated: int
) -> Phrase:
    named = sorted(sources or ())
    more = f" … ({len(named):,})" if len(named) > _NAMED else ""
    dated = since or until
    return Phrase(
        "Looked only in {documents}{dated}{names}.{undated}",
        documents=_count(count),
        dated=Phrase(", dated {range}", range=_range(since, until)) if dated else "",
        names=f": {', '.join(named[:_NAMED])}{more}" if named else "",
        undated=_left_out(undated),
    )


def _range(since: date | None, until: date | None) -> str:
    if since and until:
        return Phrase("from {since} to {until}", since=spelled(since), until=spelled(until))
    if since:
        return Phrase("{since} or later", since=spelled(since))
    return Phrase("{until} or earlier", until=spelled(until)) if until else ""


def _left_out(undated: int) -> str:
    if undated == 1:
        return Phrase(" {documents} without a date was left out.", documents=_count(1))
    return Phrase(" {documents} without a date were left out.", documents=_count(undated)) if undated else ""


def _count(documents: int) -> Phrase:
    if documents == 1:
        return Phrase("{number:,} document", number=1)
    return Phrase("{number:,} documents", number=documents)
