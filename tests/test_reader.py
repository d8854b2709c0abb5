"""Passages -> an answer in their words: which sentence, how it is quoted, and when it is withheld."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import FakeEncoder, words_of
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY, PROSE, QUESTION, TEXT

from qa_bot import Answer, Passage, Question, ScoredPassage, Turn
from qa_bot.chunking import sentences
from qa_bot.reader import SentenceReader, cite


def _passage(text: str, start: int = 0, source: str = "a.txt") -> Passage:
    return Passage(source=source, start=start, end=start + len(text), text=text)


def _read(texts: list[str], question: Question, threshold: float = 0.0) -> Answer:
    """Read passages that are equally near to the question."""
    words = words_of(texts)
    reader = SentenceReader(FakeEncoder(), words, SentenceReader.CALIBRATION, threshold)
    scored = [
        ScoredPassage(passage=_passage(t, 1000 * n, f"{n}.txt"), score=0.5, dense=0.5, lexical=0.5)
        for n, t in enumerate(texts)
    ]
    return reader.read(question, scored)


@given(st.lists(PROSE | TEXT.filter(str.strip), min_size=1, max_size=4), QUESTION)
@PROPERTY
def test_an_answer_is_a_sentence_of_a_passage_inside_its_own_quote(texts: list[str], question: str) -> None:
    texts = [text.strip() for text in texts]
    answer = _read(texts, Question(text=question))
    (citation,) = answer.citations
    text = texts[int(citation.source.removesuffix(".txt"))]
    offset = 1000 * int(citation.source.removesuffix(".txt"))
    assert text[citation.start - offset : citation.end - offset] == citation.quote
    assert citation.quote[citation.answer_start : citation.answer_end] == answer.text
    assert answer.text in [text[start:end] for start, end in sentences(text)]
    assert 0 <= answer.score <= 1 and [n.passage.text for n in answer.nearest] == texts


@given(PROSE, QUESTION, st.floats(0, 1))
@PROPERTY
def test_an_answer_is_withheld_exactly_where_it_scores_below_the_threshold(
    text: str, question: str, threshold: float
) -> None:
    given_anyway = _read([text], Question(text=question))
    answer = _read([text], Question(text=question), threshold)
    assert answer.score == given_anyway.score
    assert answer.abstained == (answer.text is None) == (answer.citations == ()) == (answer.score < threshold)
    assert answer.abstained or answer == given_anyway


def test_the_sentence_with_the_words_of_the_question_wins_and_rare_ones_count_more() -> None:
    texts = [
        "The museum is old. The museum opened in 1998. It is green.",
        "The museum has a door. The museum has a xylophone.",
    ]
    for asked, said in {
        "When was the museum opened?": "The museum opened in 1998.",
        "xylophone": "The museum has a xylophone.",
        "Has the door a museum?": "The museum has a door.",
    }.items():
        assert _read(texts, Question(text=asked)).text == said


def test_the_first_of_equal_sentences_wins() -> None:
    answer = _read(["A fox. The river is long.", "The river is long."], Question(text="long river"))
    assert (answer.citations[0].source, answer.citations[0].start) == ("0.txt", 7)


def test_more_words_of_the_question_in_a_sentence_never_score_less() -> None:
    text = "Ann signed the treaty of Paris in 1998 by the river."
    asked = ["ann", "signed", "treaty", "paris", "1998", "river"]
    scores = [
        _read([text, "A fox."], Question(text=" ".join((*asked[:known], *["zebra"] * (6 - known))))).score
        for known in range(7)
    ]
    assert scores == sorted(scores) and scores[0] < 0.2 and scores[-1] > 0.8


def test_a_question_without_words_is_read_by_likeness_alone() -> None:
    for odd in ("?", "🦊", "who", "the of"):
        assert _read(["A fox swims."], Question(text=odd), threshold=0.3).abstained


def test_a_follow_up_is_read_for_what_is_new_unless_it_asks_for_the_same() -> None:
    texts = ["Ann signed the treaty. Bob started the treaty."]
    topic = Turn(question="Who signed the treaty?", answer="Ann signed the treaty.")
    assert _read(texts, Question(text="And the treaty?", topic=topic)).text == "Bob started the treaty."
    assert _read(texts, Question(text="When?", topic=topic)).text == "Ann signed the treaty."
    nothing = Question(text="And the treaty?", topic=replace(topic, answer=None))
    assert _read(texts, nothing).text is not None


@pytest.mark.parametrize("pronoun", ["It", "THEY", "his", "Those", "She's"])
def test_a_sentence_that_begins_with_a_pronoun_is_quoted_with_the_one_before(pronoun: str) -> None:
    text = f"A fox. Ann met Bob.\n\n{pronoun} signed it. The end."
    start = text.index(pronoun)
    citation = cite(_passage(text, start=100), start, text.index(" The end"))
    assert citation.quote == f"Ann met Bob.\n\n{pronoun} signed it."
    assert (citation.start, citation.end) == (107, 100 + text.index(" The end"))
    assert citation.quote[citation.answer_start : citation.answer_end] == f"{pronoun} signed it."


@pytest.mark.parametrize("text", ["Itself a fox.", "It is first.", "Hers, theirs."])
def test_other_sentences_and_the_first_are_quoted_alone(text: str) -> None:
    citation = cite(_passage(f"Before. {text}" if not text.startswith("It ") else text), *_last(text))
    assert citation.quote == text and citation.answer_start == 0


def _last(text: str) -> tuple[int, int]:
    start = 0 if text.startswith("It ") else len("Before. ")
    return start, start + len(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
@PROPERTY
def test_a_score_is_a_probability_whatever_the_evidence(evidence: float) -> None:
    score = SentenceReader.CALIBRATION.score(evidence)
    assert 0 <= score <= 1
    if 1e-9 < score < 1 - 1e-9:
        assert np.isclose(SentenceReader.CALIBRATION.evidence(score), evidence, atol=1e-5)
