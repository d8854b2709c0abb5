"""The values that flow through the program. All are frozen; none does any work.

Every offset counts Unicode code points in `Document.text`, half open: text[start:end].
"""

from dataclasses import dataclass
from typing import Literal

# What an answer is made of: words of one sentence; the items of a list; the parts of a question that
# asks several things; the quote that decides a question for yes or no; what documents that contradict
# each other say; sentences of a language model, held to their citations.
AnswerKind = Literal["span", "list", "questions", "yes-no", "conflict", "prose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A quotable range of a document: what stands below one heading (None: before the first).

    Headings and front matter are in `Document.text` but in no section, so nothing quotes them.
    """

    heading: str | None
    start: int
    end: int
    page: int | None = None  # from 1, where the document has pages (or slides)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One source file: its extracted text, in which all offsets count, and where it comes from."""

    source: str  # path below the sources folder, with forward slashes
    sha256: str  # of the file's bytes
    text: str
    sections: tuple[Section, ...]
    also: tuple[str, ...] = ()  # other names of files with the same bytes
    title: str | None = None
    author: str | None = None
    publisher: str | None = None
    date: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of one section: document.text[start:end] == text."""

    source: str
    start: int
    end: int
    text: str
    context: str = ""  # title and section as they are embedded with the text; never quoted
    also: tuple[str, ...] = ()  # as in Document
    title: str | None = None
    section: str | None = None
    page: int | None = None
    url: str | None = None
    date: str | None = None

    @property
    def embedded(self) -> str:
        """The string that the encoder and BM25 see."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPassage:
    """A passage and how well it matches a question."""

    passage: Passage
    score: float  # fused; passages are ranked by it
    dense: float  # cosine of question and passage, in [-1, 1]
    lexical: float  # BM25 as a share of the most that this question could score, in [0, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Words of a document: document.text[start:end] == quote, always.

    The answer's own span counts inside the quote: quote[answer_start:answer_end].
    """

    source: str
    start: int
    end: int
    quote: str
    answer_start: int
    answer_end: int
    also: tuple[str, ...] = ()  # as in Document
    sha256: str | None = None  # of the file's bytes as they were indexed
    changed: bool | None = None  # whether the file is not what was indexed; None: nobody can tell here
    title: str | None = None
    section: str | None = None
    page: int | None = None
    url: str | None = None
    date: str | None = None
    resolved: tuple[tuple[str, str], ...] = ()  # ("last year", "2022"): words of the quote, what they mean


@dataclass(frozen=True, slots=True)
class Starter:
    """A question that the sources answer, and the document that does."""

    question: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One earlier exchange of a conversation; `answer` is None where the bot abstained."""

    question: str
    answer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as it was asked, and so that it can be asked alone; mostly they are one."""

    text: str
    understood: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence of a language model, and what became of it.

    `citations` are the quotes that say it; of one that was struck out, the quote in its place, if any.
    """

    text: str  # without its citations
    why: str | None  # it was struck out; None: it stands
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the sources say to a question, or that they do not say it.

    Where `abstained`, text is None, citations are empty, `score` is the best candidate's, and `reason`
    says in one line why.
    `understood` is the question as it was taken: longer than asked in a follow-up.
    What is more than one span of a source is made of `parts`, each an answer with citations of its own:
    `text` joins theirs, `citations` are all of theirs; of a conflict, `text` and `score` are the newest's.
    """

    question: str
    understood: str
    text: str | None
    abstained: bool
    score: float  # in [0, 1]: the estimated probability that the answer is right
    citations: tuple[Citation, ...]
    nearest: tuple[ScoredPassage, ...]
    reason: str | None = None  # None where it answers
    kind: AnswerKind = "span"
    verdict: Literal["yes", "no"] | None = None  # of a question for one, where the quote is that clear
    parts: tuple["Answer", ...] = ()
    sentences: tuple[Sentence, ...] = ()  # of a language model, in order; `parts` begin with its own answer
    notes: tuple[str, ...] = ()  # what the reader should know about how it was answered, a sentence each


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What was thought of one passage: its scores, and the words that it was found to say."""

    source: str
    start: int
    dense: float
    lexical: float
    fused: float
    certainty: float  # that these words answer the question
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """How an answer is found: the passages in the order of the search, and the time of each step."""

    understood: str
    candidates: tuple[Inspected, ...]
    seconds: tuple[tuple[str, float], ...]
    threshold: float
