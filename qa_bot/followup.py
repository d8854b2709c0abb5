"""A question and the turns before it -> the question as it can be asked alone, by rules.

What leans on the conversation is found first: a pronoun whose antecedent is not in the question itself
("it", "they", "her"), a description ("that professor", "the operation"), or a question that is cut short
("And when?", "What about 2021?"). Everything else is left as it is, letter for letter, whatever was said
before. Then what it leans on is put in its place. Where several things could be meant, the sources decide:
a reading is weighed by how much of it stands in two neighbouring sentences, beside how lately and in what
role the thing was named, and, of a person, whether the sources say he or she.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from qa_bot.byline import asked_field
from qa_bot.chunking import sentences
from qa_bot.compound import turns_in
from qa_bot.mentions import AUXILIARY, ORGANISED, PREPOSITIONS, Mention, gender, mentions
from qa_bot.references import (
    ABOUT,
    DOCUMENT,
    POSSESSIVE,
    RETURN,
    Reference,
    content,
    is_cut,
    is_fragment,
    is_name,
    is_short,
    leans_on_history,
    names_something,
    references,
    unled_of,
    words_around,
)
from qa_bot.restating import asked_again, instead, ones_named
from qa_bot.types import Question, Turn
from qa_bot.words import WordIndex, content_words

MAX_TURNS = 8  # looked back to

LookUp = Callable[[str], Sequence[str]]  # the texts of the passages that are nearest to a text

# What a reading gains or loses, beside its support, which is in [0, 2].
_LATER = 0.3  # for each turn since
_OF_KIND = 0.5  # he or she, as the sources say; one or many, as the pronoun does
_TOPIC = 0.2  # what a turn asked about goes before its answer
_ASKED_FOR = 0.6  # who is asked for is who is talked about next
_LIKE = 0.3  # "arrests" for "countries", "2021" for "2022"

_CALLED = r"(?:,|,? (?:is|was|are|were|who is|who was)) (?:(?:an?|the) )?(?:[\w’'-]+ ){0,3}?"


def understand(question: str, history: Sequence[Turn], look_up: LookUp, words: WordIndex) -> Question:
    """The question with what it leans on put in its place; `history` is oldest first."""
    turns: list[Turn] = []
    earlier = [part for turn in history[-MAX_TURNS:] for part in turns_in(turn)]
    for turn in earlier:  # what they leaned on comes first
        turns.append(Turn(question=_alone(turn.question, turns, look_up, words), answer=turn.answer))
    return Question(text=question, understood=_alone(question, turns, look_up, words))


def _alone(question: str, history: Sequence[Turn], look_up: LookUp, words: WordIndex) -> str:
    if not history or not leans_on_history(question):
        return question
    named = mentions(history)
    texts = look_up(" ".join([question, *(mention.text for mention in named)]))
    resolved = _Conversation(history, named, texts, words).resolve(question)
    return question if resolved.lower() == question.lower() else resolved


class _Conversation:
    """What was said before a question, and the sources that it was said of."""

    def __init__(
        self, history: Sequence[Turn], named: Sequence[Mention], texts: Sequence[str], words: WordIndex
    ) -> None:
        self._history = history
        self._last = next((turn for turn in reversed(history) if turn.answer), history[-1])
        self._named = named
        self._texts = texts
        self._words = words
        self._windows = []  # the words of every two neighbouring sentences
        for text in texts:
            said = [set(content_words(text[start:end])) for start, end in sentences(text)]
            self._windows += [a | b for a, b in pairwise(said)] if len(said) > 1 else said

    def resolve(self, question: str) -> str:
        """The question with what it leans on in its place."""
        returned = RETURN.match(question)
        if returned:
            topic, rest = self._fill(returned[1].strip()), self._fill(question[returned.end() :])
            named = names_something(rest) or topic.lower() in rest.lower()
            return _sentence(rest if named else f"{rest.rstrip('? ')} ({topic})")
        unled = unled_of(question)
        about = ABOUT.match(unled)
        keywords = unled == question and (names_something(question) or len(content(question)) > 1)
        if about or (is_fragment(unled) and not keywords):
            readings = instead(self._last, self._fill(about[1] if about else unled.rstrip("? ")))
            return _sentence(max(readings, key=lambda r: _LIKE * r[0] + self._support(self._idf(r[1])))[1])
        again = asked_again(self._last, unled)
        if again:
            return _sentence(again)
        filled = self._fill(ones_named(self._last, unled))
        led = unled != question and filled == unled and not names_something(unled)
        if led or is_short(filled) or is_cut(filled):
            filled = self._best(filled, "topic", lambda text: f"{filled.rstrip('? ')} ({text})") or filled
        return question if filled == unled else _sentence(filled)

    def _fill(self, question: str) -> str:
        """A text with its references replaced by what they mean."""
        for reference in reversed(list(references(question))):  # so that what is before stays where it is
            question = self._filled(question, reference) or question
        return question

    def _filled(self, question: str, reference: Reference) -> str | None:
        said = question[reference.start : reference.end]
        kind = reference.kind
        if kind == "that" and question.lower().startswith("who"):
            kind = "someone"
        filled = self._best(question, kind, _putting(question, reference), said)
        if filled or kind != "described" or said.count(" ") < 2:
            return filled
        # "these rules cover": the last word may be a verb.
        shorter = replace(reference, end=reference.start + said.rindex(" "))
        return self._filled(question, shorter)

    def _best(
        self, question: str, kind: str, reading: Callable[[str], str], reference: str = ""
    ) -> str | None:
        """The reading with the mention that fits best, or None where nothing fits."""
        best, most = None, float("-inf")
        own = self._idf(question.replace(reference, "", 1) if reference else question)
        for mention in self._named:
            if mention.text.lower() in question.lower():
                continue
            if DOCUMENT.match(mention.text):  # "Who wrote it?"
                if kind == "thing" and asked_field(reading(mention.text)):
                    return reading(mention.text)
                continue
            fits = self._fit(mention, kind, reference)
            if fits is None:
                continue
            score = fits - _LATER * mention.turn + self._support(own, self._idf(mention.text))
            if score > most:
                best, most = reading(mention.text), score
        return best

    def _idf(self, text: str) -> dict[str, float]:
        stems = sorted(set(content_words(text)))
        return dict(zip(stems, self._words.idf(stems).tolist(), strict=True))

    def _support(self, *groups: dict[str, float]) -> float:
        """The most that two neighbouring sentences have of the groups of words: the sum of the shares."""
        return max((sum(_share(group, window) for group in groups) for window in self._windows), default=0.0)

    def _fit(self, mention: Mention, kind: str, reference: str) -> float | None:
        """How well a mention suits a reference, or None where it cannot be meant."""
        if kind in ("described", "definite"):
            return self._described(mention, reference.split(" ", 1)[1])
        name = is_name(mention.text)
        if kind in ("he", "she", "someone"):
            if not name or mention.sort == "things" or ORGANISED.search(mention.text):
                return None
            heard = gender(mention.text, self._texts)
            like = 0.0 if heard is None else _OF_KIND if heard == kind or kind == "someone" else -_OF_KIND
            return like + (_ASKED_FOR if mention.sort == "person" else 0.0)
        if kind == "place":
            return _TOPIC if mention.answered and name else 0.0 if name else None
        topic = _TOPIC if mention.answered == (kind == "that") else 0.0
        if mention.answered and self._is_asked_for(mention):
            topic = 1.5 * _TOPIC
        if kind == "topic":
            return topic + (_TOPIC if name else 0.0)
        if kind == "things":
            return topic + (_OF_KIND if mention.sort == "things" else 0.0)
        person = mention.sort == "person" or (name and gender(mention.text, self._texts) is not None)
        return topic - (_OF_KIND if mention.sort == "things" else 0.0) - (4 * _OF_KIND if person else 0.0)

    def _is_asked_for(self, mention: Mention) -> bool:
        """Whether a turn asked which thing, and this is it: then talk goes on about the answer.

        That is a name, has the noun that was asked for, or is new: "a platform".
        """
        asked = re.match(
            r"\W*(?:\w+ )?(?:what|which)\b(?! (?:is|are|was|were)\b)(?: \w+)?",
            self._history[-1 - mention.turn].question,
            re.IGNORECASE,
        )
        if not asked:
            return False
        new = is_name(mention.text) or mention.text.startswith(("a ", "an "))
        return new or not set(content_words(asked[0])).isdisjoint(content_words(mention.text))

    def _described(self, mention: Mention, noun: str) -> float | None:
        """Whether a mention has the noun of a description and more, or the sources call it so; else None."""
        asked, own = set(content_words(noun)), set(content_words(mention.text))
        if asked and asked < own:
            return 1.0
        head, name = re.escape(noun.split()[-1]), re.escape(re.sub(r"^the ", "", mention.text))
        called = rf"\b{name}{_CALLED}{head}\b|\b{head} (?:named|called|titled|known as) [\"“]?{name}\b"
        if is_name(mention.text) and any(re.search(called, text) for text in self._texts):
            return 1.0
        return None


def _share(group: dict[str, float], window: set[str]) -> float:
    total = sum(group.values())
    return sum(weight for stem, weight in group.items() if stem in window) / total if total else 0.0


def _putting(question: str, reference: Reference) -> Callable[[str], str]:
    """What gives the question with a text in the place of a reference."""
    word, rest = question[reference.start : reference.end], question[reference.end :]
    _, after = words_around(question, reference.start, reference.end)
    possessive = POSSESSIVE.match(word) and after and after not in PREPOSITIONS | AUXILIARY | {"and", "or"}

    def put(text: str) -> str:
        if possessive:
            text += "’" if text.endswith("s") else "’s"
        where = "in " if reference.kind == "place" else ""
        return f"{question[: reference.start]}{where}{text}{rest}"

    return put


def _sentence(text: str) -> str:
    text = " ".join(text.split()).rstrip("? ,")
    return f"{text[:1].upper()}{text[1:]}?"
