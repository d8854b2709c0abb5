"""The endpoints for programs: stateless and typed."""

import dataclasses
import json
from typing import Any

import gradio as gr

from qa_bot.errors import InvalidQuestion, QABotError
from qa_bot.live import BotNow
from qa_bot.narrowing import wanted
from qa_bot.types import Turn


def add_endpoints(bot_now: BotNow, mcp: bool) -> None:
    """Give the page under construction /ask and /retrieve, over the bot of the moment.

    With `mcp` they can be called as tools. The docstrings of both are what their callers are told of them.
    """

    def ask(
        question: str,
        history: list[dict[str, Any]] | None = None,
        sources: list[str] | None = None,
        since: str | None = None,
        until: str | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Answer a question from the user's own documents, in words of these documents, with citations.

        `text` is the answer and `citations` say where it stands: `quote` is the sentence, verbatim, `source`
        the document. Where `abstained` is true the documents do not say it: tell so, and do not guess.

        Args:
            question: One question, in plain words.
            history: Earlier turns, oldest first, for follow-up questions: {question, answer}.
            sources: Only documents of these names or patterns, such as reports/*.
            since: Only documents of this day or later, such as 2023-01-31.
            until: Only documents of this day or earlier.
        """
        try:
            asked, turns = _arguments(question, history)
            only = wanted(sources, since, until)
            answer = bot_now().ask(asked, turns, sources=only.sources, since=only.since, until=only.until)
            given: dict[str, Any] = _given(dataclasses.asdict(answer), request)
            return given
        except QABotError as error:
            # Printed, the exception would put the question into the server's log.
            raise gr.Error(str(error), print_exception=False) from None

    def retrieve(
        question: str,
        top_k: int | None = None,
        sources: list[str] | None = None,
        since: str | None = None,
        until: str | None = None,
        request: gr.Request | None = None,
    ) -> list[dict[str, Any]]:
        """Find the passages of the user's own documents that match a question best, best first.

        Each has its text, verbatim, its document (`source`) and its scores. To have a question answered,
        use ask.

        Args:
            question: What to look for, in plain words.
            top_k: How many passages; 5 unless told otherwise.
            sources: Only documents of these names or patterns, such as reports/*.
            since: Only documents of this day or later, such as 2023-01-31.
            until: Only documents of this day or earlier.
        """
        try:
            if not isinstance(top_k, int | None) or isinstance(top_k, bool):
                raise InvalidQuestion("top_k must be a whole number.")
            asked, _ = _arguments(question, None)
            only = wanted(sources, since, until)
            found = bot_now().retrieve(asked, top_k, sources=only.sources, since=only.since, until=only.until)
            given: list[dict[str, Any]] = _given([dataclasses.asdict(scored) for scored in found], request)
            return given
        except QABotError as error:
            raise gr.Error(str(error), print_exception=False) from None

    # Gradio's MCP server would ask its own address for what is queued, without the password, or whatever
    # address the caller says that it goes by.
    for endpoint in (ask, retrieve):
        gr.events.api(endpoint, api_name=endpoint.__name__, queue=not mcp)


def _given(values: Any, request: gr.Request | None) -> Any:
    """What a caller is given: values, or, as a tool, JSON; Gradio would make Python's notation of it."""
    as_tool = request is not None and "/gradio_api/mcp" in request.url.path
    return json.dumps(values, ensure_ascii=False) if as_tool else values


def _arguments(question: object, history: object) -> tuple[str, list[Turn]]:
    """What a caller of the API sent, if it is of the right kind; raises InvalidQuestion."""
    if not isinstance(question, str):
        raise InvalidQuestion("question must be a text.")
    turns = []
    for turn in history if isinstance(history, list) else [] if history is None else [None]:
        asked, given = (turn.get("question"), turn.get("answer")) if isinstance(turn, dict) else (None, None)
        if not isinstance(asked, str) or not isinstance(given, str | None):
            raise InvalidQuestion("history must be a list of {question, answer}; answer may be null.")
        turns.append(Turn(question=asked, answer=given))
    return question, turns
