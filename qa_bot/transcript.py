"""Conversations that can be checked later: each quote with its place and the digest of its file."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qa_bot.errors import QABotError
from qa_bot.parsing import ParserProcess
from qa_bot.sources import scan
from qa_bot.types import Answer, Citation, Document

_EMBEDDED = re.compile(r"<!-- qa-bot (.*?) -->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Checked:
    """A quote of a transcript, and what has become of it."""

    question: str
    citation: Citation
    stands: bool
    said: str  # in one line


def as_json(answers: Sequence[Answer]) -> str:
    """The answers with their citations, as `qa-bot verify` reads them."""
    kept = ("question", "understood", "text", "abstained", "score", "reason", "verdict", "notes")
    rows = [
        {name: value for name, value in asdict(answer).items() if name in (*kept, "citations")}
        for answer in answers
    ]
    return json.dumps({"answers": rows}, ensure_ascii=False, indent=2) + "\n"


def as_markdown(answers: Sequence[Answer]) -> str:
    """The same to read, with the JSON in a comment at the end."""
    lines: list[str] = []
    for answer in answers:
        lines += [f"## {_inline(answer.question)}", ""]
        if answer.text is None:
            lines += [f"The sources don't say. {_inline(answer.reason or '')}", "", *_notes(answer)]
            continue
        said = answer.verdict.capitalize() if answer.verdict else answer.text
        lines += [f"**{_inline(said)}** ({answer.score:.2f})", ""]
        for number, citation in enumerate(answer.citations, start=1):
            page = f", page {citation.page}" if citation.page else ""
            place = f"{citation.source}{page}, characters {citation.start} to {citation.end}"
            meant = [
                f"“{_inline(words)}” here means {_inline(meaning)}." for words, meaning in citation.resolved
            ]
            lines += [f"> {_inline(citation.quote)}", ">", f"> [{number}] {_inline(place)}", "", *meant]
            lines += [""] * bool(meant)
        lines += _notes(answer)
    # No comment ends in what has no "--" in it.
    data = json.dumps(json.loads(as_json(answers)), ensure_ascii=False).replace("--", "\\u002d\\u002d")
    return "\n".join([*lines, f"<!-- qa-bot {data} -->", ""])


def _notes(answer: Answer) -> list[str]:
    return [line for note in answer.notes for line in (_inline(note), "")]


def _inline(text: str) -> str:
    """Text in one line, in which no character is markup."""
    return re.sub(r"([\\`*_{}\[\]<>()#+.!|~&-])", r"\\\1", " ".join(text.split()))


def citations_of(text: str) -> list[tuple[str, Citation]]:
    """(question, citation) of a transcript, JSON or Markdown, or of `qa-bot ask --json`.

    Raises QABotError where it is none of them.
    """
    embedded = _EMBEDDED.search(text)
    try:
        value: Any = json.loads(embedded[1] if embedded else text)
        answers = value["answers"] if isinstance(value, dict) and "answers" in value else value
        answers = answers if isinstance(answers, list) else [answers]
        return [(str(a["question"]), _citation(c)) for a in answers for c in a["citations"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise QABotError(
            "This is no transcript: neither an export of the app nor what qa-bot ask --json prints."
        ) from None


def _citation(fields: dict[str, Any]) -> Citation:
    resolved = tuple((str(words), str(meant)) for words, meant in fields.get("resolved", ()))
    citation = Citation(**fields | {"also": tuple(fields["also"]), "resolved": resolved})
    texts, numbers = (citation.source, citation.quote), (citation.start, citation.end)
    if not all(isinstance(t, str) for t in texts) or not all(isinstance(n, int) for n in numbers):
        raise TypeError
    return citation


def check(citations: Iterable[tuple[str, Citation]], sources: Path) -> Iterator[Checked]:
    """What has become of each quote in the files as they are now; raises SourcesError."""
    files = {file.source: file for file in scan(sources)[0]}
    documents: dict[str, Document | None] = {}
    with ParserProcess() as parsers:
        for question, citation in citations:
            name = next((n for n in (citation.source, *citation.also) if n in files), None)
            if name is not None and name not in documents:
                result = parsers.read(files[name], lambda done, total: None)
                documents[name] = result if isinstance(result, Document) else None
            document = documents.get(name) if name is not None else None
            yield Checked(question, citation, *_fate(citation, document))


def _fate(citation: Citation, document: Document | None) -> tuple[bool, str]:
    if document is None:
        return False, "the file is gone, or cannot be read"
    if document.text[citation.start : citation.end] == citation.quote:
        same = document.sha256 == citation.sha256
        return True, "stands" if same else "stands, though the file has changed elsewhere"
    at = document.text.find(citation.quote) if citation.quote else -1
    if at >= 0:
        return True, f"stands, moved to characters {at} to {at + len(citation.quote)}"
    return False, "the file no longer says so"
