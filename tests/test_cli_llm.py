"""qa-bot ask and serve with a language model, as processes of their own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import ROOT
from llm_servers import KEY, scripted
from serving import free_port
from test_cli import process_env
from tiny_llm import make_tiny_llm

from qa_bot import QABot

FIRST_LIGHT = "How many countries took part in First Light 2022?"


QA_BOT = (sys.executable, "-c", "from qa_bot.cli import main; main()")


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    return process_env({"PYTHONPATH": str(ROOT)} | dict(extra))


def qa_bot(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*QA_BOT, *args], env=environment(env), capture_output=True, encoding="utf-8", timeout=120
    )


def says(bot: QABot) -> str:
    retrieved = enumerate(bot.retrieve(FIRST_LIGHT), start=1)
    n = next(n for n, s in retrieved if "2,000 arrests" in s.passage.text)
    return f"The operation led to 2,000 arrests [{n}]. It led to \x1b3,000 arrests [{n}]. Nobody knows."


def test_ask_prints_the_answer_then_each_checked_sentence(article_index: Path, article_bot: QABot) -> None:
    with scripted(m=says(article_bot)) as server:
        done = qa_bot(
            "ask", FIRST_LIGHT, "--index", str(article_index),
            QA_BOT_LLM="m", QA_BOT_LLM_URL=server.url, QA_BOT_LLM_KEY=KEY,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert server.asked[0][0]["Authorization"] == f"Bearer {KEY}" and KEY not in done.stdout
    extractive, _, sentences = done.stdout.partition("\nThe operation led to 2,000 arrests. [2]\n")
    assert extractive.startswith("one of 76\n")
    quote, place, struck, why, *_ = (line for line in sentences.splitlines() if line)
    assert quote.startswith("  Initiated by Interpol, the operation led to 2,000 arrests")
    assert place.startswith("  [2] china-cyberspace-governance.md, characters ")
    assert "3,000 arrests" in struck and "\x1b" not in struck
    assert why == "  Struck out: The cited words do not have the number 3000. Instead: [2]"
    assert done.stdout.endswith("2 sentences were struck out: the cited words do not say them.\n")


def test_json_of_such_an_answer_verifies(article_index: Path, article_bot: QABot, tmp_path: Path) -> None:
    with scripted(m=says(article_bot)) as server:
        llm = ("--llm", "m", "--llm-url", server.url)
        done = qa_bot("ask", FIRST_LIGHT, "--index", str(article_index), "--json", *llm)
    answer = json.loads(done.stdout)
    assert answer["kind"] == "prose" and [s["why"] is None for s in answer["sentences"]] == [
        True,
        False,
        False,
    ]
    (tmp_path / "answer.json").write_text(done.stdout)
    shutil.copytree(ROOT / "sources", tmp_path / "sources")
    checked = qa_bot("verify", str(tmp_path / "answer.json"), "--sources", str(tmp_path / "sources"))
    assert (checked.returncode, checked.stdout.count("stands")) == (0, 2)


def test_without_its_server_the_answer_is_given_with_a_note(article_index: Path) -> None:
    llm = ("--llm", "m", "--llm-url", f"http://127.0.0.1:{free_port()}/v1")
    done = qa_bot("ask", FIRST_LIGHT, "--index", str(article_index), *llm)
    assert (done.returncode, done.stderr) == (0, "")
    assert "one of 76" in done.stdout and "could not be reached. This is the answer in the" in done.stdout


def test_a_local_model_answers_in_checked_sentences(article_index: Path, tmp_path: Path) -> None:
    says = "The white paper was issued by State Council Information Office on March 16. [1]"
    model = make_tiny_llm(tmp_path, says)
    asked = ("ask", "When was the white paper issued?", "--index", str(article_index), "--json")
    answer = json.loads(qa_bot(*asked, "--llm", str(model)).stdout)
    assert answer["parts"][0]["text"] == "March 16"
    assert [sentence["why"] for sentence in answer["sentences"]] == [None]
    assert answer["text"] == f"{says[:-4]} [1]"


@pytest.mark.parametrize("command", [("ask", "Why?"), ("serve",)])
def test_what_names_no_model_or_no_server_is_one_message(command: tuple[str, ...]) -> None:
    nameless = qa_bot(*command, "--llm-url", "http://127.0.0.1:1/v1")
    assert nameless.returncode == 2 and "--llm-url needs the name of a model" in nameless.stderr
    nowhere = qa_bot(*command, "--llm", "m", "--llm-url", "nowhere")
    assert nowhere.returncode == 1 and nowhere.stderr.startswith("Error: --llm-url takes the address")


def test_serve_takes_a_model(article_index: Path) -> None:
    port = free_port()
    command = [
        *QA_BOT, "serve", "--index", str(article_index), "--no-watch",
        "--port", str(port), "--llm", "m", "--llm-url", "http://127.0.0.1:1/v1",
    ]  # fmt: skip
    with subprocess.Popen(command, env=environment({"QA_BOT_LLM_KEY": KEY}), stdout=-1, stderr=-1) as process:
        try:
            assert process.stdout and b"Ask at" in process.stdout.readline()
        finally:
            process.terminate()
            out, err = process.communicate(timeout=30)
    assert KEY.encode() not in out + err
