"""A language model that writes, on a server or on this machine.

Every way in which one can fail is an LLMError of one plain sentence, within a bounded time.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from qa_bot.prompt import Messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a model may take, and how much it may say."""

    connect_s: float = 5.0
    silence_s: float = 30.0  # between two signs of life
    total_s: float = 120.0  # from the question to the last word, retries included
    retries: int = 2
    wait_s: float = 0.5  # before the first retry; twice as long before the next
    tokens: int = 400
    characters: int = 4_000


class LLM(Protocol):
    """Answers a conversation, piece by piece."""

    @property
    def name(self) -> str:
        """The model as the user named it."""

    def stream(self, messages: Messages) -> Iterator[str]:
        """The answer as it is written; raises LLMError, also after some of it."""


def open_llm(model: str, url: str | None = None, key: str | None = None, limits: Limits | None = None) -> LLM:
    """The model of a server that speaks OpenAI's protocol, or, without `url`, a local one of transformers.

    Nothing is asked or loaded yet. Raises LLMError where the URL is none, or a library is missing.
    """
    if url is None:
        from qa_bot.llm_local import LocalLLM

        return LocalLLM(model, limits or Limits())
    from qa_bot.llm_server import ServedLLM

    return ServedLLM(model, url, key, limits or Limits())


def within(
    seconds: float, produce: Callable[[], Iterator[str]], give_up: Callable[[], None]
) -> Iterator[str]:
    """What `produce` gives, in a thread of its own; raises TimeoutError after so many seconds.

    `give_up` is called at the end, whatever it is: it must free what `produce` may still wait for.
    """
    pieces: queue.Queue[str | Exception | None] = queue.Queue()

    def pump() -> None:
        try:
            for piece in produce():
                pieces.put(piece)
            pieces.put(None)
        except Exception as error:  # whoever reads raises it
            pieces.put(error)

    threading.Thread(target=pump, daemon=True).start()
    until = time.monotonic() + seconds
    try:
        while (left := until - time.monotonic()) > 0:
            piece = pieces.get(timeout=left)
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise piece
            yield piece
        raise TimeoutError
    except queue.Empty:
        raise TimeoutError from None
    finally:
        give_up()
