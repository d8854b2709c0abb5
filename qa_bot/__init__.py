"""Ask your documents: every answer is words of a source, cited, or "the sources don't say".

>>> from qa_bot import answer
>>> a = answer("How many countries took part in First Light 2022?")
>>> a.text, a.citations[0].source

The names below load on first use, so that importing the package costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa_bot.bot import QABot
    from qa_bot.build import BuildReport, build_index
    from qa_bot.config import Settings
    from qa_bot.encoder import Encoder
    from qa_bot.errors import (
        IndexBusy,
        IndexUnusable,
        InvalidQuestion,
        ModelError,
        QABotError,
        SourcesError,
    )
    from qa_bot.live import answer
    from qa_bot.reader import Reader
    from qa_bot.types import Answer, Citation, Document, Passage, Question, ScoredPassage, Section, Turn

_HOME = {
    "bot": ("QABot",),
    "build": ("BuildReport", "build_index"),
    "config": ("Settings",),
    "encoder": ("Encoder",),
    "errors": ("IndexBusy", "IndexUnusable", "InvalidQuestion", "ModelError", "QABotError", "SourcesError"),
    "live": ("answer",),
    "reader": ("Reader",),
    "types": ("Answer", "Citation", "Document", "Passage", "Question", "ScoredPassage", "Section", "Turn"),
}
_MODULE_OF = {name: f"qa_bot.{module}" for module, names in _HOME.items() for name in names}

__all__ = [
    "Answer",
    "BuildReport",
    "Citation",
    "Document",
    "Encoder",
    "IndexBusy",
    "IndexUnusable",
    "InvalidQuestion",
    "ModelError",
    "Passage",
    "QABot",
    "QABotError",
    "Question",
    "Reader",
    "ScoredPassage",
    "Section",
    "Settings",
    "SourcesError",
    "Turn",
    "answer",
    "build_index",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("qa-bot")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'qa_bot' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
