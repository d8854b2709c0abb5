"""What can go wrong, as a user would name it.

QABotError
├── InvalidQuestion   a question or top_k that cannot be answered (also a ValueError)
├── SourcesError      the folder of sources is missing or holds nothing to index
├── IndexUnusable     the index is missing, damaged, or made for something else
├── IndexBusy         another process is building this index
├── AddError          a file or page cannot be added to the sources
├── ModelError        the encoder cannot be found or loaded
└── LLMError          a language model is not to be had, or does not answer

Every message says what, where, and the command that mends it. Only cli.py and app.py catch these.
"""


class QABotError(Exception):
    """Base of every error that qa_bot raises on purpose; its message is fit to show a user."""


class InvalidQuestion(QABotError, ValueError):
    """The question is blank or too long, or top_k is below 1."""


class SourcesError(QABotError):
    """The folder of sources is missing or holds nothing to index."""


class IndexUnusable(QABotError):
    """The index is missing, damaged, of another format, or made with another model."""


class IndexBusy(QABotError):
    """Another process holds the build lock of this index."""


class AddError(QABotError):
    """A file or page cannot be added to the sources."""


class ModelError(QABotError):
    """The encoder model cannot be found or loaded."""


class LLMError(QABotError):
    """A language model cannot be reached or loaded, or does not answer as it should."""
