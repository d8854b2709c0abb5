"""Several questions in one -> the questions, each to be asked after the one before; their answers -> one."""

import re
from collections.abc import Sequence
from dataclasses import replace

from qa_bot.mentions import AUXILIARY, PREPOSITIONS, WH
from qa_bot.phrases import Phrase
from qa_bot.types import Answer, AnswerKind, Turn

MOST = 4  # parts; what has more is no question

_BETWEEN_ANSWERS = "; "

_WH = rf"(?:{'|'.join(sorted(WH))})"
_PREPOSITION = rf"(?:{'|'.join(sorted(PREPOSITIONS))}|until|under|through)"
_ASKS = rf"(?:{_PREPOSITION} )?{_WH}\b"
_AUXILIARY = rf"(?:{'|'.join(sorted(AUXILIARY))})\b"
# "When forces act, ..." begins a clause, not a question.
_BEGINS = re.compile(rf"\W*(?:(?!(?:when|where|why) (?!{_AUXILIARY})){_ASKS}|{_AUXILIARY})", re.IGNORECASE)
_BETWEEN = re.compile(rf"(?:,? (?:and|but|or)|[,;]) (?={_ASKS})", re.IGNORECASE)
_COORDINATED = re.compile(rf"(\W*{_ASKS}) (?:and|or) ({_ASKS}) (.+)", re.IGNORECASE)
_CLAUSE = re.compile(r" (?:who|whom|whose|which|when|where|that|what|how|why|whether|if)\b", re.IGNORECASE)


def questions_in(question: str) -> list[str]:
    """The questions that one asks, at least one: "Who issued it, and when?", "When and where was he born?".

    A part may lean on the one before it: "when?".
    """
    asked = [part for part in re.split(r"(?<=\?)\s+(?:and\s+)?", question, flags=re.IGNORECASE) if part]
    if not all(_BEGINS.match(part) for part in asked):
        asked = [question]
    parts = [part for each in asked for part in _parts_of(each)]
    return parts if 1 < len(parts) <= MOST else [question]


def _parts_of(question: str) -> list[str]:
    both = _COORDINATED.match(question)
    if both:
        return [_question(f"{both[1]} {both[3]}"), _question(f"{both[2]} {both[3]}")]
    for between in _BETWEEN.finditer(question):
        before, after = question[: between.start()], question[between.end() :]
        # "the man who sold it and who left" asks one thing
        if _BEGINS.match(before) and not _CLAUSE.search(before.strip(), 3):
            return [_question(before), *_parts_of(_question(after))]
    return [question]


def _question(text: str) -> str:
    text = text.strip(" ,;?")
    return f"{text[:1].upper()}{text[1:]}?"


def turns_in(turn: Turn) -> list[Turn]:
    """A turn as one for each question that it asked, with its answer where each part has one."""
    parts = questions_in(turn.question)
    if len(parts) == 1:
        return [turn]
    answers: list[str | None] = list((turn.answer or "").split(_BETWEEN_ANSWERS))
    if len(answers) != len(parts):
        answers = [*([None] * len(parts[1:])), turn.answer]
    return [Turn(question=part, answer=answer or None) for part, answer in zip(parts, answers, strict=True)]


def together(question: str, answers: Sequence[Answer]) -> Answer:
    """The answers to the parts of a question in one; the least sure says how sure it is."""
    said = [answer for answer in answers if not answer.abstained]
    whole = replace(
        answers[0],
        question=question,
        understood=" ".join(answer.understood for answer in answers),
        kind="questions",
        verdict=None,
        notes=tuple(dict.fromkeys(note for answer in said for note in answer.notes)),
    )
    if not said:
        return replace(whole, score=max(answer.score for answer in answers))
    silent = [
        Phrase("The sources don't say: {question}", question=answer.understood)
        for answer in answers
        if answer.abstained
    ]
    return replace(
        joined(whole, said, "questions"),
        abstained=False,
        reason=None,
        score=min(answer.score for answer in said),
        notes=(*whole.notes, *silent),
    )


def joined(answer: Answer, parts: Sequence[Answer], kind: AnswerKind) -> Answer:
    """`answer` as it is made of parts: their texts, and their citations, each once."""
    citations = dict.fromkeys(citation for part in parts for citation in part.citations)
    return replace(
        answer,
        text=_BETWEEN_ANSWERS.join(part.text for part in parts if part.text),
        citations=tuple(citations),
        kind=kind,
        parts=tuple(parts),
    )
