"""Fit what decides between passages, and how sure to be of the answer.

    python training/evidence.py DATA

Questions of two kinds, counted alike: those of SQuAD 2.0's articles set aside for this, over all of the
set's paragraphs, and the development half of evals/article.jsonl. Neither the model's training nor any
reported figure has seen them. Prints what goes into qa_bot/reader.py.

Two fits, for they are two questions. Which passage: a softmax over a question's candidates, where one is
right. How sure: a logistic regression of the chosen one being right, over all questions. One fit for both
ranks no better, and tells answerable from unanswerable by 0.77 instead of 0.84 (README.md).
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from examples import roles
from scipy.optimize import minimize

from qa_bot.bot import QABot
from qa_bot.build import build_index
from qa_bot.byline import asked_field
from qa_bot.config import Settings
from qa_bot.evaluation import Case, load, write_paragraphs
from qa_bot.evidence import FEATURES
from qa_bot.followup import understand
from qa_bot.metrics import auroc, contains, f1, logistic_regression

ROOT = Path(__file__).parent.parent
RANKED_BY = ("found", "dense", "lexical", "missing")
SURE_BY = ("found", "numbers")
RIDGE = 0.5


@dataclass(frozen=True)
class Read:
    """One question's candidates: their features, shape (n, features), and which are right, (n,)."""

    case: Case
    features: np.ndarray
    right: np.ndarray


def read(bot: QABot, cases: Sequence[Case]) -> list[Read]:
    done = []
    for case in cases:
        if asked_field(case.question):
            continue  # a rule answers these
        passages = bot.retrieve(case.question, history=case.history)
        candidates = bot.reader.candidates(understand(case.question, case.history), passages)
        right = np.array([is_right(c.text, case.answers) for c in candidates])
        done.append(Read(case, np.array([astuple(c.evidence) for c in candidates]), right))
    return done


def is_right(text: str, accepted: Sequence[str]) -> bool:
    """Whether the answer says an accepted one, or most of it and little more."""
    return bool(accepted) and (f1(text, accepted) >= 0.5 or contains(text, accepted))


def fit_ranking(reads: Sequence[Read], counts: np.ndarray, columns: list[int]) -> np.ndarray:
    """The weights under which right candidates have the most of a question's softmax."""
    informative = [(r, n) for r, n in zip(reads, counts, strict=True) if 0 < r.right.sum() < len(r.right)]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        total, gradient = RIDGE / 2 * float(weights @ weights), RIDGE * weights
        for r, count in informative:
            x = r.features[:, columns]
            chance = np.exp(x @ weights - (x @ weights).max())
            chance /= chance.sum()
            share = max(float(chance[r.right].sum()), 1e-12)
            total -= count * np.log(share)
            gradient = gradient - count * (x.T @ (chance * r.right / share - chance))
        return total, gradient

    return minimize(loss, np.zeros(len(columns)), jac=True, method="L-BFGS-B").x


def told(weights: np.ndarray, columns: list[int]) -> str:
    by_column = dict(zip(columns, weights, strict=True))
    return ", ".join(f"{name}={by_column.get(i, 0.0):.3f}" for i, name in enumerate(FEATURES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    path = data / "squad2_dev_half.json.xz"
    squad = load(path)
    role = roles(sorted({case.split for case in squad.cases}))
    held = [case for case in squad.cases if role[case.split] == "calibrate"]
    with tempfile.TemporaryDirectory() as folder:
        over_squad = Settings(sources=Path(folder, "squad"), index=Path(folder, "squad-index"), threshold=0)
        over_article = Settings(sources=ROOT / "sources", index=Path(folder, "index"), threshold=0)
        write_paragraphs(squad.paragraphs, over_squad.sources)
        sets = []
        for settings, cases in (
            (over_squad, held),
            (over_article, load(ROOT / "evals/article.jsonl", ["dev"]).cases),
        ):
            build_index(settings)
            sets.append(read(QABot.open(settings.index, settings=settings), cases))
    reads = [r for group in sets for r in group]
    size = max(map(len, sets))
    counts = np.concatenate([np.full(len(group), size / len(group)) for group in sets])
    ranked_by, sure_by = ([FEATURES.index(name) for name in names] for names in (RANKED_BY, SURE_BY))
    ranking = fit_ranking(reads, counts, ranked_by)
    best = [int((r.features[:, ranked_by] @ ranking).argmax()) for r in reads]
    chosen = np.array([r.features[b][sure_by] for r, b in zip(reads, best, strict=True)])
    right = np.array([r.right[b] for r, b in zip(reads, best, strict=True)])
    ones = np.ones((len(chosen), 1))
    *certainty, bias = logistic_regression(np.hstack([chosen, ones]), right.astype(float), counts, RIDGE)
    print(f"RANKING = Evidence({told(ranking, ranked_by)})")
    print(f"CERTAINTY = Evidence({told(np.array(certainty), sure_by)})")
    print(f"bias={bias:.3f}, cases={len(reads)}")
    scores = 1 / (1 + np.exp(-(chosen @ np.array(certainty) + bias)))
    can = np.array([bool(r.case.answers) for r in reads])
    for name, here in (("SQuAD 2.0", counts == counts[0]), ("the article", counts != counts[0])):
        separation = auroc(scores[here], can[here])
        print(f"{name}: right {right[here & can].mean():.3f}; AUROC, answerable {separation:.3f}")
        for threshold in np.arange(0.2, 0.65, 0.05):
            given = scores >= threshold
            print(
                f"  {threshold:.2f}: answers answerable {given[here & can].mean():.3f}, "
                f"right ones {(given & right)[here & can].mean():.3f}, "
                f"abstains on unanswerable {(~given)[here & ~can].mean():.3f}"
            )


if __name__ == "__main__":
    main()
