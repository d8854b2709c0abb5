"""The endpoints for programs: stateless and typed."""

import dataclasses
from typing import Any

import gradio as gr

from qa_bot.errors import InvalidQuestion, QABotError
from qa_bot.live import BotNow
from qa_bot.narrowing import wanted
from qa_bot.types import Turn


def add_endpoints(bot_now: BotNow) -> None:
    """Give the page under construction /ask and /retrieve, over the bot of the moment."""

    def ask(
        question: str,
        history: list[dict[str, Any]] | None = None,
        sources: list[str] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> dict[str, Any]:
        """Answer one question. `history` is the earlier turns, oldest first: {question, answer}.

        `sources` (names, or patterns such as reports/*), `since` and `until` (2023-01-31) say where to look.
        """
        try:
            asked, turns = _arguments(question, history)
            only = wanted(sources, since, until)
            answer = bot_now().ask(asked, turns, sources=only.sources, since=only.since, until=only.until)
            return dataclasses.asdict(answer)
        except QABotError as error:
            # Printed, the exception would put the question into the server's log.
            raise gr.Error(str(error), print_exception=False) from None

    def retrieve(
        question: str,
        top_k: int | None = None,
        sources: list[str] | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> list[dict[str, Any]]:
        """The passages that match a question best, best first, with their scores; narrowed as in /ask."""
        try:
            if not isinstance(top_k, int | None) or isinstance(top_k, bool):
                raise InvalidQuestion("top_k must be a whole number.")
            asked, _ = _arguments(question, None)
            only = wanted(sources, since, until)
            found = bot_now().retrieve(asked, top_k, sources=only.sources, since=only.since, until=only.until)
            return [dataclasses.asdict(scored) for scored in found]
        except QABotError as error:
            raise gr.Error(str(error), print_exception=False) from None

    about = "One question, one answer with its citations; no state."
    gr.events.api(ask, api_name="ask", api_description=about)
    gr.events.api(
        retrieve, api_name="retrieve", api_description="The passages that match a question; no state."
    )


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
