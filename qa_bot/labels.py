"""The language of a visitor: of the labels that the browser looks up, and of what the server says."""

from typing import Any

import gradio as gr

from qa_bot.phrases import ENGLISH, SIMPLIFIED_CHINESE, Language, language_of

# A request of the page alone: no endpoint for programs, and no spinner.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}

CATALOG = gr.I18n(**{tongue.tag: dict(tongue.phrases) for tongue in (ENGLISH, SIMPLIFIED_CHINESE)})


def label(phrase: str) -> Any:
    """A phrase of the catalog, for a component to show in the browser's language."""
    return CATALOG(phrase)


def tongue(request: gr.Request) -> Language:
    """The language of the visitor."""
    return language_of(request.headers.get("accept-language"))
