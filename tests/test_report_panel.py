"""A report of an evaluation as the page shows it: its figures, its pictures, and what is wrong with it."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from qa_bot import QABot
from qa_bot.evaluation import EvalSetError
from qa_bot.phrases import ENGLISH, SIMPLIFIED_CHINESE
from qa_bot.report_panel import read_report, report_html

ARTICLE_REPORT = ROOT / "evals" / "reports" / "article"
HOSTILE = "<img src=x onerror=alert(1)> ${7*7} {x}"


def write(folder: Path, report: Any) -> Path:
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def small(**changed: Any) -> dict[str, Any]:
    """A report of four questions: two kinds, one of them without an answer."""
    rows = [("who", True, 0.9, True), ("who", True, 0.8, False), ("odd", False, 0.1, False)]
    outcomes = [
        {"id": str(i), "kind": kind, "answerable": answerable, "score": score, "right": right}
        for i, (kind, answerable, score, right) in enumerate([*rows, ("odd", False, 0.7, False)])
    ]
    calibration = {"threshold": 0.5, "reader": "r"}
    made = {"title": "t", "command": "c", "machine": "m", "model": "e", "calibration": calibration}
    return {**made, "outcomes": outcomes, **changed}


def test_the_panel_has_the_figures_of_the_report(article_bot: QABot) -> None:
    report = read_report(ARTICLE_REPORT)
    written = json.loads((ARTICLE_REPORT / "report.json").read_text())
    figures = {(f["name"], f["group"]): f for f in written["figures"]}
    for kind in report.kinds:
        name = "right answer in the text" if kind.answerable else "abstains on unanswerable"
        figure = figures[name, kind.name]
        assert math.isclose(kind.share, figure["value"]) and kind.count == figure["count"]
    assert sum(kind.count for kind in report.kinds) == len(written["outcomes"])
    html = report_html(report, article_bot, ENGLISH)
    assert (
        html.count("<svg") == html.count("role='img' aria-label='Of the") + html.count("label='Answers") == 2
    )
    assert f"{len(written['outcomes'])} questions" in html and "This is not what answers here" not in html


def test_risk_and_calibration_are_counted_over_the_surest_first(tmp_path: Path) -> None:
    report = read_report(write(tmp_path, small()))
    assert [(k.name, k.share, k.count) for k in report.kinds] == [("who", 0.5, 2), ("odd", 0.5, 2)]
    assert dict(report.risk) == pytest.approx({0.25: 0, 0.5: 0.5, 0.75: 2 / 3, 1.0: 0.75})
    assert report.answered == 0.75
    assert report.groups[0] == (0.1, 0.0, 1) and report.groups[-1] == (0.9, 1.0, 1)


def test_a_report_of_something_else_says_so_and_its_text_is_text(article_bot: QABot, tmp_path: Path) -> None:
    calibration = {"threshold": 0.5, "reader": HOSTILE}
    outcomes = [{**row, "kind": HOSTILE} for row in small()["outcomes"]]
    report = small(title=HOSTILE, command=HOSTILE, model=HOSTILE, calibration=calibration, outcomes=outcomes)
    for say in (ENGLISH, SIMPLIFIED_CHINESE):
        html = report_html(read_report(write(tmp_path, report)), article_bot, say)
        assert "<img" not in html and "${" not in html and "onerror=" not in html
        assert "class='other'" in html
    assert "This is not what answers here" in report_html(
        read_report(tmp_path), article_bot, ENGLISH
    ).replace("&#32;", " ")


DAMAGED = {
    "empty": "",
    "no object": "[]",
    "deep": "[" * 100_000,
    "no outcomes": json.dumps(small(outcomes=[])),
    "a score that is none": json.dumps(small(outcomes=[{**small()["outcomes"][0], "score": math.nan}])),
    "a score beyond 1": json.dumps(small(outcomes=[{**small()["outcomes"][0], "score": 2}])),
    "no calibration": json.dumps(small(calibration=None)),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_report_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(EvalSetError, match=r"report\.json is missing or damaged\. Make it with: qa-bot eval"):
        read_report(tmp_path)


def test_a_missing_report_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EvalSetError, match="missing or damaged"):
        read_report(tmp_path / "none")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
)


@given(st.sampled_from(["title", "model", "calibration", "outcomes"]), JSON)
def test_whatever_a_report_holds_it_is_shown_or_refused(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: Any
) -> None:
    folder = write(tmp_path_factory.getbasetemp(), small(**{field: value}))
    try:
        read_report(folder)
    except EvalSetError as error:
        assert "missing or damaged" in str(error)
