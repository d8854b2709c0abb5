"""Question sets -> tokenised examples, epoch after epoch: what the reader is trained on.

A pool holds every question with the context that it was asked about. An epoch draws from it by the
weights of SHARES, cuts contexts to runs of whole sentences as an index cuts documents, and adds
questions that their context does not answer, made three ways: contexts that the product's own
retriever ranks high but that lack the answer, questions with a name, number or sense exchanged, and
the parts of a context beside the answer. SQuAD 2.0's own, written by people, come with some of its articles.
"""

import hashlib
import json
import lzma
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from qa_bot.bot import QABot
from qa_bot.build import build_index
from qa_bot.chunking import sentences
from qa_bot.config import Settings
from qa_bot.metrics import contains
from qa_bot.models import encoder_for_build

QUESTION_TOKENS = 48
CONTEXT_TOKENS = 288

# Draws per question and epoch. SQuAD's are what the reader is for; QAMR is many short ones, PolicyQA's
# spans are long and loose, the stories' and tweets' language is far from what people file.
SHARES = {
    "squad_train": 1.0,
    "squad2": 3.0,
    "nq_qed": 0.8,
    "nq_oracle": 0.8,
    "squadshifts_amazon": 0.5,
    "squadshifts_reddit": 0.5,
    "qamr": 0.3,
    "policyqa": 0.25,
    "tweetqa": 0.3,
    "fairytaleqa": 0.4,
    "timeqa": 0.8,
    "quoref_contrast": 0.8,
}
# Sets whose questions mean something away from their context: of these, others can be negatives.
SELF_CONTAINED = ("squad_train", "squad2", "nq_qed", "nq_oracle", "timeqa")
RETRIEVED_SHARE = 0.35  # of their answerable questions, asked of a retrieved context without the answer
PERTURBED_SHARE = 0.45  # of all answerable questions of PERTURBABLE, asked with something exchanged
PERTURBABLE = ("squad_train", "squad2", "nq_qed", "timeqa", "quoref_contrast")
CROPPED_SHARE = 0.4  # contexts cut shorter than they need be
BESIDE_SHARE = 0.15  # of those, cut to the sentences beside the answer
TYPO_SHARE = 0.04

# SQuAD 2.0's articles, in order of a digest of their titles, so by nobody's choice.
REPORTED, CALIBRATED = 4, 2


def roles(titles: Sequence[str]) -> dict[str, str]:
    """Of each article: "report", "calibrate" or "train"."""
    ordered = sorted(titles, key=lambda title: hashlib.sha256(title.encode()).hexdigest())
    names = ["report"] * REPORTED + ["calibrate"] * CALIBRATED
    return {title: names[i] if i < len(names) else "train" for i, title in enumerate(ordered)}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a context; answers are (start, end) characters, none where there is no answer."""

    source: str
    question: str
    context: int
    answers: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """What the model sees: token ids, where the context begins, and the span (0, 0 where unanswered)."""

    ids: np.ndarray
    context_from: int
    start: int
    end: int


def read_training_sets(data: Path) -> tuple[list[str], list[Asked]]:
    """Contexts and questions of reader_train and of SQuAD 2.0's articles for training."""
    contexts: list[str] = []
    asked: list[Asked] = []

    def take(source: str, context: str, qas: list[dict]) -> None:
        for qa in qas:
            spans = tuple((a["answer_start"], a["answer_start"] + len(a["text"])) for a in qa["answers"])
            asked.append(Asked(source, qa["question"].strip(), len(contexts), spans))
        contexts.append(context)

    for line in lzma.decompress((data / "reader_train.jsonl.xz").read_bytes()).decode().splitlines():
        row = json.loads(line)
        take(row["source"], row["context"], row["qas"])
    squad = json.loads(lzma.decompress((data / "squad2_dev_half.json.xz").read_bytes()))["data"]
    role = roles([article["title"] for article in squad])
    for article in squad:
        if role[article["title"]] == "train":
            for paragraph in article["paragraphs"]:
                take("squad2", paragraph["context"], paragraph["qas"])
    return contexts, asked


def retrieve_negatives(
    contexts: list[str], asked: list[Asked], per_question: int = 3
) -> dict[int, list[int]]:
    """For each self-contained, answered question: contexts ranked high that do not hold its answer."""
    wanted = [i for i, a in enumerate(asked) if a.source in SELF_CONTAINED and a.answers]
    used = sorted({a.context for a in asked if a.source in SELF_CONTAINED})
    negatives: dict[int, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        # A paragraph a passage: the reader's training cuts it as it likes.
        settings = Settings(sources=Path(folder, "s"), index=Path(folder, "i"), passage_tokens=250)
        settings.sources.mkdir()
        for number in used:
            (settings.sources / f"{number:07}.txt").write_text(contexts[number], encoding="utf-8")
        build_index(settings, encoder_for_build())
        bot = QABot.open(settings.index)
        for done, i in enumerate(wanted):
            golds = [contexts[asked[i].context][s:e] for s, e in asked[i].answers]
            found = bot.retrieve(asked[i].question[:500], 10)
            rows = dict.fromkeys(int(Path(scored.passage.source).stem) for scored in found)
            rows.pop(asked[i].context, None)
            negatives[i] = [r for r in rows if not contains(contexts[r], golds)][:per_question]
            if done % 5_000 == 0:
                print(f"retrieved {done} of {len(wanted)}", flush=True)
    return negatives


# --- questions with something exchanged -------------------------------------------------------

_NAME = re.compile(r"(?<=[\w,] )[A-Z][\w’'-]+(?: (?:of |the |de |von )?[A-Z][\w’'-]+)*")
_NUMBER = re.compile(r"\b\d+(?:[.,]\d+)*(?:st|nd|rd|th|s)?\b")
_OPPOSITES = """
first/last earliest/latest largest/smallest biggest/smallest highest/lowest most/least more/fewer
before/after north/south northern/southern east/west eastern/western northeast/southwest increase/decrease
increased/decreased rise/fall rose/fell win/lose won/lost begin/end began/ended start/stop started/stopped
born/buried founded/dissolved opened/closed built/demolished created/destroyed older/younger oldest/youngest
major/minor majority/minority male/female men/women man/woman father/mother son/daughter brother/sister
husband/wife king/queen public/private legal/illegal allowed/forbidden allow/prevent support/oppose
supported/opposed accepted/rejected include/exclude included/excluded possible/impossible common/rare
best/worst longest/shortest greater/smaller above/below early/late ancient/modern urban/rural upper/lower
positive/negative same/different always/never all/none import/export buy/sell strong/weak hot/cold rich/poor
attack/defend gain/lose gained/lost arrive/leave arrived/left join/quit appointed/dismissed hired/fired
summer/winter
"""
_OPPOSITE = {a: b for x, y in (pair.split("/") for pair in _OPPOSITES.split()) for a, b in ((x, y), (y, x))}
_AUXILIARY = re.compile(
    r"\b(is|was|were|are|did|does|do|can|could|has|have|had|would|will|should)\b", re.IGNORECASE
)


def perturb(asked: Asked, context: str, names: Sequence[str], rng: random.Random) -> str | None:
    """The question with a name, number, opposite or negation exchanged, so that nothing answers it."""
    question = asked.question
    taken = [context[s:e].lower() for s, e in asked.answers]
    ways = [(_other_number, match) for match in _NUMBER.finditer(question)] * 3
    ways += [(_other_name, match) for match in _NAME.finditer(question)] * 2
    ways += [(_opposite, match) for match in re.finditer(r"[a-z]+", question) if match[0] in _OPPOSITE] * 3
    ways += [(_negation, match) for match in _AUXILIARY.finditer(question)]
    rng.shuffle(ways)
    for other, match in ways[:4]:
        new = other(match[0], question, context, taken, names, rng)
        if new:
            return question[: match.start()] + new + question[match.end() :]
    return None


def _other_name(
    old: str, question: str, context: str, taken: list[str], names: Sequence[str], rng: random.Random
) -> str | None:
    """Another name, of the context or of any, that is not the answer."""
    here = list(dict.fromkeys(_NAME.findall(context))) if rng.random() < 0.5 else []
    for name in [*rng.sample(here, len(here)), *rng.choices(names, k=4)]:
        low = name.lower()
        answer = any(low in text or text in low for text in taken)
        if old.lower() not in low and low not in question.lower() and not answer:
            return name
    return None


def _other_number(
    old: str, question: str, context: str, taken: list[str], names: Sequence[str], rng: random.Random
) -> str | None:
    """Another number of the context, or one that is not in it; a year stays near."""
    here = [n for n in _NUMBER.findall(context) if len(n) == len(old) and n not in question]
    here = [n for n in here if not any(n in text for text in taken)]
    if here and rng.random() < 0.4:
        return rng.choice(here)
    for _ in range(5):
        new = "".join(str(rng.randint(1, 9)) if c.isdigit() and rng.random() < 0.5 else c for c in old)
        if len(old) == 4 and old.isdigit():
            new = str(int(old) + rng.choice([-1, 1]) * rng.choice([1, 2, 5, 10, 30, 100]))
        if new != old and new not in context:
            return new
    return None


def _opposite(old: str, *_: object) -> str:
    return _OPPOSITE[old]


def _negation(old: str, *_: object) -> str:
    return {"can": "cannot", "will": "will not"}.get(old.lower(), f"{old}n't")


# --- tokens -----------------------------------------------------------------------------------


class Pool:
    """Every question and context, tokenised once."""

    def __init__(self, data: Path, tokenizer: Tokenizer, cache: Path) -> None:
        self.contexts, self.asked = read_training_sets(data)
        kept = cache / "negatives.json"
        if kept.is_file():
            self.negatives = {int(k): v for k, v in json.loads(kept.read_text()).items()}
        else:
            self.negatives = retrieve_negatives(self.contexts, self.asked)
            kept.write_text(json.dumps(self.negatives))
        self._tokenizer = tokenizer
        vocabulary = tokenizer.get_vocab()
        self._cls, self._sep = vocabulary["[CLS]"], vocabulary["[SEP]"]
        encoded = tokenizer.encode_batch(self.contexts, add_special_tokens=False)
        self._ids = [np.array(e.ids, dtype=np.int32) for e in encoded]
        self._offsets = [np.array(e.offsets, dtype=np.int32).reshape(-1, 2) for e in encoded]
        # Tokens at which sentences begin, and the end.
        self._borders = []
        for text, offsets in zip(self.contexts, self._offsets, strict=True):
            first = np.searchsorted(offsets[:, 0], [s for s, _ in sentences(text)])
            self._borders.append(np.unique([0, *first, len(offsets)]))
        self._names = [n for t in self.contexts for n in _NAME.findall(t)[:3]]

    def epoch(self, seed: int) -> list[Example]:
        """The examples of one epoch, in random order."""
        rng = random.Random(seed)
        drawn: list[Asked] = []
        for i, asked in enumerate(self.asked):
            share = SHARES[asked.source]
            times = int(share) + (rng.random() < share % 1)
            drawn += [asked] * times
            if not asked.answers:
                continue
            if self.negatives.get(i) and rng.random() < RETRIEVED_SHARE:
                drawn.append(replace(asked, context=rng.choice(self.negatives[i]), answers=()))
            if asked.source in PERTURBABLE and rng.random() < PERTURBED_SHARE:
                other = perturb(asked, self.contexts[asked.context], self._names, rng)
                if other:
                    drawn.append(replace(asked, question=other, answers=()))
        rng.shuffle(drawn)
        questions = [_typo(a.question, rng) if rng.random() < TYPO_SHARE else a.question for a in drawn]
        encoded = self._tokenizer.encode_batch(questions, add_special_tokens=False)
        made = (self._example(a, e.ids[:QUESTION_TOKENS], rng) for a, e in zip(drawn, encoded, strict=True))
        return [example for example in made if example]

    def _example(self, asked: Asked, question: list[int], rng: random.Random) -> Example | None:
        ids, offsets, borders = (of[asked.context] for of in (self._ids, self._offsets, self._borders))
        span = None
        if asked.answers:
            start, end = rng.choice(asked.answers)
            span = token_span(offsets, start, end)
            if span is None:
                return None
        first, last = self._crop(len(ids), borders, span, rng)
        prefix = [self._cls, *question, self._sep]
        tokens = np.array([*prefix, *ids[first:last], self._sep], dtype=np.int32)
        if span is None or not (first <= span[0] and span[1] < last):
            return Example(tokens, len(prefix), 0, 0)
        shift = len(prefix) - first
        return Example(tokens, len(prefix), span[0] + shift, span[1] + shift)

    @staticmethod
    def _crop(
        length: int, borders: np.ndarray, span: tuple[int, int] | None, rng: random.Random
    ) -> tuple[int, int]:
        """A run of whole sentences: all, or as many as fit, around the answer or beside it."""
        if length <= CONTEXT_TOKENS and rng.random() >= CROPPED_SHARE:
            return 0, length
        budget = min(CONTEXT_TOKENS, rng.randint(48, 200) if rng.random() < CROPPED_SHARE else CONTEXT_TOKENS)
        count = len(borders) - 1
        anchor = rng.randrange(count)
        if span is not None and rng.random() >= BESIDE_SHARE:
            anchor = min(int(np.searchsorted(borders, span[0], side="right")) - 1, count - 1)
        first, last = int(borders[anchor]), int(borders[anchor + 1])
        below, above = anchor, anchor + 1
        while True:
            grown = [
                (b, a) for b, a in ((below - 1, above), (below, above + 1))
                if b >= 0 and a <= count and borders[a] - borders[b] <= budget
            ]  # fmt: skip
            if not grown:
                break
            below, above = rng.choice(grown)
            first, last = int(borders[below]), int(borders[above])
        if last - first > CONTEXT_TOKENS:  # one long sentence
            first = max(first, span[0] - CONTEXT_TOKENS // 2) if span else first
            last = min(last, first + CONTEXT_TOKENS)
        return first, last


def token_span(offsets: np.ndarray, start: int, end: int) -> tuple[int, int] | None:
    """The first and last token of text[start:end]; None where no token is there."""
    first = int(np.searchsorted(offsets[:, 1], start, side="right"))
    last = int(np.searchsorted(offsets[:, 0], end, side="left")) - 1
    return (first, last) if first <= last else None


def _typo(question: str, rng: random.Random) -> str:
    """Two neighbouring letters swapped, as in haste."""
    places = [i for i in range(1, len(question) - 2) if question[i : i + 2].isalpha()]
    if not places:
        return question
    i = rng.choice(places)
    return question[:i] + question[i + 1] + question[i] + question[i + 2 :]


def batches(examples: Sequence[Example], tokens: int, seed: int) -> Iterator[list[Example]]:
    """Batches of about `tokens` padded tokens, of like length, in random order."""
    rng = random.Random(seed)
    made = []
    stretch = 6_000
    for at in range(0, len(examples), stretch):
        left = sorted(examples[at : at + stretch], key=lambda e: len(e.ids))
        while left:
            count = tokens // padded(left[-1])
            made.append(left[-count:])
            del left[-count:]
    rng.shuffle(made)
    yield from made


def padded(longest: Example) -> int:
    """Tokens that each example of a batch takes: few widths, so that few shapes are computed."""
    return -(-len(longest.ids) // 16) * 16
