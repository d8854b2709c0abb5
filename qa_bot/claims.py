"""What a sentence claims that its source must say too: numbers, names, quoted words, addresses."""

import re
import unicodedata
from dataclasses import dataclass

from qa_bot.evidence import NUMBER
from qa_bot.words import spelled_words, stems

_WORD = re.compile(r"[^\W_]+(?:['’.&][^\W_]+)*")
_VERBATIM = re.compile(r"[\"“”«»]([^\"“”«»]+)[\"“”«»]|((?:https?://|www\.)\S+)")
_NEGATION = re.compile(r"\b(?:not|never|no|none|nor|neither|without|cannot|nobody|nothing)\b|n['’]t\b", re.I)
_NAME = re.compile(r"[A-Z][\w’'-]*(?: (?:of |and |the |for )*[A-Z][\w’'-]*)+")  # of several words
_INITIAL = re.compile(r"\b[A-Z]")
_POSSESSIVE = re.compile(r"['’]s?$")
_BEGINS = (".", "!", "?", ":", "“", '"')  # a capital after these says nothing
_ARTICLES = ("the", "a", "an")
_STEM, _ENDING = 5, 3  # letters of a name's stem at least, and of what another form adds at most

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_ORDINALS = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SPELLED = {
    **{word: n for n, word in enumerate(_ONES + _TEENS, start=1)},
    **{word: n for n, word in enumerate(_ORDINALS, start=2)},
    **{word: 10 * n for n, word in enumerate(_TENS, start=2)},
    **{f"{ten} {one}": 10 * n + m for n, ten in enumerate(_TENS, 2) for m, one in enumerate(_ONES[:9], 1)},
}
del _SPELLED["one"]  # more often a pronoun
_SPELLED_NUMBER = re.compile(rf"\b(?:{'|'.join(sorted(_SPELLED, key=len, reverse=True))})\b")


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence without its citations, and what of it its source must say."""

    text: str
    words: tuple[str, ...]  # all that mean something, stemmed, but for numbers
    numbers: tuple[str, ...]
    names: tuple[str, ...]  # word by word, stemmed
    verbatim: tuple[str, ...]  # quoted words and addresses
    negations: int
    sequence: tuple[str, ...]  # every word and number, in order, without articles

    @property
    def telling(self) -> frozenset[str]:
        """Names and numbers: what may be exchanged without a trace in the other words."""
        return frozenset((*self.names, *self.numbers))


def claim_of(text: str) -> Claim:
    """What a sentence claims, or what a source says."""
    return Claim(
        text=text,
        words=tuple(dict.fromkeys(stems([w for w in spelled_words(text) if not _is_number(w)]))),
        numbers=tuple(numbers(text)),
        names=tuple(dict.fromkeys(stems([_bare(name) for name in _names(text)]))),
        verbatim=tuple(_in_one_line(quoted or url).strip(" .,;") for quoted, url in _VERBATIM.findall(text)),
        negations=len(_NEGATION.findall(text)),
        sequence=tuple(word for word in _sequence(text) if word not in _ARTICLES),
    )


def numbers(text: str) -> list[str]:
    """The numbers of a text, in one form: 1,234 is 1234, seventy-six 76, third 3 ("one" is a word)."""
    digits = [number.replace(",", "") for number in NUMBER.findall(text)]
    spelled = _SPELLED_NUMBER.findall(text.lower().replace("-", " "))
    return list(dict.fromkeys([*digits, *(str(_SPELLED[number]) for number in spelled)]))


def says_verbatim(source: str, words: str) -> bool:
    """Whether a source has these very words, whatever its line breaks."""
    return words in _in_one_line(source)


class Mentioned:
    """The names that a text mentions."""

    def __init__(self, text: str) -> None:
        initials = ("".join(_INITIAL.findall(name)).lower() for name in _NAME.findall(text))
        self._stems = {*_stems(text), *initials}  # the European Union is also the EU

    def __contains__(self, name: str) -> bool:
        """Whether it mentions a name of `Claim.names`, or another form of it: Russia, Russian."""
        return name in self._stems or any(
            min(len(name), len(stem)) >= _STEM
            and abs(len(name) - len(stem)) <= _ENDING
            and (name.startswith(stem) or stem.startswith(name))
            for stem in self._stems
        )


def _sequence(text: str) -> list[str]:
    return [str(_SPELLED.get(stem, stem)).replace(",", "") for stem in _stems(text)]


def _stems(text: str) -> list[str]:
    return stems([_bare(word) for word in _WORD.findall(text)])


def _names(text: str) -> list[str]:
    """The words with a capital that is not there because a sentence begins."""
    words = list(_WORD.finditer(text))
    capital = [match[0][0].isupper() and bool(spelled_words(_bare(match[0]))) for match in words]
    follows = [match[0][0].isupper() for match in words[1:]] + [False] * bool(words)
    return [
        match[0]
        for match, named, next_too in zip(words, capital, follows, strict=True)
        if named and (next_too or not _begins(text, match.start()) or match[0][1:] != match[0][1:].lower())
    ]


def _is_number(word: str) -> bool:
    return word.isdecimal() or word.lower() in _SPELLED


def _begins(text: str, at: int) -> bool:
    before = text[:at].rstrip()
    return not before or before.endswith(_BEGINS)


def _bare(word: str) -> str:
    """A word without 's and accents, which some write and some do not."""
    letters = unicodedata.normalize("NFKD", _POSSESSIVE.sub("", word))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
