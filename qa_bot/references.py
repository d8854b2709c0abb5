"""What in a question leans on earlier ones: pronouns, descriptions, and what is left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qa_bot.byline import asked_field
from qa_bot.mentions import AUXILIARY, DO, FUNCTION, PREPOSITIONS, RELATIONAL, WH, phrases

_LEAD = re.compile(r"\W*(?:and|but|so|then|also|ok|okay|well|now)\b[\s,]*", re.IGNORECASE)
RETURN = re.compile(r"\W*(?:back|returning|coming back|as) (?:to|for) ([^,:?]+)[,:]\s*", re.IGNORECASE)
ABOUT = re.compile(r"(?:what|how) about (.+?)\W*$", re.IGNORECASE)
DOCUMENT = re.compile(r"th\w+ (?:article|story|document|text|report|page|site|piece|sources?|documents)$")
_PRONOUN = re.compile(  # reflexives mean what is in the question
    r"\b(?:(?P<he>he|him|his)|(?P<she>she|her|hers)|(?P<thing>its|it)"
    r"|(?P<things>they|them|their|theirs|(?:those|these)(?=\W*$|[,;]))"
    r"|(?P<that>(?:that|this)(?=\W*$|[,;]| (?:help|lead|cause|mean|happen|cost|change|bring)\b))"
    r"|(?P<place>there))\b",
    re.IGNORECASE,
)
# "How long did it take", "is it easier to", "there is": these mean nothing.
_EXPLETIVE = re.compile(
    r"it (?:take|takes|took|mean|means|seem|seems)\b|it that\b"
    r"|it (?:(?:is|was|be) )?(?:easier|harder|better|worse|best|possible|legal|safe|true|likely|important"
    r"|necessary|common|fair|good|bad|said)\b"
    r"|there (?:is|are|was|were|must|may|might|will|can|could|would|should|has|have|had|exists?)\b",
    re.IGNORECASE,
)
POSSESSIVE = re.compile(r"(?:his|her|its|their)$", re.IGNORECASE)
_CLAUSE = re.compile(
    r"[,;:]| (?:that|because|while|when|where|who|which|if|after|before|since|so)\b"
    rf"| (?:and|or|but) (?={'|'.join([*WH, *AUXILIARY])}|he|she|it|they)\b",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?:his|her|their) (?:own )?(?:view|views|opinion|words|mind|eyes|account)\b", re.IGNORECASE
)
_DEFINES = re.compile(  # "What is radium?"
    r"\W*(?:who|what|where)(?:'s|’s| is| are| was| were) (?:an? |the )?(?!\w+ed\b)\w+\W*$", re.IGNORECASE
)
_CUT = re.compile(
    r"\W*(?:\w+ )?(?:how many|which|what) \w+(?: \w+)?(?: (?:in|of|besides) .*)?\W*$", re.IGNORECASE
)
_CHOSEN = re.compile(rf"\W*(?:which|what) (?!(?:{'|'.join(AUXILIARY)})\b)|\W*who\b", re.IGNORECASE)
_MODIFIES = frozenset({"of", "that", "which", "who", "where", "in", "for"})
_BEGINS = WH | AUXILIARY | PREPOSITIONS | {"and"}
_BEFORE_THAT = AUXILIARY | PREPOSITIONS | WH | {"and", "or", ""}
_BEFORE_SUBJECT = AUXILIARY | WH | {"and", "but", "or", ""}
_INFINITIVE = re.compile(r" (?:to \w+|\w+ing)\b")


def leans_on_history(question: str) -> bool:
    """Whether a question may mean little, or something else, without the ones before it."""
    its = re.search(r"\b(?:it|its|they|their|that|those)\b", question, re.IGNORECASE)
    if asked_field(question) and not its:
        return False  # "this" is the document
    unled = unled_of(question)
    led = unled != question and (is_fragment(unled) or not names_something(unled))
    return bool(
        is_short(question)
        or led
        or RETURN.match(question)
        or ABOUT.match(unled)
        or next(references(question), None)
        or re.search(r"\bones?\b", question)
    )


def unled_of(question: str) -> str:
    """The question without an "And" before it."""
    lead = _LEAD.match(question)
    return question[lead.end() :] if lead else question


def is_short(question: str) -> bool:
    """Whether a question leaves out what it is about: "When?", "Who attended?", "What was the result?"."""
    if len(content(question)) >= 2 or names_something(question):
        return False
    return bool(RELATIONAL.search(question.rstrip("? .!"))) or not _DEFINES.match(question)


def is_fragment(question: str) -> bool:
    """Whether a question has neither question word nor verb: "And arrests?", "2021?"."""
    words = re.findall(r"\w+", question.lower())
    return (WH | AUXILIARY).isdisjoint(words) and len(words) <= 5


def is_cut(question: str) -> bool:
    """Whether a question ends before it has a verb: "How many members?", "In which city in China?"."""
    verb = not AUXILIARY.isdisjoint(question.lower().split()) or re.search(r"\b\w+ed\b", question)
    return not verb and len(content(question)) < 4 and bool(_CUT.match(question))


def content(text: str) -> list[str]:
    """The words of a text that are no function words, in lower case."""
    words = (re.sub(r"[’']s$", "", word) for word in re.findall(r"[\w’'-]+", text.lower()))
    return [word for word in words if word not in FUNCTION]


def is_name(phrase: str) -> bool:
    """Whether a noun phrase is, or has in it, a name or a number."""
    return any(word[0].isupper() or word[0].isdigit() for word in phrase.split())


def names_something(text: str) -> bool:
    """Whether a text names something of its own."""
    return any(is_name(phrase) for phrase in phrases(text))


@dataclass(frozen=True, slots=True)
class Reference:
    """Words of a question that mean something named before: question[start:end]."""

    kind: str  # he, she, thing, things, that, place; described, or, with no more than "the", definite
    start: int
    end: int


def references(question: str) -> Iterator[Reference]:
    """What a question refers to by a pronoun or a description, and does not name itself; in order."""
    found = [
        Reference(str(match.lastgroup), *match.span())
        for match in _PRONOUN.finditer(question)
        if not _EXPLETIVE.match(question, match.start()) and not _inside(question, match)
    ]
    for phrase in phrases(question):
        start = question.find(phrase)
        kind = None if start < 0 or DOCUMENT.match(phrase) else _description(question, phrase, start)
        if kind:
            found.append(Reference(kind, start, start + len(phrase)))
    yield from sorted(found, key=lambda reference: reference.start)


def _description(question: str, phrase: str, start: int) -> str | None:
    """What kind of description a noun phrase is: "that law professor", "the operation"; None: it is none."""
    article, _, noun = phrase.partition(" ")
    before, after = words_around(question, start, start + len(phrase))
    if article == "the":
        modified = " " in noun or not noun.islower() or after in _MODIFIES
        return None if modified else "definite"
    # "says that participation helps" describes nothing
    if article in ("this", "these", "those") or (article == "that" and (before in _BEFORE_THAT)):
        return "described"
    return None


def words_around(question: str, start: int, end: int) -> tuple[str, str]:
    """The word before and the word after question[start:end]; empty where there is none."""
    before, after = re.search(r"([\w’']+)\W*$", question[:start]), re.match(r"\W*([\w’']+)", question[end:])
    return (before[1].lower() if before else ""), (after[1].lower() if after else "")


def _inside(question: str, pronoun: re.Match[str]) -> bool:
    """Whether what a pronoun means is named before it in the same question."""
    kind, before = str(pronoun.lastgroup), question[: pronoun.start()]
    last, following = words_around(question, *pronoun.span())
    if kind == "place":
        return last in ("is", "are", "was", "were")  # "how many were there"
    if kind == "that" or _SAID.match(question, pronoun.start()):
        return False
    own = [phrase for phrase in phrases(before) if _could_be(phrase, kind)]
    if own and question.partition(" ")[0].lower() not in _BEGINS:
        return True  # "The treaty causes it to ..."
    more = bool(following) and following not in PREPOSITIONS
    chosen = bool(_CHOSEN.match(question))
    if pronoun[0].lower() in ("he", "she", "it", "they") and more and last not in _BEFORE_SUBJECT:
        return bool(own) or chosen  # "Why did they feel it had", "the money it paid"
    infinitive = _INFINITIVE.search(before)
    possessive = bool(POSSESSIVE.match(pronoun[0])) and bool(following)
    far = last in PREPOSITIONS or infinitive
    if far and possessive and chosen and not question.lower().startswith("who"):
        return True  # "Which author is known for his book"
    if own and infinitive and more and not possessive and kind in ("thing", "things"):
        return True  # "to give it special status"
    return any(_is_near(before, phrase, possessive) for phrase in own)


def _could_be(phrase: str, kind: str) -> bool:
    return kind == "thing" or is_name(phrase) or (kind == "things" and phrase.endswith("s"))


def _is_near(before: str, phrase: str, possessive: bool) -> bool:
    """Whether a pronoun after these words means a phrase in them."""
    if _CLAUSE.search(before[before.find(phrase.split()[-1]) :]):
        return True
    subject = re.search(rf"\b(?:{'|'.join(DO)}|has|have|had) {re.escape(phrase)}\b", before, re.IGNORECASE)
    return possessive and bool(is_name(phrase) or subject)
