"""Two reports of the same questions: what got worse by more than chance, and which questions."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_bot.evaluation import EvalSetError
from qa_bot.metrics import Floats, auroc, interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One figure of two runs over the same questions."""

    figure: str
    before: float
    after: float
    low: float  # of after - before: the bootstrap 95% interval over pairs
    high: float
    lost: tuple[str, ...]  # ids of the questions that count less than before
    gained: tuple[str, ...]

    @property
    def worse(self) -> bool:
        """It fell, and the whole interval is below no change."""
        return self.high < 0


def read_report(folder: Path) -> dict[str, Any]:
    """The report.json that `report.write` put into a folder; raises EvalSetError."""
    path = folder / "report.json"
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _Rows(report)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvalSetError(
            f"{path} is no report to compare with ({type(error).__name__}: {error}). "
            "Make one with: qa-bot eval FILE --report DIR"
        ) from error
    return report


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What became of each figure over the questions of `after`, all of which `before` must have.

    The noise of a difference is that of resampling the questions, both runs' results of a question
    together (the paired bootstrap; Efron & Tibshirani 1993). Raises EvalSetError where the questions
    are others.
    """
    new = _Rows(after)
    old = _Rows(before, only=set(new.ids))
    if old.ids != new.ids or (old.answerable != new.answerable).any():
        raise EvalSetError(
            f"{after['title']!r} asks other questions than the report to compare with, {before['title']!r}. "
            "Make the earlier report again: qa-bot eval FILE --report DIR"
        )
    changes = []
    for figure, earlier, later in zip(FIGURES, old.values(), new.values(), strict=True):
        asked = np.flatnonzero(~np.isnan(earlier))
        if len(asked):
            moved = (later - earlier)[asked]
            low, high = _interval_of_mean(moved)
            changes.append(
                Change(
                    figure=figure,
                    before=float(earlier[asked].mean()),
                    after=float(later[asked].mean()),
                    low=low,
                    high=high,
                    lost=tuple(old.ids[i] for i in asked[moved < 0]),
                    gained=tuple(old.ids[i] for i in asked[moved > 0]),
                )
            )
    if 0 < old.answerable.sum() < len(old.ids):
        low, high = interval(lambda rows: new.auroc(rows) - old.auroc(rows), len(old.ids))
        everything = np.arange(len(old.ids))
        changes.append(
            Change(
                figure="AUROC, answerable",
                before=old.auroc(everything),
                after=new.auroc(everything),
                low=low,
                high=high,
                lost=(),
                gained=(),
            )
        )
    return changes


FIGURES = (
    "retrieval R@1",
    "retrieval R@5",
    "right answer in the text",
    "answer F1",
    "evidence cited",
    "right answer in the text, at the threshold",
    "abstains on unanswerable",
)


def _interval_of_mean(values: Floats) -> tuple[float, float]:
    return interval(lambda rows: float(values[rows].mean()), len(values))


class _Rows:
    """The outcomes of a report in order of id, a column each."""

    def __init__(self, report: dict[str, Any], only: Collection[str] | None = None) -> None:
        rows: list[dict[str, Any]] = sorted(report["outcomes"], key=lambda row: str(row["id"]))
        if only is not None:
            rows = [row for row in rows if str(row["id"]) in only]
        self.ids = [str(row["id"]) for row in rows]
        self.answerable = np.array([bool(row["answerable"]) for row in rows])
        self._rank = np.array([float(row["rank"] or np.inf) for row in rows])
        self._right = np.array([bool(row["right"]) for row in rows])
        self._f1 = np.array([float(row["f1"]) for row in rows])
        self._cites = np.array([bool(row["cites_evidence"]) for row in rows])
        self._scores: Floats = np.array([float(row["score"]) for row in rows])
        self._given = self._scores >= float(report["calibration"]["threshold"])

    def values(self) -> list[Floats]:
        """What each question counts in each of FIGURES; nan where it does not count at all."""
        of_answerable = [
            self._rank <= 1,
            self._rank <= 5,
            self._right,
            self._f1,
            self._cites,
            self._right & self._given,
        ]
        return [
            *(np.where(self.answerable, value, np.nan) for value in of_answerable),
            np.where(self.answerable, np.nan, ~self._given),
        ]

    def auroc(self, rows: NDArray[np.int64]) -> float:
        return auroc(self._scores[rows], self.answerable[rows])
