"""What the turns of a conversation name: the people and things that "she", "it" or "the operation" may mean.

English without a tagger. A noun phrase is a run of words none of which is a function word; its verb is
known by where it stands: after "who" and before an object, after "did" and a subject. A phrase that is cut
a word too long or too short costs little, for it is weighed by what the sources say near it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from qa_bot.chunking import sentences
from qa_bot.types import Turn

Sort = Literal["person", "thing", "things"]

LONGEST = 8  # words of an answer that can stand for a pronoun


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


WH = _set("who whom whose what which when where why how")
DO = _set(
    "do does did can could will would shall should may might must don't doesn't didn't don’t doesn’t didn’t"
)
AUXILIARY = DO | _set("is are was were am be been has have had")
PREPOSITIONS = _set("about after at before between by during for from in into of on over since to with")
ARTICLES = _set("the a an this that these those every all some")
_OTHERS = """
above against also among and any as because being below but each else ever he her here hers him his i if it
its me more most my no nor not off often once one ones only or other our out own she so such than their them
then there they through too under until up upon us very we while within without you your according many much
long old far back
"""
FUNCTION = WH | AUXILIARY | PREPOSITIONS | ARTICLES | _set(_OTHERS)
# What these are of is not said by themselves, and talk goes on about that.
RELATIONAL = re.compile(
    r"\bthe (?:result|outcome|reason|purpose|goal|aim|cause|effect|name|title|cost|price|venue|theme|leader"
    r"|head|number|total|winner|owner|founder|location|size|date)s?$",
    re.IGNORECASE,
)
PAST = re.compile(
    r"(?:\w{2,}[^e]ed|became|began|begun|born|bought|brought|built|came|chose|drew|drawn|fell|found|gave|given|got"
    r"|grew|grown|held|joined|kept|knew|known|led|left|lost|made|met|named|paid|ran|run|said|sang|sat|saw|seen"
    r"|sent|set|showed|shown|sold|spent|spoke|stood|taken|taught|thought|told|took|wanted|went|won|wore|worn"
    r"|written|wrote)$"
)
PLURAL = re.compile(r"(?:\w[^s’'iu]s|people|children|men|women)$", re.IGNORECASE)
ORGANISED = re.compile(
    r"\b(?:the|office|council|organi[sz]ation|university|conference|ministry|company|inc|ltd|party|union|agency"
    r"|committee|institute|administration|partnership|bank|group|department|school|academy|museum|foundation"
    r"|association|court|nations?|states|press|society|club|commission|authority|corporation)\b|(?-i:^[A-Z]{2,}$)",
    re.IGNORECASE,
)
_MEASURE = re.compile(
    r"(?:(?:on|in|at|from|since|for|about|by|during|over|nearly|almost|more than|every|some) )*"
    r"(?:[$€£]?\d|(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|year)\b)"
)
_WORD = re.compile(r"[^\W_][\w’'.&-]*|\S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Something that a turn names."""

    text: str
    sort: Sort
    turn: int  # how many turns ago, from 0
    answered: bool  # named by the answer, not by the question


def mentions(history: Sequence[Turn]) -> list[Mention]:
    """Whatever the turns name, each once, the last turn first; of a turn its question, then its answer."""
    found: dict[str, Mention] = {}
    for ago, turn in enumerate(reversed(history)):
        named = [*_asked(turn), *_answered(turn)]
        for answered, text, sort in named:
            key = re.sub(r"^(?:the|an?) ", "", text, flags=re.IGNORECASE).lower()
            found.setdefault(key, Mention(text=text, sort=sort, turn=ago, answered=answered))
    return list(found.values())


def _asked(turn: Turn) -> Iterator[tuple[bool, str, Sort]]:
    for text in phrases(turn.question):
        # "What partnership?" is the one that the answer names.
        kind = re.match(rf"(?:\w+ )?(?:which|what) {re.escape(text)}\b", turn.question, re.IGNORECASE)
        named_after = kind or RELATIONAL.match(text)
        if (named_after and turn.answer) or text.startswith(("every ", "that ", "those ", "these ")):
            continue
        owner = re.match(r"(.+)[’']s? ", text)
        if owner and not owner[1].islower():
            yield False, owner[1], sort_of(owner[1])
        yield False, text, sort_of(text)


def _answered(turn: Turn) -> Iterator[tuple[bool, str, Sort]]:
    if not turn.answer or _MEASURE.match(turn.answer):
        return
    words = [word.lower() for word in _WORD.findall(turn.question)[:3]]
    who = not {"who", "whom"}.isdisjoint(words)
    head = re.split(r",| \(|;", turn.answer)[0].strip(" .")
    head = re.sub(rf"^(?:{'|'.join(sorted(PREPOSITIONS))}) ", "", head, flags=re.IGNORECASE)  # "in a shed"
    # "Who is Wang Yi?" "A law professor": that is he, and nobody new.
    if who and not head[:1].isupper() and not ORGANISED.search(head) and "is" in words:
        return
    if 0 < len(head.split()) <= LONGEST:
        person = who and head[:1].isupper() and not ORGANISED.search(head) and " and " not in head
        yield True, re.sub(r"^The ", "the ", head), "person" if person else sort_of(head)
    short = len(turn.answer.split()) <= 2 * LONGEST
    for text in phrases(turn.answer):
        if text != head and (short or not text.islower()):  # of many things said, talk goes on about none
            yield True, text, sort_of(text)


def sort_of(text: str) -> Sort:
    """What a phrase is, as far as its own words tell."""
    head = re.split(r" (?:of|in|for|on|at|from) ", text)[0]
    last = head.split()[-1]
    plural = PLURAL.search(last) and (last.islower() or re.fullmatch(r"[Tt]he [A-Z]\w+", head))
    return "things" if plural or re.fullmatch(r"(?:\w+ ){1,2}and(?: \w+){1,2}", text) else "thing"


def phrases(text: str) -> list[str]:
    """The noun phrases of a text, as it spells them ("a" and "an" become "the"), in order."""
    tokens = [(match[0].rstrip(".’'"), match.start()) for match in _WORD.finditer(text)]
    tokens = [(word or ".", at) for word, at in tokens]
    found = []
    at = 0
    while at < len(tokens):
        end = _run_end(tokens, at)
        before = [word.lower() for word, _ in tokens[:at]]
        if end == at or before[-1:] == ["how"]:  # "how similar"
            at += 1
            continue
        run = [word for word, _ in tokens[at:end]]
        start, stop = _without_verbs(run, before)
        if start < stop:
            words = [word for word, _ in tokens[at + start : at + stop]]
            article = before[-1] if start == 0 and before and before[-1] in ARTICLES else ""
            article = {"a": "the", "an": "the", "that": "that" if words[0].islower() else ""}.get(
                article, article
            )
            phrase = re.sub(r"[’']s$", "", " ".join([article, *words]).strip())
            if not re.fullmatch(r"[\d.,]+", phrase):
                found.append(phrase)
        at = end if _follows(before, DO) else at + max(stop, 1)
    return found


def _run_end(tokens: Sequence[tuple[str, int]], at: int) -> int:
    """Where the run of content words that begins here ends; names go on over "of the" and the like."""
    end = at
    while end < len(tokens):
        word = tokens[end][0]
        bare = re.sub(r"[’'](?:s|re|ll|ve|d)$", "", word.lower())  # "what's"
        if word[0].isalnum() and (bare not in FUNCTION or (end > 0 and _inside_name(word))):
            end += 1
            continue
        rest = [following for following, _ in tokens[end : end + 3]]
        link = (
            end > at
            and tokens[end - 1][0][:1].isupper()
            and rest[0] in ("of", "for", "in", "on", "and", "de", "von")
        )
        skip = 2 if rest[1:2] == ["the"] else 1
        if link and rest[skip : skip + 1] and rest[skip][:1].isupper() and rest[skip].lower() not in FUNCTION:
            end += skip
            continue
        break
    return end


def _inside_name(word: str) -> bool:
    return len(word) > 1 and word.isupper()  # "IT", "US", not "I"


def _without_verbs(words: Sequence[str], before: Sequence[str]) -> tuple[int, int]:
    """The stretch of a run that is its first noun phrase."""
    start, stop = 0, len(words)
    subject = _follows(before, DO) and not (before[-1] in DO and before[-2:-1] == ["who"])
    if before[-1:] and before[-1] in AUXILIARY and not words[0].islower():  # "did Marie Curie isolate radium"
        name = next((i for i, word in enumerate(words) if word.islower()), stop)
        if name + 1 < stop and PLURAL.search(words[name]):  # "did American women buy"
            return 0, name + 1
        return 0, name
    # "Who introduced", "who hosts", "to reform": the verb comes first.
    verb_first = before[-1:] in (["who"], ["to"]) or (before[-2:-1] == ["who"] and before[-1] in DO)
    while (
        start < stop and words[start].islower() and (PAST.match(words[start]) or (start == 0 and verb_first))
    ):
        start += 1
    past = next((i for i in range(start + 1, stop) if words[i].islower() and PAST.match(words[i])), None)
    if past is not None:
        return start, past
    if subject and stop - start > 1:  # "did the operation lead": the verb comes last
        return start, stop - 1 if words[stop - 1].islower() else stop
    return start, stop


def _follows(before: Sequence[str], words: frozenset[str]) -> bool:
    """Whether what was before ends in one of these words, and perhaps an article."""
    return not words.isdisjoint(before[-1:] if before[-1:] and before[-1] not in ARTICLES else before[-2:])


def gender(name: str, texts: Sequence[str]) -> str | None:
    """ "he" or "she" where the sources speak so of a name, else None.

    A pronoun is of the name that its sentence begins with, or the sentence before, where that has one.
    """
    heard: Counter[str] = Counter()
    for text in texts:
        subject = ""
        for start, end in sentences(text):
            sentence = text[start:end]
            own = _first_name(sentence)
            for pronoun in re.finditer(r"\b(he|his|him|she|her)\b", sentence, re.IGNORECASE):
                at = sentence.find(own) if own else -1
                if _same_name(name, own if 0 <= at < pronoun.start() else subject):
                    heard["she" if pronoun[0].lower() in ("she", "her") else "he"] += 1
            subject = own or subject
    (best, most), (_, next_most) = (heard.most_common(2) + [("", 0)] * 2)[:2]
    return best if most > next_most else None


def _first_name(sentence: str) -> str:
    return next((p for p in phrases(sentence) if p[0].isupper() and p.split()[0].lower() not in FUNCTION), "")


def _same_name(name: str, other: str) -> bool:
    """Whether two names may be of one: they are alike, or one is a part of the other."""
    ours, theirs = name.split(), other.split()
    return bool(theirs) and (ours == theirs or (len(theirs) == 1 and theirs[0] in ours))
