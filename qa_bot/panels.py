"""The app's panels: what is indexed, and may be changed; how an answer was found."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from qa_bot import feedback
from qa_bot.bot import QABot
from qa_bot.build import BuildReport
from qa_bot.charts import bar, table
from qa_bot.editing import Editor, Step
from qa_bot.errors import QABotError
from qa_bot.labels import QUIET, label, tongue
from qa_bot.languages import said_of
from qa_bot.live import BotNow
from qa_bot.manifest import Manifest
from qa_bot.narrowing import wanted
from qa_bot.phrases import Language, Phrase
from qa_bot.prose import extractive, turn_of
from qa_bot.rendering import as_text, whole_html
from qa_bot.sources import PARSERS, Skipped
from qa_bot.types import Answer, Inspection

MAX_LISTED = 50  # documents that are shown at once


PANEL_CSS = """
#documents ul { list-style: none; margin: .4em 0; padding: 0; }
#documents button { background: none; border: 0; color: inherit; font: inherit; text-align: start;
  padding: .2em 0; text-decoration: underline; overflow-wrap: anywhere; }
#documents small { color: var(--quiet); }
.table { overflow-x: auto; }
:is(#inspection, #evaluation) table { border-collapse: collapse; border: 0; width: 100%; font-size: .9em; }
:is(#inspection, #evaluation) :is(tr, th, td) { text-align: start; padding: .25em .6em; border: 0;
  border-bottom: 1px solid var(--border-color-primary); }
#progress progress { width: 100%; }
#correction .info-text { color: var(--quiet); }
"""

# A click on a document's name opens it; on "Remove" removes it, once that is confirmed.
_LIST_JS = """
element.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    const {document: name, remove, confirmed} = button.dataset;
    if (name) trigger('click', {what: 'open', name});
    else if (remove && confirm(confirmed))
        trigger('click', {what: 'remove', name: remove});
});
"""


def add_sources_panel(bot_now: BotNow, editor: Editor | None, source: gr.HTML) -> None:
    """What is indexed, to search and open (in `source`); with an editor, to add to and remove from."""

    def listing(searched: str | None, request: gr.Request) -> str:
        return sources_html(bot_now(), searched or "", tongue(request), removable=editor is not None)

    def click(searched: str | None, event: gr.EventData, request: gr.Request) -> tuple[Any, Any, Any]:
        """(document pane, list, message) after a click on a document's name or on its removal."""
        say = tongue(request)
        try:
            if event.what == "open":
                return whole_html(bot_now(), str(event.name), say), gr.skip(), ""
            if editor:
                editor.remove(str(event.name))
                said = say("Removed {name}. Rebuild to forget it.", name=event.name)
                return gr.skip(), listing(searched, request), _note(said)
        except QABotError as error:
            return gr.skip(), listing(searched, request), _note(say.of(error))
        return gr.skip(), gr.skip(), ""

    with gr.Accordion(label("Sources"), open=False, elem_id="sources") as panel:
        search = gr.Textbox(label=label("Search documents by title or name"), elem_id="search", max_lines=1)
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

    with gr.Accordion(label("Only in …"), open=False, elem_id="only") as panel:
        sources = gr.Dropdown(
            label=label("These documents, by title, name or pattern"),
            elem_id="only-sources",
            choices=[],
            value=[],
            multiselect=True,
            allow_custom_value=True,
        )
        with gr.Row():
            since = gr.Textbox(label=label("Dated since (as 2023-01-31)"), elem_id="since", max_lines=1)
            until = gr.Textbox(label=label("Dated until"), elem_id="until", max_lines=1)
    panel.expand(lambda: choices(""), None, sources, **QUIET)
    sources.key_up(search, None, sources, **QUIET)
    return [sources, since, until]


def _add_editing(
    editor: Editor,
    listing: Callable[[str | None, gr.Request], str],
    search: gr.Textbox,
    documents: gr.HTML,
    progress: gr.HTML,
) -> None:
    def upload(files: list[str] | None, request: gr.Request) -> str:
        say = tongue(request)
        said = []
        for file in files or ():
            try:
                said.append(say("Added {name}.", name=editor.add(Path(file))))
            except QABotError as error:
                said.append(say.of(error))
        return _note(" ".join(said))

    def fetch(url: str, request: gr.Request) -> tuple[str, str]:
        say = tongue(request)
        try:
            return "", _note(say("Added {name}.", name=editor.fetch(url)))
        except QABotError as error:
            return url, _note(say.of(error))

    def rebuild(request: gr.Request) -> Iterator[str]:
        for step in editor.rebuild():
            yield _step_html(step, tongue(request))

    with gr.Row():
        files = gr.UploadButton(
            label("Add files"), file_count="multiple", file_types=list(PARSERS), size="sm"
        )
        again = gr.Button(label("Rebuild"), size="sm", elem_id="rebuild")
        stop = gr.Button(label("Stop"), size="sm", elem_id="stop")
    address = gr.Textbox(
        label=label("Add a web page by its address"),
        elem_id="address",
        max_lines=1,
        submit_btn=label("Add"),
    )
    built: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "build", **QUIET}
    files.upload(upload, files, progress, **QUIET).then(rebuild, None, progress, **built).then(
        listing, search, documents, **QUIET
    )
    address.submit(fetch, address, [address, progress], **QUIET)
    again.click(rebuild, None, progress, **built).then(listing, search, documents, **QUIET)
    stop.click(editor.cancel, None, None, **QUIET)


def _step_html(step: Step | BuildReport | QABotError, say: Language) -> str:
    """How far a build is, or what came of it."""
    if isinstance(step, QABotError):
        return _note(say.of(step))
    if isinstance(step, BuildReport):
        held = _held(step.manifest, say)
        return _note(
            say("Nothing changed: {held}.", held=held)
            if step.unchanged
            else say("Indexed {held}.", held=held)
        )
    told = say("{what}: {done:,} of {total:,}", what=say.of(step.what), done=step.done, total=step.total)
    return f"<progress value='{step.done}' max='{max(step.total, 1)}'></progress>{_note(told)}"


def _held(manifest: Manifest, say: Language) -> str:
    """3 documents, 40 passages."""
    documents, passages = say.count(manifest.documents, "document"), say.count(manifest.passages, "passage")
    return say("{documents}, {passages}", documents=documents, passages=passages)


def _note(text: str) -> str:
    return f"<p role='status'>{as_text(text)}</p>"


def add_feedback(index: Path, chat: gr.Chatbot, answers: gr.State) -> None:
    """Thumbs at each answer, and a line for what would be right; kept as drafts in the index directory."""

    def judge(given: dict[int, Answer], event: gr.LikeData, request: gr.Request) -> tuple[Any, Any]:
        number = int(event.index if isinstance(event.index, int) else event.index[0]) // 2
        right, wrong = event.liked in (True, "Like"), event.liked in (False, "Dislike")
        if not right and not wrong:  # a thumb that is taken back says nothing
            return gr.update(visible=False), number
        said = tongue(request).of(_keep_feedback(index, given, number, right))
        return gr.update(visible=wrong, value="", info=said), number

    def correct(correction: str, given: dict[int, Answer], number: int, request: gr.Request) -> Any:
        said = tongue(request).of(_keep_feedback(index, given, number, right=False, correction=correction))
        return gr.update(value="", info=said)

    last = gr.State(-1)
    line = gr.Textbox(
        label=label("What would be right? (optional)"), elem_id="correction", visible=False, submit_btn=True
    )
    chat.like(judge, answers, [line, last], **QUIET)
    line.submit(correct, [line, answers, last], line, **QUIET)


def _keep_feedback(
    index: Path, given: dict[int, Answer], number: int, right: bool, correction: str = ""
) -> str:
    if number not in given:
        return Phrase("That answer is too old to be judged.")
    history = [turn_of(a) for n, a in given.items() if n < number]
    try:
        feedback.keep(index, extractive(given[number]), history, right, correction)
    except QABotError as error:
        return str(error)
    return Phrase("Kept. Thank you.")


def add_inspect_panel(bot_now: BotNow, answers: gr.State, only: list[Any]) -> None:
    """How the last answer was found, in what `only` narrows to, looked into when the panel is open."""

    def inspect(is_open: bool, given: dict[int, Answer], request: gr.Request, *fields: object) -> str:
        if not is_open:
            return ""
        exchanges = list(given.values())
        if not exchanges:
            return inspection_html(None, tongue(request))
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
            return _note(tongue(request).of(error))
        return inspection_html(inspection, tongue(request))

    with gr.Accordion(label("How it was found"), open=False, elem_id="inspect") as panel:
        shown = gr.HTML(elem_id="inspection")
    is_open = gr.State(False)
    panel.expand(lambda: True, None, is_open, **QUIET)
    panel.collapse(lambda: False, None, is_open, **QUIET)
    is_open.change(inspect, [is_open, answers, *only], shown, **QUIET)
    answers.change(inspect, [is_open, answers, *only], shown, **QUIET)


def sources_html(bot: QABot, searched: str, say: Language, removable: bool) -> str:
    """What is indexed, and the documents whose title or name holds `searched`."""
    manifest = bot.manifest
    found = bot.listed(searched, MAX_LISTED + 1)
    rows = "".join(_document_row(source, title, say, removable) for source, title in found[:MAX_LISTED])
    built = say(
        "{held}, built {when} UTC with {model}.",
        held=_held(manifest, say),
        when=manifest.built_at[:16].replace("T", " "),
        model=manifest.model,
    )
    after = ""
    if len(found) > MAX_LISTED:
        after = say("And more: search for one of {number:,}.", number=manifest.documents)
    elif not found:
        after = say("No document of that name.")
    return (
        f"<p>{as_text(built)}</p><ul>{rows}</ul>{after and f'<p>{as_text(after)}</p>'}"
        f"{_skipped_html(manifest.skipped, say)}{_languages_html(manifest, say)}"
    )


def _document_row(source: str, title: str | None, say: Language, removable: bool) -> str:
    name = as_text(source)
    remove = ""
    if removable:
        asked = as_text(say("Remove {name} from the sources folder?", name=source))
        known_as = as_text(say("Remove {name}", name=source))
        remove = (
            f' <button data-remove="{name}" data-confirmed="{asked}" aria-label="{known_as}">'
            f"{as_text(say('Remove'))}</button>"
        )
    shown = f"{as_text(title)} <small>{name}</small>" if title else name
    return f'<li><button data-document="{name}">{shown}</button>{remove}</li>'


def _skipped_html(skipped: Sequence[Skipped], say: Language) -> str:
    if not skipped:
        return ""
    rows = "".join(f"<li>{as_text(s.source)}: {as_text(s.reason)}</li>" for s in skipped[:MAX_LISTED])
    return f"<p>{as_text(say('Skipped: {number:,}', number=len(skipped)))}</p><ul>{rows}</ul>"


def _languages_html(manifest: Manifest, say: Language) -> str:
    said = said_of(manifest.languages) if manifest.english_only else []
    return "".join(f"<p>{as_text(say.of(sentence))}</p>" for sentence in said)


def inspection_html(inspection: Inspection | None, say: Language) -> str:
    """How the last answer was found: each passage with its scores, and the time of each step."""
    if inspection is None:
        return f"<p>{as_text(say('Ask a question first.'))}</p>"
    head = (say("passage"), say("cosine"), "BM25", say("fused"), say("answered here?"), say("says"))
    rows = [
        f"<tr><td>{as_text(c.source)}, {c.start:,}</td>{bar(c.dense)}{bar(c.lexical)}{bar(c.fused)}"
        f"{bar(c.certainty)}<td>{as_text(c.text)}</td></tr>"
        for c in inspection.candidates
    ]
    milliseconds = {name: seconds * 1000 for name, seconds in inspection.seconds}
    took = say("search {search:.1f} ms, reading {reading:.1f} ms.", **milliseconds)
    withheld = say("Answers that score below {threshold:.2f} are withheld.", threshold=inspection.threshold)
    understood = say("Understood as: {question}", question=inspection.understood)
    return f"<p>{as_text(understood)}</p>{table(head, rows)}<p>{as_text(took)} {as_text(withheld)}</p>"
