"""QABot: the one place where the parts are put together."""

import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from qa_bot.byline import BYLINE_SCORE, asked_field, find_byline
from qa_bot.calibration import Calibration
from qa_bot.calibration import load as load_calibration
from qa_bot.cleaning import clean, clean_history
from qa_bot.compound import questions_in, together
from qa_bot.config import Settings
from qa_bot.dates import resolve
from qa_bot.encoder import Encoder, Vectors
from qa_bot.errors import IndexUnusable, QABotError
from qa_bot.followup import understand
from qa_bot.freshness import Freshness
from qa_bot.index import Index, encoder_of_index, open_index, reader_of_index
from qa_bot.languages import foreign_language
from qa_bot.manifest import Manifest, read_manifest
from qa_bot.narrowing import Narrowing, Scope
from qa_bot.phrases import Phrase
from qa_bot.quoting import cite
from qa_bot.reader import CALIBRATION, Reader
from qa_bot.retriever import Retriever
from qa_bot.span_model import SpanModel
from qa_bot.types import (
    Answer,
    Citation,
    Document,
    Inspected,
    Inspection,
    Question,
    ScoredPassage,
    Starter,
    Turn,
)

if TYPE_CHECKING:
    from qa_bot.grounding import Checker, Entails


class QABot:
    """Answers questions from one open index. Safe to share between threads; asking changes nothing."""

    def __init__(
        self,
        index: Index,
        retriever: Retriever,
        reader: Reader,
        settings: Settings,
        calibration: Calibration,
        freshness: Freshness,
    ) -> None:
        self._index = index
        self._retriever = retriever
        self.reader = reader
        self._settings = settings
        self.calibration = calibration
        self._freshness = freshness
        self._narrowing = Narrowing(index.documents)

    @classmethod
    def open(
        cls,
        index: str | Path | None = None,
        *,
        settings: Settings | None = None,
        encoder: Encoder | None = None,
        reader: SpanModel | None = None,
    ) -> "QABot":
        """Open an index directory: `index`, else `settings.index`, else QA_BOT_INDEX, else ./index.

        Encoder and reader are those that the index was built with; others, by `settings` or by
        value, are an error. Raises IndexUnusable and ModelError. The models are loaded with the
        first question, or by `warm_up`.
        """
        if index is None:
            index = settings.index if settings else default_index()
        settings = settings or Settings()
        opened = open_index(Path(index))
        manifest = opened.manifest
        encoder = encoder or encoder_of_index(Path(index), manifest)
        if encoder.digest != manifest.encoder_digest or (settings.model or manifest.model) != manifest.model:
            raise IndexUnusable(
                f"The index in {str(index)!r} was built with the model {manifest.model!r} "
                f"({manifest.encoder_digest[:12]}), "
                f"not with {settings.model or encoder.name!r} ({encoder.digest[:12]}). "
                f"Build it again with: qa-bot index --index {index} --model {settings.model or encoder.name}"
            )
        model = reader or reader_of_index(Path(index), manifest)
        if settings.reader not in (None, model.name):
            raise IndexUnusable(
                f"The index in {str(index)!r} was built with the reader {model.name!r}, "
                f"not with {settings.reader!r}. "
                f"Build it again with: qa-bot index --index {index} --reader {settings.reader}"
            )
        calibration = load_calibration(Path(index), replace(CALIBRATION, reader=model.digest))
        threshold = calibration.threshold if settings.threshold is None else settings.threshold
        return cls(
            opened,
            Retriever(opened, encoder, settings),
            Reader(model, opened.words, calibration, threshold),
            settings,
            calibration,
            Freshness(Path(index), manifest),
        )

    def ask(
        self,
        question: str,
        history: Sequence[Turn] = (),
        *,
        top_k: int | None = None,
        sources: Collection[str] | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> Answer:
        """Answer from the sources, with citations, or abstain; `history` is oldest first.

        `sources`, names or patterns such as "reports/*", narrows the search to those documents; `since`
        and `until` to those dated so, both days included. Raises InvalidQuestion where the question is
        blank or too long, top_k < 1, or nothing is left to search.
        """
        cleaned = clean(question)
        scope = self._narrowing.scope(sources, since, until)
        turns = clean_history(history)
        answers: list[Answer] = []
        for part in questions_in(cleaned):  # each may lean on the one before
            asked = self._understand(part, turns)
            passages = self._retrieve(asked, top_k, scope)
            answers.append(self._read_byline(asked, scope, passages) or self.reader.read(asked, passages))
            turns = [*turns, Turn(question=asked.understood, answer=answers[-1].text)]
        answer = answers[0] if len(answers) == 1 else together(cleaned, answers)
        notes = (*answer.notes, *self._language_note(cleaned), *(scope.notes if scope else ()))
        return replace(self._checked(answer), notes=notes)

    def _language_note(self, question: str) -> Iterator[str]:
        language = foreign_language(question) if self.manifest.english_only else None
        if language:
            yield Phrase(
                "The question seems to be in {language}; the model reads English, so answers may be missed.",
                language=language,
            )

    def retrieve(
        self,
        question: str,
        top_k: int | None = None,
        *,
        history: Sequence[Turn] = (),
        sources: Collection[str] | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> tuple[ScoredPassage, ...]:
        """The best-matching passages, best first; arguments and errors are those of `ask`."""
        asked = self._understand(clean(question), clean_history(history))
        return self._retrieve(asked, top_k, self._narrowing.scope(sources, since, until))

    def _understand(self, question: str, turns: Sequence[Turn]) -> Question:
        def look_up(text: str) -> list[str]:
            found = self._retriever.retrieve(text, self._settings.top_k)
            return [scored.passage.text for scored in found]

        return understand(question, turns, look_up, self._index.words)

    def _retrieve(self, asked: Question, top_k: int | None, scope: Scope | None) -> tuple[ScoredPassage, ...]:
        count = self._settings.top_k if top_k is None else top_k
        return self._retriever.retrieve(asked.understood, count, scope.rows if scope else None)

    def _checked(self, answer: Answer) -> Answer:
        """The answer with what only the index knows of its citations, and of those of its parts."""
        return replace(
            answer,
            citations=tuple(self.checked_citation(citation) for citation in answer.citations),
            parts=tuple(self._checked(part) for part in answer.parts),
        )

    def checked_citation(self, citation: Citation) -> Citation:
        names = (citation.source, *citation.also)
        # A page without a date has the day on which it was fetched: its "last year" is of another.
        fetched = any(self.manifest.fetched(name) == citation.date for name in names)
        return replace(
            citation,
            sha256=self._index.documents[citation.source].sha256,
            changed=self._freshness.changed(names),
            resolved=() if fetched else resolve(citation.quote, citation.date),
        )

    def checker(self, entails: "Entails | None" = None) -> "Checker":
        """What holds sentences to passages of this index."""
        from qa_bot.grounding import Checker  # whoever asks without a language model does not wait for it

        return Checker(self._index.words, entails)

    def document(self, source: str) -> Document:
        """The document that a citation's or passage's `source` names; raises QABotError."""
        try:
            return self._index.documents[source]
        except KeyError:
            raise QABotError(Phrase("The index holds no document {source!r}.", source=source)) from None

    def inspect(
        self,
        question: str,
        history: Sequence[Turn] = (),
        *,
        sources: Collection[str] | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> Inspection:
        """How `ask` finds its answer; arguments and errors are those of `ask`."""
        asked = self._understand(questions_in(clean(question))[0], clean_history(history))
        began = time.perf_counter()
        passages = self._retrieve(asked, None, self._narrowing.scope(sources, since, until))
        retrieved = time.perf_counter()
        found = self.reader.candidates(asked, passages)
        read = time.perf_counter()
        return Inspection(
            understood=asked.understood,
            candidates=tuple(
                Inspected(
                    source=c.scored.passage.source,
                    start=c.scored.passage.start,
                    dense=c.scored.dense,
                    lexical=c.scored.lexical,
                    fused=c.scored.score,
                    certainty=self.reader.certainty(c),
                    text=c.text,
                )
                for c in found
            ),
            seconds=(("search", retrieved - began), ("reading", read - retrieved)),
            threshold=self.reader.threshold,
        )

    def listed(self, wanted: str = "", limit: int = 100) -> list[tuple[str, str | None]]:
        """(source, title) of up to `limit` documents whose source or title holds `wanted`."""
        return self._index.documents.listed(wanted, limit)

    @property
    def encoder(self) -> Encoder:
        """What questions are embedded with."""
        return self._retriever.encoder

    @property
    def starters(self) -> tuple[Starter, ...]:
        """Questions that the sources answer well, the surest first; made with the index."""
        return self._index.starters

    def like(self, question: str, count: int) -> list[Starter]:
        """The starters that are nearest to a question, but for itself; nearest first."""
        others = [s for s in self.starters if s.question != question]
        if not others:
            return []
        asked = self.encoder.encode_query(clean(question))
        return sorted(others, key=lambda s: -float(self._starter_vectors[s] @ asked))[:count]

    @cached_property
    def _starter_vectors(self) -> dict[Starter, Vectors]:
        return {starter: self.encoder.encode_query(starter.question) for starter in self.starters}

    @property
    def manifest(self) -> Manifest:
        """What the open index was made of."""
        return self._index.manifest

    def _read_byline(
        self, question: Question, scope: Scope | None, nearest: tuple[ScoredPassage, ...]
    ) -> Answer | None:
        """The answer to a question about the one document that has a byline, else None."""
        field = asked_field(question.understood)
        if not field:
            return None
        documents = self._index.documents
        # Two are enough to know that it is not one.
        bylined = documents.with_byline(field, 2, scope.documents.tolist() if scope else None)
        if len(bylined) != 1:
            return None
        rows = documents.rows_of(bylined[0])
        passages = self._index.passages[rows.start : rows.stop]
        found = find_byline(field, documents[bylined[0]], passages)
        if not found:
            return None
        passage, start, end = found
        return Answer(
            question=question.text,
            understood=question.understood,
            text=passage.text[start:end],
            abstained=False,
            score=BYLINE_SCORE,
            citations=(cite(passage, start, end),),
            nearest=nearest,
        )

    def reopened(self, index: Path) -> "QABot":
        """A bot on what `index` holds now, with the models of this one where they are the same.

        Raises what `open` raises.
        """
        manifest = read_manifest(index)
        same_reader = manifest.reader == self.manifest.reader
        return QABot.open(
            index,
            settings=self._settings,
            encoder=self.encoder if manifest.encoder_digest == self.manifest.encoder_digest else None,
            reader=self.reader.model if same_reader else None,
        )

    def warm_up(self) -> None:
        """Load the models now rather than with the first question."""
        self.ask("warm up", top_k=1)


def default_index() -> Path:
    """The index directory that Python callers mean when they name none."""
    return Path(os.environ.get("QA_BOT_INDEX") or Settings().index)
