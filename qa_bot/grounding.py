"""Does a passage say what a sentence claims? The checker that a language model is held to.

What can be exchanged without a trace is compared outright: numbers, names, quoted words and addresses
must stand in the source, in the same places, and no negation may be added or lost. Of the other words,
most must stand in one place of the source, without a long gap. None of it knows what words mean:
benchmarks/GROUNDING.md says what it overlooks. A model of entailment can be asked besides (`Entails`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from qa_bot.chunking import sentences
from qa_bot.claims import Claim, Mentioned, claim_of, numbers, says_verbatim
from qa_bot.phrases import Phrase
from qa_bot.quoting import cite
from qa_bot.types import Citation, Passage
from qa_bot.words import WordIndex, content_words

# (what a source says, what is claimed) -> the probability that the one entails the other.
Entails = Callable[[str, str], float]
ENTAILED = 0.5

# What each word of the longest run that the source lacks costs, in share of words that it must have
# (benchmarks/grounding.py).
GAP = 0.3

_Term = frozenset[str]  # a word, or the words of a name

_LEAST_WORDS = 2  # that mean something; of fewer, nothing can be said
_NEAR = 0.5  # share of a claim's words that a quote in its place has, at least
_SECOND = 0.08  # share of words that a second sentence must add, to be quoted too
_ALIGNED = 0.9  # share of a claim that stands in the source in the same order, names and numbers aside


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether what is cited says a sentence: if so, the quotes that do; if not, why, and what comes near."""

    why: str | None  # in one sentence; None where it is supported
    quotes: tuple[Citation, ...]  # where it is not, one at most

    @property
    def supported(self) -> bool:
        return self.why is None


@dataclass(frozen=True, slots=True)
class Support:
    """What speaks for a claim."""

    share: float  # of its words, by idf, that the source has
    gap: int  # words of it, one after the other, that the source lacks, at most

    @property
    def enough(self) -> bool:
        return self.share >= GAP * self.gap


@dataclass(frozen=True, slots=True)
class Window:
    """One or two sentences of a passage: passage.text[start:end]."""

    passage: Passage
    start: int
    end: int
    share: float  # of a claim's words, by idf, that it has

    @property
    def text(self) -> str:
        return self.passage.text[self.start : self.end]


class Checker:
    """Holds sentences to passages of one index. Safe to share between threads."""

    def __init__(self, words: WordIndex, entails: Entails | None = None) -> None:
        self._words = words
        self._entails = entails

    def check(self, sentence: str, cited: Sequence[Passage]) -> Verdict:
        """Whether the passages that a sentence cites say it: each alone, or else all together."""
        claim = claim_of(sentence)
        if len(claim.words) < _LEAST_WORDS:
            return Verdict(why=Phrase("It says too little to be checked."), quotes=())
        if not cited:
            return Verdict(why=Phrase("It cites nothing."), quotes=())
        windows = [self.nearest(claim, passage) for passage in cited]
        faults = [self._fault(sentence, claim, [window]) for window in windows]
        saying = [window for window, fault in zip(windows, faults, strict=True) if fault is None]
        if not saying and len(windows) > 1 and self._fault(sentence, claim, windows) is None:
            saying = windows
        if saying:
            return Verdict(why=None, quotes=tuple(map(_quote, saying)))
        best = max(range(len(windows)), key=lambda row: windows[row].share)
        near = windows[best].share >= _NEAR
        return Verdict(why=faults[best], quotes=(_quote(windows[best]),) if near else ())

    def _fault(self, sentence: str, claim: Claim, windows: Sequence[Window]) -> str | None:
        """Why the windows do not say a claim, or None."""
        wrong = mismatch(claim, windows)
        if wrong:
            return wrong
        if not self.support(claim, windows).enough:
            return Phrase("The cited words do not say it.")
        if self._entails and self._entails(" ".join(w.text for w in windows), sentence) < ENTAILED:
            return Phrase("It does not follow from the cited words.")
        return None

    def support(self, claim: Claim, windows: Sequence[Window]) -> Support:
        """What speaks for a claim in windows taken together."""
        there = _words_of(windows)
        gap = longest = 0
        for word in claim.words:
            gap = 0 if word in there else gap + 1
            longest = max(longest, gap)
        return Support(self._share(claim, there), longest)

    def nearest(self, claim: Claim, passage: Passage) -> Window:
        """The sentence, or two, of a passage that has most of a claim."""
        return max(self._windows(claim, passage), key=lambda found: found[0])[1]

    def _windows(self, claim: Claim, passage: Passage) -> Iterator[tuple[float, Window]]:
        spans = list(sentences(passage.text))
        for first, (start, _) in enumerate(spans):
            for more, (_, end) in enumerate(spans[first : first + 2]):
                window = Window(passage, start, end, 0.0)
                window = replace(window, share=self._share(claim, _words_of([window])))
                there = numbers(f"{passage.context} {window.text}")
                lacking = any(number not in there for number in claim.numbers)
                # A sentence that stands there as it is, is that one.
                yield window.share - _SECOND * more - lacking + (window.text == claim.text), window

    def _share(self, claim: Claim, there: frozenset[str]) -> float:
        weights = self._words.idf(claim.words)
        found = [word in there for word in claim.words]
        return float(weights[found].sum() / max(weights.sum(), 1e-9))


def _quote(window: Window) -> Citation:
    return cite(window.passage, window.start, window.end)


def _words_of(windows: Sequence[Window]) -> frozenset[str]:
    said = " ".join(f"{window.passage.context} {window.text}" for window in windows)
    return frozenset(content_words(said))


def mismatch(claim: Claim, windows: Sequence[Window]) -> str | None:
    """What of a claim cannot be so if the windows are all that is known, or None."""
    cited = "\n".join(dict.fromkeys(window.passage.embedded for window in windows))
    said = claim_of(" ".join(window.text for window in windows))
    context = numbers(" ".join(window.passage.context for window in windows))
    mentioned = Mentioned(cited)
    for words in claim.verbatim:
        if not says_verbatim(cited, words):
            return Phrase("The cited words do not have “{words}”.", words=words)
    for number in claim.numbers:
        if number not in said.numbers and number not in context:
            return Phrase("The cited words do not have the number {number}.", number=number)
    for name in claim.names:
        if name not in mentioned:
            return Phrase("The cited words do not have one of its names.")
    aligned, exchanged = _alignment(claim, said)
    if claim.negations > said.negations or (aligned and claim.negations < said.negations):
        return Phrase("It says no where the cited words say yes, or the other way round.")
    if exchanged:
        return Phrase("Its names or numbers stand in other places in the cited words.")
    return None


def _alignment(claim: Claim, said: Claim) -> tuple[bool, bool]:
    """Whether nearly all of a claim stands in the source in the same order, whatever the names and numbers;
    and whether it does so only with other names or numbers in their places."""
    telling = claim.telling | said.telling
    here, there = _terms(claim, telling), _terms(said, telling)
    alike = _common_length(here, there, lambda a, b: a == b or (bool(a & telling) and bool(b & telling)))
    same = _common_length(here, there, lambda a, b: a <= b or b <= a)
    aligned = alike >= _ALIGNED * len(here)
    return aligned, aligned and same < alike


def _terms(claim: Claim, telling: frozenset[str]) -> list[frozenset[str]]:
    """The words of a claim in order, neighbouring names and numbers as one."""
    runs = groupby(claim.sequence, key=lambda word: word in telling)
    return [term for told, run in runs for term in ([frozenset(run)] if told else map(_alone, run))]


def _alone(word: str) -> frozenset[str]:
    return frozenset((word,))


def _common_length(a: Sequence[_Term], b: Sequence[_Term], match: Callable[[_Term, _Term], bool]) -> int:
    """The length of the longest common subsequence, where `match` says what is common."""
    lengths = [0] * (len(b) + 1)
    for x in a:
        row = [0]
        for column, y in enumerate(b):
            row.append(max(lengths[column + 1], row[column], lengths[column] + match(x, y)))
        lengths = row
    return lengths[-1]
