"""Questions to start with, made from the sources: only such as the bot answers well.

English asks after a subject without moving a word: "Interpol has led it." -> "Who has led it?". Sentences
of a few builds are turned into questions, a pattern each, and a question is kept only where the bot answers
it, surely enough, with the words that it was made without, from the sentence that it was made of.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from qa_bot.chunking import sentences
from qa_bot.metrics import contains, f1
from qa_bot.types import Answer, Passage, Starter

MOST = 12  # kept with a build
TRIED = 24  # asked for them: each costs some 20 ms of every build
LOOKED_AT = 80  # passages, spread over all
SURE = 0.8  # least score of a good answer
LIKE = 0.5  # least overlap (F1 of words) of the answer and what was left out

_NAME = r"[A-Z][\w’'-]+(?: (?:of |for |the |and )?[A-Z][\w’'-]+)*"
_THING = rf"(?:(?:[Tt]he|[Aa]n?) [a-z][\w’'-]*(?: [\w’'-]+){{0,3}}|(?:The )?{_NAME})"
_REST = r"[\w’'$%€£ -]{8,70}"
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = rf"(?:(?:{_MONTH})\b[\w ,]*|\d{{4}})"
_VERB = "has|had|will|was|became|led|won|opened|launched|wrote"
_VERBS = "[a-z]+ed|took|were|have|are|will|live|work"

# What is left out of the sentence, and the question that asks for it.
_PATTERNS: tuple[tuple[re.Pattern[str], str, Callable[[re.Match[str]], str]], ...] = (
    (  # The white paper was issued by the office on March 16.
        re.compile(rf"\b({_THING}) (was|were) (\w+ed)\b[\w ’'-]*? (?:in|on) (?P<out>{_DATE})"),
        "out",
        lambda m: f"When {m[2]} {_lower(m[1])} {m[3]}?",
    ),
    (
        re.compile(rf"\b({_THING}) (?:was|were) (\w+ed) by (?P<out>(?:the )?{_NAME})"),
        "out",
        lambda m: f"Who {m[2]} {_lower(m[1])}?",
    ),
    (  # Wang Yi, a law professor at the university, said ...
        re.compile(
            r"\b(?P<who>[A-Z][a-z’'-]+ (?:[A-Z][\w’'.-]+ ?){1,3}), (?P<out>(?:an?|the) [^,.;]{6,80}),"
            " (?:said|says|told)"
        ),
        "out",
        lambda m: f"Who is {m['who'].strip()}?",
    ),
    (  # China has hosted the conference.
        re.compile(rf"(?P<out>\b{_NAME}) ((?:{_VERB}) (?!by\b)(?!.*\bthat\b){_REST})[.,;]"),
        "out",
        lambda m: f"Who {m[2].strip()}?",
    ),
    (  # Some 76 countries took part in the operation.
        re.compile(rf"\b(?P<out>\d[\d,.]*) ([a-z]+s (?:{_VERBS}) {_REST})[.,;]"),
        "out",
        lambda m: f"How many {m[2].strip()}?",
    ),
)


def make_starters(passages: Sequence[Passage], ask: Callable[[str], Answer]) -> list[Starter]:
    """Up to MOST questions, the surest first; few and good, or none. One a sentence, each another."""
    kept: list[tuple[float, Starter]] = []
    asked: set[str] = set()
    step = max(1, len(passages) // LOOKED_AT)
    for row in range(0, len(passages), step):
        for sentence, question, out in _candidates(passages[row].text):
            if question in asked:
                continue
            asked.add(question)
            answer = ask(question)
            if _good(answer, sentence, out):
                kept.append((answer.score, Starter(question, answer.citations[0].source)))
                break
        if len(asked) >= TRIED or len(kept) >= MOST:
            break
    return [starter for _, starter in sorted(kept, key=lambda scored: -scored[0])]


def _candidates(text: str) -> Iterator[tuple[str, str, str]]:
    """(sentence, question, what answers it) for each pattern that fits a sentence."""
    for start, end in sentences(text):
        sentence = text[start:end]
        for pattern, group, question_of in _PATTERNS:
            match = pattern.search(sentence)
            if match and '"' not in match[0] and "\n" not in match[0]:
                yield sentence, " ".join(question_of(match).split()), match[group]


def _good(answer: Answer, sentence: str, out: str) -> bool:
    if answer.text is None or answer.score < SURE:
        return False
    like = f1(answer.text, [out]) >= LIKE or contains(out, [answer.text])
    return like and answer.text in sentence


def _lower(thing: str) -> str:
    """The article of a thing in lower case, as inside a sentence."""
    return re.sub(r"^(The|An?) ", lambda match: match[0].lower(), thing)
