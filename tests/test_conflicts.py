"""Documents that say different things of one thing are both quoted, the newest first; others are not."""

import sys
from collections.abc import Iterator

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY

from qa_bot import Answer, Citation, QABot
from qa_bot.conflicts import with_conflicts
from qa_bot.dates import parse_date

sys.path.insert(0, str(ROOT / "benchmarks"))
from conflicts import bot_over, cases, documents, told

CASES = cases()


@pytest.fixture(scope="module")
def bot() -> Iterator[QABot]:
    """The packaged models over the documents of all cases."""
    with bot_over(documents(CASES)) as bot:
        yield bot


def test_the_cases_are_in_halves_of_contradictions_and_others() -> None:
    for split in ("dev", "test"):
        kinds = [bool(case["answers"]) for case in CASES if case["split"] == split]
        assert kinds.count(True) == kinds.count(False) == 12
    for case in CASES:
        texts = [document["text"] for document in case["documents"]]
        assert all(any(answer in text for text in texts) for answer in case["answers"])


def test_contradictions_are_told_and_others_left_alone_as_the_figures_say(bot: QABot) -> None:
    asked = [(case, bot.ask(case["question"])) for case in CASES]
    for answers, least in ((True, 20), (False, 20)):
        right = [told(case, answer) for case, answer in asked if bool(case["answers"]) == answers]
        assert sum(right) >= least
    for _, answer in asked:
        if answer.kind == "conflict":
            _assert_whole(bot, answer)


def _assert_whole(bot: QABot, answer: Answer) -> None:
    """What is said is the newest's, each part is words of its quote, and each quote of its document."""
    assert answer.text == answer.parts[0].text and answer.score == answer.parts[0].score
    assert answer.citations == tuple(c for part in answer.parts for c in part.citations)
    assert len({c.source for c in answer.citations}) == len(answer.parts) > 1
    assert answer.notes[0].startswith("The sources disagree;")
    for part in answer.parts:
        (citation,) = part.citations
        assert citation.quote[citation.answer_start : citation.answer_end] == part.text
        assert bot.document(citation.source).text[citation.start : citation.end] == citation.quote
        assert citation.sha256 and citation.changed is False


def test_a_document_without_a_date_is_last_and_a_narrowed_question_hears_one(bot: QABot) -> None:
    question = "How many rooms does the Belvoir hotel have?"
    answer = bot.ask(question)
    assert [part.text for part in answer.parts] == ["96", "120"]
    assert [citation.date for citation in answer.citations] == ["2021-06-01", None]
    assert answer.notes == ("The sources disagree; those without a date are last.",)
    alone = bot.ask(question, sources=[answer.citations[1].source])
    assert (alone.kind, alone.text, alone.parts) == ("span", "120", ())


def _said(text: str, quote: str, source: str, date: str | None = None, question: str = "How many?") -> Answer:
    start = quote.index(text)
    citation = Citation(
        source=source, start=0, end=len(quote), quote=quote, answer_start=start, answer_end=start + len(text),
        date=date,
    )  # fmt: skip
    return Answer(
        question=question, understood=question, text=text, abstained=False, score=0.9, citations=(citation,),
        nearest=(),
    )  # fmt: skip


def _told(one: str, other: str, sentence: str, question: str = "") -> bool:
    answers = [
        _said(text, sentence.format(text), f"{n}.txt", None, question) for n, text in enumerate((one, other))
    ]
    return with_conflicts(answers[0], answers[1:]).kind == "conflict"


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ("76", "82", True),
        ("76 people", "82", True),
        ("six", "seven", True),
        ("six", "6", False),
        ("2,000", "1,962", False),
        ("2,000", "2,962", True),
        ("1.5 million", "1,500,000", False),
        ("76 men", "82 women", False),
        ("about 76", "80", False),
        ("more than 70", "76", False),
        ("March 16", "16 March 2023", False),
        ("March 16", "March 17", True),
        ("2014", "in 2014", False),
        ("2014", "2015", True),
        ("2014", "March", False),
        ("Ann Holm", "Holm", False),
        ("Ann Holm", "Per Lund", True),
        ("United Nations", "UN", False),
        ("green", "red", False),
        ("3.4.5", "3.4.6", False),
    ],
)
def test_what_is_another_value_and_what_another_wording(one: str, other: str, differ: bool) -> None:
    sentence = "The keepers of the lamp in the tower counted {} that evening."
    assert _told(one, other, sentence) == _told(other, one, sentence) == differ


def test_several_may_have_done_it_where_the_question_says_so() -> None:
    sentence = "The lamp in the tower was lit by {} that evening."
    assert _told("Ann Holm", "Per Lund", sentence, "Who lit the lamp?")
    for question in ("Which keepers lit the lamp?", "Who are the keepers of the lamp?", "Name a keeper"):
        assert not _told("Ann Holm", "Per Lund", sentence, question)


def test_quotes_of_other_years_or_places_do_not_contradict_each_other() -> None:
    for one, other in (
        ("In 2021 the", "In 2022 the"),
        ("The Paris", "The Rome"),
        ("In May, Ann's", "In June, Bo's"),
    ):
        quotes = [f"{begins} museum had {n} visitors." for begins, n in ((one, 76), (other, 82))]
        answers = [_said(str(n), quote, f"{n}.txt") for n, quote in zip((76, 82), quotes, strict=True)]
        assert with_conflicts(answers[0], answers[1:]) == answers[0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["76", "82", "90", "Ann Holm"]),
            st.sampled_from(["a.txt", "b.txt", "c.txt"]),
            st.sampled_from([None, "2020-01-01", "Apr 3, 2023", "soon"]),
        ),
        min_size=1,
        max_size=6,
    )
)
@PROPERTY
def test_each_document_is_heard_once_and_every_part_is_one_of_the_answers(
    said: list[tuple[str, str, str]],
) -> None:
    answers = [_said(text, f"The museum counted {text} guests.", source, date) for text, source, date in said]
    result = with_conflicts(answers[0], answers[1:])
    if result.kind == "span":
        assert result == answers[0]
        return
    assert answers[0] in result.parts and all(part in answers for part in result.parts)
    assert len({part.citations[0].source for part in result.parts}) == len(result.parts) > 1
    assert len({part.text for part in result.parts}) == len(result.parts)
    dated = [citation.date for citation in result.citations if parse_date(citation.date)]
    if not dated:
        assert result.text == answers[0].text  # the answer that is given without the others
    assert [c.date for c in result.citations][: len(dated)] == dated  # the others are last
    assert [parse_date(d) for d in dated] == sorted(map(parse_date, dated), reverse=True)
