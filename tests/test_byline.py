"""The rule for questions about a document itself."""

from dataclasses import replace

import pytest
from conftest import FakeEncoder

from qa_bot import QABot, Settings, build_index
from qa_bot.byline import asked_field


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("Who wrote this article?", "author"),
        ("whose byline is it", "author"),
        ("Which journalist wrote the piece?", "author"),
        ("When was this published?", "date"),
        ("What is the date of the article?", "date"),
        ("Which newspaper published the story?", "publisher"),
        ("Who published this?", "publisher"),
        ("Who wrote the white paper?", None),
        ("When was the white paper published?", None),
        ("Who is the author of the lamp?", None),
        ("What is this article about?", None),
        ("Who is this?", None),
        ("What day is it?", None),
        ("", None),
    ],
)
def test_only_a_question_about_nothing_but_the_document_is_about_the_document(
    question: str, field: str | None
) -> None:
    assert asked_field(question) == field


def test_a_byline_is_quoted_from_the_body_of_the_one_document_that_has_it(
    settings: Settings, encoder: FakeEncoder
) -> None:
    front = "---\ntitle: Lamps\nauthor: Jane Doe\ndate: 2023-04-03\n---\n"
    (settings.sources / "a.md").write_text(f"{front}A lamp is green.\n\nBy Jane Doe on 3 April 2023.\n")
    (settings.sources / "b.txt").write_text("The river is long.")
    build_index(settings, encoder)
    bot = QABot.open(settings.index, encoder=encoder, settings=replace(settings, threshold=0.999))
    for question, said in (("Who wrote this?", "Jane Doe"), ("When was this published?", "3 April 2023")):
        answer = bot.ask(question)
        assert answer.text == said and answer.citations[0].quote == "By Jane Doe on 3 April 2023."
    assert bot.ask("Who published this?").abstained  # no publisher is named
    assert bot.ask("Who wrote this?", sources={"b.txt"}).abstained
    (settings.sources / "c.md").write_text(f"{front}By Jane Doe.\n")
    build_index(settings, encoder)
    bot = QABot.open(settings.index, encoder=encoder, settings=replace(settings, threshold=0.999))
    assert bot.ask("Who wrote this?").abstained  # which of the two?
