"""A question and the turns before it -> a Question that can be searched for.

The rule: a question leans on what came before if it begins like a continuation ("and", "what
about"), if it has a pronoun for something named earlier ("it", "they", "he"), or if it has fewer
than two words of content ("When?"); but "this" in a question about a document itself ("Who wrote
this?") is the document. A question that leans is searched together with the last exchange that had
an answer, and read for what is new in it. Anything else is left alone.
"""

import re
from collections.abc import Sequence

from qa_bot.byline import asked_field
from qa_bot.types import Question, Turn
from qa_bot.words import content_words

_CONTINUES = re.compile(
    r"\W*(and|but|or|so|then|also|what about|how about|what else|who else)\b", re.IGNORECASE
)
_REFERS = re.compile(
    r"\b(it|its|they|them|their|theirs|he|him|his|she|her|hers|this|that|these|those)\b", re.IGNORECASE
)
_REFERS_TO_ITS_TOPIC = re.compile(r"\b(it|its|they|them|their|that|those)\b", re.IGNORECASE)


def leans_on_history(question: str) -> bool:
    """Whether the question means little without the ones before it."""
    if asked_field(question) and not _REFERS_TO_ITS_TOPIC.search(question):
        return False  # "this" is the document
    return bool(_CONTINUES.match(question) or _REFERS.search(question) or len(content_words(question)) < 2)


def understand(question: str, history: Sequence[Turn]) -> Question:
    """The question with what it leans on; `history` is oldest first."""
    if not history or not leans_on_history(question):
        return Question(text=question)
    topic = next((turn for turn in reversed(history) if turn.answer), history[-1])
    return Question(text=question, topic=topic)
