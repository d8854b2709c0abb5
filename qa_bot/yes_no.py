"""Questions for yes or no -> the sentence that decides them, and whether it says yes or no.

Yes is said only where a sentence has every word of the question, those that are no numbers in the order of
the question, and nothing that takes it back; no only where all is there but that it says "not", or another
number in the number's place. What is nearly so is quoted, and judged by the reader of the quote.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qa_bot.chunking import sentences
from qa_bot.evidence import NUMBER
from qa_bot.mentions import AUXILIARY, FUNCTION, WH
from qa_bot.types import ScoredPassage
from qa_bot.words import content_words

SCORE = 0.9  # of a yes or a no: a rule has no evidence to weigh (evals/README.md has how often it is right)

Verdict = Literal["yes", "no"]

_ASKS = re.compile(
    rf"\W*(?:{'|'.join(sorted(AUXILIARY))})(?:n[’']t)? "
    rf"(?!.*\b(?:{'|'.join(sorted(WH))})\b)(?!.* or )",
    re.IGNORECASE,
)
_ASKED = re.compile(r"^\W*(\w+)")
_QUANTIFIER = re.compile(
    r"\b(?:all|every|each|most|many|some|few|both|always|only|any|first|last)\b", re.IGNORECASE
)
_ADJUNCT = re.compile(r"\b(?:by|of|in|at|to|from|with|for|on) (?:the )?(?:[A-Z]\w+ ?)+")
_SOMEONE = re.compile(r"\b(?:he|she|it|they|we|I|you|that|who)\b")
_SPREAD = 3  # words between the first and the last of a question's, for each of these, at most
_NOT = re.compile(r"\b(?:not|never|cannot)\b|n[’']t\b", re.IGNORECASE)
# With one of these a sentence may have every word and still not say so.
_HEDGED = re.compile(
    r"\b(?:if|unless|whether|without|no|nor|neither|none|refus\w+|fail\w+|den(?:y|ies|ied)|reject\w+|false\w*|may"
    r"|might|could|would|should|will|plan(?:s|ned)?|hope\w*|expect\w*|intend\w*|likely|allege\w*|almost|nearly"
    r"|instead|until|rather than|except|but for|only)\b|\?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The sentence of a passage that decides a question: passage.text[start:end]."""

    scored: ScoredPassage
    start: int
    end: int
    verdict: Verdict


def asks_yes_or_no(question: str) -> bool:
    return bool(_ASKS.match(question))


def decide(question: str, passages: Sequence[ScoredPassage]) -> Decision | None:
    """What decides a question, in the order of the passages; None where no sentence does so word for word."""
    for scored in passages:
        text = scored.passage.text
        for start, end in sentences(text):
            verdict = _verdict(question, text[start:end])
            if verdict:
                return Decision(scored=scored, start=start, end=end, verdict=verdict)
    return None


def _verdict(question: str, sentence: str) -> Verdict | None:
    named = " ".join(word for word in re.findall(r"[\w’']+", question) if word.lower() not in FUNCTION)
    asked = [word for word in content_words(named) if not word[0].isdigit()]
    between = _stretch(asked, sentence) if len(asked) > 1 else None
    if between is None or _taken_back(between, sentence, question):
        return None
    negated = bool(_NOT.search(sentence)) != bool(_NOT.search(question))
    numbers, told = NUMBER.findall(question), NUMBER.findall(sentence)
    missing = [number for number in numbers if number not in told]
    if not missing:
        return "no" if negated else "yes"
    replaced = len(missing) == 1 and not negated and _replaced(missing[0], question, sentence)
    return "no" if replaced else None


def _stretch(asked: Sequence[str], sentence: str) -> str | None:
    """From the first to the last of the words, where a sentence has them all in this order."""
    spans = [(content_words(match[0]), match.span()) for match in re.finditer(r"\w+", sentence)]
    at, found = 0, []
    for stems, span in spans:
        if at < len(asked) and stems == [asked[at]]:
            at += 1
            found.append(span)
    return sentence[found[0][1] : found[-1][0]] if at == len(asked) else None


def _taken_back(between: str, sentence: str, question: str) -> bool:
    """Whether a sentence that has the words says something else of them, or not surely."""
    if not _all(_HEDGED, sentence) <= _all(_HEDGED, question) | _all(_ASKED, question):
        return True
    if not _all(_QUANTIFIER, question) <= _all(_QUANTIFIER, sentence):
        return True
    # Someone else's deed: "Wang said that China should ..."; but for what stands between commas.
    aside = _ADJUNCT.sub(" ", re.sub(r",[^,]*,", " ", between))
    if len(aside.split()) > _SPREAD * len(content_words(question)):
        return True  # "China respects ... all countries" does not say that it is one
    others = {name for name in re.findall(r"\b[A-Z]\w+", aside) if name not in question}
    return bool(others) or bool(_SOMEONE.search(aside))


def _all(pattern: re.Pattern[str], text: str) -> set[str]:
    return {found.lower() for found in pattern.findall(text)}


def _replaced(number: str, question: str, sentence: str) -> bool:
    """Whether a sentence has another number where the question has this one: "76 countries", "March 16"."""
    before, after = re.search(rf"(\w+)?\W*\b{re.escape(number)}\b\W*(\w+)?", question).groups()  # type: ignore[union-attr]
    if after and content_words(after):
        return bool(re.search(rf"\d[\d.,]*\W+{re.escape(after)}\b", sentence, re.IGNORECASE))
    if before and content_words(before):
        return bool(re.search(rf"\b{re.escape(before)}\W+\d", sentence, re.IGNORECASE))
    years = re.findall(r"\b[12]\d{3}\b", sentence)
    return (
        bool(before)
        and len(number) == 4
        and len(set(years)) == 1
        and f"{before} {years[0]}".lower() in sentence.lower()
    )
