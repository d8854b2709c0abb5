"""Conversations that can be checked later."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import FakeEncoder
from hypothesis import given
from strategies import PROPERTY, TEXT, write

from qa_bot import Answer, Citation, QABot, QABotError, Settings, build_index
from qa_bot.transcript import as_json, as_markdown, check, citations_of

FILES = {"b.txt": "It was quiet. The museum opened in 1998.", "c.txt": "The station opened in 1911."}
Asked = tuple[Settings, list[Answer]]

QUESTIONS = ("When did the museum open?", "When did the station open?", "Who are you, zebra?")


@pytest.fixture
def asked(settings: Settings) -> tuple[Settings, list[Answer]]:
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    return settings, [bot.ask(question) for question in QUESTIONS]


def _said(text: str, sources: Path) -> list[tuple[bool, str]]:
    return [(checked.stands, checked.said) for checked in check(citations_of(text), sources)]


@pytest.mark.parametrize("export", [as_json, as_markdown])
def test_a_quote_stands_moves_or_is_lost_with_its_file(
    asked: tuple[Settings, list[Answer]], export: object
) -> None:
    settings, answers = asked
    assert [answer.text for answer in answers[:2]] == ["1998", "1911"]
    text = export(answers)
    museum = next(c for q, c in citations_of(text) if q == QUESTIONS[0])
    assert museum == answers[0].citations[0] and museum.sha256
    assert _said(text, settings.sources)[:2] == [(True, "stands"), (True, "stands")]
    write(settings.sources, {"b.txt": FILES["b.txt"] + " It is open.", "c.txt": f"New. {FILES['c.txt']}"})
    assert _said(text, settings.sources)[:2] == [
        (True, "stands, though the file has changed elsewhere"),
        (True, "stands, moved to characters 5 to 32"),
    ]
    write(settings.sources, {"b.txt": FILES["b.txt"].replace("1998", "2005")})
    assert _said(text, settings.sources)[:2] == [
        (False, "the file no longer says so"),
        (False, "the file is gone, or cannot be read"),
    ]


@pytest.mark.parametrize("export", [as_json, as_markdown])
def test_notes_and_what_relative_dates_mean_are_exported_beside_the_quote(
    settings: Settings, export: Callable[[list[Answer]], str]
) -> None:
    write(settings.sources, {"a.md": "---\ndate: 2020-05-01\n---\nThe museum opened last year."})
    build_index(settings, FakeEncoder())
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    answers = [bot.ask(question, sources=["a.*"]) for question in (QUESTIONS[0], QUESTIONS[2])]
    assert answers[0].citations and answers[1].abstained
    text = export(answers)
    assert [c for _, c in citations_of(text)] == list(answers[0].citations)
    assert answers[0].citations[0].resolved == (("last year", "2019"),)
    shown = text.partition("<!--")[0]
    assert shown.count("Looked only in 1 document") == 2 and "2019" in shown


@given(question=TEXT, said=TEXT, quote=TEXT)
@PROPERTY
def test_whatever_is_said_an_export_gives_it_back(question: str, said: str, quote: str) -> None:
    citation = Citation(
        source="a --> <!-- b.txt", start=3, end=3 + len(quote), quote=quote, answer_start=0, answer_end=1,
        also=("--", "c"), page=4, sha256="ab",
    )  # fmt: skip
    answer = Answer(
        question=question, understood=question, text=said, abstained=False, score=0.5, citations=(citation,),
        nearest=(),
    )  # fmt: skip
    for export in (as_json, as_markdown):
        assert citations_of(export([answer, answer])) == [(question, citation)] * 2
    body = as_markdown([answer]).rpartition("<!-- qa-bot")[0]
    assert "<" not in body.replace("\\<", "")


NONE = (
    "",
    "words",
    "[]x",
    "{}",
    '{"answers": [1]}',
    '[{"question": "a"}]',
    "[" * 99_999,
    "<!-- qa-bot no -->",
)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_transcript_is_one_message(text: str) -> None:
    with pytest.raises(QABotError, match="This is no transcript"):
        citations_of(text)


def test_a_transcript_that_names_files_outside_reads_none_of_them(
    asked: tuple[Settings, list[Answer]],
) -> None:
    settings, answers = asked
    (settings.sources.parent / "secret.txt").write_text(FILES["b.txt"])
    forged = json.loads(as_json(answers[:1]))
    forged["answers"][0]["citations"][0]["source"] = "../secret.txt"
    assert _said(json.dumps(forged), settings.sources) == [(False, "the file is gone, or cannot be read")]
