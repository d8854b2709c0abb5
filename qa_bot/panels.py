"""The app's panels: what is indexed, and may be changed; how an answer was found."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from qa_bot import feedback
from qa_bot.bot import QABot
from qa_bot.editing import Editor, Step
from qa_bot.errors import QABotError
from qa_bot.languages import said_of
from qa_bot.live import BotNow
from qa_bot.manifest import Manifest
from qa_bot.narrowing import wanted
from qa_bot.prose import extractive, turn_of
from qa_bot.rendering import as_text, count, whole_html
from qa_bot.sources import PARSERS, Skipped
from qa_bot.types import Answer, Inspection

MAX_LISTED = 50  # documents that are shown at once
_WIDEST = 100  # percent, of a bar


PANEL_CSS = """
#documents ul { list-style: none; margin: .4em 0; padding: 0; }
#documents button { background: none; border: 0; color: inherit; font: inherit; text-align: start;
  padding: .2em 0; text-decoration: underline; overflow-wrap: anywhere; }
#documents small { color: var(--quiet); }
#inspection .table { overflow-x: auto; }
#inspection table { border-collapse: collapse; width: 100%; font-size: .9em; }
#inspection th, #inspection td { text-align: start; padding: .25em .6em; border-bottom: 1px solid
  var(--border-color-primary); }
#inspection .bar { display: block; height: .35em; background: var(--primary-400); border-radius: .2em; }
#progress progress { width: 100%; }
"""

# A click on a document's name opens it; on "Remove" removes it, once that is confirmed.
_LIST_JS = """
element.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    const {document: name, remove} = button.dataset;
    if (name) trigger('click', {what: 'open', name});
    else if (remove && confirm('Remove ' + remove + ' from the sources folder?'))
        trigger('click', {what: 'remove', name: remove});
});
"""

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


def add_sources_panel(bot_now: BotNow, editor: Editor | None, source: gr.HTML) -> None:
    """What is indexed, to search and open (in `source`); with an editor, to add to and remove from."""

    def listing(searched: str | None) -> str:
        return sources_html(bot_now(), searched or "", removable=editor is not None)

    def click(searched: str | None, event: gr.EventData) -> tuple[Any, Any, Any]:
        """(document pane, list, message) after a click on a document's name or on its removal."""
        try:
            if event.what == "open":
                return whole_html(bot_now(), str(event.name)), gr.skip(), ""
            if editor:
                editor.remove(str(event.name))
                return gr.skip(), listing(searched), _note(f"Removed {event.name}. Rebuild to forget it.")
        except QABotError as error:
            return gr.skip(), listing(searched), _note(str(error))
        return gr.skip(), gr.skip(), ""

    with gr.Accordion("Sources", open=False, elem_id="sources") as panel:
        search = gr.Textbox(label="Search documents by title or name", elem_id="search", max_lines=1)
        documents = gr.HTML(elem_id="documents", js_on_load=_LIST_JS)
        progress = gr.HTML(elem_id="progress")
        panel.expand(listing, search, documents, **QUIET)
        search.change(listing, search, documents, **QUIET)
        documents.click(click, search, [source, documents, progress], **QUIET)
        if editor:
            _add_editing(editor, listing, search, documents, progress)


def add_narrowing_panel(bot_now: BotNow) -> list[Any]:
    """Where to look, of each visitor's own choice: documents by name or pattern, and two days."""

    def choices(searched: str) -> Any:
        found = bot_now().listed(searched, MAX_LISTED)
        return gr.update(
            choices=[(f"{title} ({source})" if title else source, source) for source, title in found]
        )

    def search(event: gr.KeyUpData) -> Any:
        return choices(str(event.input_value))

    with gr.Accordion("Only in …", open=False, elem_id="only") as panel:
        sources = gr.Dropdown(
            label="These documents, by title, name or pattern (reports/*)",
            elem_id="only-sources",
            choices=[],
            value=[],
            multiselect=True,
            allow_custom_value=True,
        )
        with gr.Row():
            since = gr.Textbox(label="Dated since (as 2023-01-31)", elem_id="since", max_lines=1)
            until = gr.Textbox(label="Dated until", elem_id="until", max_lines=1)
    panel.expand(lambda: choices(""), None, sources, **QUIET)
    sources.key_up(search, None, sources, **QUIET)
    return [sources, since, until]


def _add_editing(
    editor: Editor,
    listing: Callable[[str | None], str],
    search: gr.Textbox,
    documents: gr.HTML,
    progress: gr.HTML,
) -> None:
    def upload(files: list[str] | None) -> str:
        said = []
        for file in files or ():
            try:
                said.append(f"Added {editor.add(Path(file))}.")
            except QABotError as error:
                said.append(str(error))
        return _note(" ".join(said))

    def fetch(url: str) -> tuple[str, str]:
        try:
            return "", _note(f"Added {editor.fetch(url)}.")
        except QABotError as error:
            return url, _note(str(error))

    def rebuild() -> Iterator[str]:
        for step in editor.rebuild():
            if isinstance(step, Step):
                yield (
                    f"<progress value='{step.done}' max='{max(step.total, 1)}'></progress>"
                    f"<p role='status'>{as_text(step.what)}: {step.done:,} of {step.total:,}</p>"
                )
            elif isinstance(step, QABotError):
                yield _note(str(step))
            else:
                documents, passages = step.manifest.documents, step.manifest.passages
                held = f"{count(documents, 'document')}, {count(passages, 'passage')}"
                yield _note(f"Nothing changed: {held}." if step.unchanged else f"Indexed {held}.")

    with gr.Row():
        files = gr.UploadButton("Add files", file_count="multiple", file_types=list(PARSERS), size="sm")
        again = gr.Button("Rebuild", size="sm", elem_id="rebuild")
        stop = gr.Button("Stop", size="sm", elem_id="stop")
    address = gr.Textbox(
        label="Add a web page by its address", elem_id="address", max_lines=1, submit_btn="Add"
    )
    built: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "build", **QUIET}
    files.upload(upload, files, progress, **QUIET).then(rebuild, None, progress, **built).then(
        listing, search, documents, **QUIET
    )
    address.submit(fetch, address, [address, progress], **QUIET)
    again.click(rebuild, None, progress, **built).then(listing, search, documents, **QUIET)
    stop.click(editor.cancel, None, None, **QUIET)


def _note(text: str) -> str:
    return f"<p role='status'>{as_text(text)}</p>"


def add_feedback(index: Path, chat: gr.Chatbot, answers: gr.State) -> None:
    """Thumbs at each answer, and a line for what would be right; kept as drafts in the index directory."""

    def judge(given: dict[int, Answer], event: gr.LikeData) -> tuple[Any, Any]:
        number = int(event.index if isinstance(event.index, int) else event.index[0]) // 2
        right, wrong = event.liked in (True, "Like"), event.liked in (False, "Dislike")
        if not right and not wrong:  # a thumb that is taken back says nothing
            return gr.update(visible=False), number
        said = _keep_feedback(index, given, number, right)
        return gr.update(visible=wrong, value="", info=said), number

    def correct(correction: str, given: dict[int, Answer], number: int) -> Any:
        said = _keep_feedback(index, given, number, right=False, correction=correction)
        return gr.update(value="", info=said)

    last = gr.State(-1)
    line = gr.Textbox(
        label="What would be right? (optional)", elem_id="correction", visible=False, submit_btn=True
    )
    chat.like(judge, answers, [line, last], **QUIET)
    line.submit(correct, [line, answers, last], line, **QUIET)


def _keep_feedback(
    index: Path, given: dict[int, Answer], number: int, right: bool, correction: str = ""
) -> str:
    if number not in given:
        return "That answer is too old to be judged."
    history = [turn_of(a) for n, a in given.items() if n < number]
    try:
        feedback.keep(index, extractive(given[number]), history, right, correction)
    except QABotError as error:
        return str(error)
    return "Kept. Thank you."


def add_inspect_panel(bot_now: BotNow, answers: gr.State, only: list[Any]) -> None:
    """How the last answer was found, in what `only` narrows to, looked into when the panel is open."""

    def inspect(is_open: bool, given: dict[int, Answer], *fields: object) -> str:
        if not is_open:
            return ""
        exchanges = list(given.values())
        if not exchanges:
            return inspection_html(None)
        history = [turn_of(a) for a in exchanges[:-1]]
        try:
            where = wanted(*fields)
            inspection = bot_now().inspect(
                exchanges[-1].question,
                history,
                sources=where.sources,
                since=where.since,
                until=where.until,
            )
        except QABotError as error:
            return _note(str(error))
        return inspection_html(inspection)

    with gr.Accordion("How it was found", open=False, elem_id="inspect") as panel:
        shown = gr.HTML(elem_id="inspection")
    is_open = gr.State(False)
    panel.expand(lambda: True, None, is_open, **QUIET)
    panel.collapse(lambda: False, None, is_open, **QUIET)
    is_open.change(inspect, [is_open, answers, *only], shown, **QUIET)
    answers.change(inspect, [is_open, answers, *only], shown, **QUIET)


def sources_html(bot: QABot, searched: str, removable: bool) -> str:
    """What is indexed, and the documents whose title or name holds `searched`."""
    manifest = bot.manifest
    built = manifest.built_at[:16].replace("T", " ")
    found = bot.listed(searched, MAX_LISTED + 1)
    rows = "".join(_document_row(source, title, removable) for source, title in found[:MAX_LISTED])
    more = f"<p>And more: search for one of {manifest.documents:,}.</p>" if len(found) > MAX_LISTED else ""
    none = "<p>No document of that name.</p>" if not found else ""
    return (
        f"<p>{count(manifest.documents, 'document')}, {count(manifest.passages, 'passage')}, "
        f"built {as_text(built)} UTC with {as_text(manifest.model)}.</p>"
        f"<ul>{rows}</ul>{more}{none}{_skipped_html(manifest.skipped)}{_languages_html(manifest)}"
    )


def _document_row(source: str, title: str | None, removable: bool) -> str:
    name = as_text(source)
    remove = f' <button data-remove="{name}" aria-label="Remove {name}">Remove</button>' if removable else ""
    shown = f"{as_text(title)} <small>{name}</small>" if title else name
    return f'<li><button data-document="{name}">{shown}</button>{remove}</li>'


def _skipped_html(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return ""
    rows = "".join(f"<li>{as_text(s.source)}: {as_text(s.reason)}</li>" for s in skipped[:MAX_LISTED])
    return f"<p>Skipped: {len(skipped):,}</p><ul>{rows}</ul>"


def _languages_html(manifest: Manifest) -> str:
    said = said_of(manifest.languages) if manifest.english_only else []
    return "".join(f"<p>{as_text(sentence)}</p>" for sentence in said)


def inspection_html(inspection: Inspection | None) -> str:
    """How the last answer was found: each passage with its scores, and the time of each step."""
    if inspection is None:
        return "<p>Ask a question first.</p>"
    names = ("passage", "cosine", "BM25", "fused", "answered here?", "says")
    head = f"<tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
    rows = "".join(
        f"<tr><td>{as_text(c.source)}, {c.start:,}</td>{_bar(c.dense)}{_bar(c.lexical)}{_bar(c.fused)}"
        f"{_bar(c.certainty)}<td>{as_text(c.text)}</td></tr>"
        for c in inspection.candidates
    )
    steps = ", ".join(f"{as_text(name)} {seconds * 1000:.1f} ms" for name, seconds in inspection.seconds)
    return (
        f"<p>Understood as: {as_text(inspection.understood)}</p>"
        f"<div class='table'><table>{head}{rows}</table></div>"
        f"<p>{steps}. Answers that score below {inspection.threshold:.2f} are withheld.</p>"
    )


def _bar(share: float) -> str:
    width = round(_WIDEST * min(max(share, 0.0), 1.0))
    return f"<td><span class='bar' style='width:{width}%'></span>{share:.2f}</td>"
