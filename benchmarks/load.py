"""Many users of one server at once: throughput, waiting time, memory.

    python benchmarks/load.py [--users 50] [--seconds 120] [--rounds 3]

A real `qa-bot serve` of the repository's own sources; each user asks by HTTP, reads the answer, and asks
the next, in rounds, so that what grows or slows down with the number of answers shows. Writes LOAD.md.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from results import row

from qa_bot import Settings, build_index
from qa_bot.report import machine

HERE = Path(__file__).parent
QUESTIONS = (
    "How many countries took part in First Light 2022?",
    "When was the white paper issued?",
    "What has China hosted every year since 2014?",
    "What is the capital of France?",
    "Who is Wang Yi?",
)


def ask(port: int, question: str) -> float:
    """Ask once; the seconds it took. Raises where there is no whole answer."""
    began = time.perf_counter()
    url = f"http://127.0.0.1:{port}/gradio_api/call/ask"
    request = urllib.request.Request(
        url, json.dumps({"data": [question]}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{url}/{event}", timeout=60) as response:
        text = response.read().decode()
    if "event: complete" not in text:
        raise RuntimeError(text[-200:])
    return time.perf_counter() - began


def ask_on(port: int, until: float, user: int) -> list[float]:
    """Ask until then, one after another; the seconds that each took."""
    seconds = []
    while time.monotonic() < until:
        seconds.append(ask(port, QUESTIONS[(user + len(seconds)) % len(QUESTIONS)]))
    return seconds


def megabytes(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=7899)
    args = parser.parse_args()
    script = shutil.which("qa-bot", path=str(Path(sys.executable).parent))
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder, "index")
        build_index(Settings(sources=HERE.parent / "sources", index=index))
        # All of them ask from one address.
        unlimited = ("--rate-limit", "0")
        serve = [str(script), "serve", "--index", str(index), "--port", str(args.port), *unlimited]
        with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            while True:
                try:
                    ask(args.port, QUESTIONS[0])
                    break
                except OSError:
                    time.sleep(0.2)
            memory, rows = [megabytes(server.pid)], []
            for number in range(1, args.rounds + 1):
                until = time.monotonic() + args.seconds
                asking = partial(ask_on, args.port, until)
                with ThreadPoolExecutor(args.users) as pool:
                    each = pool.map(asking, range(args.users))
                    seconds = np.concatenate(list(each))
                waits = (f"{1000 * np.percentile(seconds, p):.0f}" for p in (50, 95, 99))
                rate = f"{len(seconds) / args.seconds:.0f}"
                memory.append(megabytes(server.pid))
                rows.append(row(number, f"{len(seconds):,}", rate, *waits, f"{memory[-1]:.0f}"))
            server.terminate()
    table = "\n".join(rows)
    text = f"""# Under load

`python benchmarks/load.py`: {args.users} users for {args.rounds} rounds of {args.seconds:.0f} s, each asking
as soon as it is answered, over HTTP (two requests an answer), client and server on {machine()}.
Memory before the first round: {memory[0]:.0f} MB.

| round | answers | answers/s | p50, ms | p95, ms | p99, ms | memory after, MB |
|---:|---:|---:|---:|---:|---:|---:|
{table}

An error would have ended it.
"""
    (HERE / "LOAD.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
