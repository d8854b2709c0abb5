"""What readers say of answers, kept as drafts of evaluation cases."""

import json
from pathlib import Path

import pytest
from conftest import FakeEncoder
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY, TEXT, write

from qa_bot import Answer, QABot, QABotError, Settings, Turn, build_index, feedback
from qa_bot.evaluation import load
from qa_bot.feedback import FILE, drafts, forget, keep


@pytest.fixture
def answer(settings: Settings) -> Answer:
    write(settings.sources, {"b.txt": "The museum opened in 1998."})
    build_index(settings, FakeEncoder())
    return QABot.open(settings.index, encoder=FakeEncoder()).ask("When did the museum open?")


def test_the_last_judgement_of_an_answer_is_a_case_that_can_be_evaluated(
    answer: Answer, settings: Settings, tmp_path: Path
) -> None:
    assert answer.text == "1998"
    keep(settings.index, answer, [], right=True)
    assert [d["answers"] for d in drafts(settings.index)] == [["1998"]]
    keep(settings.index, answer, [], right=False)
    assert [(d["answers"], d["right"]) for d in drafts(settings.index)] == [(None, False)]
    keep(settings.index, answer, [Turn(question="Which museum?")], right=False, correction=" in\n1998 ")
    _, second = drafts(settings.index)
    assert second["answers"] == ["in 1998"] and second["history"] == [
        {"question": "Which museum?", "answer": None}
    ]
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(second) + "\n")
    (case,) = load(path).cases
    assert case.answers == ("in 1998",) and case.question == answer.question


def test_drafts_that_quote_deleted_documents_are_forgotten(answer: Answer, settings: Settings) -> None:
    keep(settings.index, answer, [], right=True)
    forget(settings.index, {"b.txt"})
    assert len(drafts(settings.index)) == 1
    forget(settings.index, {"c.txt"})
    assert drafts(settings.index) == [] and (settings.index / FILE).read_text() == ""


def test_feedback_is_bounded_and_what_cannot_be_kept_is_one_sentence(
    answer: Answer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "MAX_BYTES", 100)
    keep(settings.index, answer, [], right=True)
    with pytest.raises(QABotError, match="is full"):
        keep(settings.index, answer, [], right=True)
    with pytest.raises(QABotError, match="cannot be kept"):
        keep(settings.index / "CURRENT" / "c", answer, [], right=True)


@given(lines=st.lists(TEXT | st.just('{"id": 1}') | st.just("[]"), max_size=5))
@PROPERTY
def test_lines_that_are_no_drafts_are_passed_over(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / FILE).write_text("\n".join(lines), encoding="utf-8")
    assert all("id" in draft for draft in drafts(folder))
