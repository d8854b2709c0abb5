"""A question and the turns before it -> a question that stands alone.

The rule: a question leans on what came before if it begins like a continuation ("and", "what
about"), if it has a pronoun for something named earlier ("it", "they", "he"), or if it has fewer
than two words of content ("When?"). Such a question is searched and read together with the last
question that did not lean on another, and with the last one asked. Anything else is left alone.
"""

import re
from collections.abc import Sequence

from qa_bot.types import Turn
from qa_bot.words import content_words

_CONTINUES = re.compile(
    r"\W*(and|but|or|so|then|also|what about|how about|what else|who else)\b", re.IGNORECASE
)
_REFERS = re.compile(
    r"\b(it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those|there)\b", re.IGNORECASE
)


def leans_on_history(question: str) -> bool:
    """Whether the question means little without the ones before it."""
    return bool(_CONTINUES.match(question) or _REFERS.search(question) or len(content_words(question)) < 2)


def standalone(question: str, history: Sequence[Turn]) -> str:
    """`question` itself where it stands alone, else preceded by the questions it leans on."""
    if not history or not leans_on_history(question):
        return question
    earlier = [turn.question for turn in history]
    topic = next((q for q in reversed(earlier) if not leans_on_history(q)), earlier[0])
    parts = dict.fromkeys([topic, earlier[-1], question])
    return " ".join(part.strip() for part in parts)
