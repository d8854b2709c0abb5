"""What readers say of answers, kept beside the index as drafts of evaluation cases."""

import hashlib
import json
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from qa_bot.errors import QABotError
from qa_bot.files import sync, write_synced
from qa_bot.types import Answer, Turn

FILE = "feedback.jsonl"
MAX_BYTES = 10 << 20  # whoever may ask may also click
MAX_CORRECTION = 1_000  # characters

Draft = dict[str, Any]


def keep(index: Path, answer: Answer, history: Sequence[Turn], right: bool, correction: str = "") -> None:
    """Note that an answer was called right or wrong; said again of the same, the last holds.

    Raises QABotError where it cannot be written.
    """
    correction = " ".join(correction[:MAX_CORRECTION].split())
    turns = [{"question": turn.question, "answer": turn.answer} for turn in history]
    name = hashlib.sha256(json.dumps([answer.question, turns]).encode()).hexdigest()[:12]
    # Of a wrong answer nobody may have said what is right.
    accepted = [correction] if correction else ([answer.text] if answer.text else []) if right else None
    draft = {
        "id": f"draft-{name}",
        "split": "draft",
        "fact": name,
        "kind": "draft",
        "style": "draft",
        "question": answer.question,
        "history": turns,
        "answers": accepted,
        "evidence": [citation.quote for citation in answer.citations] if right else [],
        "right": right,
        "said": answer.text,
        "sources": sorted({name for c in answer.citations for name in (c.source, *c.also)}),
    }
    line = json.dumps(draft, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    path = index / FILE
    try:
        with FileLock(index / "feedback.lock", timeout=10):
            if path.is_file() and path.stat().st_size + len(line) > MAX_BYTES:
                raise QABotError(f"{path} is full. Review it, then delete it: qa-bot eval --drafts")
            with path.open("ab") as stream:
                stream.write(line)
            sync(path)
    except OSError as error:
        raise QABotError(f"The feedback cannot be kept in {path}: {error.strerror or error}.") from error


def drafts(index: Path) -> list[Draft]:
    """Every draft, the last of each question; a line that is none is passed over."""
    try:
        lines = (index / FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found: dict[str, Draft] = {}
    for line in lines:
        try:
            draft = json.loads(line)
            found[str(draft["id"])] = draft
        except (ValueError, KeyError, TypeError):
            continue
    return list(found.values())


def forget(index: Path, known: Container[str]) -> None:
    """Drop the drafts that quote documents which are not `known` any more."""
    if not (index / FILE).is_file():
        return
    with FileLock(index / "feedback.lock", timeout=10):
        kept = [d for d in drafts(index) if all(source in known for source in d.get("sources", ()))]
        fresh = index / f"{FILE}.new"
        write_synced(fresh, "".join(json.dumps(draft, ensure_ascii=False) + "\n" for draft in kept))
        fresh.replace(index / FILE)
