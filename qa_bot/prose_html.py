"""A language model's sentences as HTML, in which whatever it wrote is text."""

from collections.abc import Sequence

from qa_bot.phrases import Language
from qa_bot.rendering import as_text
from qa_bot.types import Answer, Citation, Sentence

PROSE_CSS = """
#chat .sentences { border-inline-start: 3px solid var(--border-color-primary); padding-inline-start: .9em; }
#chat .sentences .why { color: var(--quiet); font-size: .85em; }
"""


def writing_html(say: Language) -> str:
    """What is shown until there is a sentence."""
    return f'<p class="note" role="status">{as_text(say("Putting it into sentences …"))}</p>'


def prose_html(first: Answer, answer: Answer, number: int, say: Language) -> str:
    """The sentences of an answer that `first` was put into; struck ones with why, and what is in their place.

    `number` is the answer's place in the session. The notes that it has beside those of `first` follow.
    """
    said = "".join(_sentence_html(sentence, answer.citations, number, say) for sentence in answer.sentences)
    notes = (f'<p class="note">{as_text(say.of(note))}</p>' for note in answer.notes[len(first.notes) :])
    return (f'<div class="sentences">{said}</div>' if said else "") + "".join(notes)


def _sentence_html(sentence: Sentence, citations: Sequence[Citation], number: int, say: Language) -> str:
    places = (citations.index(citation) for citation in sentence.citations if citation in citations)
    links = "".join(f' <a href="#cite-{number}-{place}">{place + 1}</a>' for place in places)
    if sentence.why is None:
        return f"<p>{as_text(sentence.text)}{links}</p>"
    quotes = "".join(f"<blockquote>{as_text(c.quote)}</blockquote>" for c in sentence.citations)
    struck = as_text(say("Struck out: {why}", why=say.of(sentence.why)))
    why = f'<span class="why">{struck}</span>'
    return f"<p><del>{as_text(sentence.text)}</del> {why}</p>{quotes}{links and f'<p>{links}</p>'}"
