"""An answer in sentences: a language model's, held to what it cites.

The extractive answer comes first, and stays where the model fails. Each sentence of the model is checked
before anyone sees it; one that the cited words do not say is struck out, with the source's own words in
its place where some come near.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from qa_bot.bot import QABot
from qa_bot.chunking import sentences
from qa_bot.errors import LLMError
from qa_bot.grounding import Checker, Entails
from qa_bot.llm import LLM
from qa_bot.phrases import Phrase
from qa_bot.prompt import messages
from qa_bot.types import Answer, Citation, Passage, Sentence, Turn

MAX_PASSAGES = 10  # of several questions in one; of one, they are as many as were read
MAX_SENTENCES = 12  # of a model that were asked for five

_MARK = r"\[\s*\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*\]"
_MARKS = re.compile(rf"\s*{_MARK}")
_MARKS_BEHIND = re.compile(rf"([.!?][\"”’)]*)((?:\s*{_MARK})+)")
_PART_OF_MARK = re.compile(r"\[[\d\s,;]*\]?$")
_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)  # some models say them aloud
_LIST_ITEM = re.compile(r"^[-*•\s]+")


class Writer:
    """Puts a bot's answers into sentences. Safe to share between threads; asking changes nothing."""

    def __init__(self, llm: LLM, entails: Entails | None = None) -> None:
        self._llm = llm
        self._entails = entails

    def write(self, bot: QABot, first: Answer) -> Answer:
        """The last of `answers`."""
        *_, answer = self.answers(bot, first)
        return answer

    def answers(self, bot: QABot, first: Answer) -> Iterator[Answer]:
        """An answer of the bot as it grows: itself, then with one sentence more each time.

        Where it abstains, the model is not asked. Where the model fails the last answer is the first one,
        with a note.
        """
        yield first
        if first.abstained:
            return
        found = [scored.passage for answer in (first, *first.parts) for scored in answer.nearest]
        passages = list(dict.fromkeys(found))[:MAX_PASSAGES]
        checker = bot.checker(self._entails)
        held: list[Sentence] = []
        # A quote of the extractive answer has its own words marked, and is the same quote.
        cited = {_place(citation): citation for citation in first.citations}
        try:
            for text, numbers in cut(self._llm.stream(messages(first.understood, passages))):
                sentence = hold(checker, text, numbers, passages)
                quotes = (cited.setdefault(_place(c), bot.checked_citation(c)) for c in sentence.citations)
                held.append(replace(sentence, citations=tuple(quotes)))
                yield self._joined(first, held)
                if len(held) == MAX_SENTENCES:
                    break
        except LLMError as error:
            note = Phrase("{problem} This is the answer in the source's own words.", problem=error.args[0])
            yield _with_notes(first, note)
            return
        yield self._finished(first, held)

    def _finished(self, first: Answer, held: Sequence[Sentence]) -> Answer:
        struck = sum(sentence.why is not None for sentence in held)
        if struck == len(held):
            note = Phrase(
                "Nothing that the model {model} wrote stands; this is the answer in the source's own words.",
                model=self._llm.name,
            )
            return _with_notes(replace(first, sentences=tuple(held)), note)
        answer = self._joined(first, held)
        if not struck:
            return answer
        if struck == 1:
            return _with_notes(answer, Phrase("One sentence was struck out: the cited words do not say it."))
        return _with_notes(
            answer,
            Phrase("{struck:,} sentences were struck out: the cited words do not say them.", struck=struck),
        )

    def _joined(self, first: Answer, held: Sequence[Sentence]) -> Answer:
        """The answer of the sentences so far; the extractive one with them where none stands."""
        if all(sentence.why for sentence in held):
            return replace(first, sentences=tuple(held))
        citations = list(first.citations)
        said: list[str] = []
        for sentence in held:
            new = [citation for citation in sentence.citations if citation not in citations]
            if sentence.why and not new:
                continue  # dropped, or what is in its place is there already
            citations += new
            marks = "".join(f"[{citations.index(citation) + 1}]" for citation in sentence.citations)
            said.append(f"{_words(sentence)} {marks}")
        added = citations[len(first.citations) :]
        return replace(
            first,
            text=" ".join(said),
            kind="prose",
            verdict=None,
            citations=tuple(citations),
            parts=(first, *(_part(first, citation) for citation in added)),
            sentences=tuple(held),
            notes=(
                *first.notes,
                Phrase(
                    "Written by the model {model}; each sentence was checked against what it cites.",
                    model=self._llm.name,
                ),
            ),
        )


def extractive(answer: Answer) -> Answer:
    """The bot's own answer, which a model's sentences were made from; another answer is itself."""
    return answer.parts[0] if answer.kind == "prose" else answer


def turn_of(answer: Answer) -> Turn:
    """An answer as a turn that follow-ups lean on."""
    return Turn(question=answer.question, answer=extractive(answer).text)


def hold(checker: Checker, text: str, numbers: Sequence[int], passages: Sequence[Passage]) -> Sentence:
    """What becomes of a sentence that cites passages by their numbers, from 1."""
    unknown = [number for number in numbers if not 1 <= number <= len(passages)]
    verdict = checker.check(text, [passages[n - 1] for n in dict.fromkeys(numbers) if n not in unknown])
    if verdict.supported and not unknown:
        return Sentence(text=text, why=None, citations=verdict.quotes)
    why = Phrase("There is no passage {number}.", number=unknown[0]) if unknown else verdict.why
    elsewhere = (checker.check(text, [passage]) for passage in passages)
    quotes = next((found.quotes for found in elsewhere if found.supported), verdict.quotes)
    return Sentence(text=text, why=why, citations=quotes[:1])


def cut(pieces: Iterable[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The sentences of a stream, each as soon as it is whole, with the numbers that it cites."""
    text = ""
    for piece in pieces:
        # A mark that follows the full stop belongs before it.
        text = _MARKS_BEHIND.sub(r"\2\1", text + piece)
        if "<think>" in text and "</think>" not in text:
            continue
        text = _THOUGHTS.sub("", text)
        whole = text.rstrip() if text[-1:].isspace() else text.rpartition(" ")[0]
        spans = list(sentences(whole))  # half a word could pass for a sentence
        if len(spans) > 1 and not _PART_OF_MARK.match(text, spans[-1][0]):
            for start, end in spans[:-1]:
                yield from _cited(text[start:end])
            text = text[spans[-1][0] :]
    text = _THOUGHTS.sub("", text)
    for start, end in sentences(text):
        yield from _cited(text[start:end])


def _cited(sentence: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    numbers = tuple(int(n) for mark in _MARKS.findall(sentence) for n in re.findall(r"\d+", mark))
    # Nothing that a terminal obeys, or that reorders or hides text.
    bare = "".join(c if c.isprintable() else " " for c in _MARKS.sub("", sentence))
    text = " ".join(_LIST_ITEM.sub("", bare).replace("**", "").split())
    if text:
        yield text, numbers


def _words(sentence: Sentence) -> str:
    """What a sentence says in the answer: itself, or the source's words in its place."""
    if sentence.why is None:
        return sentence.text
    return f"“{' '.join(sentence.citations[0].quote.split())}”"


def _place(citation: Citation) -> tuple[str, int, int]:
    return citation.source, citation.start, citation.end


def _part(first: Answer, citation: Citation) -> Answer:
    """A quote as an answer of its own."""
    text = citation.quote[citation.answer_start : citation.answer_end]
    return replace(first, text=text, citations=(citation,), kind="span", verdict=None, parts=(), notes=())


def _with_notes(answer: Answer, *notes: str) -> Answer:
    return replace(answer, notes=(*answer.notes, *notes))
