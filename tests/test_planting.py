"""Sentences made by rule for the check of sentences, and what the check makes of them."""

import random
import sys
from pathlib import Path

import pytest
from conftest import ROOT, words_of

sys.path.insert(0, str(ROOT / "benchmarks"))

from grounding import measure, with_the_article
from planting import APART, RIGHT, WRONG, Planted, Planter, declare, reword

from qa_bot import Passage
from qa_bot.encoder import OnnxEncoder
from qa_bot.evaluation import load

ARTICLES = {"Warsaw", "Packet_switching", "test"}  # none of them for development


@pytest.mark.parametrize(
    ("question", "answer", "statement"),
    [
        ("Who introduced the white paper?", "Cao Shumin", "Cao Shumin introduced the white paper."),
        ("How many countries took part in it?", "76", "76 countries took part in it."),
        ("When was the white paper issued?", "March 16", "The white paper was issued in March 16."),
        ("What is the capital of France?", "Paris", "The capital of France is Paris."),
        ("Why did they leave?", "war", None),
    ],
)
def test_a_question_and_its_answer_make_a_statement(
    question: str, answer: str, statement: str | None
) -> None:
    assert declare(question, answer) == statement


def test_a_sentence_is_reworded_but_not_what_it_quotes() -> None:
    new = "Numerous foxes started to sing in 1998."
    assert reword("In 1998, many foxes (red ones) began to sing.") == new
    assert reword('He said "many foxes began".') == 'He said "many foxes began".'


def test_each_error_is_planted_where_it_has_a_place() -> None:
    texts = [
        "In 1998, King Otto of Norway was paid by Queen Anna of Sweden. It was not late.",
        "Then, in 1789, the Bastille fell in Paris to Jean Moreau of Lyon, with his men and all the rest.",
        "The treaty was signed by Duke Erik of Denmark.",
    ]
    passages = [Passage(source=f"{n}.txt", start=0, end=len(text), text=text) for n, text in enumerate(texts)]
    article_of = {"0.txt": "north", "1.txt": "south", "2.txt": "north"}
    right = [Planted(article_of[p.source], "verbatim", "verbatim", p.text, p) for p in passages]
    planter = Planter(right, passages, article_of, words_of(texts), random.Random(1))
    for kind in (*WRONG, *APART):
        planted = planter.plant(kind, right[0])
        assert planted and planted.kind == kind
        assert (planted.text == right[0].text) == (kind == "wrong citation")
        assert (planted.passage == right[0].passage) == (kind != "wrong citation")


@pytest.mark.data
def test_of_planted_errors_nearly_all_are_caught_and_right_sentences_stand(
    data: Path, real_encoder: OnnxEncoder
) -> None:
    cases = with_the_article(load(data / "squad2_dev_half.json.xz"), "test")
    found = measure(cases, ARTICLES, 40, 2, real_encoder)
    assert found.struck[found.rows(WRONG)].mean() >= 0.95
    assert found.struck[found.rows(RIGHT)].mean() <= 0.05
