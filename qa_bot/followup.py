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
from itertools import pairwise

from qa_bot.byline import asked_field
from qa_bot.chunking import sentences
from qa_bot.mentions import (
    AUXILIARY,
    LONGEST,
    ORGANISED,
    PREPOSITIONS,
    WH,
    Mention,
    gender,
    mentions,
    phrases,
    sort_of,
)
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
from qa_bot.types import Question, Turn
from qa_bot.words import WordIndex, content_words

MAX_TURNS = 8  # looked back to

LookUp = Callable[[str], Sequence[str]]  # the texts of the passages that are nearest to a text

# What a reading gains or loses, beside its support, which is in [0, 2].
_LATER = 0.3  # for each turn since
_OF_KIND = 0.5  # he or she, as the sources say; one or many, as the pronoun does
_TOPIC = 0.2  # what a turn asked about goes before its answer
_LIKE = 0.3  # "arrests" for "countries", "2021" for "2022"

# "When?", "Since when?", "How many?", "What of?"
_QUESTION_WORDS = re.compile(
    rf"((?:\w+ )?(?:{'|'.join(WH)})(?: (?:many|much|long|often|year|month|day))?)( \w+)?\W*$", re.IGNORECASE
)
# "When did he do it?"
_DOING = re.compile(
    rf"((?:\w+ )?(?:{'|'.join(WH)})(?: \w+)?) (?:did|does|do|has|have|had) (?:he|she|it|they) (?:been )?"
    r"(?:do|done|doing) (?:it|that|so|this)\W*$",
    re.IGNORECASE,
)
_SO = re.compile(r"(why|how) (?:is|was) (?:that|this|it)(?: so)?\W*$", re.IGNORECASE)  # "Why is that?"
# "In which year?", "By how many votes?"
_PLACED = re.compile(
    rf"((?:{'|'.join(sorted(PREPOSITIONS))}) (?:which|what|how many) \w+(?: \w+)?)\W*$", re.IGNORECASE
)
_COUNTED = re.compile(r"(?:\w+ )?(?:how (?P<many>many|much)|which|what) (?P<noun>\w.*)$", re.IGNORECASE)
_PARTICIPLE = re.compile(r"ed$|^(?:led|held|made|built|found|won|sold|sent|bought|lost)$")
_CALLED = r"(?:,|,? (?:is|was|are|were|who is|who was)) (?:(?:an?|the) )?(?:[\w’'-]+ ){0,3}?"


def understand(question: str, history: Sequence[Turn], look_up: LookUp, words: WordIndex) -> Question:
    """The question with what it leans on put in its place; `history` is oldest first."""
    turns: list[Turn] = []
    for turn in history[-MAX_TURNS:]:  # what they leaned on comes first
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
            return _sentence(self._of_something_else(self._fill(about[1] if about else unled.rstrip("? "))))
        doing = _DOING.match(unled) or _SO.match(unled) or _PLACED.match(unled)
        if doing:
            return _sentence(self._asked_again(doing[1], ""))
        alone = _QUESTION_WORDS.match(unled)
        if alone and (not alone[2] or alone[2].strip().lower() in PREPOSITIONS):
            return _sentence(self._asked_again(alone[1], alone[2] or ""))
        filled = self._fill(self._ones(unled))
        led = unled != question and filled == unled and not names_something(unled)
        if led or is_short(filled) or is_cut(filled):
            filled = self._best(filled, "topic", lambda text: f"{filled.rstrip('? ')} ({text})") or filled
        return question if filled == unled else _sentence(filled)

    def _fill(self, question: str) -> str:
        """A text with its references replaced by what they mean."""
        for reference in reversed(list(references(question))):  # so that what is before stays where it is
            said = question[reference.start : reference.end]
            kind = reference.kind
            if kind == "that" and question.lower().startswith("who"):
                kind = "someone"
            filled = self._best(question, kind, _putting(question, reference), said)
            question = filled or question
        return question

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
            return like + (_TOPIC if mention.sort == "person" else 0.0)
        if kind == "place":
            return _TOPIC if mention.answered and name else 0.0 if name else None
        topic = _TOPIC if mention.answered == (kind == "that") else 0.0
        if mention.answered and name and self._is_asked_for(mention):
            topic = 1.5 * _TOPIC
        if kind == "topic":
            return topic + (_TOPIC if name else 0.0)
        if kind == "things":
            return topic + (_OF_KIND if mention.sort == "things" else 0.0)
        person = mention.sort == "person" or (name and gender(mention.text, self._texts) is not None)
        return topic - (_OF_KIND if mention.sort == "things" else 0.0) - (4 * _OF_KIND if person else 0.0)

    def _is_asked_for(self, mention: Mention) -> bool:
        """Whether a turn asked which thing, and this is it: then talk goes on about the answer."""
        asked = self._history[-1 - mention.turn].question
        return bool(re.match(r"\W*(?:\w+ )?(?:what|which)\b(?! (?:is|are|was|were)\b)", asked, re.IGNORECASE))

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

    def _ones(self, question: str) -> str:
        """The question with what it calls "ones" by its name: the last that was counted or chosen."""
        asked, _ = _parts(self._last.question)
        noun = next(iter(phrases(asked)), "")
        return re.sub(r"\bones\b", noun, question) if noun else question

    def _asked_again(self, wh: str, more: str) -> str:
        """The last question with other question words: "Where?", "Since when?", "What of?"."""
        asked, rest = _parts(self._last.question)
        first, _, done = rest.partition(" ")
        answer = self._last.answer or ""
        answer = answer if len(answer.split()) <= LONGEST else ""
        counted = _COUNTED.match(asked)
        if counted and (counted["many"] or not answer):  # "How many vans did she fit out?"
            answer = f"{answer} {counted['noun']}" if answer[:1].isdigit() else counted["noun"]
        if first.lower() not in AUXILIARY:  # "Who introduced the paper?" "When?"
            if _PARTICIPLE.search(first) and _is_phrase(done):
                return f"{wh} {'were' if sort_of(done) == 'things' else 'was'} {done} {first}{more}"
            return f"{wh} {answer} {rest}{more}"
        if first.lower() in ("is", "are", "was", "were"):
            return f"{wh} {first}{f' {answer}' if counted else ''} {done}{more}"
        argument = re.search(r"\b(?:who|whom|what|which|many|much)\b", asked, re.IGNORECASE)
        return f"{wh} {rest}{f' {answer}' if argument and not more else ''}{more}"

    def _of_something_else(self, other: str) -> str:
        """The last question asked of something else: "What about 2021?", "And arrests?"."""
        question = self._last.question.rstrip("? ")
        asked, rest = _parts(self._last.question)
        readings = [(0.0, f"{question}, {other}")]
        preposition = other.partition(" ")[0]
        for phrase in phrases(question):
            like_named = other[:1].isupper() and is_name(phrase)
            if like_named or phrase.split()[-1] == other.rpartition(" ")[2] != phrase:
                readings.append((_LIKE, question.replace(phrase, other)))
            elif preposition in PREPOSITIONS and f"{preposition} {phrase}" in question:
                readings.append((_LIKE, question.replace(f"{preposition} {phrase}", other)))
        number = re.search(r"\b\d[\d.,]*", question)
        counted = re.match(r"(?:\w+ )?(?:how many|which|what)(?= \w)", asked, re.IGNORECASE)
        if number and re.fullmatch(r"(?:in )?\d[\d.,]*", other):
            readings.append((_LIKE, question.replace(number[0], other.removeprefix("in "))))
        elif counted and other.islower() and " " not in other:
            about = "" if "many" in counted[0].lower() else "about "
            readings.append((_LIKE, f"{counted[0]} {about}{other} {rest}"))
        return max(readings, key=lambda r: r[0] + self._support(self._idf(r[1])))[1]


def _is_phrase(text: str) -> bool:
    """Whether a text is one noun phrase and no more."""
    return [re.sub(r"^the ", "", phrase) for phrase in phrases(text)] == [re.sub(r"^(?:the|an?) ", "", text)]


def _share(group: dict[str, float], window: set[str]) -> float:
    total = sum(group.values())
    return sum(weight for stem, weight in group.items() if stem in window) / total if total else 0.0


def _parts(question: str) -> tuple[str, str]:
    """The question words of a question, with their noun, and the rest of it."""
    words = question.rstrip("? ").split()
    at = next((i for i, word in enumerate(words[:3]) if word.lower() in WH), None)
    if at is None:
        return "", " ".join(words)
    auxiliary = next(
        (i for i in range(at + 1, min(at + 6, len(words))) if words[i].lower() in AUXILIARY), None
    )
    if auxiliary is None:  # "Which country hosts", "How many countries took part"
        counts = 2 if words[at].lower() == "how" else 1
        noun = phrases(" ".join(words[at:])) if words[at].lower() in ("which", "what", "how") else []
        auxiliary = at + counts + (len(noun[0].split()) if noun else 0)
    return " ".join(words[:auxiliary]), " ".join(words[auxiliary:])


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
