"""Run a question set through the bot, over its public surface alone, and count what came of it.

A set is this project's JSON lines (evals/README.md has the format) or SQuAD 1.1/2.0 JSON; .xz
and .gz are read as they are. Every question is asked once with a threshold of 0, so that there is
a best candidate for each; abstention is then a matter of its score.
"""

import gzip
import json
import lzma
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_bot.bot import QABot
from qa_bot.byline import asked_field
from qa_bot.calibration import THRESHOLD, Calibration
from qa_bot.compound import questions_in
from qa_bot.errors import QABotError
from qa_bot.metrics import (
    Floats,
    contains,
    platt,
)
from qa_bot.types import Answer, ScoredPassage, Turn
from qa_bot.yes_no import asks_yes_or_no

RETRIEVED = 10  # passages looked at for recall

Progress = Callable[[str, int, int], None]


class EvalSetError(QABotError):
    """The question set cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question and what is known of its answer; `answers` is empty where there is none."""

    id: str
    kind: str
    question: str
    answers: tuple[str, ...]
    evidence: tuple[str, ...] = ()  # quotes of the sources that say it
    history: tuple[Turn, ...] = ()
    split: str = ""
    paragraph: str | None = None  # of SQuAD: the source that the question was asked about
    standalone: str | None = None  # of a follow-up: as it can be asked without history
    parts: tuple[tuple[str, ...], ...] = ()  # of several questions, or a list: the answers of each
    verdict: str | None = None  # of a question for yes or no: which, where the sources say it


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSet:
    """Cases and, of a SQuAD file, its paragraphs by source name."""

    name: str
    cases: tuple[Case, ...]
    paragraphs: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the bot made of one case."""

    case: Case
    rank: int | None  # of the first passage that holds the evidence, from 1; None: not among RETRIEVED
    answer: Answer  # the best candidate, whatever its score
    seconds: float
    alone: Answer | None = None  # to a follow-up's standalone question

    @property
    def text(self) -> str:
        return self.answer.text or ""

    @property
    def right(self) -> bool:
        """An accepted answer stands in the answer's text."""
        return contains(self.text, self.case.answers)

    @property
    def cites_evidence(self) -> bool:
        """A quote is, or is part of, or has in it, what says the answer."""
        return any(_holds(self.case, c.source, c.quote) for c in self.answer.citations)


def load(path: Path, splits: Collection[str] = ()) -> EvalSet:
    """Read a question set; `splits`, where there are any, keep the cases of those. Raises EvalSetError."""
    try:
        data = path.read_bytes()
        unpack = {".xz": lzma.decompress, ".gz": gzip.decompress}.get(path.suffix)
        text = (unpack(data) if unpack else data).decode()
        squad = json.loads(text) if text.lstrip().startswith('{"') and "\n{" not in text.strip() else None
        if squad is None or "data" not in squad:
            cases = tuple(_project_case(json.loads(line)) for line in text.splitlines() if line.strip())
            paragraphs: dict[str, str] = {}
        else:
            cases, paragraphs = _squad(squad)
    except (OSError, EOFError, lzma.LZMAError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvalSetError(
            f"{path} cannot be read as a question set ({type(error).__name__}: {error}). "
            "It must be JSON lines as evals/README.md describes, or SQuAD JSON."
        ) from error
    cases = tuple(case for case in cases if not splits or case.split in splits)
    if not cases:
        named = f" of the split {' or '.join(map(repr, splits))}" if splits else ""
        raise EvalSetError(f"{path} holds no questions{named}.")
    return EvalSet(name=path.name.split(".")[0], cases=cases, paragraphs=paragraphs)


def write_paragraphs(paragraphs: dict[str, str], folder: Path) -> None:
    """Make a folder of sources of a SQuAD file's paragraphs, a file each."""
    for source, text in paragraphs.items():
        path = folder / source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def run(
    bot: QABot, cases: Sequence[Case], *, gold_only: bool = False, on_progress: Progress | None = None
) -> list[Outcome]:
    """Ask every case; `bot` must have a threshold of 0. `gold_only` reads a case's own paragraph."""
    outcomes = []
    for done, case in enumerate(cases, start=1):
        sources = {case.paragraph} if gold_only and case.paragraph else None
        began = time.perf_counter()
        answer = bot.ask(case.question, case.history, sources=sources)
        seconds = time.perf_counter() - began
        alone = bot.ask(case.standalone, sources=sources) if case.standalone else None
        retrieved = bot.retrieve(case.question, RETRIEVED, history=case.history, sources=sources)
        rank = _rank(case, retrieved)
        outcomes.append(Outcome(case=case, rank=rank, answer=answer, seconds=seconds, alone=alone))
        if on_progress:
            on_progress("Asking", done, len(cases))
    return outcomes


def arrays(outcomes: Sequence[Outcome]) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores, and whether the best candidate is right (never so where there is no answer)."""
    return np.array([o.answer.score for o in outcomes]), np.array([o.right for o in outcomes])


def _rank(case: Case, retrieved: Sequence[ScoredPassage]) -> int | None:
    for rank, scored in enumerate(retrieved, start=1):
        if _holds(case, scored.passage.source, scored.passage.text):
            return rank
    return None


def _holds(case: Case, source: str, text: str) -> bool:
    """Whether these words of a source are the case's evidence, or have it in them or around them."""
    if case.paragraph is not None:
        return source == case.paragraph
    return any(quote in text or text in quote for quote in case.evidence)


def _project_case(fields: dict[str, Any]) -> Case:
    return Case(
        id=fields["id"],
        kind=fields["kind"],
        question=fields["question"],
        answers=tuple(fields["answers"]),
        evidence=tuple(fields["evidence"]),
        history=tuple(Turn(question=t["question"], answer=t["answer"]) for t in fields.get("history", ())),
        split=fields.get("split", ""),
        standalone=fields.get("standalone") if fields.get("history") else None,
        parts=tuple(tuple(part) for part in fields.get("parts", ())),
        verdict=fields.get("verdict"),
    )


def _squad(squad: dict[str, Any]) -> tuple[tuple[Case, ...], dict[str, str]]:
    cases: list[Case] = []
    paragraphs: dict[str, str] = {}
    for article in squad["data"]:
        for paragraph in article["paragraphs"]:
            source = f"squad/{len(paragraphs):06}.txt"
            paragraphs[source] = paragraph["context"]
            for qa in paragraph["qas"]:
                answers = tuple(dict.fromkeys(answer["text"] for answer in qa.get("answers", ())))
                cases.append(
                    Case(
                        id=str(qa["id"]),
                        kind="answerable" if answers else "unanswerable",
                        question=qa["question"],
                        answers=answers,
                        split=article.get("title", ""),
                        paragraph=source,
                    )
                )
    return tuple(cases), paragraphs


def calibrate(
    bot: QABot, cases: Sequence[Case], name: str, on_progress: Progress | None = None
) -> Calibration:
    """Fit score and threshold to what `bot` gets right of `cases`; `bot` must have a threshold of 0.

    The score is Platt's, of the best candidate being right, which it never is of a question that has
    no answer; the threshold is THRESHOLD. Raises EvalSetError where the cases are too few, or
    all right, or all wrong.
    """
    # What a rule answers has a score of its own, and no evidence.
    read = [
        case
        for case in cases
        if not asked_field(case.question)
        and not asks_yes_or_no(case.question)
        and len(questions_in(case.question)) == 1
    ]
    outcomes = run(bot, read, on_progress=on_progress)
    scores, right = arrays(outcomes)
    if len(read) < 20 or right.all() or not right.any():
        raise EvalSetError(
            f"{name} has {len(read)} questions of use, {int(right.sum())} of them answered right: "
            "calibration needs 20, some right and some wrong. Add questions."
        )
    old = bot.calibration
    evidence = np.array([old.evidence(score) for score in scores])
    slope, bias = platt(evidence, right)
    return replace(old, slope=slope, bias=bias, threshold=THRESHOLD, cases=len(read), fitted_to=name)
