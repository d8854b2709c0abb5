"""What holds a sentence to its source: what stands, what is struck, and what is quoted in its place."""

import pytest
from conftest import words_of
from hypothesis import given
from strategies import PROPERTY, PROSE

from qa_bot import Passage
from qa_bot.chunking import sentences
from qa_bot.claims import Mentioned, claim_of, numbers
from qa_bot.grounding import Checker

PAPER = (
    "Titled “A New Era”, the white paper was issued by the State Council on March 16. "
    "Cao Shumin introduced it at a press conference in Beijing. "
    "From March to June, China was one of 76 countries that took part in First Light, by Interpol. "
    "The operation led to 2,000 arrests and did not end the scams."
)
OTHER = "The European Union paid Norway three million for the bridge. See https://bridge.example/a too."


def passage(text: str, source: str = "a.txt", title: str = "") -> Passage:
    return Passage(source=source, start=0, end=len(text), text=text, context=title)


PASSAGES = [passage(PAPER), passage(OTHER, "b.txt")]
CHECKER = Checker(words_of([p.text for p in PASSAGES]))


@pytest.mark.parametrize(
    "sentence",
    [
        "The white paper was issued on March 16 by the State Council.",
        "Seventy-six countries took part in First Light.",
        "The operation led to 2000 arrests.",
        "Cao Shumin introduced the white paper at a press conference in Beijing.",
        "The white paper, titled “A New Era”, was issued by the State Council.",
        "In First Light, by Interpol, 76 countries took part.",
    ],
)
def test_what_the_cited_words_say_stands_with_the_quote_that_says_it(sentence: str) -> None:
    verdict = CHECKER.check(sentence, PASSAGES[:1])
    assert verdict.supported, verdict.why
    (quote,) = verdict.quotes
    assert PAPER[quote.start : quote.end] == quote.quote and quote.source == "a.txt"


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("67 countries took part in First Light.", "do not have the number 67"),
        ("The operation led to 2,000 arrests in three countries.", "do not have the number 3"),
        ("Wang Shumin introduced it at a press conference in Beijing.", "do not have one of its names"),
        ("Cao Shumin introduced it at a press conference in Oslo.", "do not have one of its names"),
        ("The white paper, titled “The New Era”, was issued.", "do not have “The New Era”"),
        ("The white paper is at https://evil.example/paper, issued March 16.", "do not have “https://evil"),
        ("The white paper was not issued by the State Council.", "It says no where"),
        ("The operation led to 2,000 arrests and did end the scams.", "It says no where"),
        ("The white paper was criticised harshly by many lawyers abroad.", "do not say it"),
        ("PWNED.", "too little"),
        ("", "too little"),
    ],
)
def test_what_they_do_not_say_is_struck_with_a_reason(sentence: str, why: str) -> None:
    verdict = CHECKER.check(sentence, PASSAGES[:1])
    assert not verdict.supported and why in (verdict.why or "")


def test_names_in_each_others_places_are_seen() -> None:
    verdict = CHECKER.check("Norway paid the European Union three million for the bridge.", PASSAGES[1:])
    assert verdict.why == "Its names or numbers stand in other places in the cited words."
    assert verdict.quotes[0].quote == OTHER.split(" See")[0]  # goes in its place


def test_a_sentence_may_need_two_passages_and_is_cited_to_what_says_it_alone() -> None:
    both = "The State Council issued the white paper, and the European Union paid Norway for the bridge."
    assert [quote.source for quote in CHECKER.check(both, PASSAGES).quotes] == ["a.txt", "b.txt"]
    assert not CHECKER.check(both, PASSAGES[:1]).supported
    one = CHECKER.check("The European Union paid Norway for the bridge.", PASSAGES)
    assert one.supported and [quote.source for quote in one.quotes] == ["b.txt"]
    assert CHECKER.check("The European Union paid Norway.", []).why == "It cites nothing."


def test_a_model_of_entailment_has_the_last_word() -> None:
    asked = []

    def never(said: str, claimed: str) -> float:
        asked.append((said, claimed))
        return 0.1

    checker = Checker(words_of([PAPER]), never)
    sentence = "Cao Shumin introduced it at a press conference."
    assert checker.check(sentence, PASSAGES[:1]).why == "It does not follow from the cited words."
    assert asked == [("Cao Shumin introduced it at a press conference in Beijing.", sentence)]
    checker.check("67 countries took part in First Light.", PASSAGES[:1])
    assert len(asked) == 1  # of what is plainly wrong it is not asked


def test_numbers_and_names_in_other_forms() -> None:
    said = "1,234 of twenty-five, 3.5 and Twelve; one by one, the third"
    assert numbers(said) == ["1234", "3.5", "25", "12", "3"]
    mentioned = Mentioned("The Russian envoy of the European Union spoke of Ann's house.")
    assert all(name in mentioned for name in claim_of("So Russia, the EU and Ann agreed.").names)
    assert "austria" not in mentioned and "ogedei" in Mentioned("Ögedei Khan ruled.")
    assert claim_of("However, the Lamp is green. Then Paris burned.").names == ("lamp", "pari")


@given(PROSE)
@PROPERTY
def test_every_sentence_of_a_source_stands_as_it_is(text: str) -> None:
    checker, whole = Checker(words_of([text])), passage(text)
    for start, end in sentences(text):
        verdict = checker.check(text[start:end], [whole])
        assert verdict.supported or verdict.why == "It says too little to be checked."
        assert all(text[quote.start : quote.end] == quote.quote for quote in verdict.quotes)
