"""A language model's sentences as HTML, in which whatever it wrote is text."""

from collections.abc import Sequence

from qa_bot.rendering import as_text
from qa_bot.types import Answer, Citation, Sentence

PROSE_CSS = """
#chat .sentences { border-inline-start: 3px solid var(--border-color-primary); padding-inline-start: .9em; }
#chat .sentences .why, #chat .note { color: var(--quiet); font-size: .85em; }
"""


WRITING = '<p class="note" role="status">Putting it into sentences …</p>'


def prose_html(first: Answer, answer: Answer, number: int) -> str:
    """The sentences of an answer that `first` was put into; struck ones with why, and what is in their place.

    `number` is the answer's place in the session. The notes that it has beside those of `first` follow.
    """
    said = "".join(_sentence_html(sentence, answer.citations, number) for sentence in answer.sentences)
    notes = "".join(f'<p class="note">{as_text(note)}</p>' for note in answer.notes[len(first.notes) :])
    return f'<div class="sentences">{said}</div>{notes}' if said else notes


def _sentence_html(sentence: Sentence, citations: Sequence[Citation], number: int) -> str:
    places = (citations.index(citation) for citation in sentence.citations if citation in citations)
    links = "".join(f' <a href="#cite-{number}-{place}">{place + 1}</a>' for place in places)
    if sentence.why is None:
        return f"<p>{as_text(sentence.text)}{links}</p>"
    quotes = "".join(f"<blockquote>{as_text(c.quote)}</blockquote>" for c in sentence.citations)
    why = f'<span class="why">Struck out: {as_text(sentence.why)}</span>'
    return f"<p><del>{as_text(sentence.text)}</del> {why}</p>{quotes}{links and f'<p>{links}</p>'}"
