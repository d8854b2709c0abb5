"""The Gradio front end: a chat beside the document that it cites. It shows Answers, no more."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

# Of each call Gradio keeps a record, and after each it makes statistics of the last 10,000 for a page
# that is off here: every answer would take longer than the one before (benchmarks/load.py).
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)

# Gradio asks its own address whether it is up, and httpx would ask that of a proxy. Nothing else
# is asked of anyone.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

import gradio as gr
from fastapi import FastAPI

from qa_bot.api import add_endpoints
from qa_bot.bot import QABot
from qa_bot.browser import (
    ANSWERED_JS,
    ASKING_JS,
    CSS,
    FAILED_JS,
    GREETED_JS,
    SAVE_JS,
    SOURCE_JS,
    TYPED_JS,
)
from qa_bot.editing import Editor
from qa_bot.errors import QABotError
from qa_bot.labels import CATALOG, QUIET, label, tongue
from qa_bot.live import BotNow
from qa_bot.narrowing import wanted
from qa_bot.panels import add_feedback, add_inspect_panel, add_narrowing_panel, add_sources_panel
from qa_bot.phrases import ENGLISH, Language
from qa_bot.prose import Writer, turn_of
from qa_bot.prose_html import prose_html, writing_html
from qa_bot.rendering import answer_html, as_text, document_html
from qa_bot.report_panel import add_report_panel
from qa_bot.transcript import as_json, as_markdown
from qa_bot.types import Answer, Citation, Passage, Starter

# Exchanges that a browser's session keeps; older ones stay on the page, but cannot be opened.
MAX_EXCHANGES = 100

MAX_WAITING = 64  # questions in the queue
MAX_SESSIONS = 1_000  # remembered, the last used; each takes some 50 KB, and a call of the API is one
AT_ONCE = 4  # questions answered side by side; each takes milliseconds

MAX_STARTERS = 4  # questions to start with
MAX_NEXT = 2  # questions that are suggested after an answer

Message = dict[str, Any]
Exchanges = dict[int, Answer]  # by their number in the session, which is that of their links
Shown = tuple[str, list[Message], Exchanges, Any]  # the box, the chat, what it is made of, the source

SAVED = {"Markdown": (as_markdown, "md"), "JSON": (as_json, "json")}

THEME = gr.themes.Default(
    primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
)


class _Blocks(gr.Blocks):
    """Gradio's page, whose API takes calls with arguments left out."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Arguments that were left out are None; Gradio's error would put the others into the log."""
        inputs.extend([None] * (len(block_fn.inputs) - len(inputs)))


class _Chat:
    """What the page does when its visitor does something; all state is the visitor's own."""

    def __init__(self, bot_now: BotNow, writer: Writer | None) -> None:
        self._bot_now = bot_now
        self._writer = writer

    def turn(
        self,
        asked: str,
        messages: list[Message],
        answers: Exchanges,
        event: gr.EventData,
        request: gr.Request,
        *only: object,
    ) -> Iterator[Shown]:
        """What changes the chat: a question that was typed, one to start with, or a link of the chat."""
        if isinstance(event.target, gr.Textbox):
            yield from self._converse(asked, messages, answers, request, *only)
        elif isinstance(event.target, gr.Chatbot):
            yield from self._converse(event.value["text"], messages, answers, request, *only)
        elif event.what == "ask":
            yield from self._converse(str(event.place), messages, answers, request, *only)
        else:
            yield from self._go_back(str(event.what), str(event.place), messages, answers, request, *only)

    def _converse(
        self, question: str, messages: list[Message], answers: Exchanges, request: gr.Request, *only: object
    ) -> Iterator[Shown]:
        """One exchange in the chat: shows the answer, opens its document.

        `only` is what the visitor narrows questions to: documents, since when, until when.
        """
        bot, say = self._bot_now(), tongue(request)
        history = [turn_of(answer) for answer in answers.values()]
        number = len(messages) // 2
        messages = [*messages, {"role": "user", "content": as_text(question)}]
        try:
            where = wanted(*only)
            first = bot.ask(question, history, sources=where.sources, since=where.since, until=where.until)
        except QABotError as error:
            reply = {"role": "assistant", "content": as_text(say.of(error))}
            yield question, [*messages, reply], answers, _no_source(say)
            return
        answers = dict([*answers.items(), (number, first)][-MAX_EXCHANGES:])
        show = partial(answer_html, first, number, say, _next(bot, answers))
        writer = None if first.abstained else self._writer
        reply = {"role": "assistant", "content": show(writing_html(say) if writer else "")}
        yield gr.skip(), [*messages, reply], answers, self._cited(f"{number}-0", answers, say)
        for answer in writer.answers(bot, first) if writer else ():
            answers = answers | {number: answer}
            more = prose_html(first, answer, number, say) or writing_html(say)
            yield gr.skip(), [*messages, reply | {"content": show(more)}], answers, gr.skip()

    def _go_back(
        self,
        what: str,
        place: str,
        messages: list[Message],
        answers: Exchanges,
        request: gr.Request,
        *only: object,
    ) -> Iterator[Shown]:
        """To the question of that number, to ask it "again" or to "edit" it; what followed is dropped."""
        try:
            number = int(place)
            question = answers[number].question
        except (ValueError, KeyError):  # older than what is kept, or made up
            yield gr.skip(), gr.skip(), gr.skip(), _no_source(tongue(request))
            return
        messages = messages[: 2 * number]
        answers = {n: answer for n, answer in answers.items() if n < number}
        if what == "again":
            yield from self._converse(question, messages, answers, request, *only)
        else:
            yield question, messages, answers, _no_source(tongue(request))

    def cite(self, answers: Exchanges, event: gr.EventData, request: gr.Request) -> str:
        """The document of a citation, or of a passage near, that was clicked."""
        try:
            return self._cited(str(event.place), answers, tongue(request))
        except (ValueError, KeyError, IndexError):  # older than what is kept, or made up
            return _no_source(tongue(request))

    def _cited(self, place: str, answers: Exchanges, say: Language) -> str:
        """The document at `place`, the number of an answer and that of its citation or nearest passage."""
        number, item = (int(part) for part in place.split("-"))
        answer = answers[number]
        cited: Citation | Passage = (
            answer.nearest[item].passage if answer.abstained else answer.citations[item]
        )
        return document_html(self._bot_now(), cited, say, place)

    def forget(self, request: gr.Request) -> tuple[Exchanges, str]:
        return {}, _no_source(tongue(request))

    def greet(self, request: gr.Request) -> tuple[str, Any, str, str]:
        """Heading, chat, source and status line, of the build that answers now, in the visitor's language."""
        bot, say = self._bot_now(), tongue(request)
        examples = [{"text": starter.question} for starter in bot.starters[:MAX_STARTERS]]
        chat = gr.update(examples=examples, placeholder=say("Ask a question about the documents."))
        return _heading(bot.manifest.documents, say), chat, _no_source(say), _status_line(say)


def build_app(
    bot_now: BotNow,
    editor: Editor | None = None,
    feedback: Path | None = None,
    report: Path | None = None,
    mcp: bool = False,
    writer: Writer | None = None,
) -> gr.Blocks:
    """The page and its API, over the bot that `bot_now` gives for each question.

    With an editor, whoever sees the page may add and remove sources; with an index directory for
    feedback, call answers right or wrong; with the folder of an evaluation report, see it.
    With a writer, answers are put into sentences.
    """
    does = _Chat(bot_now, writer)
    with _Blocks(title="Ask your documents", analytics_enabled=False) as app:
        heading = gr.Markdown()
        answers = gr.State({})
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                chat = gr.Chatbot(
                    elem_id="chat",
                    label=label("Conversation"),
                    show_label=False,  # it would lie over the first line
                    height="62vh",
                    sanitize_html=True,
                    allow_tags=False,
                    latex_delimiters=[],
                    buttons=[],
                    autoscroll=False,
                )
                box = gr.Textbox(
                    elem_id="question",
                    label=label("Your question"),
                    placeholder=label("Ask a question …"),
                    submit_btn=True,
                    autofocus=True,
                    max_lines=4,
                )
                asked = gr.Textbox(visible="hidden")  # what was typed, while it is being answered
                only = add_narrowing_panel(bot_now)
                busy = gr.HTML(_status_line(ENGLISH), elem_id="busy")
                if feedback:
                    add_feedback(feedback, chat, answers)
                with gr.Row():
                    said = {"Markdown": label("Save as Markdown"), "JSON": label("Save as JSON")}
                    buttons = {
                        kind: gr.Button(said[kind], size="sm", variant="secondary", elem_id=f"save-{kind}")
                        for kind in SAVED
                    }
                    saved = gr.Textbox(visible="hidden", elem_id="saved")
            with gr.Column(scale=2, min_width=320):
                source = gr.HTML(_no_source(ENGLISH), elem_id="source", js_on_load=SOURCE_JS)
        add_sources_panel(bot_now, editor, source)
        add_inspect_panel(bot_now, answers, only)
        if report:
            add_report_panel(bot_now, report)
        # One turn at a time: what is asked for meanwhile waits, in the browser, until it is over.
        box.submit(None, [box, asked], [box, asked], js=TYPED_JS, **QUIET)
        turns: list[Any] = [box.submit, chat.example_select, source.click]
        gr.on(turns, None, js=ASKING_JS, **QUIET)
        given, shown = [asked, chat, answers, *only], [box, chat, answers, source]
        turn = gr.on(turns, does.turn, given, shown, trigger_mode="once", **QUIET)
        turn.then(None, None, asked, js=ANSWERED_JS, **QUIET)
        turn.failure(None, [box, asked], [box, asked], js=FAILED_JS, **QUIET)
        # A document can be opened at any time: it changes nothing of the chat.
        source.select(does.cite, answers, source, trigger_mode="multiple", **QUIET)
        chat.clear(does.forget, None, [answers, source], cancels=[turn], **QUIET)
        for kind, (export, suffix) in SAVED.items():
            done = buttons[kind].click(partial(_export, export), answers, saved, **QUIET)
            done.then(None, saved, None, js=SAVE_JS.replace("SUFFIX", suffix))
        greeted = app.load(does.greet, None, [heading, chat, source, busy], **QUIET)
        greeted.then(None, js=GREETED_JS, **QUIET)
        add_endpoints(bot_now, mcp)
        blocks: gr.Blocks = app
    return blocks


def mount(server: FastAPI, app: gr.Blocks, root_path: str, mcp: bool) -> None:
    """Have `server` show the page; `root_path` is where a proxy shows it, as /qa, or empty.

    With `mcp`, its endpoints are tools as well, at /gradio_api/mcp/.
    """
    app.queue(max_size=MAX_WAITING, default_concurrency_limit=AT_ONCE)
    app.state_session_capacity = MAX_SESSIONS
    gr.mount_gradio_app(
        server,
        app,
        path="/",
        root_path=root_path or None,
        footer_links=["api"],
        css=CSS,
        theme=THEME,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=mcp,
        i18n=CATALOG,
    )


def _next(bot: QABot, answers: Exchanges) -> list[Starter]:
    """Questions near the last one that have an answer, and that were not asked yet."""
    asked = {answer.question for answer in answers.values()}
    last = answers[max(answers)]
    near = bot.like(last.question, MAX_NEXT + len(asked))
    return [starter for starter in near if starter.question not in asked][:MAX_NEXT]


def _export(export: Callable[[list[Answer]], str], answers: Exchanges) -> str:
    return export(list(answers.values()))


def _heading(documents: int, say: Language) -> str:
    title = say("Ask your documents")
    promise = say(
        "{documents} indexed. Every answer is words of a source, or an honest “the sources don't say”.",
        documents=say.count(documents, "document"),
    )
    return f"# {title}\n{promise}"


def _no_source(say: Language) -> str:
    told = say("Ask a question. The document that says the answer opens here.")
    return f"<p class='where'>{as_text(told)}</p>"


def _status_line(say: Language) -> str:
    """Empty while nothing takes long, with what the page's scripts may have to say."""
    searching, copied = as_text(say("Searching …")), as_text(say("Copied"))
    return f"<p role='status' data-searching='{searching}' data-copied='{copied}'></p>"
