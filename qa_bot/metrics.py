"""Figures of merit for answers and abstentions: pure functions of numbers and strings."""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BOOTSTRAP_SAMPLES = 1_000
BOOTSTRAP_SEED = 20_230_403


def normalize(text: str) -> str:
    """A text as SQuAD's evaluation compares it: lower case, no punctuation, no articles."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1.0 where the answer is an accepted one, normalised (Rajpurkar et al. 2016)."""
    return float(any(normalize(answer) == normalize(gold) for gold in accepted))


def f1(answer: str, accepted: Sequence[str]) -> float:
    """The best harmonic mean of word precision and recall (Rajpurkar et al. 2016), in [0, 1]."""
    return max((_f1(normalize(answer).split(), normalize(gold).split()) for gold in accepted), default=0.0)


def _f1(answer: list[str], gold: list[str]) -> float:
    common = sum((Counter(answer) & Counter(gold)).values())
    return 2 * common / (len(answer) + len(gold)) if common else 0.0


def contains(text: str, accepted: Sequence[str]) -> bool:
    """Whether an accepted answer's words stand in the text, in their order, normalised."""
    padded = f" {normalize(text)} "
    return any(f" {normalize(gold)} " in padded for gold in accepted if normalize(gold))


def auroc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive scores above a negative, ties counted half; nan without both."""
    above = scores[positive][:, None] - scores[~positive][None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean()) if above.size else float("nan")


def risk_coverage(scores: Floats, right: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Coverage and risk when the k best-scored are answered, k = 1 ... n (El-Yaniv & Wiener 2010)."""
    order = np.argsort(-scores, kind="stable")
    answered = np.arange(1, len(scores) + 1)
    return answered / len(scores), 1 - np.cumsum(right[order]) / answered


def reliability(scores: Floats, right: NDArray[np.bool_], bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean score, share right, count) of `bins` groups of equal size, by ascending score."""
    order = np.argsort(scores, kind="stable")
    groups = (group for group in np.array_split(order, bins) if len(group))
    return [(float(scores[g].mean()), float(right[g].mean()), len(g)) for g in groups]


def expected_calibration_error(scores: Floats, right: NDArray[np.bool_]) -> float:
    """The mean distance of score and share right over `reliability`'s groups (Naeini et al. 2015)."""
    groups = reliability(scores, right)
    return sum(abs(score - share) * count for score, share, count in groups) / len(scores)


def interval(statistic: Callable[[NDArray[np.int64]], float], count: int) -> tuple[float, float]:
    """The bootstrap 95% interval of `statistic(rows)` over resamples of `count` rows."""
    random = np.random.default_rng(BOOTSTRAP_SEED)
    values = [statistic(random.integers(0, count, count)) for _ in range(BOOTSTRAP_SAMPLES)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def platt(evidence: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """(slope, bias) so that sigmoid(slope * evidence + bias) is the share right (Platt 1999).

    The log loss is taken with Platt's smoothed targets, so that no weight is infinite.
    """
    positives, negatives = int(right.sum()), int((~right).sum())
    target = np.where(right, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    slope, bias = logistic_regression(np.stack([evidence, np.ones_like(evidence)], axis=1), target)
    return float(slope), float(bias)


def logistic_regression(
    features: Floats, target: Floats, counts: Floats | None = None, ridge: float = 1e-9
) -> Floats:
    """The weights w that fit sigmoid(features @ w) to `target` in [0, 1], by Newton's method.

    `features` has shape (n, d); row i counts `counts[i]` times; `ridge` weighs the squares of w.
    """
    counts = np.ones(len(features)) if counts is None else counts
    weights = np.zeros(features.shape[1])
    for _ in range(100):
        probability = 1 / (1 + np.exp(-features @ weights))
        gradient = features.T @ (counts * (probability - target)) + ridge * weights
        spread = counts * probability * (1 - probability)
        hessian = (features * spread[:, None]).T @ features + ridge * np.eye(features.shape[1])
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return weights
