"""What is counted of the outcomes of an evaluation, with bootstrap intervals."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_bot.compound import joined
from qa_bot.evaluation import Outcome
from qa_bot.metrics import (
    auroc,
    contains,
    exact_match,
    expected_calibration_error,
    f1,
    interval,
    risk_coverage,
)
from qa_bot.types import Answer


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


def _withhold(answer: Answer, threshold: float) -> Answer:
    """The answer as the bot gives it at this threshold."""
    sure = [part for part in answer.parts if part.score >= threshold]
    if answer.kind == "questions" and sure:
        return joined(answer, sure, "questions")
    if answer.score >= threshold:
        return answer
    return replace(answer, text=None, abstained=True, citations=(), parts=())
