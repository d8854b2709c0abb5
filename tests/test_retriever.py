"""Retrieval ranks by the documented sum, whatever the order and number of passages."""

import numpy as np
import pytest
from conftest import FakeEncoder

from qa_bot import QABot, Settings, build_index
from qa_bot.index import open_index
from qa_bot.retriever import Retriever

TEXTS = {
    "a.txt": "The green lamp stands by the river.",
    "b.txt": "The river is long and cold.",
    "c.txt": "Old letters are kept in the stone house.",
    "d.md": "The river is long and cold.",
}
QUESTION = "How long is the river in Samarkand?"


@pytest.fixture
def retriever(settings: Settings, encoder: FakeEncoder) -> Retriever:
    for name, text in TEXTS.items():
        (settings.sources / name).write_text(text)
    build_index(settings, encoder)
    return Retriever(open_index(settings.index), encoder, settings)


def test_the_score_is_the_weighted_sum_and_equals_keep_the_order_of_the_sources(
    retriever: Retriever, settings: Settings, encoder: FakeEncoder
) -> None:
    index = open_index(settings.index)
    dense = index.vectors.rows @ encoder.encode_query(QUESTION)
    lexical = index.words.scores(QUESTION)
    fused = settings.dense_weight * dense + (1 - settings.dense_weight) * lexical
    found = retriever.retrieve(QUESTION, 4)
    assert [s.passage.source for s in found] == [
        index.passages[i].source for i in np.argsort(-fused, kind="stable")
    ]
    assert [s.passage.source for s in found][:2] == ["b.txt", "d.md"]
    for scored in found:
        row = index.passages.index(scored.passage)
        assert scored.score == pytest.approx(fused[row], abs=1e-6)
        assert (scored.dense, scored.lexical) == pytest.approx((dense[row], lexical[row]), abs=1e-6)


def test_fewer_candidates_than_passages_find_the_same_best(
    retriever: Retriever, settings: Settings, encoder: FakeEncoder
) -> None:
    few = Retriever(open_index(settings.index), encoder, Settings(candidates=1))
    assert few.retrieve(QUESTION, 1) == retriever.retrieve(QUESTION, 1)


def test_a_question_without_a_known_word_still_finds_something(retriever: Retriever) -> None:
    assert len(retriever.retrieve("?", 3)) == 3
    assert all(scored.lexical == 0 for scored in retriever.retrieve("zyzzyva", 3))


def test_a_document_without_a_word_is_indexed_with_the_others(
    settings: Settings, encoder: FakeEncoder
) -> None:
    (settings.sources / "fox.txt").write_text("🦊 … 🦊")
    build_index(settings, encoder)
    assert QABot.open(settings.index, encoder=encoder).retrieve("fox", 3)[0].passage.text == "🦊 … 🦊"
    (settings.sources / "lamp.txt").write_text("A lamp.")
    build_index(settings, encoder)
    found = QABot.open(settings.index, encoder=encoder).retrieve("lamp", 3)
    assert [scored.passage.source for scored in found] == ["lamp.txt", "fox.txt"]
