"""A language model behind any server that speaks OpenAI's protocol, by OpenAI's own client.

What a server says of an error is never passed on: it may repeat the key.
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qa_bot.errors import LLMError
from qa_bot.llm import Limits, within
from qa_bot.phrases import Phrase
from qa_bot.prompt import Messages

if TYPE_CHECKING:
    from openai import OpenAI

_NO_KEY = "none"  # servers on one's own machine ask for none, the client does


class ServedLLM:
    """A model at a URL. Safe to share between threads: each answer has a connection of its own."""

    def __init__(self, model: str, url: str, key: str | None, limits: Limits) -> None:
        """Raises LLMError where the URL is none, or the client is not installed."""
        try:
            import openai
        except ImportError:
            raise LLMError(
                "A model on a server needs the package openai: pip install 'qa-bot[llm]'"
            ) from None
        self._openai = openai
        self.name = model
        self._which = Phrase("The model {model} at {host}", model=model, host=_host(url))
        self._url = url
        self._key = key
        self._limits = limits

    def stream(self, messages: Messages) -> Iterator[str]:
        try:
            client = self._client()
            yield from within(
                self._limits.total_s, lambda: self._with_retries(client, messages), client.close
            )
        except Exception as error:
            # Not chained: requests and their headers hang on the client's errors.
            raise LLMError(self._said(error)) from None

    def _client(self) -> "OpenAI":
        limits = self._limits
        return self._openai.OpenAI(
            base_url=self._url,
            api_key=self._key or _NO_KEY,
            max_retries=0,  # the client would wait for as long as the server says
            # What is sent goes to the address that was named: by no proxy, and to none it points to.
            http_client=self._openai.DefaultHttpxClient(
                trust_env=False,
                follow_redirects=False,
                timeout=self._openai.Timeout(limits.silence_s, connect=limits.connect_s),
            ),
        )

    def _with_retries(self, client: "OpenAI", messages: Messages) -> Iterator[str]:
        passing = (
            self._openai.APIConnectionError,
            self._openai.RateLimitError,
            self._openai.InternalServerError,
        )
        for attempt in range(self._limits.retries + 1):
            began = False
            try:
                for piece in self._once(client, messages):
                    began = True
                    yield piece
                return
            except passing:
                if began or attempt == self._limits.retries:
                    raise
            time.sleep(self._limits.wait_s * 2**attempt)

    def _once(self, client: "OpenAI", messages: Messages) -> Iterator[str]:
        chat: Any = client.chat.completions  # the protocol's types are narrower than what servers send
        stream = chat.create(
            model=self.name,
            messages=messages,
            stream=True,
            temperature=0,
            max_tokens=self._limits.tokens,
            extra_headers={"OpenAI-Organization": self._openai.omit, "OpenAI-Project": self._openai.omit},
        )
        left = self._limits.characters
        for chunk in stream:
            for choice in chunk.choices:
                piece = choice.delta.content or ""
                yield piece[:left]
                left -= len(piece)
                if choice.finish_reason or left <= 0:
                    return
        raise ValueError("the stream broke off")

    def _said(self, error: Exception) -> Phrase:
        """What went wrong, in one sentence."""
        names, which = self._openai, self._which
        match error:
            case TimeoutError() | names.APITimeoutError():
                return Phrase("{which} did not answer in time.", which=which)
            case names.APIConnectionError():
                return Phrase("{which} could not be reached.", which=which)
            case names.AuthenticationError() | names.PermissionDeniedError():
                if self._key:
                    return Phrase("{which} refused the key.", which=which)
                return Phrase("{which} asks for a key: set QA_BOT_LLM_KEY.", which=which)
            case names.NotFoundError():
                return Phrase("{which} was not found there: look at --llm and --llm-url.", which=which)
            case names.RateLimitError():
                return Phrase("{which} is asked too much at the moment.", which=which)
            case names.APIStatusError():
                return Phrase("{which} failed with status {status}.", which=which, status=error.status_code)
            case _:
                return Phrase("{which} sent what is no answer.", which=which)


def _host(url: str) -> str:
    """Host and port of a URL, and nothing else of it; raises LLMError where it has none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise LLMError("--llm-url takes the address of a server, such as http://127.0.0.1:11434/v1")
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if port else shown
