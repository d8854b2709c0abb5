"""What the program says to a visitor of the page, in English and in Simplified Chinese.

A phrase is named by its English; what is put into it, in braces. Words of sources are never translated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qa_bot.chinese import CHINESE


class Phrase(str):
    """English text that remembers what it was made of, so that it can be said in another language.

    To whoever does not ask, it is a string like any other.
    """

    __slots__ = ("template", "values")
    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, **values: Any) -> "Phrase":
        """`template` with its braces filled in; a tuple of words becomes "a or b"."""
        phrase = super().__new__(cls, _fill(template, values, " or "))
        phrase.template = template
        phrase.values = values
        return phrase


@dataclass(frozen=True, slots=True)
class Language:
    """A language that the page can be shown in; calling it says a phrase."""

    tag: str
    phrases: Mapping[str, str]

    def __call__(self, template: str, **values: Any) -> str:
        """A phrase of the catalog, filled in; what the catalog lacks stays English."""
        either = self.phrases.get(" or ", " or ")
        told = {
            name: self.of(value) if isinstance(value, Phrase) else value for name, value in values.items()
        }
        return _fill(self.phrases.get(template, template), told, either)

    def of(self, said: str | Exception) -> str:
        """What was said in English, in this language, where it is known what it was made of."""
        text = said if isinstance(said, str) else said.args[0]
        return self(text.template, **text.values) if isinstance(text, Phrase) else str(text)

    def count(self, number: int, noun: str) -> str:
        """1 document, 2 documents; in Chinese with the noun's measure word."""
        return self(f"{{number:,}} {noun}{'' if number == 1 else 's'}", number=number)


def _fill(template: str, values: Mapping[str, Any], either: str) -> str:
    if not values:
        return template
    told = {n: either.join(value) if isinstance(value, tuple) else value for n, value in values.items()}
    return template.format(**told)


ENGLISH = Language("en", {phrase: phrase for phrase in CHINESE})
SIMPLIFIED_CHINESE = Language("zh-CN", CHINESE)


def language_of(accepted: str | None) -> Language:
    """The language for a browser's Accept-Language.

    Its first choice alone counts, and zh-CN alone is Simplified Chinese: so does Gradio's own page choose,
    and both have to be in one language.
    """
    first = (accepted or "").split(",")[0].split(";")[0].strip()
    return SIMPLIFIED_CHINESE if first == SIMPLIFIED_CHINESE.tag else ENGLISH
