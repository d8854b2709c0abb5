"""Questions to start with: few and good, or none."""

import pytest
from conftest import FakeEncoder
from hypothesis import given
from strategies import PROSE, SLOW_PROPERTY, write

from qa_bot import QABot, Settings, build_index
from qa_bot.starters import MOST, TRIED, make_starters
from qa_bot.types import Answer, Passage


def test_each_starter_of_the_article_is_answered_surely_with_a_quote_of_it(article_bot: QABot) -> None:
    questions = [starter.question for starter in article_bot.starters]
    assert len(questions) >= 4 and "When was the white paper issued?" in questions
    for starter in article_bot.starters:
        answer = article_bot.ask(starter.question)
        citation = answer.citations[0]
        assert answer.score >= 0.75 and citation.source == starter.source
        assert article_bot.document(citation.source).text[citation.start : citation.end] == citation.quote


def test_the_nearest_starters_are_those_about_the_same_and_never_the_question_itself(
    article_bot: QABot,
) -> None:
    near = [starter.question for starter in article_bot.like("Which conference takes place each year?", 3)]
    assert near[0] == "Who has hosted the World Internet Conference?" and len(near) == 3
    assert near[0] not in [s.question for s in article_bot.like(near[0], 99)]


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("The white paper was issued by the Office on March 16.", "When was the white paper issued?"),
        ("The tower was painted by Ann Smith.", "Who painted the tower?"),
        ("Wang Yi, a law professor at the university, said so.", "Who is Wang Yi?"),
        ("Kenya has hosted the summit of the lakes.", "Who has hosted the summit of the lakes?"),
        ("Some 76 countries took part in the operation.", "How many countries took part in the operation?"),
    ],
)
def test_a_sentence_becomes_a_question_by_what_is_left_out_of_it(sentence: str, question: str) -> None:
    asked: list[str] = []

    def ask(text: str) -> Answer:
        asked.append(text)
        return Answer(
            question=text, understood=text, text=None, abstained=True, score=0, citations=(), nearest=()
        )

    passage = Passage(source="a.txt", start=0, end=len(sentence), text=sentence)
    assert make_starters([passage], ask) == []  # the bot abstains
    assert question in asked


def test_a_large_collection_is_sampled(settings: Settings) -> None:
    sentence = "Some {n} countries took part in the operation of year {n}."
    asked: list[str] = []

    def ask(text: str) -> Answer:
        asked.append(text)
        return Answer(
            question=text, understood=text, text=None, abstained=True, score=0, citations=(), nearest=()
        )

    texts = [sentence.format(n=n) for n in range(1000, 6000)]
    make_starters([Passage(source="a.txt", start=0, end=len(t), text=t) for t in texts], ask)
    assert 0 < len(asked) <= TRIED + 5


@given(prose=PROSE)
@SLOW_PROPERTY
def test_whatever_the_sources_say_a_starter_has_an_answer(
    prose: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("starters")
    settings = Settings(sources=folder / "s", index=folder / "i")
    settings.sources.mkdir()
    write(settings.sources, {"a.txt": f"{prose} The museum was opened by Ann in 1998."})
    build_index(settings, FakeEncoder())
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    assert len(bot.starters) <= MOST
    for starter in bot.starters:
        assert bot.ask(starter.question).citations[0].source == "a.txt"
