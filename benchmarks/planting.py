"""Sentences that a source says, and the same with an error planted, made by rule and by seed.

Right: cut from the source; reworded by small rules; or a question turned into a statement with its
answer ("Who introduced the white paper?" + "Cao Shumin"). Wrong: another number, another name, another
passage cited, something invented. And apart: roles swapped, and negated.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qa_bot.chunking import sentences
from qa_bot.evaluation import EvalSet
from qa_bot.types import Passage
from qa_bot.words import WordIndex

RIGHT = ("verbatim", "reworded", "question and answer")
WRONG = (
    "wrong number",
    "name of the document",
    "name of another",
    "wrong citation",
    "other sentence",
    "added clause",
)
APART = ("roles swapped", "not put in", "not left out")

_REWORDED = {
    "because of": "due to", "due to": "because of", "began": "started", "started": "began",
    "said": "stated", "stated": "said", "many": "numerous", "large": "big", "about": "around",
    "approximately": "about", "such as": "like", "while": "whereas",
    "built": "constructed", "constructed": "built", "used": "employed", "known as": "called",
    "called": "known as", "often": "frequently", "usually": "normally", "most of": "the majority of",
    "in order to": "to", "became": "turned into", "show": "demonstrate", "important": "significant",
    "major": "main", "main": "major", "established": "set up", "created": "made", "allowed": "permitted",
    "helped": "assisted", "two": "2", "three": "3", "four": "4", "five": "5", "located": "situated",
    "received": "got", "led to": "resulted in", "although": "though", "until": "till",
    "in addition": "besides", "ended": "finished",
}  # fmt: skip
_OLD_WORDS = re.compile(rf"(?<![\w-])(?:{'|'.join(sorted(_REWORDED, key=len, reverse=True))})(?![\w-])")
_PAST = (
    r"\w+ed|won|led|built|wrote|made|became|began|took|gave|held|sent|ran|met|sold|bought|found|founded|"
    r"taught|lost|fought|came|went|saw|said|told|drew|broke|brought|thought|is|was|has|had|can"
)
_PARTICIPLE = r"\w+(?:ed|born|held|built|made|found|fought)"
_PREPOSITION = re.compile(r"(?:in|on|at|during|by|near|from|after|before|between|since) ", re.IGNORECASE)
_AUXILIARIES = (
    "did",
    "does",
    "do",
    "is",
    "was",
    "are",
    "were",
    "has",
    "have",
    "had",
    "can",
    "could",
    "would",
)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][\w’'-]+(?: [A-Z][\w’'-]+)*")
_FIRST_NAME = re.compile(
    r"(?!(?:The|In|A|An|This|These|It|Its|He|His|She|Her|They|Their|After|When|At|On|By|For|As|Other)\b)"
    r"[A-Z][\w’'-]+(?: [A-Z][\w’'-]+)+"
)
_NUMBER = re.compile(r"\b\d+(?:[.,]\d+)*")
_VERB = r"(?:was|is|were|are|had|has|can|will|could|would|did|does)"


@dataclass(frozen=True, slots=True)
class Planted:
    """A sentence, the passage that it cites, and what is done to it: `kind` is of RIGHT, WRONG or APART."""

    article: str
    kind: str
    of: str  # which of RIGHT it was made from
    text: str
    passage: Passage


def statements(
    cases: EvalSet,
    passages: dict[str, Sequence[Passage]],
    articles: set[str],
    each: int,
    random: random.Random,
) -> list[Planted]:
    """Right sentences of each of the articles: up to `each` of each kind."""
    made: list[Planted] = []
    for article in sorted(articles):
        own = [c for c in cases.cases if c.split == article and c.answers and c.paragraph]
        held = [p for source in sorted({c.paragraph for c in own}) for p in passages[source or ""]]
        cut = [(p.text[a:b], p) for p in held for a, b in sentences(p.text)]
        cut = [(text, p) for text, p in cut if 6 <= len(text.split()) <= 40]
        random.shuffle(cut)
        rest = [(reword(text), p) for text, p in cut[each:] if reword(text) != text]
        asked = list(_declared(own, passages))
        random.shuffle(asked)
        for kind, found in zip(RIGHT, (cut, rest, asked), strict=True):
            made += [Planted(article, kind, kind, text, p) for text, p in found[:each]]
    return made


def _declared(cases: Sequence, passages: dict[str, Sequence[Passage]]) -> Iterator[tuple[str, Passage]]:
    for case in cases:
        text = declare(case.question, case.answers[0])
        # The answer's own sentence is known by its paragraph; in a passage of it, if only one has it.
        holding = [p for p in passages[case.paragraph] if case.answers[0] in p.text]
        if text and len(holding) == 1 and 5 <= len(text.split()) <= 40:
            yield text, holding[0]


def reword(text: str) -> str:
    """The sentence with other words of the same meaning, and what stands first put last."""
    if re.search(r"[\"“]", text):
        return text  # what is quoted is not to be reworded
    text = _OLD_WORDS.sub(lambda match: _REWORDED[match[0]], text)
    front = re.match(r"((?:In|On|At|During|After|By|Since) [^,.;]{3,40}), (\w[^;]+)\.$", text)
    if front:
        text = f"{front[2][0].upper()}{front[2][1:]} {front[1][0].lower()}{front[1][1:]}."
    return re.sub(r" \([^)]*\)", "", text)


def declare(question: str, answer: str) -> str | None:
    """The statement that a question and its answer make; None where no rule is sure to make one."""
    asked = " ".join(question.split()).rstrip("?. ")
    answer = answer.strip(" .,;")
    end = f"{answer[0].upper()}{answer[1:]}"
    who = re.fullmatch(rf"(?:Who|[Ww]hich \w+|What \w+) ((?:{_PAST}) .+)", asked)
    if who and (asked.startswith("Who") or who[1].split()[0] not in _AUXILIARIES):
        return f"{end} {who[1]}."
    how_many = re.fullmatch(rf"How many (\w+(?: \w+)?) ((?:{_PAST}|were|are|have) .+)", asked)
    if how_many and not re.search(r"\b(there|did|do|does)\b", how_many[2]):
        named = answer if re.search(r"\b[a-z]{3,}", answer) else f"{answer} {how_many[1]}"
        return f"{named[0].upper()}{named[1:]} {how_many[2]}."
    when = re.fullmatch(
        rf"(?:When|Where|In (?:what|which) \w+) (was|were|is|are) (.+) ({_PARTICIPLE})", asked
    )
    if when:
        start = "" if _PREPOSITION.match(answer) else "in "
        return f"{when[2][0].upper()}{when[2][1:]} {when[1]} {when[3]} {start}{answer}."
    what = re.fullmatch(r"What (is|was|are|were) (the .+ (?:of|for|in) (?:\w+ ?){1,4})", asked)
    return f"{what[2][0].upper()}{what[2][1:]} {what[1]} {answer}." if what else None


class Planter:
    """Plants errors into right sentences of a collection."""

    def __init__(
        self,
        right: Sequence[Planted],
        passages: Sequence[Passage],
        article_of: dict[str, str],
        words: WordIndex,
        random: random.Random,
    ) -> None:
        self._right = right
        self._passages = passages
        self._article_of = article_of
        self._words = words
        self._random = random
        self._texts: dict[str, str] = {}
        for passage in passages:
            article = article_of[passage.source]
            self._texts[article] = f"{self._texts.get(article, '')}\n{passage.text}"
        self._names = {article: sorted(set(_NAME.findall(text))) for article, text in self._texts.items()}
        self._numbers = {article: sorted(set(_NUMBER.findall(text))) for article, text in self._texts.items()}

    def plant(self, kind: str, right: Planted) -> Planted | None:
        """A right sentence with an error of a kind; None where there is no place for it."""
        planted = _PLANT[kind](self, right)
        if planted is None or planted == (right.text, right.passage):
            return None
        return Planted(right.article, kind, right.of, *planted)

    def _number(self, right: Planted) -> tuple[str, Passage] | None:
        """Another number of the document, or the same with a digit changed."""
        found = list(_NUMBER.finditer(right.text))
        if not found:
            return None
        old = self._random.choice(found)
        near = [n for n in self._numbers[right.article] if n != old[0] and len(n) == len(old[0])]
        digit = self._random.choice([i for i, character in enumerate(old[0]) if character.isdigit()])
        other = self._random.choice([d for d in "123456789" if d != old[0][digit]])
        changed = old[0][:digit] + other + old[0][digit + 1 :]
        new = self._random.choice(near) if near and self._random.random() < 0.5 else changed
        return _replaced(right.text, old, new), right.passage

    def _name_of(self, right: Planted, article: str) -> tuple[str, Passage] | None:
        names = _names(right.text)
        if not names:
            return None
        old = self._random.choice(names)
        others = [n for n in self._names[article] if n not in right.text and old[0] not in n]
        return (_replaced(right.text, old, self._random.choice(others)), right.passage) if others else None

    def _name(self, right: Planted) -> tuple[str, Passage] | None:
        return self._name_of(right, right.article)

    def _foreign_name(self, right: Planted) -> tuple[str, Passage] | None:
        others = sorted(set(self._names) - {right.article})
        return self._name_of(right, self._random.choice(others))

    def _citation(self, right: Planted) -> tuple[str, Passage] | None:
        """Of the passages of the document that do not hold the sentence, one of the three nearest."""
        scores = self._words.scores(right.text)
        rows = [i for i, p in enumerate(self._passages) if self._article_of[p.source] == right.article]
        rows = [i for i in rows if self._passages[i] != right.passage]
        near = sorted(rows, key=lambda i: -scores[i])[:3]
        return (right.text, self._passages[self._random.choice(near)]) if near else None

    def _invention(self, right: Planted) -> tuple[str, Passage] | None:
        other = self._random.choice([r for r in self._right if r.article != right.article])
        return other.text, right.passage

    def _clause(self, right: Planted) -> tuple[str, Passage] | None:
        """A clause of another article, joined to the sentence."""
        other = self._random.choice(
            [r for r in self._right if r.article != right.article and r.of == "verbatim"]
        )
        words = other.text.rstrip(".").split()
        clause = " ".join(words[-self._random.randint(6, 10) :])
        return f"{right.text.rstrip('.')}, and {clause}.", right.passage

    def _roles(self, right: Planted) -> tuple[str, Passage] | None:
        """Two names of the sentence, each in the other's place."""
        names = _names(right.text)
        if len(names) < 2 or names[0][0] == names[-1][0]:
            return None
        text = _replaced(right.text, names[-1], names[0][0])
        return _replaced(text, names[0], names[-1][0]), right.passage

    def _negated(self, right: Planted) -> tuple[str, Passage] | None:
        verb = re.search(rf" {_VERB} (?!not\b)", right.text)
        return (_replaced(right.text, verb, f"{verb[0]}not "), right.passage) if verb else None

    def _affirmed(self, right: Planted) -> tuple[str, Passage] | None:
        return re.sub(r" (?:not|never)\b(?! only)", "", right.text, count=1), right.passage


def _names(text: str) -> list[re.Match[str]]:
    first = _FIRST_NAME.match(text)
    return [*([first] if first else []), *_NAME.finditer(text)]


def _replaced(text: str, old: re.Match[str], new: str) -> str:
    return text[: old.start()] + new + text[old.end() :]


_PLANT = {
    "wrong number": Planter._number,
    "name of the document": Planter._name,
    "name of another": Planter._foreign_name,
    "wrong citation": Planter._citation,
    "other sentence": Planter._invention,
    "added clause": Planter._clause,
    "roles swapped": Planter._roles,
    "not put in": Planter._negated,
    "not left out": Planter._affirmed,
}
