"""How often documents that contradict each other are told, and how often others are taken for such.

    python benchmarks/conflicts.py SPLIT [SQUAD]

Asks the questions of evals/conflicts of one half, over the documents of both; then, of a SQuAD file, the
answerable ones, over all its paragraphs, where whatever is told is a false alarm. Prints what went wrong,
and a row for evals/README.md.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from qa_bot import Answer, QABot, Settings, build_index
from qa_bot.evaluation import load, write_paragraphs
from qa_bot.metrics import f1
from qa_bot.report import machine

CASES = Path(__file__).parent.parent / "evals" / "conflicts" / "cases.jsonl"


def cases() -> list[dict[str, Any]]:
    """The questions with their documents."""
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def documents(cases: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The documents of all cases, by name, their dates in front matter."""
    return {
        f"{case['id']}-{n}.md": _dated(document["date"], document["text"])
        for case in cases
        for n, document in enumerate(case["documents"])
    }


def _dated(date: str | None, text: str) -> str:
    return f"---\ndate: {date}\n---\n{text}" if date else text


@contextmanager
def bot_over(files: dict[str, str]) -> Iterator[QABot]:
    """A bot over these files, as a user gets it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(sources=Path(folder, "sources"), index=Path(folder, "index"))
        write_paragraphs(files, settings.sources)
        build_index(settings)
        yield QABot.open(settings.index)


def told(case: dict[str, Any], answer: Answer) -> bool:
    """Whether the answer is what the case expects: the contradiction in its order, or none."""
    said = [part.text or "" for part in answer.parts] if answer.kind == "conflict" else []
    expected = case["answers"]
    return len(said) == len(expected) and all(e in text for e, text in zip(expected, said, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("split", choices=("dev", "test"))
    parser.add_argument("squad", type=Path, nargs="?")
    arguments = parser.parse_args()
    every = cases()
    right: dict[bool, list[bool]] = {True: [], False: []}
    with bot_over(documents(every)) as bot:
        for case in every:
            if case["split"] == arguments.split:
                answer = bot.ask(case["question"])
                right[bool(case["answers"])].append(told(case, answer))
                if not right[bool(case["answers"])][-1]:
                    said = [part.text for part in answer.parts] or [answer.text, f"{answer.score:.2f}"]
                    print(f"wrong: {case['id']} {case['kind']} {case['question']} {said}")
    for answers, what in ((True, "contradictions told"), (False, "others left alone")):
        print(f"{arguments.split}: {sum(right[answers])} of {len(right[answers])} {what}")
    if arguments.squad:
        measure_squad(arguments.squad)
    print(f"on {machine()}")


def measure_squad(path: Path) -> None:
    squad = load(path)
    answered, conflicts, best = 0, [], []
    with bot_over(squad.paragraphs) as bot:
        for case in squad.cases:
            if not case.answers:
                continue
            answer = bot.ask(case.question)
            answered += not answer.abstained
            best.append(f1(answer.text or "", case.answers))
            if answer.kind == "conflict":
                conflicts.append((case.question, *(part.text for part in answer.parts)))
    for conflict in conflicts:
        print("told:", *conflict, sep=" | ")
    share = len(conflicts) / answered
    print(f"{squad.name}: {len(conflicts)} of {answered} answers ({share:.1%}); F1 {np.mean(best):.4f}")


if __name__ == "__main__":
    main()
