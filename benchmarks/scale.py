"""How cost grows with the number of passages: 10,000, 100,000 and 1,000,000 of them.

    python benchmarks/scale.py DATA [--sizes 10000 100000 1000000]

DATA holds squad2_dev_half.json.xz and squadshifts_new_wiki.json.xz. A passage is three real sentences
of these, two of one article and one of any; its vector is the mean of their real vectors, moved by
noise of a tenth of its length. Questions and their vectors are real. The index is made by
build_index, with an encoder that looks the sentences up in the place of the model: embedding a
million passages takes hours and would measure the model. The page cache is warm.
"""

import argparse
import gc
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from results import save

from qa_bot import QABot, Settings, build_index
from qa_bot.chunking import sentences
from qa_bot.encoder import Vectors
from qa_bot.evaluation import load
from qa_bot.models import encoder_for_build

PER_FILE = 100  # passages of a source file
SETS = ("squad2_dev_half.json.xz", "squadshifts_new_wiki.json.xz")


class LookUp:
    """An encoder of texts that are known sentences, a line each."""

    name, digest, runtime, max_tokens, dimension = "look-up", "look-up", "none", 256, 384

    def __init__(self, sentence_rows: dict[str, int], vectors: Vectors, questions: dict[str, int],
                 question_vectors: Vectors) -> None:  # fmt: skip
        self._rows, self._vectors = sentence_rows, vectors
        self._questions, self._question_vectors = questions, question_vectors

    def count_tokens(self, text: str) -> int:
        return 126 * (text.count("\n\n") + 1)  # so that no two paragraphs make one passage

    def encode_query(self, question: str) -> Vectors:
        return self._question_vectors[self._questions[question]]

    def encode_documents(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        rows = np.array([[self._rows[line] for line in text.split("\n")] for text in texts])
        means = self._vectors[rows].mean(axis=1)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        seed = int.from_bytes(hashlib.blake2b(texts[0].encode(), digest_size=8).digest())
        noise = np.random.default_rng(seed).normal(size=means.shape, scale=0.1 / np.sqrt(self.dimension))
        moved = means + noise
        if on_done:
            on_done(len(texts))
        return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)

    def save(self, models: Path) -> None:
        pass


def prepare(data: Path, folder: Path) -> None:
    """Embed the sentences and 1,000 questions once, with the real model."""
    articles: dict[str, list[str]] = {}
    questions: list[str] = []
    for name in SETS:
        loaded = load(data / name)
        for case in loaded.cases:
            text = loaded.paragraphs[case.paragraph or ""]
            articles.setdefault(case.split, []).append(text)
            if case.answers:
                questions.append(" ".join(case.question.split()))
    by_article = [
        sorted({" ".join(text[a:z].split()) for text in set(texts) for a, z in sentences(text)})
        for texts in articles.values()
    ]
    by_article = [[s for s in lines if 20 < len(s) < 300 and s[0].isalpha()] for lines in by_article]
    asked = sorted(np.random.default_rng(1).choice(sorted(set(questions)), 1_000, replace=False).tolist())
    encoder = encoder_for_build()
    lines = sorted({line for lines in by_article for line in lines})
    np.save(folder / "sentences.npy", encoder.encode_documents(lines))
    np.save(folder / "questions.npy", np.stack([encoder.encode_query(question) for question in asked]))
    texts = {"articles": by_article, "lines": lines, "questions": asked}
    (folder / "texts.json").write_text(json.dumps(texts))


def encoder_from(folder: Path) -> tuple[LookUp, dict[str, Any]]:
    texts = json.loads((folder / "texts.json").read_text())
    lines = {line: row for row, line in enumerate(texts["lines"])}
    asked = {question: row for row, question in enumerate(texts["questions"])}
    vectors = np.load(folder / "sentences.npy"), np.load(folder / "questions.npy")
    return LookUp(lines, vectors[0], asked, vectors[1]), texts


def build(folder: Path, size: int) -> dict[str, Any]:
    """Write the sources and build the index; what that took."""
    encoder, texts = encoder_from(folder)
    random = np.random.default_rng(size)
    everything: list[str] = texts["lines"]
    sources = folder / f"sources{size}"
    sources.mkdir()
    for number in range(size // PER_FILE):
        article = texts["articles"][random.integers(len(texts["articles"]))]
        paragraphs = []
        for _ in range(PER_FILE):
            near = [article[i] for i in random.integers(len(article), size=2)]
            paragraphs.append("\n".join([*near, everything[random.integers(len(everything))]]))
        (sources / f"{number:07}.txt").write_text("\n\n".join(paragraphs))
    settings = Settings(sources=sources, index=folder / f"index{size}", passage_tokens=250)
    del texts
    gc.collect()
    began = time.perf_counter()
    with most_anonymous_mb() as most:
        report = build_index(settings, encoder)
    return {
        "build_s": time.perf_counter() - began,
        "build_anonymous_mb": max(most),
        "passages": report.manifest.passages,
        "search": report.manifest.search,
        "build_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "index_mb": sum(p.stat().st_size for p in settings.index.rglob("*") if p.is_file()) / 1e6,
    }


def ask(folder: Path, size: int) -> dict[str, Any]:
    """Open the index and search it."""
    encoder, texts = encoder_from(folder)
    questions = texts["questions"]
    began = time.perf_counter()
    bot = QABot.open(folder / f"index{size}", encoder=encoder)
    opening = time.perf_counter() - began
    index = bot._index

    def timed(search: Callable[[str], Any]) -> list[float]:
        seconds = []
        for question in questions:
            began = time.perf_counter()
            search(question)
            seconds.append(1000 * (time.perf_counter() - began))
        return np.percentile(seconds, [50, 95]).round(2).tolist()

    timed(lambda question: bot.retrieve(question, 5))  # pages come in
    times = timed(lambda question: bot.retrieve(question, 5))
    vectors = np.stack([encoder.encode_query(question) for question in questions[:200]])
    _, exact = faiss.knn(vectors, index.vectors.rows, 10, metric=faiss.METRIC_INNER_PRODUCT)
    found = [index.vectors.nearest(vector, Settings().candidates) for vector in vectors]
    began = time.perf_counter()
    for vector in vectors[:20]:
        faiss.knn(vector[None], index.vectors.rows, 100, metric=faiss.METRIC_INNER_PRODUCT)
    exact_ms = 1000 * (time.perf_counter() - began) / 20
    return {
        "open_s": opening,
        "p50_ms": times[0],
        "p95_ms": times[1],
        "words_p50_ms": timed(index.words.scores)[0],
        "vectors_p50_ms": timed(lambda q: index.vectors.nearest(encoder.encode_query(q), 100))[0],
        "exact_vectors_ms": exact_ms,
        "recall_at_10": float(np.mean([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)])),
        "anonymous_mb": anonymous_mb(),
    } | tantivy(bot, questions)


def tantivy(bot: QABot, questions: Sequence[str]) -> dict[str, Any]:
    """The words half by tantivy, where it is installed: building, and the p50 of 100 candidates."""
    try:
        import tantivy as library
    except ImportError:
        return {}
    schema = library.SchemaBuilder()
    schema.add_text_field("body", stored=False, tokenizer_name="en_stem")
    schema.add_unsigned_field("row", stored=True)
    with tempfile.TemporaryDirectory() as folder:
        index = library.Index(schema.build(), path=folder)
        began = time.perf_counter()
        writer = index.writer()
        for row, passage in enumerate(bot._index.passages):
            writer.add_document(library.Document(body=passage.text, row=row))
        writer.commit()
        writer.wait_merging_threads()
        building = time.perf_counter() - began
        index.reload()
        searcher = index.searcher()
        seconds = []
        for question in questions:
            began = time.perf_counter()
            query, _ = index.parse_query_lenient(question, ["body"])
            for _, address in searcher.search(query, 100).hits:
                searcher.doc(address)
            seconds.append(1000 * (time.perf_counter() - began))
    return {"tantivy_p50_ms": float(np.median(seconds)), "tantivy_build_s": building}


@contextmanager
def most_anonymous_mb() -> Iterator[list[float]]:
    """`anonymous_mb` ten times a second, for as long as this is open."""
    seen = [anonymous_mb()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.append(anonymous_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def anonymous_mb() -> float:
    """Memory of this process that is not pages of files, on Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--phase", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        phase = {"build": build, "ask": ask}[options.phase]
        print(json.dumps(phase(options.data, options.sizes[0])))
        return
    result: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="qa-bot-scale-") as name:
        folder = Path(name)
        prepare(options.data, folder)
        for size in options.sizes:
            result[size] = {}
            for phase in ("build", "ask"):
                print(f"{size:,}: {phase}", file=sys.stderr)
                command = [sys.executable, __file__, name, "--phase", phase, "--sizes", str(size)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
                result[size] |= json.loads(done.stdout.strip().splitlines()[-1])
            print(json.dumps(result[size]), file=sys.stderr)
    save("scale", {str(size): measured for size, measured in result.items()})


if __name__ == "__main__":
    main()
