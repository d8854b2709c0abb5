"""Passages and sentences are exact stretches of a document that lose nothing and end where prose does."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qa_bot import Document
from qa_bot.chunking import sentences, split
from qa_bot.sources import parse_markdown

ODD_SPACE = "\x85\u2028\u2029\x0b\x0c\xa0\u3000"
BUDGET = 24

prose = st.lists(
    st.sampled_from(
        [
            "Dr. Smith",
            "the lamp",
            "e.g. this",
            "3.5 million",
            "Why?",
            "ended.",
            "\n\n",
            "\n",
            "- item",
            "# Head\n",
        ]
    ),
    min_size=1,
    max_size=60,
).map(" ".join)
anything = st.text(
    alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from(f"a. !?\n{ODD_SPACE}")), min_size=1
)


def count_words(text: str) -> int:
    return len(text.split())


def solid(text: str) -> str:
    return "".join(text.split())


def parse(text: str) -> Document | None:
    data = text.encode()
    return parse_markdown("a.md", data) if data.strip() and b"\0" not in data else None


@hypothesis_settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(prose, anything))
def test_passages_are_exact_ordered_and_whole(text: str) -> None:
    document = parse(text)
    if document is None:
        return
    passages = split(document, count_words, BUDGET)
    position = 0
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text == passage.text.strip() != ""
        assert passage.start >= position
        assert count_words(passage.embedded) <= BUDGET
        assert any(s.start <= passage.start and passage.end <= s.end for s in document.sections)
        position = passage.end
    in_sections = "".join(document.text[s.start : s.end] for s in document.sections)
    assert solid("".join(passage.text for passage in passages)) == solid(in_sections)


@hypothesis_settings(max_examples=300, deadline=None, derandomize=True)
@given(st.one_of(prose, anything))
def test_sentences_are_exact_ordered_and_whole(text: str) -> None:
    spans = list(sentences(text))
    ends = [bound for span in spans for bound in span]
    assert ends == sorted(ends)
    assert solid("".join(text[start:end] for start, end in spans)) == solid(text)
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)


def test_sentences_end_where_a_reader_would_end_them() -> None:
    text = (
        "Dr. Smith met Mr. J. R. Jones of Acme Inc. in Washington D.C. on Jan. 5. It cost $3.5 million, "
        'e.g. (see Fig. 3) a lot. "Why?" he asked.\n\nA heading without a stop\n\n- one item\n- another item'
    )
    assert [text[start:end] for start, end in sentences(text)] == [
        "Dr. Smith met Mr. J. R. Jones of Acme Inc. in Washington D.C. on Jan. 5.",
        "It cost $3.5 million, e.g. (see Fig. 3) a lot.",
        '"Why?" he asked.',
        "A heading without a stop",
        "- one item",
        "- another item",
    ]


def test_passages_end_on_paragraphs_then_sentences_then_words() -> None:
    short, long = "A short paragraph of six words.", "This sentence has exactly seven words here. " * 6
    endless = "word " * 60
    document = parse(f"{short}\n\n{short}\n\n{long}\n\n{endless}")
    assert document
    texts = [passage.text for passage in split(document, count_words, BUDGET)]
    assert texts[0].startswith(f"{short}\n\n{short}")
    assert all(text.endswith("here.") for text in texts[:3])
    assert all(count_words(text) <= BUDGET for text in texts)


@pytest.mark.parametrize("text", ["x" * 50_000, "long " * 20_000 + "x" * 5_000, "🦊" * 3_000])
def test_a_huge_word_or_sentence_is_cut_to_a_size_that_can_be_read(text: str) -> None:
    document = parse(text)
    assert document
    passages = split(document, count_words, BUDGET)
    assert solid("".join(passage.text for passage in passages)) == solid(text)
    assert all(len(passage.text) < BUDGET * 20 for passage in passages)


def test_title_and_section_are_embedded_within_the_window_and_never_quoted() -> None:
    document = parse(f"---\ntitle: {'very ' * 100}long\n---\n# A\n\n## B\n\n{'The lamp is green. ' * 20}")
    assert document
    for passage in split(document, count_words, BUDGET):
        assert passage.context.startswith("very") and "very" not in passage.text
        assert passage.section == "A › B" and count_words(passage.embedded) <= BUDGET
