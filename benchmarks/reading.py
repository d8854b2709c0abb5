"""How many passages to read, and how long: what each gives, and what it costs.

    python benchmarks/reading.py DATA

Whole path over all of the SQuAD half's paragraphs, asked with the questions of the articles that calibrate
(never those that report). Writes READING.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "training"))
from examples import roles
from results import row

from qa_bot import QABot, Settings, build_index
from qa_bot.evaluation import Case, load, write_paragraphs
from qa_bot.metrics import auroc, f1
from qa_bot.report import machine

HERE = Path(__file__).parent
WAYS = [(128, k) for k in (1, 2, 3, 5, 8)] + [(200, k) for k in (3, 5)] + [(250, k) for k in (2, 3, 5)]


def measure(bot: QABot, cases: Sequence[Case]) -> list[str]:
    """The cells of a row: quality over all cases, milliseconds of each."""
    overlap, found, scores, seconds = [], [], [], []
    for case in cases:
        began = time.perf_counter()
        answer = bot.ask(case.question)
        seconds.append(time.perf_counter() - began)
        scores.append(answer.score)
        if case.answers:
            overlap.append(f1(answer.text or "", case.answers))
            found.append(answer.citations[0].source == case.paragraph if answer.citations else False)
    can = np.array([bool(case.answers) for case in cases])
    milliseconds = 1000 * np.array(seconds)
    return [
        f"{np.mean(overlap):.3f}",
        f"{np.mean(found):.3f}",
        f"{auroc(np.array(scores), can):.3f}",
        *(f"{np.percentile(milliseconds, p):.0f}" for p in (50, 99)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    squad = load(data / "squad2_dev_half.json.xz")
    role = roles(sorted({case.split for case in squad.cases}))
    cases = [case for case in squad.cases if role[case.split] == "calibrate"]
    lines = []
    with tempfile.TemporaryDirectory() as name:
        base = Settings(sources=Path(name, "sources"), threshold=0)
        write_paragraphs(squad.paragraphs, base.sources)
        for tokens, top_k in WAYS:
            settings = replace(base, index=Path(name, str(tokens)), passage_tokens=tokens, top_k=top_k)
            build_index(settings)
            bot = QABot.open(settings.index, settings=settings)
            bot.warm_up()
            chosen = (tokens, top_k) == (Settings().passage_tokens, Settings().top_k)
            mark = "**" if chosen else ""
            lines.append(row(f"{mark}{tokens}{mark}", f"{mark}{top_k}{mark}", *measure(bot, cases)))
            print(lines[-1], file=sys.stderr)
    text = [
        "# How many passages to read",
        "",
        f"`python benchmarks/reading.py DATA` on {machine()}.",
        "",
        f"{len(cases)} questions of the two articles that calibrate, over all {len(squad.paragraphs)}",
        "paragraphs. F1 is of the best candidate, whatever its score; R@1: it stands in the paragraph",
        "that was asked about.",
        "In bold what is used.",
        "",
        row("tokens a passage", "passages read", "F1", "paragraph R@1", "AUROC", "p50, ms", "p99, ms"),
        "|---:|" + "---:|" * 6,
        *lines,
    ]
    (HERE / "READING.md").write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
