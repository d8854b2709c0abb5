"""Which retrieval? Measure dense, BM25 and ways to fuse them, on three sets of questions.

    python benchmarks/fusion.py DATA --cache DIR    -> benchmarks/FUSION.md

DATA holds squad2_dev_half.json.xz and squadshifts_new_wiki.json.xz. Each set's articles are split
in two halves by name: what is chosen is chosen on the first (tune), what is claimed is claimed of
the second (report). A gold paragraph counts as found by its best passage.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_bot.chunking import sentences, split
from qa_bot.config import Settings
from qa_bot.encoder import Vectors
from qa_bot.evaluation import Case, load
from qa_bot.metrics import interval
from qa_bot.report import machine
from qa_bot.sentence_transformer import SentenceTransformerEncoder
from qa_bot.sources import read, scan
from qa_bot.types import Document, Section
from qa_bot.words import WordIndex, content_words

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).with_name("FUSION.md")


@dataclass(frozen=True)
class Corpus:
    """Documents and the questions asked of them; gold[i] holds the answer to questions[i]."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[str, ...]
    gold: tuple[tuple[str, str], ...]  # source, and a quote of it ("": anywhere in it)
    tune: NDArray[np.bool_]  # which questions to choose by; the others report


@dataclass(frozen=True)
class Cut:
    """A corpus cut into passages, with the scores of every question and passage."""

    passages: int
    dense: Vectors  # (questions, passages)
    bm25: Vectors
    share: Vectors  # bm25 over the question's best possible
    gold: NDArray[np.bool_]  # whether the passage is of the gold paragraph


class Lab:
    """Embeds a text once, whatever asks for it, and keeps the vectors of each call on disk."""

    def __init__(self, cache: Path) -> None:
        self.encoder = SentenceTransformerEncoder()
        self._cache = cache
        cache.mkdir(parents=True, exist_ok=True)
        self._vectors: dict[str, NDArray[np.float32]] = {}
        for path in cache.glob("*.npz"):
            kept = np.load(path)
            self._vectors.update(zip(kept["keys"].tolist(), kept["rows"], strict=True))

    def documents(self, texts: Sequence[str]) -> Vectors:
        return self._kept("d", texts, self.encoder.encode_documents)

    def questions(self, texts: Sequence[str]) -> Vectors:
        return self._kept("q", texts, lambda new: np.stack([self.encoder.encode_query(t) for t in new]))

    def _kept(self, kind: str, texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors]) -> Vectors:
        salt = self.encoder.digest + kind
        keys = [hashlib.sha256((salt + text).encode()).hexdigest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._vectors}
        if new:
            rows = encode(list(new.values()))
            self._vectors.update(zip(new, rows, strict=True))
            np.savez(self._cache / f"{next(iter(new))}.npz", keys=list(new), rows=rows)
        return np.stack([self._vectors[key] for key in keys])


def squad(path: Path, *, titles: bool = False) -> Corpus:
    """A SQuAD file: a document a paragraph, its article's name as title where `titles`."""
    loaded = load(path)
    cases = [case for case in loaded.cases if case.answers]
    article = {case.paragraph: case.split for case in loaded.cases}
    documents = tuple(
        Document(
            source=source,
            sha256="",
            text=text,
            sections=(Section(heading=None, start=0, end=len(text)),),
            title=article.get(source, "").replace("_", " ") if titles else None,
        )
        for source, text in loaded.paragraphs.items()
    )
    names = sorted({case.split for case in cases})
    first = set(names[::2])
    return Corpus(
        name=loaded.name,
        documents=documents,
        questions=tuple(case.question for case in cases),
        gold=tuple((case.paragraph or "", "") for case in cases),
        tune=np.array([case.split in first for case in cases]),
    )


def article(distractors: Path) -> Corpus:
    """The included article among the paragraphs of a SQuAD file; its dev half tunes."""
    files, _ = scan(ROOT / "sources")
    own = tuple(document for file in files if isinstance(document := read(file), Document))
    cases: list[Case] = [
        case for case in load(ROOT / "evals/article.jsonl").cases if case.answers and not case.history
    ]
    return Corpus(
        name="article among distractors",
        documents=(*own, *squad(distractors).documents),
        questions=tuple(case.question for case in cases),
        gold=tuple((own[0].source, case.evidence[0]) for case in cases),
        tune=np.array([case.split == "dev" for case in cases]),
    )


def cut(lab: Lab, corpus: Corpus, tokens: int, k1: float, b: float, *, by_sentence: bool = False) -> Cut:
    """Score every question against every passage of at most `tokens` tokens."""
    passages = [p for document in corpus.documents for p in split(document, lab.encoder.count_tokens, tokens)]
    texts = [passage.embedded for passage in passages]
    questions = lab.questions(corpus.questions)
    if by_sentence:
        spans = [(i, p.text[a:z]) for i, p in enumerate(passages) for a, z in sentences(p.text)]
        each = questions @ lab.documents([text for _, text in spans]).T
        starts = np.searchsorted([i for i, _ in spans], np.arange(len(passages)))
        dense = np.maximum.reduceat(each, starts, axis=1)
    else:
        dense = questions @ lab.documents(texts).T
    with tempfile.TemporaryDirectory() as folder:
        WordIndex.build(Path(folder, "words"), texts, k1, b)
        words = WordIndex.load(Path(folder, "words"))
    share = np.stack([words.scores(question) for question in corpus.questions])
    best = np.array([words.idf(content_words(question)).sum() for question in corpus.questions])
    gold = np.array(
        [
            [p.source == source and (not q or q in p.text or p.text in q) for p in passages]
            for source, q in corpus.gold
        ]
    )
    return Cut(len(passages), dense, (share * best[:, None]).astype(np.float32), share, gold)


def ranks(scores: Vectors, gold: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rank, from 1, of each question's best gold passage; ties count against it."""
    best = np.where(gold, scores, -np.inf).max(axis=1, keepdims=True)
    above: NDArray[np.int64] = ((scores >= best) & ~gold).sum(axis=1) + 1
    return above


def reciprocal(scores: Vectors, k: int) -> Vectors:
    """1 / (k + rank) of each passage (Cormack et al. 2009)."""
    order = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")
    return (1 / (k + order + 1)).astype(np.float32)


def recalls(rank: NDArray[np.int64]) -> str:
    return " / ".join(f"{(rank <= k).mean():.3f}" for k in (1, 5, 10))


CHOICE = """## What was chosen, on the tuning halves

- **A weighted mean of the cosine and the BM25 share.** A raw sum ranks SQuAD's questions a little
  better and paraphrased questions worse, and its scale moves with the length of the question, so no
  threshold means anything. Ranks (reciprocal rank fusion) throw away how much better the best is.
- **0.45 of the cosine**: SQuAD wants less, the article's paraphrases want more; from 0.35 to 0.55 the
  sets differ by less than their noise.
- **k1 = 0.9, b = 0.4**: best or within noise of it on all three.
- **128 tokens**: for the same text read, ten passages of 128 tokens hold the evidence more often than
  five of 250, and a reader need not find a word in so long a text.
- **One vector a passage.** Averaging in the best sentence's vector gains 1 to 3 points of R@1, for five
  times the vectors; the reader looks at sentences anyway, in the passages that it is given.
- **Titles are left to the documents**: a heading is embedded with its passages; these paragraphs have
  none, and their article's name gains 1 point."""

Way = tuple[str, Callable[[Cut], Vectors]]

WAYS: list[Way] = [
    ("dense alone", lambda c: c.dense),
    ("BM25 alone", lambda c: c.bm25),
    ("reciprocal rank fusion, k=10", lambda c: reciprocal(c.dense, 10) + reciprocal(c.bm25, 10)),
    ("reciprocal rank fusion, k=60", lambda c: reciprocal(c.dense, 60) + reciprocal(c.bm25, 60)),
    ("10 × cosine + BM25", lambda c: 10 * c.dense + c.bm25),
    (
        "cosine + BM25 / its maximum for the question",
        lambda c: c.dense + c.bm25 / (c.bm25.max(axis=1, keepdims=True) + 1e-9),
    ),
    *(
        (f"{w:.2f} × cosine + {1 - w:.2f} × BM25 share", lambda c, w=w: w * c.dense + (1 - w) * c.share)
        for w in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
    ),
]


def table(title: str, rows: Sequence[tuple[str, Sequence[tuple[NDArray[np.int64], Corpus]]]]) -> list[str]:
    """R@1 / R@5 / R@10 of each row and corpus, on the tuning and on the reporting half."""
    corpora = [corpus for _, corpus in rows[0][1]]
    lines = [f"## {title}", "", "| | " + " | ".join(f"{c.name}: tune | report" for c in corpora) + " |"]
    lines.append("|---|" + "---|---|" * len(corpora))
    for name, ranked in rows:
        cells = [f"{recalls(rank[corpus.tune])} | {recalls(rank[~corpus.tune])}" for rank, corpus in ranked]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "qa-bot-fusion")
    options = parser.parse_args()
    lab = Lab(options.cache)
    chosen = Settings()
    tokens, k1, b, weight = chosen.passage_tokens, chosen.bm25_k1, chosen.bm25_b, chosen.dense_weight
    squad2, wiki = options.data / "squad2_dev_half.json.xz", options.data / "squadshifts_new_wiki.json.xz"
    corpora = [article(squad2), squad(squad2), squad(wiki)]

    def fused(c: Cut) -> Vectors:
        return weight * c.dense + (1 - weight) * c.share

    cuts = [cut(lab, corpus, tokens, k1, b) for corpus in corpora]
    lines = [
        "# Retrieval by measurement",
        "",
        f"`python benchmarks/fusion.py DATA` on {machine()}. Cells are R@1 / R@5 / R@10; `tune` is the half",
        "of the articles that choices were made on, `report` the other. Ties count against the gold passage.",
        f"The defaults are {tokens} tokens, k1 = {k1}, b = {b}, and a weight of {weight} for the cosine.",
        "",
    ]
    lines += table(
        f"Ways to fuse ({tokens} tokens a passage)",
        [
            (name, [(ranks(way(c), c.gold), corpus) for c, corpus in zip(cuts, corpora, strict=True)])
            for name, way in WAYS
        ],
    )
    bm25s = [(k1, b), (1.2, 0.75), (1.5, 0.75), (0.9, 0.75), (1.2, 0.4)]
    lines += table(
        "BM25's k1 and b, in the fused score",
        [
            (
                f"k1 = {k}, b = {bb}",
                [(ranks(fused(c := cut(lab, corpus, tokens, k, bb)), c.gold), corpus) for corpus in corpora],
            )
            for k, bb in bm25s
        ],
    )
    lines += table(
        "Tokens of a passage, at most",
        [
            (
                f"{n} tokens ({' / '.join(str(c.passages) for c in sized)} passages)",
                [(ranks(fused(c), c.gold), corpus) for c, corpus in zip(sized, corpora, strict=True)],
            )
            for n in (64, 96, 128, 180, 250)
            for sized in [[cut(lab, corpus, n, k1, b) for corpus in corpora]]
        ],
    )
    by_sentence = [cut(lab, corpus, tokens, k1, b, by_sentence=True) for corpus in corpora]
    lines += table(
        "What is embedded",
        [
            ("the passage", [(ranks(fused(c), c.gold), x) for c, x in zip(cuts, corpora, strict=True)]),
            (
                "its sentences, the best counts",
                [(ranks(fused(c), c.gold), x) for c, x in zip(by_sentence, corpora, strict=True)],
            ),
            (
                "both, averaged",
                [
                    (ranks(fused(c) + fused(s), c.gold), x)
                    for c, s, x in zip(cuts, by_sentence, corpora, strict=True)
                ],
            ),
        ],
    )
    titled = [squad(squad2, titles=True), squad(wiki, titles=True)]
    lines += table(
        "Title in or out (the article's name, before each paragraph)",
        [
            ("out", [(ranks(fused(c), c.gold), x) for c, x in zip(cuts[1:], corpora[1:], strict=True)]),
            ("in", [(ranks(fused(c := cut(lab, x, tokens, k1, b)), c.gold), x) for x in titled]),
        ],
    )
    whole = ranks(fused(c := cut(lab, corpora[1], 250, k1, b)), c.gold)
    low, high = interval(lambda rows: float((whole[rows] <= 1).mean()), len(whole))
    lines.append(
        f"All {len(whole):,} questions of squad2_dev_half at 250 tokens: {recalls(whole)} "
        f"(R@1's bootstrap 95% interval: {low:.3f} to {high:.3f})."
    )
    rank = ranks(fused(cuts[1]), cuts[1].gold)
    lines.append(f"At the default {tokens} tokens: {recalls(rank)}.")
    lines += ["", CHOICE]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
