"""What holds of every answer, over any documents, questions and conversations."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeEncoder
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROSE, QUESTION, SLOW_PROPERTY, TEXT, snapshot, write

from qa_bot import Answer, InvalidQuestion, QABot, QABotError, Settings, Turn, build_index
from qa_bot.index import open_index
from qa_bot.retriever import Retriever

# Any documents, one of them with words so that there is something to index.
FILES = st.builds(
    lambda prose, files: files | {"prose.md": f"---\ntitle: About foxes\n---\n# River\n{prose}"},
    PROSE,
    st.dictionaries(st.sampled_from(["a.txt", "b.md", "c.html"]), PROSE | TEXT, max_size=3),
)
QUESTIONS = st.lists(QUESTION, min_size=1, max_size=4)


def _build(folder: Path, files: dict[str, str], passage_tokens: int = 12) -> Settings:
    settings = Settings(
        sources=folder / "sources", index=folder / "index", passage_tokens=passage_tokens, threshold=0.05
    )
    settings.sources.mkdir()
    write(settings.sources, files)
    build_index(settings, FakeEncoder())
    return settings


def _assert_checkable(bot: QABot, answer: Answer) -> None:
    """Invariants 1 and 2: the reader can find every word of it in the source."""
    assert answer.abstained == (answer.text is None) == (answer.citations == ())
    assert 0 <= answer.score <= 1
    for scored in answer.nearest:
        passage = scored.passage
        assert bot.document(passage.source).text[passage.start : passage.end] == passage.text != ""
    for citation in answer.citations:
        document = bot.document(citation.source)
        assert document.text[citation.start : citation.end] == citation.quote
        assert 0 <= citation.answer_start < citation.answer_end <= len(citation.quote)
        assert any(s.start <= citation.start and citation.end <= s.end for s in document.sections)
        assert (citation.title, citation.url, citation.date) == (document.title, document.url, document.date)
    for part in answer.parts:  # nothing is said that no part says
        _assert_checkable(bot, part)
        assert part.text and set(part.citations) <= set(answer.citations)
        assert answer.kind == "conflict" or part.text in (answer.text or "")
    if answer.text is not None and not answer.parts:
        first = answer.citations[0]
        assert first.quote[first.answer_start : first.answer_end] == answer.text != ""


@given(files=FILES, questions=QUESTIONS, passage_tokens=st.sampled_from([4, 12, 100]))
@SLOW_PROPERTY
def test_every_answer_of_a_conversation_can_be_checked_is_repeatable_and_writes_nothing(
    files: dict[str, str],
    questions: list[str],
    passage_tokens: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = _build(tmp_path_factory.mktemp("any"), files, passage_tokens)
    before = snapshot(settings.index)
    bot, other = (QABot.open(settings.index, settings=settings, encoder=FakeEncoder()) for _ in range(2))
    history: list[Turn] = []
    for question in questions:
        for top_k in (1, 5, 10_000):
            answer = bot.ask(question, history, top_k=top_k)
            _assert_checkable(bot, answer)
            assert (
                answer == bot.ask(question, history, top_k=top_k) == other.ask(question, history, top_k=top_k)
            )
            assert answer.question == question and (history or answer.understood == question)
            assert answer.nearest == bot.retrieve(question, top_k, history=history)
            assert len(answer.nearest) == min(top_k, bot.manifest.passages)
        history.append(Turn(question=question, answer=answer.text))
    assert snapshot(settings.index) == before


@given(texts=st.lists(PROSE, min_size=2, max_size=8), question=QUESTION, candidates=st.integers(1, 4))
@SLOW_PROPERTY
def test_retrieval_ranks_as_brute_force_does_and_leaves_out_only_what_neither_search_ranks_high(
    texts: list[str], question: str, candidates: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = {f"{n}.txt": text for n, text in enumerate(texts)}
    settings = _build(tmp_path_factory.mktemp("ranks"), files, passage_tokens=8)
    index = open_index(settings.index)
    dense = index.vectors.rows @ FakeEncoder().encode_query(question)
    lexical = index.words.scores(question)
    fused = settings.dense_weight * dense + (1 - settings.dense_weight) * lexical
    count = len(index.passages)

    def rows(settings: Settings, top_k: int) -> list[int]:
        found = Retriever(index, FakeEncoder(), settings).retrieve(question, top_k)
        at = [index.passages.index(scored.passage) for scored in found]
        assert np.allclose([s.score for s in found], fused[at], atol=1e-6)
        assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
        assert all(
            a < b for a, b, s, t in zip(at, at[1:], found, found[1:], strict=False) if s.score == t.score
        )
        return at

    every = rows(Settings(), count)
    assert every == rows(Settings(), count + 99) and sorted(every) == list(range(count))
    assert rows(Settings(), 2) == every[:2]
    few = rows(Settings(candidates=candidates), 1)
    dense_border, lexical_border = (np.sort(x)[-min(candidates, count)] for x in (dense, lexical))
    for row in range(count):
        if fused[row] > fused[few[0]] + 1e-6:
            assert dense[row] <= dense_border + 1e-6 and lexical[row] <= lexical_border + 1e-6


@pytest.fixture
def bot(tmp_path: Path) -> QABot:
    files = {"a.txt": "The museum opened in 1998. Ann signed the treaty.", "b.txt": "A fox swims."}
    settings = _build(tmp_path, files)
    return QABot.open(settings.index, encoder=FakeEncoder())


@pytest.mark.parametrize(
    "history",
    [
        [Turn(question="\ud800", answer="x")],
        [Turn(question="Who?", answer="a\udfffb")],
        [Turn(question="\0\x1b[31m", answer="\u202e")],
        [Turn(question="", answer="")],
        [Turn(question="museum " * 20_000, answer="opened " * 20_000)],
        [Turn(question="When did the museum open?")] * 10_000,
    ],
    ids=["surrogate asked", "surrogate answered", "controls", "blank", "long", "many"],
)
def test_a_history_of_any_characters_gets_an_answer_or_an_abstention(
    bot: QABot, history: Sequence[Turn]
) -> None:
    answer = bot.ask("And when was it?", history)
    _assert_checkable(bot, answer)
    assert answer.understood.isprintable() and len(answer.understood) < 10_000


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ("When did\nthe\tmuseum \r\n open?", "When did the museum open?"),
        ("\ufeff When did the\u202e museum\0 open?\x07", "When did the museum open?"),
        ("👩‍👩‍👧 museum", "👩‍👩‍👧 museum"),
        ("<b>museum</b> & 'open'", "<b>museum</b> & 'open'"),
    ],
)
def test_a_question_is_one_line_without_what_hides_or_reorders_text(
    bot: QABot, asked: str, read: str
) -> None:
    assert bot.ask(asked).question == read
    assert bot.ask(asked) == bot.ask(read)


def test_what_cannot_be_asked_is_refused_in_one_sentence_by_ask_and_retrieve(bot: QABot) -> None:
    for asking in (bot.ask, bot.retrieve):
        for question in ("", " \n", "\0\x1b\x7f", "\u202e\u2066\u200b\ufeff", "\u200d", "\ud800\udfff"):
            with pytest.raises(InvalidQuestion, match=r"^The question is blank\. Type a question\.$"):
                asking(question)
        with pytest.raises(InvalidQuestion, match=r"^The question has 100,000 characters; .*\.$"):
            asking("x" * 100_000)
        for top_k in (0, -1):
            with pytest.raises(ValueError, match=f"top_k must be at least 1, but it is {top_k}"):
                asking("museum", top_k=top_k)
        with pytest.raises(InvalidQuestion, match="holds none of the documents"):
            asking("museum", sources=[])
    with pytest.raises(QABotError, match=r"holds no document 'nothing\.txt'"):
        bot.document("nothing.txt")


def test_a_narrowed_search_finds_only_there(bot: QABot) -> None:
    assert {s.passage.source for s in bot.retrieve("museum", 99, sources={"b.txt", "no.txt"})} == {"b.txt"}
    assert bot.ask("When did the museum open?", sources={"b.txt"}).abstained


def test_many_threads_get_the_answers_that_one_gets(article_bot: QABot) -> None:
    questions = ["Who issued the white paper?", "Who won?"]
    expected = [article_bot.ask(question) for question in questions]
    together = threading.Barrier(3)

    def ask_all(_: int) -> list[Answer]:
        together.wait(timeout=60)
        return [article_bot.ask(question) for question in questions]

    with ThreadPoolExecutor(3) as pool:
        assert all(answers == expected for answers in pool.map(ask_all, range(3)))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Who wrote this article?", "Cao Yin"),
        ("Who wrote this?", "Cao Yin"),
        ("When was this published?", "Apr 3, 2023"),
        ("Which newspaper published this article?", "China Daily"),
    ],
)
def test_a_question_about_the_article_itself_leans_on_no_earlier_one(
    article_bot: QABot, question: str, words: str
) -> None:
    first = article_bot.ask("How many countries took part in First Light 2022?")
    answer = article_bot.ask(question, [Turn(question=first.question, answer=first.text)])
    assert answer.text and words in answer.text


@pytest.mark.parametrize(
    ("question", "follow_up", "words"),
    [
        ("How many countries took part in First Light 2022?", "And who started it?", "Interpol"),
        ("How many countries took part in First Light 2022?", "How many arrests did it lead to?", "2,000"),
        ("Who issued the white paper?", "When?", "March 16"),
        ("Who issued the white paper?", "And when was it issued?", "March 16"),
        ("What has China hosted every year since 2014?", "Since when?", "2014"),
        ("How many countries took part in First Light 2022?", "Who issued the white paper?", "State Council"),
    ],
)
def test_a_conversation_about_the_article(
    article_bot: QABot, question: str, follow_up: str, words: str
) -> None:
    first = article_bot.ask(question)
    answer = article_bot.ask(follow_up, [Turn(question=question, answer=first.text)])
    _assert_checkable(article_bot, answer)
    assert answer.text and words in answer.text
