"""Documents that contradict each other: the same thing said of the same thing, with another number or name.

Conservative: a contradiction that is missed leaves an answer with its quote, one that is none misleads. So
the two quotes must be alike, neither may speak of a year, place or person that the other does not know,
and what they say must be of one kind and differ by more than rounding or wording.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from qa_bot.dates import MONTHS, parse_date
from qa_bot.evidence import NUMBER
from qa_bot.phrases import Phrase
from qa_bot.types import Answer, Citation
from qa_bot.words import content_words, spelled_words, stems

NOTE = Phrase("The sources disagree; the newest is first.")
UNDATED_NOTE = Phrase("The sources disagree; those without a date are last.")

_ALIKE = 0.5  # share of the words of the shorter quote, answers aside, that the other has
_ALIKE_OF_NAMES = 0.7  # the same where the answers are names: two people may both have done it
_LONGEST_NAME = 6  # words
_NEARLY = 0.1  # of a number, by which "about" may miss

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve"
_WORDS = {word: float(n) for n, word in enumerate(_UNITS.split())}
_TIMES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_YEARS = range(1000, 2101)
_YEAR_OR_DAY = re.compile(r"(?<![$€£¥\d.,])(?P<number>\d{1,4})(?![,.]?\d|\s*%)(?P<counted>\s+[a-z])?")
_ABOUT = re.compile(
    r"\b(?:about|almost|nearly|around|over|under|some|roughly|approximately|than|least|most|up to)\s+\S?$",
    re.IGNORECASE,
)
# "The road to Arnau": what is said of it is not said of Arnau.
_PART = re.compile(
    r"\b(?P<part>\w+)\s+(?:of|to|from|for|in|on|at|near|below|above|behind|beside)\s+(?:the\s+)?(?P<whole>\w+)"
)
# Who and what there may be more than one of.
_ASKS_FOR_SEVERAL = re.compile(
    r"\b(?:which|what)\s+(?:\w+\s+){0,2}?(?!(?:is|was|does|has|this|its|his)\b)\w*[^\Wsu]s\b|"
    r"\bwho\s+(?:are|were|else|spoke|took part)\b|^(?:name|list)\b|\b(?:some|one|any|examples?)\s+of\b",
    re.IGNORECASE,
)


def with_conflicts(answer: Answer, rivals: Sequence[Answer]) -> Answer:
    """`answer`, or, where `rivals` say otherwise, what each document says, the newest first.

    All are single spans with one citation, sure enough to be given, to one question; `rivals` are the
    best first. Each document is heard once.
    """
    heard = [answer]
    for rival in rivals:
        others = [part.citations[0] for part in heard]
        if all(_apart(rival.citations[0], other) for other in others) and all(
            _contradict(rival, part) for part in heard
        ):
            heard.append(rival)
    if len(heard) == 1:
        return answer
    days = {id(part): parse_date(part.citations[0].date) for part in heard}
    parts = sorted(heard, key=lambda part: days[id(part)] or date.min, reverse=True)  # stable: the best first
    return replace(
        answer,
        text=parts[0].text,
        score=parts[0].score,
        citations=tuple(citation for part in parts for citation in part.citations),
        kind="conflict",
        parts=tuple(parts),
        notes=(*answer.notes, NOTE if all(days.values()) else UNDATED_NOTE),
    )


def _apart(one: Citation, other: Citation) -> bool:
    """Whether the two are of different documents."""
    return not {one.source, *one.also} & {other.source, *other.also}


def _contradict(one: Answer, other: Answer) -> bool:
    first, second = _Said.by(one), _Said.by(other)
    if first.dates or second.dates:
        differ = _dates_differ(first.dates, second.dates)
    elif first.numbers or second.numbers:
        differ = _numbers_differ(first, second)
    else:
        differ = _names_differ(first, second) and not _ASKS_FOR_SEVERAL.search(one.understood)
    named = not (first.dates or first.numbers)
    return differ and _of_one_thing(first, second, one.understood, _ALIKE_OF_NAMES if named else _ALIKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """An answer in its quote, taken apart."""

    text: str
    around: str  # the quote without the answer
    known: frozenset[str]  # the stems of quote, title and section
    dates: frozenset[tuple[str, int]]  # ("month", 3), ("day", 16), ("year", 2022)
    numbers: tuple[float, ...]
    about: bool  # whether a number is said to be rough

    @classmethod
    def by(cls, answer: Answer) -> "_Said":
        (citation,) = answer.citations
        text = citation.quote[citation.answer_start : citation.answer_end]
        before, after = citation.quote[: citation.answer_start], citation.quote[citation.answer_end :]
        named = " ".join(filter(None, (citation.title, citation.section, citation.quote)))
        dates = frozenset(_dates(text))
        number = NUMBER.search(text)
        return cls(
            text=text,
            around=f"{before} {after}",
            known=frozenset(content_words(named)) | frozenset(NUMBER.findall(named)),
            dates=dates,
            numbers=() if dates else tuple(_numbers(text)),
            about=bool(_ABOUT.search(before + text[: number.start() if number else 0])),
        )


def _dates(text: str) -> Iterator[tuple[str, int]]:
    """The months, and the numbers that are years or days: a year counts nothing, a day is of a month."""
    months = [n for n, name in enumerate(MONTHS, start=1) if re.search(rf"\b{name}\b", text)]
    yield from (("month", n) for n in months)
    for match in _YEAR_OR_DAY.finditer(text):
        number = int(match["number"])
        if number in _YEARS and (months or not match["counted"]):
            yield "year", number
        elif months:
            yield "day", number


def _numbers(text: str) -> Iterator[float]:
    """The numbers of a text, in digits or words, with their thousands and millions."""
    value: float | None = None
    for word in re.findall(r"\d+(?:[.,]\d+)*|[a-z]+", text.lower()):
        if word in _TIMES and value is not None:
            value *= _TIMES[word]
            continue
        if value is not None:
            yield value
        value = _WORDS.get(word) if word.isalpha() else _in_digits(word)
    if value is not None:
        yield value


def _in_digits(written: str) -> float | None:
    try:
        return float(re.sub(r",(?=\d{3}\b)", "", written))
    except ValueError:  # 3.4.5
        return None


def _dates_differ(one: frozenset[tuple[str, int]], other: frozenset[tuple[str, int]]) -> bool:
    """Whether a year, month or day that both name is another one."""
    kinds = {kind for kind, _ in one} & {kind for kind, _ in other}
    return any(
        {v for k, v in one if k == kind}.isdisjoint({v for k, v in other if k == kind}) for kind in kinds
    )


def _numbers_differ(one: _Said, other: _Said) -> bool:
    if len(one.numbers) != 1 or len(other.numbers) != 1:
        return False
    units = [set(stems(_unit(said.text))) for said in (one, other)]
    if not (units[0] <= units[1] or units[1] <= units[0]):
        return False
    low, high = sorted((one.numbers[0], other.numbers[0]))
    if (one.about or other.about) and high - low <= _NEARLY * high:
        return False
    return low != high and not _rounds_to(low, high) and not _rounds_to(high, low)


def _unit(text: str) -> list[str]:
    words = spelled_words(text.lower())
    return [word for word in words if word.isalpha() and word not in _WORDS and word not in _TIMES]


def _rounds_to(exact: float, rough: float) -> bool:
    """Whether `rough` is `exact` in fewer digits: 2,000 for 1,962."""
    digits = len(f"{rough:.15g}".replace(".", "").strip("0"))
    return float(f"{exact:.{max(digits, 1)}g}") == rough


def _names_differ(one: _Said, other: _Said) -> bool:
    words = [spelled_words(said.text) for said in (one, other)]
    if not all(0 < len(named) <= _LONGEST_NAME and all(w[0].isupper() for w in named) for named in words):
        return False
    if set(stems(words[0])) & set(stems(words[1])):
        return False
    initials = ["".join(word[0] for word in named) for named in words]
    return one.text not in (other.text, initials[1]) and other.text != initials[0]


def _of_one_thing(one: _Said, other: _Said, question: str, least: float) -> bool:
    asked = set(content_words(question))
    if (asked & one.known) != (asked & other.known):
        return False
    around = [set(content_words(said.around)) for said in (one, other)]
    shared = len(around[0] & around[1])
    if not shared or shared < least * min(map(len, around)):
        return False
    if _own_names(one, other) and _own_names(other, one):
        return False
    return not (_of_a_part(one, other, asked) or _of_a_part(other, one, asked))


def _own_names(one: _Said, other: _Said) -> set[str]:
    """The names and numbers around one answer that the other's quote does not know."""
    names = [word for word in re.findall(r"(?<![.!?]\s)(?<!^)\b[A-Z]\w+", one.around)]
    names = [word for word in names if spelled_words(word)]
    return {*stems(names), *NUMBER.findall(one.around)} - other.known


def _of_a_part(one: _Said, other: _Said, asked: set[str]) -> bool:
    """Whether a quote speaks of "the road to" what the other speaks of itself."""
    found = (stems([match["part"], match["whole"]]) for match in _PART.finditer(one.around))
    return any(whole in asked and part not in other.known for part, whole in found)
