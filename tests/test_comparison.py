"""Reports of two runs are compared by question, and the committed figures are held."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from conftest import ROOT

from qa_bot.cli import cli
from qa_bot.comparison import compare, read_report
from qa_bot.evaluation import EvalSetError

REPORTS = ROOT / "evals/reports"
# Of the SQuAD half, the articles that neither trained nor calibrated the reader (training/README.md).
HELD_BACK = ("1973_oil_crisis", "French_and_Indian_War", "Packet_switching", "Warsaw")


def report(right: list[bool], scores: list[float], threshold: float = 0.5) -> dict[str, Any]:
    """A report of which the first half of the questions has answers."""
    return {
        "title": "made",
        "calibration": {"threshold": threshold},
        "outcomes": [
            {
                "id": str(number),
                "answerable": number < len(right) / 2,
                "rank": 1 if is_right else None,
                "score": score,
                "right": is_right,
                "f1": float(is_right),
                "cites_evidence": is_right,
            }
            for number, (is_right, score) in enumerate(zip(right, scores, strict=True))
        ],
    }


GOOD = report([True] * 30 + [False] * 30, [0.9] * 30 + [0.1] * 30)


def test_nothing_is_worse_than_itself_and_two_questions_are_chance() -> None:
    assert not any(change.worse or change.lost or change.gained for change in compare(GOOD, GOOD))
    two_lost = report([False] * 2 + [True] * 28 + [False] * 30, [0.9] * 30 + [0.1] * 30)
    changes = {change.figure: change for change in compare(GOOD, two_lost)}
    assert changes["right answer in the text"].lost == ("0", "1")
    assert not any(change.worse for change in changes.values())
    gained = {change.figure: change for change in compare(two_lost, GOOD)}
    assert gained["right answer in the text"].gained == ("0", "1")


def test_what_falls_by_more_than_chance_is_worse_and_names_the_questions() -> None:
    many_lost = report([False] * 8 + [True] * 22 + [False] * 30, [0.9] * 30 + [0.1] * 30)
    changes = {change.figure: change for change in compare(GOOD, many_lost)}
    assert changes["retrieval R@1"].worse and changes["answer F1"].worse
    assert set(changes["retrieval R@1"].lost) == {str(number) for number in range(8)}
    assert not changes["abstains on unanswerable"].worse and not changes["AUROC, answerable"].worse
    scrambled = {
        change.figure: change for change in compare(GOOD, report([True] * 30 + [False] * 30, [0.4] * 60))
    }
    assert scrambled["AUROC, answerable"].worse
    assert scrambled["right answer in the text, at the threshold"].worse
    assert not scrambled["abstains on unanswerable"].worse


def test_reports_of_other_questions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvalSetError, match="asks other questions"):
        compare(GOOD, report([True] * 62, [0.5] * 62))
    with pytest.raises(EvalSetError, match=r"report\.json is no report"):
        read_report(tmp_path)
    (tmp_path / "report.json").write_text('{"outcomes": [{"id": 1}]}')
    with pytest.raises(EvalSetError, match=r"report\.json is no report"):
        read_report(tmp_path)


def held(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, ["eval", *arguments])
    assert result.exit_code == 0, f"worse than the committed figures:\n{result.stderr}"


def test_the_article_s_test_half_is_answered_no_worse_than_committed(article_index: Path) -> None:
    held([
        str(ROOT / "evals/article.jsonl"), "--split", "test", "--index", str(article_index),
        "--against", str(REPORTS / "article"),
    ])  # fmt: skip


@pytest.mark.data
def test_the_article_among_others_is_answered_no_worse_than_committed(data: Path) -> None:
    held([
        str(ROOT / "evals/article.jsonl"), "--split", "test", "--sources", str(ROOT / "sources"),
        "--distractors", str(data / "squad2_dev_half.json.xz"),
        "--against", str(REPORTS / "article-among-squad2"),
    ])  # fmt: skip


@pytest.mark.data
@pytest.mark.slow
def test_squad_is_answered_no_worse_than_committed(data: Path) -> None:
    splits = [option for article in HELD_BACK for option in ("--split", article)]
    held([str(data / "squad2_dev_half.json.xz"), *splits, "--against", str(REPORTS / "squad2")])
