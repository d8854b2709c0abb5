"""From a reader's evidence to the probability that its answer is right, and when to withhold it."""

import json
from dataclasses import asdict, dataclass
from math import exp, log
from pathlib import Path

from qa_bot.errors import IndexUnusable

FILE = "calibration.json"

# Withholding a right answer is held to cost 3 where showing a wrong one costs 2, its quote beside it:
# the least cost is then to withhold what scores below 2 / (2 + 3) (Chow 1970).
THRESHOLD = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """score = sigmoid(slope * evidence + bias); answers that score below `threshold` are withheld."""

    slope: float
    bias: float
    threshold: float
    reader: str  # the reader whose evidence it is for
    cases: int  # how many questions it was fitted to
    fitted_to: str  # which ones

    def score(self, evidence: float) -> float:
        """The estimated probability that an answer with this evidence is right."""
        logit = self.slope * evidence + self.bias
        return 1 / (1 + exp(-logit)) if logit > -500 else 0.0

    def evidence(self, score: float) -> float:
        """The evidence that scores so: the inverse of `score`, for scores inside (0, 1)."""
        score = min(max(score, 1e-12), 1 - 1e-12)
        return (log(score / (1 - score)) - self.bias) / self.slope


def load(index: Path, default: Calibration) -> Calibration:
    """The calibration kept with an index, if it is for the same reader, else the default."""
    path = index / FILE
    if not path.is_file():
        return default
    try:
        kept = Calibration(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise IndexUnusable(
            f"{path} is no calibration ({error}). Delete it, or make it again with: qa-bot calibrate FILE"
        ) from error
    return kept if kept.reader == default.reader else default


def save(index: Path, calibration: Calibration) -> None:
    """Keep a calibration with an index; a rebuild leaves it in place."""
    path = index / FILE
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(calibration), indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)
