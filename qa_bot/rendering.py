"""Answers and documents as HTML, in which whatever comes from a question or a document is text.

`as_text` leaves no character of it that HTML, Markdown or Gradio's templates would read as markup.
"""

import string
from collections.abc import Sequence

from qa_bot.bot import QABot
from qa_bot.errors import QABotError
from qa_bot.phrases import Language
from qa_bot.types import Answer, Citation, Document, Passage, ScoredPassage, Starter

# What the score means, in words: it is calibrated, so these are odds.
_CONFIDENCE = (
    (0.9, "Almost certainly right"),
    (0.75, "Very likely right"),
    (0.6, "Probably right"),
    (0.0, "May well be wrong: read the quote"),
)


def as_text(text: str) -> str:
    """`text` for HTML or Markdown in which every character stands for itself."""
    return text.translate(_ENTITIES)


_ENTITIES = {ord(c): f"&#{ord(c)};" for c in string.punctuation} | {
    ord("\n"): "<br>",
    ord("\r"): None,
    0: "\ufffd",
}


def answer_html(
    answer: Answer, number: int, say: Language, suggested: Sequence[Starter] = (), more: str = ""
) -> str:
    """An answer as a message of the chat; `number` is its place in the session, `more` comes after it."""
    words = (("copy", say("Copy")), ("edit", say("Edit")), ("again", say("Ask again")))
    tools = "".join(f'<a href="#{what}-{number}">{as_text(shown)}</a>' for what, shown in words)
    asks = "".join(f'<a href="#ask">{as_text(starter.question)}</a>' for starter in suggested)
    head = say("Answered here:") if answer.abstained else say("Also answered here:")
    asks = f'<p class="tools">{as_text(head)}</p><p>{asks}</p>' if asks else ""
    notes = "".join(f'<p class="note">{as_text(say.of(note))}</p>' for note in answer.notes)
    return f'{_said_html(answer, number, say)}{notes}{more}{asks}<p class="tools">{tools}</p>'


def confidence(score: float) -> str:
    """A score in words, a phrase."""
    return next(words for least, words in _CONFIDENCE if score >= least)


def _said_html(answer: Answer, number: int, say: Language) -> str:
    understood = ""
    if answer.understood != answer.question:
        told = say("Understood as: {question}", question=answer.understood)
        understood = f"<p><small>{as_text(told)}</small></p>"
    if answer.abstained:
        shown = answer.nearest[:3]
        places = [as_text(", ".join(_place(scored.passage, say))) for scored in shown]
        if len(set(places)) == 1:  # nothing to tell them apart by
            places = [""] * len(places)
        nearest = "".join(
            _nearest_html(scored, place, f"{number}-{item}")
            for item, (scored, place) in enumerate(zip(shown, places, strict=True))
        )
        no = as_text(say("The sources don't say."))
        why = f"<p><strong>{no}</strong> {as_text(say.of(answer.reason or ''))}</p>"
        return f"{understood}{why}<p>{as_text(say('Nearest to the question:'))}</p>{nearest}"
    numbers = {citation: item for item, citation in enumerate(answer.citations)}
    return understood + "".join(
        _part_html(part, [(numbers[c], c) for c in part.citations], number, say)
        for part in answer.parts or (answer,)
    )


def _part_html(part: Answer, citations: Sequence[tuple[int, Citation]], number: int, say: Language) -> str:
    """What one span says, how sure it is, and the citations, which have their place in the whole answer."""
    verdict = {"yes": say("Yes"), "no": say("No")}.get(part.verdict or "")
    # An open question for yes or no has the quote, and nothing to say before it.
    text = verdict or ("" if part.kind == "yes-no" else part.text or "")
    odds = as_text(say("Estimated probability: {score:.2f}", score=part.score))
    return (
        (f'<p class="said">{as_text(text)}</p>' if text else "")
        + f'<p class="sure" title="{odds}">{as_text(say(confidence(part.score)))}</p>'
        + "".join(_citation_html(citation, number, item, say) for item, citation in citations)
    )


def _citation_html(citation: Citation, number: int, item: int, say: Language) -> str:
    before = as_text(citation.quote[: citation.answer_start])
    said = as_text(citation.quote[citation.answer_start : citation.answer_end])
    after = as_text(citation.quote[citation.answer_end :])
    place = as_text(", ".join(_place(citation, say)))
    if citation.changed:
        place += f" · {as_text(say('changed since it was indexed'))}"
    if before or after:
        said = f"<strong>{said}</strong>"
    meanings = (say("“{words}” here means {meaning}", words=w, meaning=m) for w, m in citation.resolved)
    meant = "".join(f'<p class="note meant">{as_text(meaning)}</p>' for meaning in meanings)
    return (
        f"<blockquote>{before}{said}{after}</blockquote>{meant}"
        f'<p><a href="#cite-{number}-{item}">{item + 1} · {place}</a></p>'
    )


def _nearest_html(scored: ScoredPassage, place: str, link: str) -> str:
    text = " ".join(scored.passage.text.split())
    extract = as_text(text if len(text) <= 110 else text[:110].rsplit(" ", 1)[0] + " …")
    return f'<p class="near"><a href="#cite-{link}">{extract}</a>{place and f"<br>{place}"}</p>'


def document_html(bot: QABot, cited: Citation | Passage, say: Language, link: str = "") -> str:
    """The whole document of a citation or passage, its words highlighted; `link` is what named it."""
    quote = cited.text if isinstance(cited, Passage) else cited.quote
    try:
        document = bot.document(cited.source)
    except QABotError:  # deleted, and the index built again
        gone = as_text(say("No longer in the sources."))
        return f"<h2>{as_text(cited.title or cited.source)}</h2><p class='where'>{gone}</p>"
    start, end = cited.start, cited.end
    changed = say("Changed since it was indexed.") if isinstance(cited, Citation) and cited.changed else ""
    if document.text[start:end] != quote:  # the index was built again since the answer
        start = max(document.text.find(quote), 0)
        end = start + len(quote) if document.text.startswith(quote, start) else start
        changed = say("Changed since the answer.") if start == end else ""
    page = say("page {page}", page=cited.page) if cited.page else None
    badge = f"<p class='changed'>{as_text(changed)}</p>" if changed else ""
    marked = f"<mark>{_plain(document.text[start:end])}</mark>"
    shown = f"{_plain(document.text[:start])}{marked}{_plain(document.text[end:])}"
    return _pane(document, (cited.section, page), badge, link, shown, say)


def whole_html(bot: QABot, source: str, say: Language) -> str:
    """A whole document, nothing of it highlighted; raises QABotError where there is none."""
    document = bot.document(source)
    return _pane(document, (), "", "", _plain(document.text), say)


def _pane(
    document: Document, place: Sequence[str | None], badge: str, link: str, shown: str, say: Language
) -> str:
    """What the pane beside the chat shows of a document; `shown` is its text, as HTML."""
    details = (document.author, document.publisher, document.date, *place, document.source, *document.also)
    where = as_text(" · ".join(detail for detail in details if detail))
    return (
        f"<h2>{as_text(document.title or document.source)}</h2><p class='where'>{where}</p>{badge}"
        f"<div class='scroll' tabindex='0' role='region' aria-label='{as_text(say('Document'))}'>"
        f"<div class='document' data-citation='{as_text(link)}'>{shown}</div></div>"
    )


def _plain(text: str) -> str:
    """`as_text` where white space is kept by the style."""
    return as_text(text).replace("<br>", "\n")


def _place(cited: Citation | Passage, say: Language) -> Sequence[str]:
    page = say("page {page}", page=cited.page) if cited.page else None
    return [part for part in (cited.title or cited.source, cited.section, page, cited.date) if part]
