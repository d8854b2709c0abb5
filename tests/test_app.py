"""The server without a browser: its one endpoint, what it refuses, and how it shows text as text."""

import dataclasses
import html
import http.client
import itertools
import json
import re
import string
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import ARTICLE, ROOT, FakeEncoder
from gradio_client import Client
from gradio_client.exceptions import AppError
from hypothesis import given
from hypothesis import strategies as st
from serving import serving

from qa_bot import QABot, QABotError, Settings, Turn, build_index
from qa_bot.phrases import ENGLISH
from qa_bot.rendering import answer_html, as_text, document_html

FIRST_LIGHT = "How many countries took part in First Light 2022?"
FOLLOW_UP = "And who started it?"
WHITE_PAPER = "When was the white paper issued?"


@pytest.fixture(scope="module")
def port(article_bot: QABot) -> Iterator[int]:
    """The port of a server of the app over the article."""
    with serving(article_bot) as port:
        yield port


def connect(port: int) -> Client:
    return Client(f"http://127.0.0.1:{port}", verbose=False)


def post(port: int, path: str, body: object) -> tuple[str, Any]:
    """Call an endpoint as any HTTP client would: the name and data of the event that ends the call."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/gradio_api/call/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        event_id = json.load(response)["event_id"]
    stream = f"http://127.0.0.1:{port}/gradio_api/call/{path.split('/')[-1]}/{event_id}"
    with urllib.request.urlopen(stream, timeout=30) as response:
        event, data = response.read().decode().strip().splitlines()[-2:]
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def as_json(bot: QABot, question: str, *history: Turn) -> Any:
    """What the endpoint is to give: the Python answer, through JSON."""
    return json.loads(json.dumps(dataclasses.asdict(bot.ask(question, history))))


# The endpoint.


def test_ask_gives_the_python_answer_to_gradio_client_and_to_plain_http(
    port: int, article_bot: QABot
) -> None:
    expected = as_json(article_bot, FIRST_LIGHT)
    assert "76" in expected["text"]
    assert connect(port).predict(FIRST_LIGHT, api_name="/ask") == expected
    assert post(port, "ask", {"data": [FIRST_LIGHT, None]}) == ("complete", [expected])
    assert post(port, "ask", {"data": [FIRST_LIGHT]}) == ("complete", [expected])
    assert post(port, "v2/ask", {"question": FIRST_LIGHT}) == ("complete", [expected])


def test_follow_up_is_understood_with_the_history_that_is_sent_along(port: int, article_bot: QABot) -> None:
    first = article_bot.ask(FIRST_LIGHT)
    expected = as_json(article_bot, FOLLOW_UP, Turn(question=FIRST_LIGHT, answer=first.text))
    assert "Interpol" in expected["text"]
    turn = {"question": FIRST_LIGHT, "answer": first.text}
    assert connect(port).predict(FOLLOW_UP, [turn], api_name="/ask") == expected
    assert post(port, "ask", {"data": [FOLLOW_UP, [turn]]}) == ("complete", [expected])


def test_ask_and_retrieve_are_narrowed_by_what_is_sent_along(port: int, article_bot: QABot) -> None:
    only = {"sources": ["china-*"], "since": "2023-04-03", "until": "3 April 2023"}
    day = date(2023, 4, 3)
    expected = article_bot.ask(FIRST_LIGHT, sources=["china-*"], since=day, until=day)
    event, [said] = post(port, "v2/ask", {"question": FIRST_LIGHT, **only})
    assert event == "complete" and said == json.loads(json.dumps(dataclasses.asdict(expected)))
    assert said["notes"][0].startswith("Looked only in 1 document, dated from 3 April 2023 to 3 April 2023")
    event, [found] = post(port, "retrieve", {"data": [FIRST_LIGHT, 2, *only.values()]})
    assert event == "complete" and len(found) == 2
    for wrong, words in (
        ({"sources": "china-*"}, "sources must be a list"),
        ({"sources": ["lost/*"]}, "holds none of the documents asked for"),
        ({"since": "soon"}, "since must be a day such as 2023-01-31, but it is 'soon'."),
        ({"until": 5}, "until must be a day"),
        ({"until": "2020-01-01"}, "No document is dated 1 January 2020 or earlier."),
    ):
        for route in ("v2/ask", "v2/retrieve"):
            event, data = post(port, route, {"question": FIRST_LIGHT, **wrong})
            assert event == "error" and words in data["error"]


def test_endpoint_remembers_nothing_of_a_caller(port: int, article_bot: QABot) -> None:
    one, other = connect(port), connect(port)
    alone = as_json(article_bot, FOLLOW_UP)
    one.predict(FIRST_LIGHT, api_name="/ask")
    other.predict(WHITE_PAPER, api_name="/ask")
    assert one.predict(FOLLOW_UP, api_name="/ask") == alone
    assert other.predict(FOLLOW_UP, api_name="/ask") == alone


def test_ask_and_retrieve_are_the_only_public_endpoints(port: int) -> None:
    info = connect(port).view_api(return_format="dict", print_info=False)
    assert list(info["named_endpoints"]) == ["/ask", "/retrieve"]
    assert info["unnamed_endpoints"] == {}


@pytest.mark.parametrize("question", ["", " \n\t ", "why " * 25_000])
def test_question_that_cannot_be_answered_is_a_clear_error(
    port: int, article_bot: QABot, question: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(QABotError) as expected:
        article_bot.ask(question)
    with pytest.raises(AppError, match=re.escape(str(expected.value))):
        connect(port).predict(question, api_name="/ask")
    event, data = post(port, "ask", {"data": [question, None]})
    assert (event, data["error"]) == ("error", str(expected.value))
    assert capfd.readouterr().err == ""  # an error of the caller is no news for the server's log


@pytest.mark.parametrize(
    "arguments",
    [
        [5, None],
        [None, None],
        [["Why?"], None],
        [FOLLOW_UP, "Why?"],
        [FOLLOW_UP, 5],
        [FOLLOW_UP, ["Why?"]],
        [FOLLOW_UP, {"question": "Why?", "answer": None}],
        [FOLLOW_UP, [{"answer": "So."}]],
        [FOLLOW_UP, [{"question": None, "answer": None}]],
        [FOLLOW_UP, [{"question": "Why?", "answer": 5}]],
    ],
    ids=repr,
)
def test_arguments_of_a_wrong_kind_are_a_clear_error(
    port: int, arguments: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    event, data = post(port, "ask", {"data": arguments})
    assert event == "error"
    assert re.search("question|history", str(data["error"]))
    assert capfd.readouterr().err == ""


def test_history_of_any_characters_and_any_length_is_answered_or_refused_clearly(port: int) -> None:
    for earlier in ("\ud800 First Light \x1b[2J\0", " ", "First Light countries " * 100_000):
        event, data = post(port, "ask", {"data": [FOLLOW_UP, [{"question": earlier, "answer": earlier}]]})
        assert event == "complete" or data["error"], f"{earlier[:20]!r}: {data}"


def test_server_logs_no_question(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "Is my neighbour called Zebedee?"
    for arguments in ([secret, None], [secret], [secret * 200, None], [FOLLOW_UP, [{"question": secret}]]):
        post(port, "ask", {"data": arguments})
    post(port, "v2/ask", {"question": secret, "history": secret})
    logged = capfd.readouterr()
    assert "Zebedee" not in logged.out + logged.err


def test_notes_and_resolved_dates_are_shown_as_text_outside_the_quote(article_bot: QABot) -> None:
    answer = article_bot.ask(FIRST_LIGHT)
    shown = answer_html(answer, 0, ENGLISH)
    assert '<p class="note meant">“March to June last year” here means March to June 2022</p>' in shown
    hostile = dataclasses.replace(
        answer,
        notes=(HOSTILE_TITLE,),
        citations=(dataclasses.replace(answer.citations[0], resolved=((HOSTILE, HOSTILE_TITLE),)),),
    )
    for shown in (
        answer_html(hostile, 0, ENGLISH),
        answer_html(dataclasses.replace(hostile, text=None, abstained=True, citations=()), 0, ENGLISH),
    ):
        markup = Markup(shown)
        assert HOSTILE_TITLE in markup.text and not {"img", "script"} & {
            tag.split()[0] for tag in markup.tags
        }


@pytest.mark.parametrize(
    "escape", ["/etc/passwd", "../../../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd"]
)
def test_server_gives_out_no_file_of_the_machine(port: int, article_index: Path, escape: str) -> None:
    files = [escape, str(article_index / "CURRENT"), "pyproject.toml", str(ROOT / "sources" / ARTICLE)]
    routes = ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/", "/assets/", "/")
    for route, file in itertools.product(routes, files):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)  # sends paths as they are
        connection.request("GET", route + file)
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        assert 400 <= response.status < 500, route + file
        assert not re.search(r"root:|\[project\]|Interpol|\d{8}T\d{6}-", body), route + file


def test_threads_that_share_a_bot_get_the_answers_that_one_gets(article_bot: QABot) -> None:
    questions = [FIRST_LIGHT, WHITE_PAPER, "Who is Wang Yi?", "What is the capital of France?"]
    alone = [article_bot.ask(question, top_k=1) for question in questions]
    together = threading.Barrier(32)

    def ask(number: int) -> bool:
        together.wait(timeout=30)
        return article_bot.ask(questions[number % 4], top_k=1) == alone[number % 4]

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(32)))


# Text as text.

HOSTILE_TITLE = "<img src=x onerror=alert(1)> ${7*7} {{7*7}} **title**"
HOSTILE_HEADING = "<script>alert(2)</script> & `heading`"
HOSTILE = (
    "The kettle </div></body><script>alert(3)</script> boils ${7*7} and {{7*7}} {% raw %} litres, "
    '<img src=x onerror="alert(4)"> **very** $$x^2$$ [fast](javascript:alert(5)) &lt;b&gt;\n\n\tindented'
)


class Markup(HTMLParser):
    """The tags and the text of an HTML fragment."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(" ".join([tag, *(f"{name}={value}" for name, value in attrs)]))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters() | st.sampled_from("\r\n\0\t <>&;#$"), max_size=200))
def test_every_character_of_a_text_stands_for_itself_in_html_and_markdown(text: str) -> None:
    shown = as_text(text)
    assert html.unescape(shown.replace("<br>", "\n")) == text.replace("\r", "").replace("\0", "\ufffd")
    bare = re.sub(r"&#[0-9]+;|<br>", "", shown)
    assert not set(bare) & set(string.punctuation)


def test_document_of_markup_is_shown_whole_and_has_no_tag_of_its_own(
    settings: Settings, encoder: FakeEncoder
) -> None:
    source = "<b>kettle</b>.md" if Path("/").anchor == "/" else "kettle.md"
    title = json.dumps(HOSTILE_TITLE)
    path = settings.sources / source.replace("/", "\N{DIVISION SLASH}")
    path.write_text(f"---\ntitle: {title}\nauthor: {title}\n---\n\n# {HOSTILE_HEADING}\n\n{HOSTILE}\n")
    build_index(settings, encoder)
    bot = QABot.open(settings.index, encoder=encoder)
    passage = bot.retrieve("What does the kettle boil?")[0].passage
    shown = document_html(bot, passage, ENGLISH)

    markup = Markup(shown)
    assert [tag.split()[0] for tag in markup.tags] == ["h2", "p", "div", "div", "mark"]
    assert bot.document(passage.source).text in markup.text
    assert HOSTILE_TITLE in markup.text
    for raw in ("<script", "<img", "<b>", "onerror=", "${", "{{", "{%", "$$", "**", "javascript:", "`"):
        assert raw not in shown
