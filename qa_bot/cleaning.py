"""Questions and turns as people and programs send them -> one line each, without what nobody sees."""

import re
import unicodedata
from collections.abc import Sequence

from qa_bot.config import MAX_QUESTION_CHARS
from qa_bot.errors import InvalidQuestion
from qa_bot.phrases import Phrase
from qa_bot.types import Turn


def clean(question: str) -> str:
    """The question in one line, without control characters; raises InvalidQuestion."""
    if len(question) > MAX_QUESTION_CHARS:
        raise InvalidQuestion(
            Phrase(
                "The question has {length:,} characters; {most:,} are the most. Shorten it.",
                length=len(question),
                most=MAX_QUESTION_CHARS,
            )
        )
    cleaned = _in_one_line(question)
    if not cleaned.strip("\u200c\u200d "):
        raise InvalidQuestion(Phrase("The question is blank. Type a question."))
    return cleaned


def clean_history(history: Sequence[Turn]) -> list[Turn]:
    """The turns as `clean` would have them, cut where they are too long; blank ones are left out."""
    turns = (
        Turn(
            question=_in_one_line(turn.question[:MAX_QUESTION_CHARS]),
            answer=_in_one_line(turn.answer[:MAX_QUESTION_CHARS]) if turn.answer else None,
        )
        for turn in history
    )
    return [turn for turn in turns if turn.question]


def _in_one_line(text: str) -> str:
    # Cc: control characters; Cs: lone surrogates, which no encoder takes; Cf but for the joiners
    # that emoji and some scripts need: marks that reorder or hide text.
    visible = (
        " " if unicodedata.category(c) in ("Cc", "Cs", "Cf") and c not in "\u200c\u200d" else c for c in text
    )
    return re.sub(r"\s+", " ", "".join(visible)).strip()
