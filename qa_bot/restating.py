"""A question asked again, but for what a follow-up changes in it: "And when?", "What about 2021?"."""

import re

from qa_bot.mentions import AUXILIARY, LONGEST, PREPOSITIONS, WH, phrases, sort_of
from qa_bot.references import is_name
from qa_bot.types import Turn

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
_SAID_SO = re.compile(
    r"(who(?: else)? (?:said|says|told|claimed|claims|thinks|believes)) (?:that|so|this)\W*$",
    re.IGNORECASE,
)
_END = re.compile(  # "To do what?"
    r"((?:to|by|for|in|on|while) (?:do|doing) what|to what end|for what reason)\W*$", re.IGNORECASE
)
# "In which year?", "By how many votes?"
_PLACED = re.compile(
    rf"((?:{'|'.join(sorted(PREPOSITIONS))}) (?:which|what|how many) \w+)\W*$", re.IGNORECASE
)
_COUNTED = re.compile(r"(?:\w+ )?(?:how (?P<many>many|much)|which|what) (?P<noun>\w.*)$", re.IGNORECASE)
_PARTICIPLE = re.compile(r"ed$|^(?:led|held|made|built|found|won|sold|sent|bought|lost)$")


def asked_again(turn: Turn, question: str) -> str | None:
    """The turn's question with the question words of another, where that has nothing else; else None."""
    said = _SAID_SO.match(question)
    if said:
        return f"{said[1]} {_statement(turn)}"
    words = _DOING.match(question) or _SO.match(question) or _PLACED.match(question) or _END.match(question)
    if words:
        return _asked_again(turn, words[1])
    alone = _QUESTION_WORDS.match(question)
    if alone and (not alone[2] or alone[2].strip().lower() in PREPOSITIONS):
        return _asked_again(turn, alone[1], alone[2] or "")
    return None


def _asked_again(turn: Turn, wh: str, more: str = "") -> str:
    """The last question with other question words: "Where?", "Since when?", "What of?"."""
    asked, rest = _parts(turn.question)
    first, _, done = rest.partition(" ")
    answer = turn.answer or ""
    answer = answer if len(answer.split()) <= LONGEST else ""
    counted = _COUNTED.match(asked)
    if counted and (counted["many"] or not answer):  # "How many vans did she fit out?"
        answer = f"{answer} {counted['noun']}" if answer[:1].isdigit() else counted["noun"]
    if first.lower() not in AUXILIARY:  # "Who introduced the paper?" "When?"
        if _PARTICIPLE.search(first) and _is_phrase(done):
            return f"{wh} {'were' if sort_of(done) == 'things' else 'was'} {done} {first}{more}"
        if first.endswith("s") and answer:
            base = re.sub(r"(?<=[sxzho])es$|(?<=[^s])s$", "", first)  # hosts
            return f"{wh} does {answer} {base} {done}{more}"
        return f"{wh} {answer} {rest}{more}"
    if first.lower() in ("is", "are", "was", "were"):
        # "Who was killed in Paris?" "How?"
        subject = counted or re.match(r"\w*(?:ed|en|wn)\b", done)
        return f"{wh} {first}{f' {answer}' if subject and answer else ''} {done}{more}"
    argument = re.search(r"\b(?:who|whom|what|which|many|much)\b", asked, re.IGNORECASE)
    return f"{wh} {rest}{f' {answer}' if argument else ''}{more}"


def _statement(turn: Turn) -> str:
    """The last question and its answer in one clause."""
    _, rest = _parts(turn.question)
    first, _, done = rest.partition(" ")
    answer = turn.answer or ""
    return f"{done} {answer}" if first.lower() in AUXILIARY else f"{answer} {rest}"


def instead(turn: Turn, other: str) -> list[tuple[bool, str]]:
    """Readings of a question asked of something else ("What about 2021?", "And arrests?"), and whether each
    puts it in the place of what is like it.
    """
    question = turn.question.rstrip("? ")
    asked, rest = _parts(turn.question)
    readings = [(False, f"{question}, {other}")]
    number = re.search(r"\b\d[\d.,]*", question)
    counted = re.match(r"(?:\w+ )?(?:how many|which|what)(?= \w)", asked, re.IGNORECASE)
    word = other.islower() and " " not in other
    if number and re.fullmatch(r"(?:in )?\d[\d.,]*", other):
        readings.append((True, question.replace(number[0], other.removeprefix("in "))))
    elif counted and word:
        about = "" if "many" in counted[0].lower() else "about "
        readings.append((True, f"{counted[0]} {about}{other} {rest}"))
    preposition = other.partition(" ")[0]
    for phrase in phrases(question):
        like_named = other[:1].isupper() and is_name(phrase)
        like_noun = word and not counted and phrase.islower() and " " not in phrase
        if like_named or like_noun or phrase.split()[-1] == other.rpartition(" ")[2] != phrase:
            readings.append((True, question.replace(phrase, other)))
        elif preposition in PREPOSITIONS and f"{preposition} {phrase}" in question:
            readings.append((True, question.replace(f"{preposition} {phrase}", other)))
    return readings


def ones_named(turn: Turn, question: str) -> str:
    """The question with what it calls "ones" by its name: the last that was counted or chosen."""
    asked, _ = _parts(turn.question)
    noun = next(iter(phrases(asked)), "")
    return re.sub(r"\bones\b", noun, question) if noun else question


def _is_phrase(text: str) -> bool:
    """Whether a text is one noun phrase and no more."""
    return [re.sub(r"^the ", "", phrase) for phrase in phrases(text)] == [re.sub(r"^(?:the|an?) ", "", text)]


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
        named = phrases(" ".join(words[at:])) if words[at].lower() in ("which", "what", "how") else []
        noun = named[0].split() if named else []
        if len(noun) > 1 and noun[-1].endswith("s") and counts == 1:  # "hosts" of "Which country hosts it?"
            noun.pop()
        auxiliary = at + counts + len(noun)
    return " ".join(words[:auxiliary]), " ".join(words[auxiliary:])
