"""Run a question set through the bot, over its public surface alone, and count what came of it.

A set is this project's JSON lines (evals/README.md has the format) or SQuAD 1.1/2.0 JSON; .xz
and .gz are read as they are. Every question is asked once with a threshold of 0, so that there is
a best candidate for each; abstention is then a matter of its score.
"""

import gzip
import json
import lzma
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_bot.bot import QABot
from qa_bot.byline import asked_field
from qa_bot.calibration import THRESHOLD, Calibration
from qa_bot.compound import joined, questions_in
from qa_bot.errors import QABotError
from qa_bot.metrics import (
    Floats,
    auroc,
    contains,
    exact_match,
    expected_calibration_error,
    f1,
    interval,
    platt,
    risk_coverage,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of one group of cases, with its bootstrap 95% interval."""

    group: str
    name: str
    value: float
    low: float
    high: float
    count: int


def figures(outcomes: Sequence[Outcome], threshold: float) -> list[Figure]:
    """All figures, over all cases and over each kind; those without a case are left out."""
    kinds = sorted({outcome.case.kind for outcome in outcomes})
    groups: list[tuple[str, Sequence[Outcome]]] = [("all", outcomes)]
    if len(kinds) > 1:
        groups += [(kind, [o for o in outcomes if o.case.kind == kind]) for kind in kinds]
    return [figure for group, members in groups for figure in _group_figures(group, members, threshold)]


def _group_figures(group: str, outcomes: Sequence[Outcome], threshold: float) -> Iterator[Figure]:
    answerable = [o for o in outcomes if o.case.answers]
    unanswerable = len(outcomes) - len(answerable)

    def mean(name: str, values: Iterable[float]) -> Iterator[Figure]:
        yield from of(name, np.array(list(values), dtype=float), lambda v: float(v.mean()))

    def of(name: str, values: NDArray[Any], statistic: Callable[[NDArray[Any]], float]) -> Iterator[Figure]:
        value = statistic(values) if len(values) else np.nan
        if not np.isnan(value):
            low, high = interval(lambda rows: statistic(values[rows]), len(values))
            yield Figure(group=group, name=name, value=value, low=low, high=high, count=len(values))

    for k in (1, 3, 5, 10):
        yield from mean(f"retrieval R@{k}", (o.rank is not None and o.rank <= k for o in answerable))
    yield from mean("retrieval MRR", (1 / o.rank if o.rank else 0.0 for o in answerable))

    given = [replace(o, answer=_withhold(o.answer, threshold)) for o in outcomes]
    for suffix, those in (("", outcomes), (", at the threshold", given)):
        answers = [o for o in those if o.case.answers]
        yield from mean(f"answer exact match{suffix}", (exact_match(o.text, o.case.answers) for o in answers))
        yield from mean(f"answer F1{suffix}", (f1(o.text, o.case.answers) for o in answers))
        yield from mean(f"right answer in the text{suffix}", (o.right for o in answers))
        yield from mean(
            f"right answer in the quote{suffix}",
            (any(contains(c.quote, o.case.answers) for c in o.answer.citations) for o in answers),
        )
        yield from mean(f"evidence cited{suffix}", (o.cites_evidence for o in answers))
    if unanswerable:
        # SQuAD 2.0's own F1: of an unanswerable question, 1 for abstaining.
        yield from mean(
            "F1 over all, at the threshold",
            (f1(o.text, o.case.answers) if o.case.answers else float(not o.text) for o in given),
        )
    yield from mean("citations that hold the evidence", (o.cites_evidence for o in given if o.answer.text))

    for name, values in _of_kinds(outcomes, threshold):
        yield from mean(name, values)

    scores = np.array([o.answer.score for o in outcomes])
    can = np.array([bool(o.case.answers) for o in outcomes])
    right = np.array([o.right for o in outcomes])
    rows = np.stack([scores, can, right], axis=1)
    withheld = rows[:, 0] < threshold
    yield from mean("abstains on unanswerable", withheld[~can])
    yield from mean("answers answerable", ~withheld[can])
    yield from mean("abstention precision", ~can[withheld])
    if unanswerable and answerable:
        yield from of("AUROC, answerable", rows, lambda v: auroc(v[:, 0], v[:, 1] > 0))
    yield from of(
        "area under risk-coverage", rows, lambda v: float(risk_coverage(v[:, 0], v[:, 2] > 0)[1].mean())
    )
    if len(rows) >= 30:
        yield from of(
            "calibration error (ECE)", rows, lambda v: expected_calibration_error(v[:, 0], v[:, 2] > 0)
        )
    milliseconds = np.array([o.seconds * 1000 for o in outcomes])
    yield from of("latency p50, ms", milliseconds, lambda v: float(np.percentile(v, 50)))
    yield from of("latency p95, ms", milliseconds, lambda v: float(np.percentile(v, 95)))


def _of_kinds(outcomes: Sequence[Outcome], threshold: float) -> Iterator[tuple[str, list[float]]]:
    """What is counted of follow-ups, of questions with several answers, and of those for yes or no."""
    alone = [(o, replace(o, answer=o.alone)) for o in outcomes if o.alone]
    yield "right or withheld, as asked", [_served(o, threshold) for o, _ in alone]
    yield "right or withheld, asked alone", [_served(o, threshold) for _, o in alone]
    several = [(o.case, _given_parts(o.answer, threshold)) for o in outcomes if o.case.parts]
    wanted = [(texts, accepted) for case, texts in several for accepted in case.parts if accepted]
    yield "parts found", [float(any(contains(t, accepted) for t in texts)) for texts, accepted in wanted]
    given = [(text, case) for case, texts in several for text in texts]
    yield "parts that are right", [float(any(contains(t, p) for p in case.parts)) for t, case in given]
    decided = [(o.answer.verdict, o.case.verdict) for o in outcomes if o.case.kind == "yes-no"]
    yield "yes or no said, rightly", [float(said == told) for said, told in decided if told]
    yield "yes or no said, wrongly", [float(said is not None and said != told) for said, told in decided]


def _served(outcome: Outcome, threshold: float) -> float:
    """1 where the answer that is given is right, or an unanswerable question's withheld."""
    given = _withhold(outcome.answer, threshold)
    return float(contains(given.text or "", outcome.case.answers) if outcome.case.answers else not given.text)


def _given_parts(answer: Answer, threshold: float) -> list[str]:
    given = _withhold(answer, threshold)
    return [part.text or "" for part in given.parts] or ([given.text] if given.text else [])


def arrays(outcomes: Sequence[Outcome]) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores, and whether the best candidate is right (never so where there is no answer)."""
    return np.array([o.answer.score for o in outcomes]), np.array([o.right for o in outcomes])


def _withhold(answer: Answer, threshold: float) -> Answer:
    """The answer as the bot gives it at this threshold."""
    sure = [part for part in answer.parts if part.score >= threshold]
    if answer.kind == "questions" and sure:
        return joined(answer, sure, "questions")
    if answer.score >= threshold:
        return answer
    return replace(answer, text=None, abstained=True, citations=(), parts=())


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
