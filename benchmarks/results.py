"""results/*.json -> RESULTS.md and its plots."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from qa_bot.report import machine

HERE = Path(__file__).parent
RESULTS = HERE / "results"
NAMES = {
    "qa_bot": "qa-bot",
    "langchain": "LangChain + FAISS",
    "llamaindex": "LlamaIndex + FAISS",
    "txtai": "txtai, hybrid",
    "haystack": "Haystack, in memory",
}


def row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def peers(found: dict[str, dict[str, float]]) -> Iterator[str]:
    yield "One process each, medians; all with all-MiniLM-L6-v2 on the same paragraphs, searched for every"
    yield "answerable question. qa-bot cuts paragraphs into passages of at most 128 tokens, the others take"
    yield "them whole; a paragraph counts as found by its best passage. A cold start is a process that opens"
    yield "the index, searches once, and ends."
    yield ""
    yield row(
        "",
        "build, s",
        "cold start, s",
        "retrieval p50, ms",
        "p95, ms",
        "peak memory, MB",
        "R@1",
        "R@5",
        "R@10",
    )
    yield "|---|" + "---:|" * 8
    for program, f in found.items():
        yield row(
            NAMES[program],
            f"{f['build_process_s']:.1f}",
            f"{f['ask_process_s']:.2f}",
            f"{f['p50_ms']:.1f}",
            f"{f['p95_ms']:.1f}",
            f"{f['retrieve_peak_mb']:.0f}",
            *(f"{f[f'r{k}']:.3f}" for k in (1, 5, 10)),
        )
    ours, other = found["qa_bot"], found["langchain"]
    yield ""
    yield f"LangChain's p50 is {other['p50_ms'] / ours['p50_ms']:.1f} times qa-bot's."


def encode(found: dict[str, Any]) -> Iterator[str]:
    yield "646 paragraphs of SQuAD 2.0, whole: `SentenceTransformer.encode` with its defaults, and qa-bot's"
    yield "exported model, in turns."
    yield ""
    yield row("", "paragraphs/s")
    yield "|---|---:|"
    for name, rate in found["rates"].items():
        yield row(name, f"{rate:.0f}")
    yield ""
    yield f"Median ratio of a turn: {found['ratio']:.1f}."


def variants(found: dict[str, dict[str, float]]) -> Iterator[str]:
    yield "Every fourth of the paragraphs, whole, in turns, medians; cosine with the model's own vectors."
    yield ""
    yield row("", "paragraphs/s", "least cosine", "mean cosine")
    yield "|---|---:|---:|---:|"
    for name, f in found.items():
        yield row(name, f"{f['rate']:.0f}", f"{f['least']:.4f}", f"{f['mean']:.4f}")


def start(found: dict[str, float]) -> Iterator[str]:
    floor = next(iter(found.values()))
    yield "Process start to end, in turns, medians."
    yield ""
    yield row("", "seconds", "of the first")
    yield "|---|---:|---:|"
    for name, seconds in found.items():
        yield row(f"`{name}`", f"{seconds:.2f}", f"{seconds / floor:.2f}")


def memory(found: dict[str, dict[str, float]]) -> Iterator[str]:
    yield "One process, the article's index: retrieval alone, then whole answers. Anonymous: not pages"
    yield "of mapped files."
    yield ""
    yield row("after questions", "resident, MB", "of it anonymous, MB")
    yield "|---:|---:|---:|"
    for number, f in found.items():
        yield row(number, f"{f['VmRSS']:.0f}", f"{f['RssAnon']:.0f}")


def scale(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "Passages are recombined real sentences with moved real vectors (scale.py says how); questions are"
    yield "real. Recall is of the 10 nearest by exact search, among the candidates handed to the fusion."
    yield ""
    columns = list(found)
    yield row("passages", *(f"{f['passages']:,}" for f in found.values()))
    yield "|---|" + "---:|" * len(columns)
    lines = {
        "search": "vectors searched by",
        "build_s": "build, s",
        "build_peak_mb": "build, peak resident memory with mapped pages, MB",
        "build_anonymous_mb": "build, peak anonymous memory, MB",
        "index_mb": "index on disk, MB",
        "open_s": "opening, s",
        "p50_ms": "retrieval p50, ms",
        "p95_ms": "retrieval p95, ms",
        "vectors_p50_ms": "of it vectors, p50, ms",
        "words_p50_ms": "of it words, p50, ms",
        "recall_at_10": "recall@10",
        "exact_vectors_ms": "exact search of the vectors instead, ms",
        "tantivy_p50_ms": "tantivy for the words instead, p50, ms",
        "tantivy_build_s": "tantivy, build, s",
        "anonymous_mb": "asking, anonymous memory, MB",
    }
    for key, name in lines.items():
        if any(key in f for f in found.values()):
            yield row(name, *(_number(f.get(key, "")) for f in found.values()))
    plot(found)
    yield ""
    yield "![cost by size](results/scale.svg)"


def _number(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot(found: dict[str, dict[str, Any]]) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    sizes = [f["passages"] for f in found.values()]
    for key, label in (("p50_ms", "retrieval"), ("vectors_p50_ms", "vectors"), ("words_p50_ms", "words")):
        left.loglog(sizes, [f[key] for f in found.values()], marker="o", label=label)
    left.set(xlabel="passages", ylabel="p50, ms")
    left.legend(frameon=False)
    for key, label in (("build_peak_mb", "building, peak"), ("anonymous_mb", "asking, anonymous")):
        right.loglog(sizes, [f[key] for f in found.values()], marker="o", label=label)
    right.set(xlabel="passages", ylabel="memory, MB")
    right.legend(frameon=False)
    with rc_context({"svg.hashsalt": "qa-bot", "svg.fonttype": "none"}):
        figure.savefig(RESULTS / "scale.svg", metadata={"Date": None})


PARTS = {
    "peers": ("Beside other programs", "speed.py SQUAD --part peers", peers),
    "start": ("Start-up", "speed.py SQUAD --part start", start),
    "encode": ("Embedding", "speed.py SQUAD --part encode", encode),
    "variants": ("What was tried to embed faster", "encoding.py SQUAD", variants),
    "memory": ("Memory over many questions", "speed.py SQUAD --part memory", memory),
    "scale": ("Scale", "scale.py DATA", scale),
}


def save(part: str, result: Any) -> None:
    """Keep what was measured, and tell all of it anew."""
    RESULTS.mkdir(exist_ok=True)
    found = {"machine": machine(), "result": result}
    (RESULTS / f"{part}.json").write_text(json.dumps(found, indent=1) + "\n")
    main()


def main() -> None:
    lines = [
        "# Results",
        "",
        "`make bench DATA=DIR` makes all of this; each part says how it is made alone.",
        "",
    ]
    for part, (title, command, tell) in PARTS.items():
        path = RESULTS / f"{part}.json"
        if path.exists():
            measured = json.loads(path.read_text())
            lines += [f"## {title}", "", f"`python benchmarks/{command}` on {measured['machine']}.", ""]
            lines += [*tell(measured["result"]), ""]
    (HERE / "RESULTS.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
