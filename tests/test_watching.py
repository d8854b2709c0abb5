"""The index kept up to date: real processes, real files, a server that takes up each build."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from conftest import FakeEncoder
from serving import free_port
from strategies import write

from qa_bot import IndexBusy, QABotError, Settings, SourcesError, build_index
from qa_bot.build import BuildReport
from qa_bot.manifest import current_build, read_manifest
from qa_bot.publishing import alone, roll_back
from qa_bot.watching import watch_sources

FILES = {"b.txt": "The museum opened in 1998."}
PATIENCE_S = 60


def _until(met: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)


@contextmanager
def _qa_bot(log: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """The console script in a process of its own, stopped by Ctrl+C."""
    script = shutil.which("qa-bot", path=str(Path(sys.executable).parent))
    assert script
    kept = "QA_BOT_CACHE"
    env = {name: v for name, v in os.environ.items() if not name.startswith("QA_BOT_") or name == kept}
    with log.open("w") as stream, subprocess.Popen(
        [script, *map(str, arguments)], env=env, stdout=stream, stderr=stream
    ) as process:  # fmt: skip
        try:
            yield process
            assert process.poll() is None, log.read_text()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def watched(settings: Settings) -> Iterator[tuple[Settings, list[BuildReport | QABotError]]]:
    """A folder that is watched, with the fake encoder, and what comes of it."""
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    results: list[BuildReport | QABotError] = []
    stop = threading.Event()
    tell = results.append
    watcher = threading.Thread(
        target=watch_sources,
        args=(settings.sources, settings.index, partial(build_index, settings, FakeEncoder()), tell, stop),
    )
    watcher.start()
    yield settings, results
    stop.set()
    watcher.join(timeout=PATIENCE_S)
    assert not watcher.is_alive()


def test_changes_are_built_errors_are_told_and_a_rollback_is_respected(
    watched: tuple[Settings, list[BuildReport | QABotError]],
) -> None:
    settings, results = watched
    write(settings.sources, FILES | {"new.txt": "Two rivers meet."})
    _until(lambda: len(results) == 1)
    assert isinstance(results[0], BuildReport) and results[0].embedded == 1
    write(settings.sources, {})
    _until(lambda: len(results) == 2)
    assert isinstance(results[1], SourcesError)
    write(settings.sources, FILES | {"deep/new.txt": "Two rivers meet."})
    _until(lambda: len(results) == 3)
    roll_back(settings.index)
    back = current_build(settings.index)
    write(settings.sources, FILES | {"other.txt": "A fox lives here."})
    time.sleep(2)
    assert current_build(settings.index) == back and len(results) == 3


def test_what_changed_while_another_process_builds_is_built_after_it(
    watched: tuple[Settings, list[BuildReport | QABotError]],
) -> None:
    settings, results = watched
    with alone(settings.index):
        write(settings.sources, FILES | {"new.txt": "Two rivers meet."})
        time.sleep(1.5)
        assert not results
        with pytest.raises(IndexBusy):
            build_index(settings, FakeEncoder())
    _until(lambda: len(results) == 1)
    assert "new.txt" in read_manifest(settings.index).sources


def test_index_watch_builds_again_and_stops_with_ctrl_c(settings: Settings, tmp_path: Path) -> None:
    write(settings.sources, FILES)
    log = tmp_path / "log"
    folders = ("--sources", settings.sources, "--index", settings.index)
    with _qa_bot(log, "index", "--watch", *folders):
        _until(lambda: "Watching" in log.read_text())
        write(settings.sources, FILES | {"new.txt": "Two rivers meet."})
        _until(lambda: "Indexed 2 documents, 2 passages (1 embedded)" in log.read_text())


def _ask(port: int, question: str) -> dict[str, object]:
    url = f"http://127.0.0.1:{port}/gradio_api/call/ask"
    request = urllib.request.Request(
        url, json.dumps({"data": [question]}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        event = json.load(response)["event_id"]
    with urllib.request.urlopen(f"{url}/{event}", timeout=30) as response:
        answer: dict[str, object] = json.loads(response.read().decode().rpartition("data: ")[2])[0]
        return answer


def test_a_server_takes_up_what_changed_without_a_restart(settings: Settings, tmp_path: Path) -> None:
    write(settings.sources, FILES)
    build_index(settings)
    log, port = tmp_path / "log", free_port()
    with _qa_bot(log, "serve", "--index", settings.index, "--port", port):

        def said(question: str) -> object:
            try:
                return _ask(port, question)["text"]
            except OSError:
                return None

        _until(lambda: said("When did the museum open?") == "1998")
        write(settings.sources, {"b.txt": "The museum opened in 2005."})
        _until(lambda: said("When did the museum open?") == "2005")
        write(settings.sources, {"c.txt": "The station opened in 1911."})
        _until(lambda: said("When did the station open?") == "1911")
        assert said("When did the museum open?") != "2005"
    assert "Indexed 1 document" in log.read_text()
