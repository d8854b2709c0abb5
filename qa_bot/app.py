"""The Gradio front end: a chat beside the document that it cites. It shows Answers, no more.

Whatever comes from a question or a document is text: `as_text` leaves no character of it that
HTML, Markdown or Gradio's templates would read as markup.
"""

import dataclasses
import os
import string
from collections.abc import Callable, Sequence
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported

# Gradio asks its own address whether it is up, and httpx would ask that of a proxy. Nothing else
# is asked of anyone.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

import gradio as gr

from qa_bot.bot import QABot
from qa_bot.errors import InvalidQuestion, QABotError
from qa_bot.types import Answer, Citation, Passage, ScoredPassage, Turn

# Shown where the bot can answer them: the sources may be any others.
EXAMPLES = (
    "How many countries took part in First Light 2022?",
    "Who wrote this article?",
    "When was the white paper issued?",
    "What has China hosted every year since 2014?",
)

# Exchanges that a browser's session keeps; older ones stay on the page, but cannot be opened.
MAX_EXCHANGES = 100

Message = dict[str, Any]
Exchanges = dict[int, Answer]  # by their number in the session, which is that of their links

CSS = """
.gradio-container main { max-width: 1280px !important; width: 100%; margin: 0 auto; }
#chat .message p { margin: .4em 0; }
#chat .message blockquote { margin: .4em 0; padding: 0 0 0 .9em;
  border-inline-start: 3px solid var(--primary-400); }
#chat a[href^="#cite"] { display: inline-block; padding: .1em .7em; border-radius: 1em; text-decoration: none;
  border: 1px solid var(--primary-400); font-size: .85em; margin: .2em 0; overflow-wrap: anywhere; }
#source { border: 1px solid var(--border-color-primary); border-radius: var(--radius-lg); padding: 1em; }
#source .document { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6; }
#source .scroll { max-height: 68vh; overflow-y: auto; }
#source mark { background: #ffe08a; color: #1a1a1a; padding: .1em 0; border-radius: .15em; }
#source .changed { color: #b45309; font-weight: 600; margin: 0 0 .8em; }
#source .where { color: var(--body-text-color-subdued); font-size: .85em; margin: 0 0 .8em; }
#source h2 { margin: 0; font-size: 1.05em; }
"""

# A click on a citation anywhere in the chat asks the server for its document, unless it is the one
# that is open; either way the highlighted words are brought into sight. On a phone the document is
# below the chat: the page goes there when asked to, not with each answer.
SOURCE_JS = """
let clicked = false;
const show = () => requestAnimationFrame(() => {
    const box = element.querySelector('.scroll'), mark = element.querySelector('mark');
    if (box && mark) {
        box.scrollTop += mark.getBoundingClientRect().top - box.getBoundingClientRect().top - 80;
        if (clicked && window.innerWidth < 768) element.scrollIntoView({block: 'start'});
    }
    clicked = false;
});
watch('value', show);
document.addEventListener('click', (event) => {
    const link = event.target.closest('#chat a[href^="#cite-"]');
    if (!link) return;
    event.preventDefault();
    event.stopPropagation();
    clicked = true;
    const citation = link.getAttribute('href').slice('#cite-'.length);
    if (element.querySelector('.document')?.dataset.citation === citation) show();
    else trigger('click', {citation});
}, true);
"""

BotNow = Callable[[], QABot]

EMPTY_SOURCE = "<p class='where'>Ask a question. The document that says the answer opens here.</p>"


def serve(bot_now: BotNow, host: str, port: int) -> None:
    """Serve the app on http://host:port until the process is stopped."""
    start(bot_now, host, port).block_thread()


def start(bot_now: BotNow, host: str, port: int) -> gr.Blocks:
    """Start the app in the background; close() the returned Blocks to stop it."""
    app = build_app(bot_now)
    app.queue(max_size=64, default_concurrency_limit=4)
    app.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        inbrowser=False,
        enable_monitoring=False,
        footer_links=["api"],
        css=CSS,
        theme=gr.themes.Default(
            primary_hue="blue",
            font=["system-ui", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        ),
    )
    return app


class _Blocks(gr.Blocks):
    """Gradio's page, whose API takes calls with arguments left out."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Arguments that were left out are None; Gradio's error would put the others into the log."""
        inputs.extend([None] * (len(block_fn.inputs) - len(inputs)))


def build_app(bot_now: BotNow) -> gr.Blocks:
    """The page and its API, over the bot that `bot_now` gives for each question."""

    def converse(
        question: str, messages: list[Message], answers: Exchanges
    ) -> tuple[str, list[Message], Exchanges, str]:
        """One exchange in the chat: empties the box, shows the answer, opens its document."""
        history = [Turn(question=answer.question, answer=answer.text) for answer in answers.values()]
        messages = [*messages, {"role": "user", "content": as_text(question)}]
        try:
            answer = bot_now().ask(question, history)
        except QABotError as error:
            reply = {"role": "assistant", "content": as_text(str(error))}
            return question, [*messages, reply], answers, EMPTY_SOURCE
        number = max(answers, default=-1) + 1
        messages.append({"role": "assistant", "content": answer_html(answer, number)})
        answers = dict([*answers.items(), (number, answer)][-MAX_EXCHANGES:])
        return "", messages, answers, open_citation(f"{number}-0", answers)

    def choose_example(
        chosen: gr.SelectData, messages: list[Message], answers: Exchanges
    ) -> tuple[str, list[Message], Exchanges, str]:
        return converse(chosen.value["text"], messages, answers)

    def open_citation(link: str, answers: Exchanges) -> str:
        """The document of the citation, or nearest passage, that a link of the chat names."""
        try:
            number, item = (int(part) for part in link.split("-"))
            answer = answers[number]
            cited: Citation | Passage = (
                answer.nearest[item].passage if answer.abstained else answer.citations[item]
            )
            return document_html(bot_now(), cited, link)
        except (ValueError, KeyError, IndexError):
            return EMPTY_SOURCE

    def click_citation(answers: Exchanges, event: gr.EventData) -> str:
        return open_citation(str(event.citation), answers)

    def ask(question: str, history: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Answer one question. `history` is the earlier turns, oldest first: {question, answer}."""
        try:
            return dataclasses.asdict(bot_now().ask(*_arguments(question, history)))
        except QABotError as error:
            # Printed, the exception would put the question into the server's log.
            raise gr.Error(str(error), print_exception=False) from None

    with _Blocks(title="Ask your documents", analytics_enabled=False) as app:
        heading = gr.Markdown()
        answers = gr.State({})
        with gr.Row():
            with gr.Column(scale=3, min_width=320):
                chat = gr.Chatbot(
                    elem_id="chat",
                    label="Conversation",
                    show_label=False,  # it would lie over the first line
                    height="62vh",
                    sanitize_html=True,
                    allow_tags=False,
                    latex_delimiters=[],
                    buttons=[],
                    placeholder="Ask a question about the documents.",
                    examples=[{"text": question} for question in _working_examples(bot_now())],
                )
                box = gr.Textbox(
                    elem_id="question",
                    label="Your question",
                    placeholder="Ask a question …",
                    submit_btn=True,
                    autofocus=True,
                    max_lines=4,
                )
            with gr.Column(scale=2, min_width=320):
                source = gr.HTML(EMPTY_SOURCE, elem_id="source", js_on_load=SOURCE_JS)
        exchange = [box, chat, answers, source]
        box.submit(converse, [box, chat, answers], exchange, api_visibility="private", show_progress="hidden")
        chat.example_select(
            choose_example, [chat, answers], exchange, api_visibility="private", show_progress="hidden"
        )
        chat.clear(lambda: ({}, EMPTY_SOURCE), None, [answers, source], api_visibility="private")
        source.click(click_citation, answers, source, api_visibility="private", show_progress="hidden")
        app.load(lambda: _heading(bot_now().manifest.documents), None, heading, api_visibility="private")
        gr.events.api(
            ask, api_name="ask", api_description="One question, one answer with its citations; no state."
        )
        blocks: gr.Blocks = app
    return blocks


def _heading(documents: int) -> str:
    return (
        "# Ask your documents\n"
        f"{documents:,} {'document' if documents == 1 else 'documents'} indexed. "
        "Every answer is words of a source, or an honest “the sources don't say”."
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


def as_text(text: str) -> str:
    """`text` for HTML or Markdown in which every character stands for itself."""
    return text.translate(_ENTITIES)


_ENTITIES = {ord(c): f"&#{ord(c)};" for c in string.punctuation} | {
    ord("\n"): "<br>",
    ord("\r"): None,
    0: "\ufffd",
}


def answer_html(answer: Answer, number: int) -> str:
    """An answer as a message of the chat; `number` is its place in the session."""
    understood = ""
    if answer.understood != answer.question:
        understood = f"<p><small>Understood as: {as_text(answer.understood)}</small></p>"
    if answer.abstained:
        nearest = "".join(_nearest_html(scored, number, i) for i, scored in enumerate(answer.nearest[:3]))
        why = f"<p><strong>The sources don't say.</strong> {as_text(answer.reason or '')}</p>"
        return f"{understood}{why}<p>Nearest to the question:</p>{nearest}"
    said = f"<p><strong>{as_text(answer.text or '')}</strong></p>"
    return understood + said + "".join(_citation_html(c, number, i) for i, c in enumerate(answer.citations))


def _citation_html(citation: Citation, number: int, item: int) -> str:
    before = as_text(citation.quote[: citation.answer_start])
    said = as_text(citation.quote[citation.answer_start : citation.answer_end])
    after = as_text(citation.quote[citation.answer_end :])
    place = as_text(", ".join(_place(citation)))
    if citation.changed:
        place += " · changed since it was indexed"
    if before or after:
        said = f"<strong>{said}</strong>"
    return (
        f"<blockquote>{before}{said}{after}</blockquote>"
        f'<p><a href="#cite-{number}-{item}">{item + 1} · {place}</a></p>'
    )


def _nearest_html(scored: ScoredPassage, number: int, item: int) -> str:
    text = scored.passage.text
    extract = as_text(text if len(text) <= 140 else text[:140].rsplit(" ", 1)[0] + " …")
    place = as_text(", ".join(_place(scored.passage)))
    return f'<blockquote>{extract}</blockquote><p><a href="#cite-{number}-{item}">{place}</a></p>'


def document_html(bot: QABot, cited: Citation | Passage, link: str = "") -> str:
    """The whole document of a citation or passage, its words highlighted; `link` is what named it."""
    quote = cited.text if isinstance(cited, Passage) else cited.quote
    try:
        document = bot.document(cited.source)
    except QABotError:  # deleted, and the index built again
        return (
            f"<h2>{as_text(cited.title or cited.source)}</h2><p class='where'>No longer in the sources.</p>"
        )
    start, end = cited.start, cited.end
    changed = "Changed since it was indexed." if isinstance(cited, Citation) and cited.changed else ""
    if document.text[start:end] != quote:  # the index was built again since the answer
        start = max(document.text.find(quote), 0)
        end = start + len(quote) if document.text.startswith(quote, start) else start
        changed = "Changed since the answer." if start == end else ""
    page = f"page {cited.page}" if cited.page else None
    details = [document.author, document.publisher, document.date, cited.section, page]
    where = as_text(" · ".join(detail for detail in (*details, document.source, *document.also) if detail))
    badge = f"<p class='changed'>{changed}</p>" if changed else ""
    return (
        f"<h2>{as_text(document.title or document.source)}</h2><p class='where'>{where}</p>{badge}"
        "<div class='scroll' tabindex='0' role='region' aria-label='Cited document'>"
        f"<div class='document' data-citation='{as_text(link)}'>"
        f"{_plain(document.text[:start])}<mark>{_plain(document.text[start:end])}</mark>"
        f"{_plain(document.text[end:])}</div></div>"
    )


def _plain(text: str) -> str:
    """`as_text` where white space is kept by the style."""
    return as_text(text).replace("<br>", "\n")


def _place(cited: Citation | Passage) -> Sequence[str]:
    page = f"page {cited.page}" if cited.page else None
    return [part for part in (cited.title or cited.source, cited.section, page, cited.date) if part]


def _working_examples(bot: QABot) -> list[str]:
    answers = [bot.ask(question) for question in EXAMPLES]
    return [a.question for a in answers if not a.abstained]
