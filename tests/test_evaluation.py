"""Question sets are read, asked and counted; calibration is kept with the index."""

import json
import lzma
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ARTICLE, ROOT, FakeEncoder

from qa_bot import QABot, Settings, build_index
from qa_bot.cli import cli
from qa_bot.evaluation import EvalSet, EvalSetError, load, run, write_paragraphs
from qa_bot.figures import figures
from qa_bot.report import as_json, as_markdown, make
from qa_bot.report import write as write_report

SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Lamps",
            "paragraphs": [
                {
                    "context": "The lamp in the tower is green. A smith made it.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "What colour is the lamp in the tower?",
                            "is_impossible": False,
                            "answers": [
                                {"text": "green", "answer_start": 25},
                                {"text": "green", "answer_start": 25},
                            ],
                        },
                        {"id": "2", "question": "Who sold the zebra?", "is_impossible": True, "answers": []},
                    ],
                },
                {
                    "context": "The river is long. The river was bridged in May 1911.",
                    "qas": [
                        {
                            "id": "3",
                            "question": "When was the river bridged?",
                            "answers": [{"text": "1911", "answer_start": 48}],
                        },
                    ],
                },
            ],
        }
    ],
}


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json.xz"
    path.write_bytes(lzma.compress(json.dumps(SQUAD).encode()))
    return path


@pytest.fixture
def bot(squad: Path, settings: Settings, encoder: FakeEncoder) -> QABot:
    write_paragraphs(load(squad).paragraphs, settings.sources)
    build_index(settings, encoder)
    return QABot.open(settings.index, encoder=encoder, settings=replace(settings, threshold=0))


def _article() -> EvalSet:
    return load(ROOT / "evals/article.jsonl")


def test_every_evidence_quote_is_in_the_article_and_every_answer_in_its_evidence() -> None:
    article = (ROOT / "sources" / ARTICLE).read_text()
    for case in _article().cases:
        assert bool(case.answers) == bool(case.evidence), case.id
        assert all(quote in article for quote in case.evidence), case.id
        assert all(any(answer in quote for quote in case.evidence) for answer in case.answers), case.id


def test_the_article_s_set_is_large_various_and_split_by_fact() -> None:
    rows = [json.loads(line) for line in (ROOT / "evals/article.jsonl").read_text().splitlines()]
    follow_ups = [row for row in rows if row["history"]]
    answerable = [row for row in rows if row["answers"] and not row["history"]]
    unanswerable = [row for row in rows if not row["answers"] and not row["history"]]
    assert len(answerable) >= 90 and len(unanswerable) >= 45 and len(follow_ups) >= 25
    assert {row["kind"] for row in answerable} >= {"who", "when", "where", "how-many", "what", "why"}
    assert {row["style"] for row in answerable} == {"direct", "paraphrase", "multi", "byline"}
    near = sum(row["kind"] == "near-miss" for row in unanswerable)
    assert 0.4 <= near / len(unanswerable) <= 0.6
    split_of: dict[str, str] = {}
    for row in rows:
        fact = row["fact"].removesuffix("-x")
        assert split_of.setdefault(fact, row["split"]) == row["split"], f"{fact} is in both halves"
    assert len({row["id"] for row in rows}) == len({row["question"] + str(row["history"]) for row in rows})
    assert 0.4 <= sum(row["split"] == "dev" for row in rows) / len(rows) <= 0.6


def test_a_squad_file_is_read_with_its_paragraphs_and_unanswerable_questions(squad: Path) -> None:
    loaded = load(squad)
    assert list(loaded.paragraphs) == ["squad/000000.txt", "squad/000001.txt"]
    assert [(c.id, c.kind, c.answers, c.paragraph) for c in loaded.cases] == [
        ("1", "answerable", ("green",), "squad/000000.txt"),
        ("2", "unanswerable", (), "squad/000000.txt"),
        ("3", "answerable", ("1911",), "squad/000001.txt"),
    ]
    with pytest.raises(EvalSetError, match="no questions of the split 'nothing'"):
        load(squad, ["nothing"])


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"data": [{"paragraphs": 3}]}', b'{"id": "1"}\n', b"\xff\xfe", b"[1, 2]"]
)
def test_a_file_that_is_no_question_set_is_one_message(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    with pytest.raises(
        EvalSetError, match=r"set\.jsonl (cannot be read as a question set|holds no questions)"
    ):
        load(path)
    with pytest.raises(EvalSetError, match="cannot be read"):
        load(tmp_path / "none.jsonl")


def values(bot: QABot, squad: Path, threshold: float, **options: bool) -> Mapping[str, float]:
    outcomes = run(bot, load(squad).cases, **options)
    return {f.name: f.value for f in figures(outcomes, threshold) if f.group == "all"}


def test_figures_count_what_the_bot_retrieved_answered_and_withheld(bot: QABot, squad: Path) -> None:
    got = values(bot, squad, threshold=0.0)
    assert got["retrieval R@1"] == got["retrieval MRR"] == got["right answer in the text"] == 1
    assert got["citations that hold the evidence"] == 1  # of the unanswerable: its paragraph is cited
    assert got["answers answerable"] == 1 and got["abstains on unanswerable"] == 0
    assert got["AUROC, answerable"] == 1
    assert 0 < got["answer exact match"] < got["answer F1"] < 1  # one is given with words around it
    withheld = values(bot, squad, threshold=1.0)
    assert withheld["answers answerable"] == 0 and withheld["abstains on unanswerable"] == 1
    assert withheld["answer F1, at the threshold"] == 0
    assert withheld["F1 over all, at the threshold"] == pytest.approx(1 / 3)
    assert withheld["abstention precision"] == pytest.approx(1 / 3)


def test_the_right_paragraph_alone_is_all_that_is_read_then(bot: QABot, squad: Path) -> None:
    for outcome in run(bot, load(squad).cases, gold_only=True):
        assert {scored.passage.source for scored in outcome.answer.nearest} == {outcome.case.paragraph}


def test_a_report_lists_every_figure_and_miss_and_is_safe_to_read(
    bot: QABot, squad: Path, tmp_path: Path
) -> None:
    outcomes = run(bot, load(squad).cases)
    report = make("tiny", "qa-bot eval tiny", "fake", bot.calibration, outcomes)
    written = write_report(report, tmp_path / "report")
    assert [path.name for path in written] == ["report.md", "misses.md", "report.json", "curves.svg"]
    text = as_markdown(report)
    assert all(figure.name in text for figure in report.figures)
    assert "Unanswerable, and yet answered" in written[1].read_text()
    assert json.loads(written[2].read_text()) == json.loads(json.dumps(as_json(report)))
    assert [row["id"] for row in as_json(report)["outcomes"]] == ["1", "2", "3"]


def test_calibration_is_kept_with_the_index_and_changes_what_is_withheld(
    settings: Settings, encoder: FakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa_bot.bot.encoder_of_index", lambda index, manifest: encoder)
    for number in range(15):
        (settings.sources / f"{number}.txt").write_text(f"The lamp of house {number} is colour{number}.")
    build_index(settings, encoder)
    rows = [
        {
            "id": f"a{n}",
            "kind": "what",
            "question": f"What is the lamp of house {n}?",
            "answers": [f"colour{n}"],
            "evidence": [f"The lamp of house {n} is colour{n}."],
        }
        for n in range(15)
    ] + [
        {
            "id": f"u{n}",
            "kind": "off",
            "question": f"Which zebra {n} ate sushi?",
            "answers": [],
            "evidence": [],
        }
        for n in range(15)
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    before = QABot.open(settings.index).ask(rows[0]["question"])
    result = CliRunner().invoke(cli, ["calibrate", str(path), "--index", str(settings.index)])
    assert result.exit_code == 0 and "Calibrated on 30 questions of set" in result.output
    bot = QABot.open(settings.index)
    assert bot.calibration.fitted_to == "set" and bot.ask(rows[0]["question"]).score != before.score
    asked = {row["id"]: bot.ask(row["question"]) for row in rows}
    assert all(not asked[f"a{n}"].abstained and asked[f"u{n}"].abstained for n in range(15))
    build_index(settings, FakeEncoder(digest="fake-2"))  # a rebuild leaves it in place
    assert (settings.index / "calibration.json").exists()


def test_too_few_questions_calibrate_nothing(bot: QABot, squad: Path, settings: Settings) -> None:
    from qa_bot.evaluation import calibrate

    with pytest.raises(EvalSetError, match="calibration needs 20"):
        calibrate(bot, load(squad).cases, "tiny")
    assert not (settings.index / "calibration.json").exists()
