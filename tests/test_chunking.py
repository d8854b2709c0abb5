"""Documents -> Passages: nothing lost, nothing cut but at a border, nothing too long."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from conftest import FakeEncoder
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import PROPERTY, TEXT

from qa_bot import Document, Passage, Section
from qa_bot.chunking import sentences, split
from qa_bot.markup import parse_markdown

CHARS_PER_TOKEN = 10  # what has more characters a token is no prose, and is measured by its length


def _count(text: str) -> int:
    return len(text.split())


def _size(text: str) -> int:
    return max(_count(text), len(text) // CHARS_PER_TOKEN)


def _text(text: str, title: str | None = None) -> Document:
    sections = (Section(heading=None, start=0, end=len(text)),)
    return Document(source="a.txt", sha256="", text=text, sections=sections, title=title)


def _solid(text: str, start: int, end: int) -> list[int]:
    """The offsets of all characters that are no white space."""
    return [at for at in range(start, end) if not text[at].isspace()]


def _spans_of(document: Document, section: Section) -> list[tuple[int, int]]:
    return list(sentences(document.text, section.start, section.end))


@given(TEXT, st.sampled_from([1, 2, 5, 20, 100]))
@example("---\ntitle: The fox and the river\n---\n# A\n" + "Foxes swim. " * 30 + "\n## B\nIt is late.\n", 12)
@PROPERTY
def test_passages_hold_every_character_of_every_section_once_and_fit(text: str, max_tokens: int) -> None:
    document = parse_markdown("a.md", text.encode()) if text.strip() and "\0" not in text else _text(text)
    if document is None:
        return
    passages = split(document, _count, max_tokens)
    assert all(a.end <= b.start for a, b in pairwise(passages))
    for passage in passages:
        assert document.text[passage.start : passage.end] == passage.text == passage.text.strip() != ""
        assert _count(passage.embedded) <= max_tokens
        assert _count(passage.context) <= max_tokens // 4
        assert len(passage.text) < (max_tokens + 1) * CHARS_PER_TOKEN
    for section in document.sections:
        inside = [p for p in passages if section.start <= p.start and p.end <= section.end and p.text]
        held = [at for p in inside for at in _solid(document.text, p.start, p.end)]
        assert held == _solid(document.text, section.start, section.end)
        assert {p.section for p in inside} <= {section.heading}
    assert all(any(s.start <= p.start and p.end <= s.end for s in document.sections) for p in passages)


@given(TEXT, st.sampled_from([3, 8, 30]))
@PROPERTY
def test_passages_end_where_sentences_do_unless_one_alone_is_too_long(text: str, max_tokens: int) -> None:
    document = _text(text)
    spans = list(sentences(text))
    cuttable = [range(a + 1, b) for a, b in spans if _size(text[a:b]) > max_tokens]
    passages = split(document, _count, max_tokens)
    for passage in passages:
        for border, borders in ((passage.start, {a for a, _ in spans}), (passage.end, {b for _, b in spans})):
            assert border in borders or any(border in sentence for sentence in cuttable)
    for passage, after in pairwise(passages):
        assert _size(text[passage.start : after.end]) > max_tokens  # else they would be one


@given(TEXT)
@example("a\x85b\u2028c\u2029d\x0be\x0cf\xa0g. \x1c\x1d\x1e\x1f H.\u3000I. \u200b.")
@example("One.\r\rTwo.\r\n \r\n\tThree.\n\n\n\nFour\n1) five\n • six\n")
@PROPERTY
def test_sentences_are_in_order_apart_stripped_and_hold_every_character(text: str) -> None:
    spans = list(sentences(text))
    assert all(a < b for a, b in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert all(text[a:b] == text[a:b].strip() for a, b in spans)
    assert [at for a, b in spans for at in _solid(text, a, b)] == _solid(text, 0, len(text))


@given(TEXT, st.data())
@PROPERTY
def test_sentences_of_a_range_stay_inside_it(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    shifted = [(a + start, b + start) for a, b in sentences(text[start:end])]
    assert list(sentences(text, start, end)) == shifted


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith met Mr. Jones in Washington D.C. on Jan. 5.", "They talked."],
        ["It rose 3.14 percent, to $5.2 million, e.g. in the U.S. market.", "Then it fell!", "Why?"],
        ["Prof. J. R. Smith, Ph.D., wrote it.", "Mrs. Lee read it at 5 p.m. on Sept. 3."],
        ['"It is late," she said.', "Nobody answered her."],
        ["See www.example.org/a.b.html or version 2.0.1 for more.", "The end."],
    ],
)
def test_an_abbreviation_or_a_number_ends_no_sentence(expected: list[str]) -> None:
    text = " ".join(expected)
    assert [text[a:b] for a, b in sentences(text)] == expected
    wrapped = text.replace(" ", "\n")
    assert [wrapped[a:b].replace("\n", " ") for a, b in sentences(wrapped)] == expected


def test_paragraphs_and_list_items_are_sentences_of_their_own_without_a_full_stop() -> None:
    text = (
        "A title\r\n\r\nFirst words:\n- one item\n  * another\n2. and a third\nthat goes on\n \t\nLast words"
    )
    assert [text[a:b] for a, b in sentences(text)] == [
        "A title",
        "First words:",
        "- one item",
        "* another",
        "2. and a third\nthat goes on",
        "Last words",
    ]


def test_a_passage_is_whole_paragraphs_where_they_fit() -> None:
    paragraphs = ["One two three. Four five.", "Six seven eight nine.", "Ten. Eleven. Twelve. Thirteen."]
    text = "\n\n".join(paragraphs)
    assert [p.text for p in split(_text(text), _count, 9)] == ["\n\n".join(paragraphs[:2]), paragraphs[2]]


def test_a_sentence_that_is_too_long_is_cut_between_words() -> None:
    words = [f"word{number}" for number in range(100)]
    passages = split(_text(" ".join(words)), _count, 16)
    assert [word for p in passages for word in p.text.split()] == words
    assert all(_count(p.text) <= 16 for p in passages)


@pytest.mark.parametrize("count", [_count, lambda text: len(text.split()) and 1, len])
def test_a_word_of_any_length_becomes_passages_of_a_size_to_read(count: Callable[[str], int]) -> None:
    passages = split(_text("x" * 50_000), count, 64)
    assert "".join(p.text for p in passages) == "x" * 50_000
    assert max(len(p.text) for p in passages) < 65 * CHARS_PER_TOKEN


def test_a_title_of_any_length_leaves_the_passage_three_quarters() -> None:
    document = _text("Foxes swim in the river. " * 40, title="A very long title " * 5_000)
    passages = split(document, FakeEncoder().count_tokens, 40)
    assert all(0 < _count(p.context) <= 10 and _count(p.embedded) <= 40 for p in passages)
    assert sum(_count(p.text) for p in passages) == 200
    assert {p.title for p in passages} == {document.title}


def test_a_passage_knows_where_it_stands() -> None:
    text = "---\ntitle: Foxes\nurl: https://example.org\ndate: 2024-05-06\n---\n## Dens\nThey dig.\n"
    document = parse_markdown("a/b.md", text.encode())
    assert document
    assert split(document, _count, 40) == (
        Passage(
            source="a/b.md",
            start=text.index("They"),
            end=len(text) - 1,
            text="They dig.",
            context="Foxes. Dens",
            title="Foxes",
            section="Dens",
            url="https://example.org",
            date="2024-05-06",
        ),
    )
