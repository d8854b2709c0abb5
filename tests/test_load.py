"""Many questions at once, and questions of any characters. Slow: run by `make test-all`."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from serving import free_port

from qa_bot import QABot, QABotError, Turn

pytestmark = pytest.mark.slow

THREADS, ASKS = 20, 12
QUESTIONS = (
    "How many countries took part in First Light 2022?",
    "When was the white paper issued?",
    "What has China hosted every year since 2014?",
    "What is the capital of France?",
)


@pytest.fixture
def server(article_index: Path, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The real server in a process of its own: its process id and its port."""
    script = shutil.which("qa-bot", path=str(Path(sys.executable).parent))
    assert script, "qa-bot is not installed beside this Python"
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("QA_BOT_")}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [script, "serve", "--rate-limit", "0", "--index", str(article_index), "--port", str(port)],
            env=env,
            stdout=log,
            stderr=log,
        )
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).close()
                    break
                except OSError:
                    assert process.poll() is None, (tmp_path / "log").read_text()
                    time.sleep(0.1)
            yield process.pid, port
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()


def ask(port: int, question: str) -> str:
    """The last event of one call of /ask, which must be its completion."""
    url = f"http://127.0.0.1:{port}/gradio_api/call/ask"
    body = json.dumps({"data": [question, None]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{url}/{event}", timeout=120) as response:
        events = str(response.read().decode())
    # While a call waits for its turn the stream has heartbeats, as many as it takes.
    return events[events.index("event: complete") :]


def resident_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"/proc/{pid}/status has no VmRSS")


@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
def test_many_callers_at_once_are_all_answered_and_memory_stays(server: tuple[int, int]) -> None:
    pid, port = server
    expected = {question: ask(port, question) for question in QUESTIONS}
    assert all("event: complete" in answer for answer in expected.values())

    def caller(first: int, asks: int) -> int:
        questions = [QUESTIONS[(first + i) % len(QUESTIONS)] for i in range(asks)]
        return sum(ask(port, question) == expected[question] for question in questions)

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(caller, range(THREADS), [ASKS // 4] * THREADS)) == THREADS * ASKS // 4
        warm = resident_megabytes(pid)
        rest = ASKS - ASKS // 4
        assert sum(pool.map(caller, range(THREADS), [rest] * THREADS)) == THREADS * rest
    grown = resident_megabytes(pid) - warm
    assert grown < 60, f"the server grew by {grown:.0f} MB over {THREADS * rest} questions"


@pytest.mark.timeout(300)
def test_clients_recover_when_the_server_is_killed_and_started_again(
    article_index: Path, article_bot: QABot
) -> None:
    port = free_port()
    script = shutil.which("qa-bot", path=str(Path(sys.executable).parent))
    assert script
    serve = [
        *(script, "serve", "--no-watch", "--rate-limit", "0"),
        *("--index", str(article_index), "--port", str(port)),
    ]
    said = {question: json.dumps(article_bot.ask(question).text) for question in QUESTIONS}
    over = time.monotonic() + 25

    def client(number: int) -> tuple[int, int]:
        """(right answers, failures) until it is over; what is answered is right."""
        right = failed = 0
        while time.monotonic() < over:
            question = QUESTIONS[(number + right) % len(QUESTIONS)]
            try:
                answer = ask(port, question)
            except (OSError, ValueError, http.client.HTTPException):
                failed += 1
                time.sleep(0.2)
                continue
            assert f'"text": {said[question]}' in answer
            right += 1
        assert ask(port, QUESTIONS[0])  # it is back for everyone
        return right, failed

    with ThreadPoolExecutor(10) as pool, subprocess.Popen(serve, stderr=subprocess.DEVNULL) as first:
        clients = [pool.submit(client, number) for number in range(10)]
        time.sleep(10)
        first.kill()
        first.wait()
        with subprocess.Popen(serve, stderr=subprocess.DEVNULL) as second:
            counts = [future.result() for future in clients]
            second.kill()
    assert all(right > 0 and failed > 0 for right, failed in counts), counts


ANY_TEXT = st.text(st.characters(), max_size=300)  # longer ones are cut or refused, and tested elsewhere
TURNS = st.lists(st.builds(Turn, question=ANY_TEXT, answer=st.none() | ANY_TEXT), max_size=3)


@pytest.mark.timeout(900)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),  # a smaller example is not worth minutes
)
@given(question=ANY_TEXT, history=TURNS)
def test_question_and_history_of_any_characters_are_answered_or_refused(
    article_bot: QABot, question: str, history: list[Turn]
) -> None:
    try:
        answer = article_bot.ask(question, history)
    except QABotError as error:
        assert str(error)
        return
    assert 0 <= answer.score <= 1
    assert answer.abstained == (answer.text is None) == (not answer.citations)
    for citation in answer.citations:
        assert citation.quote
        assert article_bot.document(citation.source).text[citation.start : citation.end] == citation.quote
