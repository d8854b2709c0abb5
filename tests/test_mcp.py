"""Asked by the Model Context Protocol: the protocol's own client, against the server as it is."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from gradio_client import Client
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from serving import serving

from qa_bot import QABot
from qa_bot.server import MAX_BODY_BYTES, Guard

FIRST_LIGHT = "How many countries took part in First Light 2022?"
UNSAID = "What is the capital of France?"
LOGIN = ("ann", "s:ecret")
PASSWORD = {"Authorization": "Basic " + base64.b64encode(b"ann:s:ecret").decode()}

Talk = Callable[[ClientSession], Awaitable[Any]]


@pytest.fixture(scope="module")
def port(article_bot: QABot) -> Iterator[int]:
    """A server that asks for a password."""
    with serving(article_bot, Guard(login=LOGIN), mcp=True) as port:
        yield port


@asynccontextmanager
async def session(port: int, headers: dict[str, str]) -> AsyncIterator[ClientSession]:
    async with (
        httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as client,
        streamable_http_client(f"http://127.0.0.1:{port}/gradio_api/mcp/", http_client=client) as streams,
        ClientSession(streams[0], streams[1]) as connected,
    ):
        await connected.initialize()
        yield connected


def talk(port: int, what: Talk, headers: dict[str, str] = PASSWORD) -> Any:
    async def run() -> Any:
        async with session(port, headers) as connected:
            return await what(connected)

    return anyio.run(run)


def call(port: int, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
    """(whether it is an error, the text) of what a tool gives."""
    result = talk(port, lambda connected: connected.call_tool(tool, arguments))
    return bool(result.isError), result.content[0].text


def test_there_are_two_tools_that_say_what_they_do_and_take(port: int) -> None:
    tools = {tool.name: tool for tool in talk(port, lambda connected: connected.list_tools()).tools}
    assert list(tools) == ["ask", "retrieve"]
    assert "with citations" in tools["ask"].description and "verbatim" in tools["retrieve"].description
    taken = {name: tool.inputSchema["properties"] for name, tool in tools.items()}
    narrowed = ["sources", "since", "until"]
    assert list(taken["ask"]) == ["question", "history", *narrowed]
    assert list(taken["retrieve"]) == ["question", "top_k", *narrowed]
    assert taken["ask"]["question"]["type"] == "string"
    assert all(field["description"] for fields in taken.values() for field in fields.values())
    assert all(tool.inputSchema["required"] == ["question"] for tool in tools.values())


def test_ask_gives_the_answer_with_its_citations_and_retrieve_the_passages(
    port: int, article_bot: QABot
) -> None:
    expected = article_bot.ask(FIRST_LIGHT)
    failed, text = call(port, "ask", {"question": FIRST_LIGHT})
    said = json.loads(text)
    assert not failed and said["text"] == expected.text
    assert said["citations"][0]["quote"] == expected.citations[0].quote
    turn = {"question": FIRST_LIGHT, "answer": expected.text}
    assert "Interpol" in call(port, "ask", {"question": "And who started it?", "history": [turn]})[1]
    assert json.loads(call(port, "ask", {"question": UNSAID})[1])["abstained"]
    found = json.loads(call(port, "retrieve", {"question": FIRST_LIGHT, "top_k": 2})[1])
    assert [p["passage"]["text"] for p in found] == [n.passage.text for n in expected.nearest[:2]]


def test_what_cannot_be_answered_is_an_error_in_one_sentence(port: int) -> None:
    failed, text = call(port, "ask", {"question": " "})
    assert failed and text.strip("'") == "The question is blank. Type a question."
    assert call(port, "greet", {})[0]


def test_no_question_is_logged(
    port: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "Is my neighbour called Zebedee?"
    asked: list[dict[str, Any]] = [
        {"question": secret},
        {"question": secret * 200},
        {"question": secret, "history": secret},
        {"question": secret, "history": [{"question": 5}]},
        {"question": [secret]},
        {secret: secret},
    ]
    for arguments in asked:
        call(port, "ask", arguments)
    logged = capfd.readouterr()
    assert "Zebedee" not in logged.out + logged.err + caplog.text


@pytest.mark.parametrize("path", ["mcp/", "mcp/messages/", "mcp/sse", "mcp/schema"])
def test_who_may_not_ask_is_refused_on_every_route(port: int, path: str) -> None:
    for headers, status in (
        ({}, 401),
        ({**PASSWORD, "Host": "evil.example"}, 421),
        ({**PASSWORD, "Origin": "https://evil.example"}, 403),
    ):
        with httpx.Client(trust_env=False, timeout=30) as client:
            response = client.post(f"http://127.0.0.1:{port}/gradio_api/{path}", json={}, headers=headers)
        assert response.status_code == status


def test_without_the_password_there_is_no_session_and_no_request_is_too_long(port: int) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        long = client.post(
            f"http://127.0.0.1:{port}/gradio_api/mcp/", content=b" " * (MAX_BODY_BYTES + 1), headers=PASSWORD
        )
    assert long.status_code == 413
    with pytest.raises(BaseExceptionGroup):
        talk(port, lambda connected: connected.list_tools(), headers={})


def test_an_address_that_the_caller_makes_up_is_not_asked(port: int, article_bot: QABot) -> None:
    forged = {**PASSWORD, "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    result = talk(port, lambda connected: connected.call_tool("ask", {"question": FIRST_LIGHT}), forged)
    assert json.loads(result.content[0].text)["text"] == article_bot.ask(FIRST_LIGHT).text


def test_the_limit_of_requests_holds_and_the_http_endpoints_stay_as_they_are(article_bot: QABot) -> None:
    with serving(article_bot, Guard(per_minute=10), mcp=True) as port:
        client = Client(f"http://127.0.0.1:{port}", verbose=False)
        assert client.predict(FIRST_LIGHT, api_name="/ask")["text"] == article_bot.ask(FIRST_LIGHT).text
        url = f"http://127.0.0.1:{port}/gradio_api/mcp/"
        with httpx.Client(trust_env=False) as plain:
            said = [plain.post(url, json={}).status_code for _ in range(10)]
    assert said[-1] == 429 and 429 not in said[:5]


def test_without_the_flag_there_is_none(article_bot: QABot) -> None:
    with serving(article_bot) as port, httpx.Client(trust_env=False) as client:
        for method in ("GET", "POST"):
            response = client.request(method, f"http://127.0.0.1:{port}/gradio_api/mcp/", json={})
            assert response.status_code in (404, 405)
