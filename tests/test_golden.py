"""What the bot says of the repository's own sources, with the real model."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ARTICLE

import qa_bot
from qa_bot import Answer, IndexUnusable, InvalidQuestion, QABot, Settings, Turn, answer, build_index
from qa_bot.chunking import sentences
from qa_bot.dates import resolve
from qa_bot.encoder import OnnxEncoder

ANSWERS = {
    "How many countries took part in First Light 2022?": "76",
    "Which operation did Interpol initiate?": "First Light 2022",
    "How many arrests did the operation lead to?": "2,000",
    "Who issued the white paper?": "State Council Information Office",
    "When was the white paper issued?": "March 16",
    "What is the title of the white paper?": "China's Law-Based Cyberspace Governance",
    "Who is the vice-minister of the Cyberspace Administration of China?": "Cao Shumin",
    "Which university is Wang Yi a law professor at?": "Renmin University of China",
    "What has China hosted every year since 2014?": "World Internet Conference",
    "Since when has China hosted the World Internet Conference?": "2014",
    "What have the 15 member states established?": "regional rules",
    "Which UNESCO recommendation did China help to formulate?": "Ethics of Artificial Intelligence",
    "Who wrote this article?": "Cao Yin",
    "who wrote this?": "Cao Yin",
    "When was this published?": "Apr 3, 2023",
    "Which newspaper published this article?": "China Daily",
}
NOT_SAID = (
    "What is the capital of France?",
    "How do I bake sourdough bread?",
    "Who won the football world cup?",
    "What does a transistor do?",
)


@pytest.mark.parametrize(("question", "words"), ANSWERS.items())
def test_the_article_answers_in_its_own_words(article_bot: QABot, question: str, words: str) -> None:
    said = article_bot.ask(question)
    assert said.text and words in said.text
    _assert_checkable(article_bot, said)


@pytest.mark.parametrize("question", NOT_SAID)
def test_what_the_article_does_not_say_is_withheld(article_bot: QABot, question: str) -> None:
    said = article_bot.ask(question)
    assert said.abstained and said.text is None and not said.citations
    assert len(said.nearest) == 5 and said.score < article_bot.calibration.threshold


def test_the_articles_relative_dates_are_resolved_beside_the_quote(article_bot: QABot) -> None:
    document = article_bot.document(ARTICLE)
    said = [resolve(document.text[start:end], document.date) for start, end in sentences(document.text)]
    expected = (("March to June last year", "March to June 2022"),)
    assert [resolved for resolved in said if resolved] == [expected]
    citation = article_bot.ask("How many countries took part in First Light 2022?").citations[0]
    assert citation.resolved == expected and "June 2022" not in citation.quote
    _assert_checkable(article_bot, article_bot.ask("When did First Light 2022 take place?"))


def test_a_follow_up_is_understood_from_the_turn_before(article_bot: QABot) -> None:
    first = article_bot.ask("How many countries took part in First Light 2022?")
    second = article_bot.ask("And who started it?", [Turn(question=first.question, answer=first.text)])
    assert second.text and "Interpol" in second.text
    assert second.question == "And who started it?"
    assert second.understood == "Who started First Light 2022?"
    alone = article_bot.ask("Who issued the white paper?", [Turn(question=first.question, answer=first.text)])
    assert alone == article_bot.ask("Who issued the white paper?")


def test_a_sentence_that_begins_with_a_pronoun_is_quoted_after_the_one_before(article_bot: QABot) -> None:
    said = article_bot.ask("What does the paper demonstrate?")
    assert said.text and said.text.startswith("China's efforts")
    assert said.citations[0].quote.startswith('Titled "China')
    _assert_checkable(article_bot, said)


@pytest.mark.parametrize("blank", ["", "  \n\t", "\0\x07", "\u202e\u200b", "\ud800"])
def test_a_blank_question_is_refused(article_bot: QABot, blank: str) -> None:
    with pytest.raises(InvalidQuestion, match="blank"):
        article_bot.ask(blank)


def test_a_question_of_100_000_characters_is_refused(article_bot: QABot) -> None:
    with pytest.raises(ValueError, match="100,000 characters; 2,000 are the most"):
        article_bot.ask("why " * 25_000)


@pytest.mark.parametrize(
    "question",
    [
        "🦊🦊🦊",
        "\x00First\x1b[31m Light\x07 2022?",
        "مرحبا ما هذا؟",
        "<script>alert(1)</script>",
        "a\ud800b",
        "?!…",
    ],
)
def test_an_odd_question_gets_an_answer_or_an_abstention(article_bot: QABot, question: str) -> None:
    _assert_checkable(article_bot, article_bot.ask(question))


def test_top_k_is_clamped_to_the_index_and_refused_below_one(article_bot: QABot) -> None:
    every = article_bot.retrieve("first light", top_k=10_000)
    assert len(every) == article_bot.manifest.passages
    assert article_bot.retrieve("first light", top_k=1) == every[:1]
    for ask in (article_bot.ask, article_bot.retrieve):
        with pytest.raises(InvalidQuestion, match="at least 1"):
            ask("first light", top_k=0)


def test_a_search_can_be_narrowed_to_some_documents(article_bot: QABot) -> None:
    source = article_bot.ask("Who issued the white paper?").citations[0].source
    assert article_bot.ask("Who issued the white paper?", sources={source}).text
    with pytest.raises(InvalidQuestion, match=r"holds none .* \['other.md'\]"):
        article_bot.ask("Who issued the white paper?", sources={"other.md"})


def test_answer_opens_the_index_that_the_environment_names_and_again_after_a_rebuild(
    tmp_path: Path, real_encoder: OnnxEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(sources=tmp_path / "sources", index=tmp_path / "index", model=real_encoder.name)
    settings.sources.mkdir()
    note = settings.sources / "note.txt"
    monkeypatch.setenv("QA_BOT_INDEX", str(settings.index))
    with pytest.raises(IndexUnusable, match="qa-bot index --index"):
        answer("What colour is the door?")
    note.write_text("The colour of the door is green.")
    build_index(settings, real_encoder)
    assert answer("What colour is the door?").text == "green"
    note.write_text("The colour of the door is red.")
    build_index(settings, real_encoder)
    assert answer("What colour is the door?").text == "red"
    assert answer("What colour is the door?", index=settings.index).citations[0].source == "note.txt"


def test_asking_writes_nothing(article_bot: QABot, article_index: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in article_index.rglob("*")}
    assert article_bot.ask("Who issued the white paper?") == article_bot.ask("Who issued the white paper?")
    assert {path: path.stat().st_mtime_ns for path in article_index.rglob("*")} == before


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, qa_bot; sys.exit(bool({'numpy', 'faiss', 'torch', 'gradio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert all(getattr(qa_bot, name).__doc__ for name in qa_bot.__all__)


def _assert_checkable(bot: QABot, said: Answer) -> None:
    """Invariants 1 and 2: every citation is words of its document, and the answer of its quote."""
    assert said.abstained == (not said.citations) == (said.text is None)
    assert 0 <= said.score <= 1
    for citation in said.citations:
        assert bot.document(citation.source).text[citation.start : citation.end] == citation.quote
    if said.text is not None:
        first = said.citations[0]
        assert first.quote[first.answer_start : first.answer_end] == said.text
    assert replace(said) == said
