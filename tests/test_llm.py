"""Language models that answer, and that fail: one plain sentence, in bounded time, never the key."""

import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from llm_servers import KEY, event, events, scripted
from serving import free_port
from tiny_llm import make_tiny_llm

from qa_bot.errors import LLMError
from qa_bot.llm import LLM, Limits, open_llm

SAYS = "The white paper was issued by State Council Information Office on March 16. [1]"
ASKED = [{"role": "user", "content": "When was the white paper issued?"}]
SHORT = Limits(connect_s=1, silence_s=0.3, total_s=1.5, retries=2, wait_s=0.01, characters=200)


def read(llm: LLM) -> str:
    return "".join(llm.stream(ASKED))


def drip() -> Iterator[Any]:
    """Signs of life that say nothing, for ever."""
    while True:
        yield b": still there\n\n"
        yield 0.05


def once_busy() -> Any:
    """429 the first time, then an answer."""
    calls = iter([429, 500])
    return lambda _: next(calls, SAYS)


@pytest.fixture(scope="module")
def tiny_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("llm"), SAYS)


def test_a_server_streams_and_is_asked_with_the_key_at_temperature_nought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "somebody")
    monkeypatch.setenv("OPENAI_API_KEY", "of-another-server")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with scripted(m=SAYS) as server:
        assert list(open_llm("m", server.url, KEY).stream(ASKED))[:3] == ["The ", "white ", "paper "]
        assert read(open_llm("m", server.url)) == SAYS
    (headers, body), (keyless, _) = server.asked
    assert headers["Authorization"] == f"Bearer {KEY}" and "OpenAI-Organization" not in headers
    assert keyless["Authorization"] == "Bearer none"
    assert (body["messages"], body["temperature"], body["stream"]) == (ASKED, 0, True)


@pytest.mark.parametrize(
    ("says", "said", "times"),
    [
        (429, "is asked too much at the moment", 3),
        (500, "failed with status 500", 3),
        (401, "refused the key", 1),
        (404, "was not found there", 1),
        (307, "failed with status 307", 1),
        ([1.0], "did not answer in time", 3),
        (drip(), "did not answer in time", 1),
        ([b"data: {not json\n\n"], "sent what is no answer", 1),
        ([b'data: {"choices": 7}\n\n'], "sent what is no answer", 1),
        ([b"<html>hello</html>"], "sent what is no answer", 1),
        ([], "sent what is no answer", 1),
        (list(events("Half an", finish=None)), "sent what is no answer", 1),
    ],
    ids=str,
)
def test_a_server_that_misbehaves_is_one_sentence_in_bounded_time_without_the_key(
    says: Any, said: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with scripted(m=says) as server, pytest.raises(LLMError) as failed:
        llm = open_llm("m", server.url, KEY, SHORT)
        read(llm)
    port = server.server_address[1]
    assert str(failed.value).startswith(f"The model m at 127.0.0.1:{port} {said}")
    assert len(server.asked) == times
    shown = (
        "".join(traceback.format_exception(failed.value)) + caplog.text + repr(vars(failed.value)) + repr(llm)
    )
    assert KEY not in shown


def test_what_passes_is_tried_again() -> None:
    with scripted(m=once_busy()) as server:
        assert read(open_llm("m", server.url, limits=SHORT)) == SAYS
    assert len(server.asked) == 3


def test_an_answer_without_end_is_cut() -> None:
    with scripted(
        m=(event({"delta": {"content": "more "}, "finish_reason": None}) for _ in iter(int, 1))
    ) as server:
        assert len(read(open_llm("m", server.url, limits=SHORT))) == SHORT.characters


def test_no_server_no_key_and_no_address_are_one_sentence() -> None:
    with pytest.raises(LLMError, match="could not be reached"):
        read(open_llm("m", f"http://127.0.0.1:{free_port()}/v1", limits=SHORT))
    with scripted(m=401) as server, pytest.raises(LLMError, match="asks for a key: set QA_BOT_LLM_KEY"):
        read(open_llm("m", server.url, limits=SHORT))
    for address in ("ftp://127.0.0.1", "127.0.0.1:1", "http://", "http://[::1", "http://h:x"):
        with pytest.raises(LLMError, match="--llm-url takes the address of a server"):
            open_llm("m", address)
    with pytest.raises(LLMError) as failed:
        read(open_llm("m", f"http://user:{KEY}@127.0.0.1:{free_port()}/v1", limits=SHORT))
    assert KEY not in str(failed.value)


def test_without_the_client_one_sentence_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(LLMError, match=r"pip install 'qa-bot\[llm\]'"):
        open_llm("m", "http://127.0.0.1:1/v1")


def test_a_real_model_behind_a_real_server_process(tiny_llm: Path) -> None:
    port = free_port()
    command = [sys.executable, str(ROOT / "tests" / "llm_servers.py"), str(tiny_llm), str(port)]
    with subprocess.Popen(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}) as process:
        try:
            patient = Limits(retries=7, wait_s=0.5, total_s=120)  # it takes a while to start
            llm = open_llm("any", f"http://127.0.0.1:{port}/v1", limits=patient)
            assert read(llm) == SAYS
        finally:
            process.kill()


def test_a_local_model_answers_in_a_process_of_its_own_again_and_again(tiny_llm: Path) -> None:
    llm = open_llm(str(tiny_llm))
    assert read(llm) == SAYS
    stream = llm.stream(ASKED)
    assert next(piece for piece in stream if piece) == "The "
    stream.close()  # type: ignore[attr-defined]  # whoever asked has gone
    assert read(llm) == SAYS
    llm.close()  # type: ignore[attr-defined]


def test_a_local_model_that_cannot_be_loaded_or_takes_too_long_is_one_sentence(
    tmp_path: Path, tiny_llm: Path
) -> None:
    with pytest.raises(LLMError, match=r"The model .*nothing cannot be used: OSError"):
        read(open_llm(str(tmp_path / "nothing")))
    with pytest.raises(LLMError, match="did not answer in time"):
        read(open_llm(str(tiny_llm), limits=Limits(total_s=0.2)))
