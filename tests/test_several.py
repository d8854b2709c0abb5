"""Questions with more than one answer, and questions for yes or no."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY

from qa_bot import QABot
from qa_bot.compound import questions_in
from qa_bot.lists import asks_for_list, enumeration
from qa_bot.types import Passage, ScoredPassage
from qa_bot.yes_no import asks_yes_or_no, decide


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Who issued it, and when?", ["Who issued it?", "When?"]),
        ("When and where was she born?", ["When was she born?", "Where was she born?"]),
        ("Which country hosts it and since when?", ["Which country hosts it?", "Since when?"]),
        ("Who sold it? And to whom?", ["Who sold it?", "to whom?"]),
        ("Who led it, where, and in which year?", ["Who led it?", "Where?", "In which year?"]),
        ("Did it open, and who came?", ["Did it open?", "Who came?"]),
        ("Who is the man who sold it and who left?", None),
        ("When forces act on a body, what happens?", None),
        ("Who wrote War and Peace?", None),
        ("What do the rules on fish and boats cover?", None),
        ("Really? I think so.", None),
    ],
)
def test_a_question_is_cut_where_another_begins(question: str, parts: list[str] | None) -> None:
    assert questions_in(question) == (parts or [question])


@given(
    st.text(max_size=80)
    | st.lists(st.sampled_from(["who", "and", "when", ",", "?", "did", "it", "in", "the"])).map(" ".join)
)
@PROPERTY
def test_cutting_loses_no_word(question: str) -> None:
    parts = questions_in(question)
    words = re.findall(r"\w+", question.lower())
    assert parts == [question] or 2 <= len(parts) <= 4
    assert all(word in words for part in parts for word in re.findall(r"\w+", part.lower()))


def test_each_part_is_answered_and_cited_and_the_silent_one_is_named(article_bot: QABot) -> None:
    answer = article_bot.ask("Who issued the white paper, when, and how many pages does it have?")
    issued, dated = answer.parts
    assert (answer.kind, issued.text, dated.text) == (
        "questions",
        "State Council Information Office",
        "March 16",
    )
    assert answer.text == "State Council Information Office; March 16"
    assert answer.citations == (*issued.citations, *dated.citations)
    assert answer.score == min(issued.score, dated.score)
    assert answer.notes == ("The sources don't say: How many pages does the white paper have?",)
    assert answer.citations[0].sha256 and issued.citations[0].sha256
    nothing = article_bot.ask("How tall is Mount Everest, and who climbed it?")
    assert nothing.abstained and nothing.reason and not nothing.parts


@pytest.mark.parametrize(
    ("question", "several"),
    [
        ("Which organizations has China worked with?", True),
        ("What are the rules?", True),
        ("On which subjects are there rules?", True),
        ("Which countries took part?", True),
        ("Name all the members", True),
        ("Which country hosts the conference?", False),
        ("What causes rain?", False),
        ("What is the basis?", False),
        ("Which treaty provides that laws apply?", False),
        ("Who led it?", False),
    ],
)
def test_a_plural_asks_for_a_list(question: str, several: bool) -> None:
    assert asks_for_list(question) == several


@pytest.mark.parametrize(
    ("text", "span", "whole"),
    [
        ("It is a fair, open and safe place.", "open", "fair, open and safe place"),
        (
            "It is a fair, open, free, safe and calm place.",
            "safe and calm",
            "fair, open, free, safe and calm",
        ),
        ("Rules on fish, boats and nets, he said.", "fish", "fish, boats and nets"),
        ("He likes lungs, coughing and sneezing.", "coughing and sneezing", "coughing and sneezing"),
        ("They cannot enforce laws, and a citizen may.", "laws", "laws"),
        ("In Rome, he sold fish.", "Rome", "Rome"),
    ],
)
def test_an_enumeration_is_taken_whole(text: str, span: str, whole: str) -> None:
    at = text.index(span)
    start, end = enumeration(text, at, at + len(span))
    assert text[start:end] == whole


@given(st.text(alphabet='ab ,.;\n&"and', max_size=60), st.data())
@PROPERTY
def test_an_enumeration_holds_the_words_that_it_was_found_by(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    begins, ends = enumeration(text, start, end)
    assert 0 <= begins <= start <= end <= ends <= len(text)


def test_a_list_is_gathered_over_the_passages(article_bot: QABot) -> None:
    answer = article_bot.ask("Which qualities should cyberspace have, according to Cao Shumin?")
    assert answer.text == "fair, open, inclusive, safe, stable and energetic"


BY = "The white paper was issued by the Council on March 16."
TOOK = "It was one of 76 countries to join the race in 1995."


@pytest.mark.parametrize(
    ("question", "sentence", "verdict"),
    [
        ("Was the white paper issued on March 16?", BY, "yes"),
        ("Was the white paper issued by the Council?", BY, "yes"),
        ("Was the white paper issued on March 18?", BY, "no"),
        ("Was the white paper issued by the Ministry?", BY, None),
        ("Was the red paper issued by the Council?", BY, None),
        ("Did 76 countries join the race?", TOOK, "yes"),
        ("Did 80 countries join the race?", TOOK, "no"),
        ("Did 76 countries join the race in 1985?", TOOK, "no"),
        ("Did all countries join the race?", TOOK, None),
        ("Did Anna sell the boat to Karl?", "Anna did not sell the boat to Karl.", "no"),
        ("Did Karl sell the boat to Anna?", "Anna sold the boat to Karl.", None),
        ("Did Anna sell the boat?", "Anna may sell the boat.", None),
        ("Did Anna sell the boat?", "Karl said that Anna would sell the boat.", None),
        ("Did Karl sell the boat?", "Karl said that Anna will sell the boat.", None),
        ("Did Karl oppose the treaty?", "Karl said they oppose the treaty.", None),
        ("Did the museum open in 1902?", "The museum did not open until 1902.", None),
    ],
)
def test_yes_or_no_is_said_only_where_a_sentence_says_so_word_for_word(
    question: str, sentence: str, verdict: str | None
) -> None:
    assert asks_yes_or_no(question)
    passage = Passage(source="a.txt", start=0, end=len(sentence), text=sentence)
    decision = decide(question, [ScoredPassage(passage=passage, score=1.0, dense=1.0, lexical=1.0)])
    assert (decision.verdict if decision else None) == verdict


@pytest.mark.parametrize("question", ["Who did it?", "Is it red or green?", "Do you know who?", "isle"])
def test_what_asks_for_more_than_yes_or_no_is_not_decided(question: str) -> None:
    assert not asks_yes_or_no(question)


def test_a_verdict_stands_beside_the_sentence_that_decides_and_otherwise_the_quote_alone(
    article_bot: QABot,
) -> None:
    yes = article_bot.ask("Did Cao Shumin introduce a white paper?")
    assert (yes.kind, yes.verdict, yes.notes) == ("yes-no", "yes", ())
    assert yes.text and yes.text in yes.citations[0].quote and "Cao Shumin" in yes.text
    open_ = article_bot.ask("Did China take part in First Light 2022?")
    assert (open_.kind, open_.verdict) == ("yes-no", None) and "76 countries" in (open_.text or "")
    assert any("neither yes nor no" in note for note in open_.notes)
    assert article_bot.ask("Did China boycott First Light 2022?").abstained
