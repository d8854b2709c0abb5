"""Passages -> an answer in their words: which span, how it is quoted, and when and why it is withheld."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from conftest import words_of
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY, PROSE, QUESTION, TEXT

from qa_bot import Answer, Passage, Question, ScoredPassage
from qa_bot.chunking import sentences
from qa_bot.evidence import Asked
from qa_bot.quoting import cite
from qa_bot.reader import CALIBRATION, Reader
from qa_bot.span_model import Span, SpanModel


class FakeSpans(SpanModel):
    """Finds what it is told to: the words, and their score, wherever they stand."""

    def __init__(self, found: dict[str, float]) -> None:
        self._found = found

    def read(self, question: str, texts: Sequence[str]) -> list[Span | None]:
        return [self._find(text) for text in texts]

    def _find(self, text: str) -> Span | None:
        for words, found in self._found.items():
            if words in text:
                return Span(start=text.index(words), end=text.index(words) + len(words), found=found)
        return None


def _passage(text: str, start: int = 0, source: str = "a.txt") -> Passage:
    return Passage(source=source, start=start, end=start + len(text), text=text)


def _read(texts: list[str], question: str, model: SpanModel, threshold: float = 0.0) -> Answer:
    """Read passages that are equally near to the question."""
    reader = Reader(model, words_of(texts), CALIBRATION, threshold)
    scored = [
        ScoredPassage(passage=_passage(t, 1000 * n, f"{n}.txt"), score=0.5, dense=0.5, lexical=0.5)
        for n, t in enumerate(texts)
    ]
    return reader.read(Question(text=question, understood=question), scored)


MODEL = SpanModel()


@given(st.lists(PROSE | TEXT.filter(str.strip), min_size=1, max_size=4), QUESTION)
@PROPERTY
def test_an_answer_is_words_of_a_passage_inside_its_own_quote(texts: list[str], question: str) -> None:
    answer = _read(texts, question, MODEL)
    assert 0 <= answer.score <= 1 and [n.passage.text for n in answer.nearest] == texts
    assert answer.abstained == (answer.text is None) == (answer.reason is not None)
    for citation in answer.citations:
        text = texts[int(citation.source.removesuffix(".txt"))]
        offset = 1000 * int(citation.source.removesuffix(".txt"))
        assert text[citation.start - offset : citation.end - offset] == citation.quote
        assert citation.quote[citation.answer_start : citation.answer_end] == answer.text
        assert answer.text and answer.text == answer.text.strip()
        start = citation.start - offset + citation.answer_start
        end = start + len(answer.text)
        # Whole words, and every sentence that it stands in.
        for at in (start, end):
            inside = 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()
            assert not inside or text[at] >= "\u2e80"  # scripts without spaces
        for first, last in sentences(text):
            if first < end and start < last:
                assert citation.start - offset <= first and last <= citation.end - offset


@given(PROSE, QUESTION, st.floats(0, 1))
@PROPERTY
def test_an_answer_is_withheld_exactly_where_it_scores_below_the_threshold(
    text: str, question: str, threshold: float
) -> None:
    given_anyway = _read([text], question, MODEL)
    answer = _read([text], question, MODEL, threshold)
    assert answer.score == given_anyway.score
    assert answer.abstained == (answer.text is None) == (answer.citations == ())
    assert answer.abstained == (answer.score < threshold or given_anyway.abstained)
    assert answer.abstained or answer == given_anyway


@pytest.mark.parametrize(
    ("text", "found", "answer"),
    [
        ("Sales of $50 million.", "50 million", "$50 million"),
        ("It rose by 4.5% then.", "4.5", "4.5%"),
        ("Ann Holm, the keeper.", "Ann Hol", "Ann Holm"),
        ("They met in Paris.", "in Paris.", "in Paris"),
        ("They met in the U.S. that day.", "the U.S.", "the U.S."),
        ("He said: yes, it is.", ": yes,", "yes"),
        ("Ann (the keeper) left.", "the keeper)", "the keeper"),
        ('The "Blue Lamp" sank.', '"Blue Lamp', "Blue Lamp"),
        ('The "Blue Lamp" sank.', '"Blue Lamp"', '"Blue Lamp"'),
    ],
)
def test_an_answer_has_sensible_borders(text: str, found: str, answer: str) -> None:
    assert _read([text], "what?", FakeSpans({found: 5.0})).text == answer


def test_the_best_evidence_wins_and_says_so_in_its_score() -> None:
    texts = ["Ann lit the lamp.", "Bob lit the lamp."]
    sure, unsure = ({"Ann": top, "Bob": -3.0} for top in (8.0, 1.0))
    assert _read(texts, "Who lit the lamp?", FakeSpans(sure)).text == "Ann"
    assert (
        _read(texts, "Who lit the lamp?", FakeSpans(sure)).score
        > _read(texts, "Who lit the lamp?", FakeSpans(unsure)).score
    )


def test_a_passage_without_the_words_and_numbers_of_the_question_counts_for_less() -> None:
    both = FakeSpans({"Ann": 3.0, "Bob": 3.0})
    texts = ["Ann lit the fire in 1998.", "Bob lit the lamp in 2021."]
    assert _read(texts, "Who lit the lamp?", both).text == "Bob"
    assert _read(texts, "Who lit the fire?", both).text == "Ann"
    there = _read(["Ann lit it in 1998."], "Who lit it in 1998?", both)
    other = _read(["Ann lit it in 1998."], "Who lit it in 2021?", both)
    assert other.score < there.score


def test_an_abstention_says_why_in_one_line() -> None:
    texts = ["Ann lit the lamp in 1998.", "Bob came in 2001."]

    def why(question: str) -> str | None:
        return _read(texts, question, FakeSpans({}), threshold=1.0).reason

    assert why("Who baked Sourdough for Ann?") == "The sources nowhere mention “Sourdough”."
    assert why("Who baked it?") == "The sources nowhere mention “baked”."
    assert why("Who lit the lamp in 2021?") == "The sources nowhere mention “2021”."
    assert why("Who lit the lamp in 2001?") == "What comes nearest to the question does not answer it."
    assert why("Who?") == "What comes nearest to the question does not answer it."


def test_missing_words_are_weighed_by_how_rare_they_are() -> None:
    words = words_of(["the fox swims", "a fox runs", "one fox and an owl"])
    asked = Asked("Where does the fox meet the zebra?", words)
    assert asked.unknown_words == ["meet", "zebra"]
    assert 0.5 < asked.missing(_passage("the fox swims")) < asked.missing(_passage("an owl")) == 1.0
    assert Asked("?", words).missing(_passage("x")) == 0
    assert Asked("In 1998 or 5.5?", words).missing_numbers(_passage("in 1998")) == ["5.5"]


@pytest.mark.parametrize("pronoun", ["It", "THEY", "his", "Those", "She's"])
def test_a_sentence_that_begins_with_a_pronoun_is_quoted_with_the_one_before(pronoun: str) -> None:
    text = f"A fox. Ann met Bob.\n\n{pronoun} signed it. The end."
    start = text.index("signed")
    citation = cite(_passage(text, start=100), start, start + len("signed"))
    assert citation.quote == f"Ann met Bob.\n\n{pronoun} signed it."
    assert (citation.start, citation.end) == (107, 100 + text.index(" The end"))
    assert citation.quote[citation.answer_start : citation.answer_end] == "signed"


@pytest.mark.parametrize("text", ["Itself a fox.", "It is first.", "Hers, theirs."])
def test_other_sentences_and_the_first_are_quoted_alone(text: str) -> None:
    whole = text if text.startswith("It ") else f"Before. {text}"
    start = whole.index(text)
    citation = cite(_passage(whole), start, start + len(text))
    assert citation.quote == text and citation.answer_start == 0


@given(st.floats(allow_nan=False))
@PROPERTY
def test_a_score_is_a_probability_whatever_the_evidence(evidence: float) -> None:
    calibration = replace(CALIBRATION, slope=0.7, bias=-0.2)
    score = calibration.score(evidence)
    assert 0 <= score <= 1
    if 1e-9 < score < 1 - 1e-9:
        assert np.isclose(calibration.evidence(score), evidence, atol=1e-5)
