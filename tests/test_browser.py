"""The page in a real browser, with the eyes and hands of a user."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import ARTICLE, ROOT
from gradio.queueing import Queue
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    expect,
)
from serving import serving

from qa_bot import QABot, Settings, app, build_index
from qa_bot.editing import Editor
from qa_bot.encoder import OnnxEncoder
from qa_bot.feedback import drafts
from qa_bot.live import LiveBot
from qa_bot.server import Guard
from qa_bot.transcript import citations_of
from qa_bot.types import Answer

pytestmark = pytest.mark.browser

FIRST_LIGHT = "How many countries took part in First Light 2022?"
FOLLOW_UP = "And who started it?"
WHITE_PAPER = "When was the white paper issued?"
CONFERENCE = "What has China hosted every year since 2014?"
UNSAID = "What is the capital of France?"
REPORT = ROOT / "evals" / "reports" / "article"

# Whether the highlighted words are where the reader sees them without scrolling.
MARK_IS_IN_SIGHT = """() => {
    const mark = document.querySelector('#source mark').getBoundingClientRect();
    const box = document.querySelector('#source .scroll').getBoundingClientRect();
    return mark.height > 0 && mark.top >= box.top && mark.bottom <= Math.min(box.bottom, innerHeight);
}"""

# Whether an element of the chat is neither scrolled away nor under the chat's label.
IS_IN_SIGHT = """element => {
    const own = element.getBoundingClientRect();
    const log = document.querySelector('#chat [role=log]').getBoundingClientRect();
    const label = document.querySelector('#chat label')?.getBoundingClientRect();
    const covered = label && own.left < label.right && own.top < label.bottom;
    return own.top >= log.top && own.bottom <= log.bottom && !covered;
}"""

# Whether nothing lies over the middle of an element.
IS_ON_TOP = """element => {
    const {left, top, width, height} = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}"""


@pytest.fixture(scope="module")
def url(article_bot: QABot) -> Iterator[str]:
    """A server over the article."""
    with serving(article_bot) as port:
        yield f"http://127.0.0.1:{port}"


class Visitor:
    """Someone at the page. What no visitor may ever meet is in `faults`."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        self.page.set_default_timeout(20_000)
        self.dialogs = self._dialog
        self.page.on("dialog", self.dialogs)
        self.page.on("popup", lambda popup: self.faults.append(f"window {popup.url}"))
        self.page.on("pageerror", lambda error: self.faults.append(f"script error {error.stack}"))
        self.page.on("console", self._console)
        self.page.on("request", lambda request: self._request(request.url))
        self.page.on("websocket", lambda socket: self._request(socket.url))
        self.page.goto(url)
        expect(self.box).to_be_visible()

    def leave(self) -> None:
        self.page.close()
        assert self.faults == []

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console error {message.text}")

    def _request(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:http://127.0.0.1:")):
            self.faults.append(f"request to {url}")

    @property
    def box(self) -> Locator:
        return self.page.locator("#question textarea")

    @property
    def answers(self) -> Locator:
        return self.page.locator(".bot.message")

    @property
    def questions(self) -> Locator:
        return self.page.locator(".user.message")

    @property
    def mark(self) -> Locator:
        return self.page.locator("#source mark")

    def links(self, answer: int) -> Locator:
        return self.answers.nth(answer).locator('a[href^="#cite-"]')

    def ask(self, question: str) -> Locator:
        """Type a question, press Enter; the answer's element, once it is there."""
        before = self.answers.count()
        self.box.fill(question)
        self.box.press("Enter")
        expect(self.answers).to_have_count(before + 1)
        return self.answers.nth(before)

    def open_panel(self, panel: str) -> Locator:
        """Open a panel by its id: only, sources, inspect, report; what it shows, once it does."""
        shown = {
            "only": "#since",
            "sources": "#documents ul",
            "inspect": "#inspection table",
            "report": "#evaluation svg",
        }
        self.page.locator(f"#{panel} button").first.click()
        expect(self.page.locator(shown[panel]).first).to_be_visible()
        return self.page.locator(f"#{panel}")

    def barriers(self) -> list[tuple[str, str]]:
        """What axe finds serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]

    def expect_highlight(self, words: str) -> None:
        """The source pane highlights exactly `words`, where they can be seen."""
        self.page.wait_for_function(
            "words => document.querySelector('#source mark')?.textContent === words", arg=words
        )
        self.page.wait_for_function(MARK_IS_IN_SIGHT)


@pytest.fixture(scope="module")
def desktop(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield context
    context.close()


@pytest.fixture
def visitor(desktop: BrowserContext, url: str) -> Iterator[Visitor]:
    visitor = Visitor(desktop, url)
    yield visitor
    visitor.leave()


@pytest.fixture(scope="module")
def quote(article_bot: QABot) -> Callable[[str], str]:
    """The words that the answer to a question cites."""
    return cache(lambda question: article_bot.ask(question).citations[0].quote)


def held(bot: QABot, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Hold back the bot's answers until the event that is given is set."""
    answered, ask = threading.Event(), bot.ask

    def slow(*args: Any, **options: Any) -> Answer:
        answered.wait(20)
        return ask(*args, **options)

    monkeypatch.setattr(bot, "ask", slow)
    return answered


# Answers and their sources.


def test_answer_shows_its_sentence_and_the_source_highlights_exactly_the_cited_words(
    visitor: Visitor, article_bot: QABot
) -> None:
    expected = article_bot.ask(FIRST_LIGHT)
    citation = expected.citations[0]
    assert expected.text and "76" in expected.text
    answer = visitor.ask(FIRST_LIGHT)
    expect(answer).to_contain_text(expected.text)
    expect(visitor.questions).to_have_text([FIRST_LIGHT])
    expect(visitor.box).to_have_value("")
    visitor.expect_highlight(citation.quote)
    document = visitor.page.locator("#source .document").text_content()
    assert document == article_bot.document(citation.source).text
    expect(visitor.page.get_by_role("log")).to_have_attribute("aria-live", "polite")


def test_citation_of_an_earlier_answer_opens_its_words_again_by_click_and_by_keyboard(
    visitor: Visitor, quote: Callable[[str], str]
) -> None:
    visitor.ask(FIRST_LIGHT)
    visitor.ask(WHITE_PAPER)
    visitor.expect_highlight(quote(WHITE_PAPER))
    expect(visitor.box).to_be_focused()  # ready for the next question
    for _ in range(20):
        visitor.page.keyboard.press("Shift+Tab")
        if visitor.page.evaluate("document.activeElement.getAttribute('href') === '#cite-0-0'"):
            break
    visitor.page.keyboard.press("Enter")
    visitor.expect_highlight(quote(FIRST_LIGHT))
    visitor.links(1).click()
    visitor.expect_highlight(quote(WHITE_PAPER))
    visitor.page.locator("#source .scroll").evaluate("box => box.scrollTop = box.scrollHeight")
    visitor.links(1).click()  # the same again, for the reader has scrolled on
    visitor.expect_highlight(quote(WHITE_PAPER))
    assert "#" not in visitor.page.url  # a click on a citation leads nowhere else


def test_citations_open_their_own_words_also_after_more_exchanges_than_are_kept(
    visitor: Visitor, quote: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_EXCHANGES", 2)
    questions = (FIRST_LIGHT, WHITE_PAPER, CONFERENCE)
    for question in questions:
        visitor.ask(question)
        visitor.expect_highlight(quote(question))
    for kept in (1, 2):
        visitor.links(kept).click()
        visitor.expect_highlight(quote(questions[kept]))
    visitor.links(0).click()  # too old: none, or its own, but never other words
    expect(visitor.mark.filter(has_text=quote(CONFERENCE))).to_have_count(0)
    expect(visitor.mark.filter(has_text=quote(WHITE_PAPER))).to_have_count(0)


def test_abstention_says_so_in_sight_and_its_nearest_passages_open(
    visitor: Visitor, article_bot: QABot
) -> None:
    visitor.ask(FIRST_LIGHT)
    answer = visitor.ask(UNSAID)
    said = answer.get_by_text("The sources don't say")
    expect(said).to_be_visible()
    visitor.page.wait_for_timeout(500)  # the chat scrolls to its end
    assert said.evaluate(IS_IN_SIGHT)
    nearest = article_bot.ask(UNSAID).nearest
    expect(visitor.links(1)).to_have_count(3)
    for item in (1, 0):
        visitor.links(1).nth(item).click()
        visitor.expect_highlight(nearest[item].passage.text)


def test_example_is_asked_by_a_click(visitor: Visitor, quote: Callable[[str], str]) -> None:
    visitor.page.get_by_role("button", name=WHITE_PAPER).click()
    expect(visitor.answers).to_contain_text(["March 16"])
    visitor.expect_highlight(quote(WHITE_PAPER))


def test_a_suggested_question_is_asked_by_a_click_and_has_an_answer(visitor: Visitor) -> None:
    suggested = visitor.ask(FIRST_LIGHT).locator('a[href="#ask"]')
    expect(suggested).to_have_count(2)
    question = suggested.first.inner_text()
    suggested.first.click()
    expect(visitor.questions).to_have_text([FIRST_LIGHT, question])
    answer = visitor.answers.nth(1)
    expect(answer.locator(".sure")).to_have_text(re.compile("right$"))
    expect(answer.locator(".sure")).to_have_attribute("title", re.compile(r"Estimated probability: 0\.\d\d"))
    # What was asked is not suggested again; an abstention suggests what has an answer.
    expect(answer.locator('a[href="#ask"]').filter(has_text=question)).to_have_count(0)
    expect(visitor.ask(UNSAID).locator('a[href="#ask"]')).to_have_count(2)


def test_a_question_is_asked_again_edited_and_its_answer_copied(
    browser: Browser, url: str, article_bot: QABot
) -> None:
    with browser.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        visitor = Visitor(context, url)
        visitor.ask(FIRST_LIGHT)
        visitor.ask(WHITE_PAPER)
        visitor.answers.nth(0).get_by_text("Copy").click()
        expect(visitor.answers.nth(0).get_by_text("Copied")).to_be_visible()
        copied = visitor.page.evaluate("navigator.clipboard.readText()")
        answer = article_bot.ask(FIRST_LIGHT)
        assert copied.startswith(f"{answer.text}\n") and answer.citations[0].quote in copied
        visitor.answers.nth(1).get_by_text("Ask again").click()
        expect(visitor.answers.nth(1)).to_contain_text("March 16")
        expect(visitor.answers).to_have_count(2)
        visitor.answers.nth(0).get_by_text("Edit").click()
        expect(visitor.questions).to_have_count(0)
        expect(visitor.box).to_have_value(FIRST_LIGHT)
        visitor.ask(WHITE_PAPER)
        expect(visitor.questions).to_have_text([WHITE_PAPER])
        visitor.leave()


@pytest.mark.parametrize("kind", ["Markdown", "JSON"])
def test_a_conversation_is_saved_as_a_file_that_can_be_verified(
    visitor: Visitor, article_bot: QABot, kind: str
) -> None:
    visitor.ask(FIRST_LIGHT)
    visitor.ask(UNSAID)
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name=f"Save as {kind}").click()
    text = Path(download.value.path()).read_text()
    ((question, citation),) = citations_of(text)
    assert question == FIRST_LIGHT and citation == article_bot.ask(FIRST_LIGHT).citations[0]


# For everyone.


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_barrier_is_found_by_axe(
    browser: Browser, article_bot: QABot, tmp_path: Path, scheme: str
) -> None:
    with (
        serving(article_bot, feedback=tmp_path, report=REPORT) as port,
        browser.new_context(color_scheme=scheme) as context,  # type: ignore[arg-type]
    ):
        visitor = Visitor(context, f"http://127.0.0.1:{port}")
        expect(visitor.page.get_by_role("button", name=WHITE_PAPER)).to_be_visible()
        assert visitor.barriers() == []
        visitor.ask(FIRST_LIGHT)
        visitor.ask(UNSAID)
        for panel in ("only", "sources", "inspect", "report"):
            visitor.open_panel(panel)
        expect(visitor.page.get_by_label("Dated since")).to_be_visible()
        assert visitor.barriers() == []
        visitor.leave()


# Panels.


def test_sources_are_searched_and_opened_and_nothing_can_be_changed(
    visitor: Visitor, article_bot: QABot
) -> None:
    page = visitor.page
    page.get_by_role("button", name="Sources").click()
    title = article_bot.document(ARTICLE).title
    assert title
    held = f"1 document, {article_bot.manifest.passages} passages"
    expect(page.locator("#documents")).to_contain_text(held)
    expect(page.locator("#documents button[data-document]")).to_have_text([re.compile(title)])
    page.get_by_label("Search documents").fill("no such")
    expect(page.locator("#documents")).to_contain_text("No document of that name.")
    page.get_by_label("Search documents").fill("CYBERSPACE")
    page.locator("#documents button[data-document]").click()
    expect(page.locator("#source h2")).to_have_text(title)
    expect(page.locator("#source .document")).to_contain_text("Interpol")
    expect(page.locator("[data-remove], #rebuild, #address")).to_have_count(0)


def test_a_visitor_narrows_questions_to_documents_and_days(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Only in").click()
    only = page.locator("#only-sources input")
    only.click()
    only.press_sequentially("CYBERSP")
    page.get_by_role("option", name=re.compile(ARTICLE)).click()
    page.get_by_label("Dated since").fill("2023-04-04")
    expect(visitor.ask(FIRST_LIGHT)).to_contain_text("No document is dated 4 April 2023 or later.")
    page.get_by_label("Dated since").fill("2023-04-03")
    said = visitor.ask(FIRST_LIGHT)
    expect(said).to_contain_text(f"Looked only in 1 document, dated 3 April 2023 or later: {ARTICLE}.")
    expect(said).to_contain_text("“March to June last year” here means March to June 2022")
    only.press_sequentially("lost/*")
    only.press("Enter")
    expect(visitor.ask(FIRST_LIGHT)).to_contain_text("No document is named lost/*.")


def test_how_an_answer_was_found_is_shown_for_each_passage(visitor: Visitor, article_bot: QABot) -> None:
    visitor.ask(FIRST_LIGHT)
    visitor.page.get_by_role("button", name="How it was found").click()
    shown = visitor.page.locator("#inspection")
    expect(shown.locator("tr")).to_have_count(1 + len(article_bot.inspect(FIRST_LIGHT).candidates))
    expect(shown).to_contain_text(re.compile(r"search [\d.]+ ms, reading [\d.]+ ms"))
    visitor.ask(WHITE_PAPER)
    expect(shown).to_contain_text(f"Understood as: {WHITE_PAPER}")


def test_a_report_that_is_missing_or_of_another_model_is_told(
    browser: Browser, article_bot: QABot, tmp_path: Path
) -> None:
    with serving(article_bot, report=tmp_path) as port, browser.new_context() as context:
        visitor = Visitor(context, f"http://127.0.0.1:{port}")
        panel = visitor.page.locator("#report")
        panel.get_by_role("button", name="How good it is").click()
        expect(panel.get_by_role("status")).to_contain_text("report.json is missing or damaged.")
        report = json.loads((REPORT / "report.json").read_text())
        (tmp_path / "report.json").write_text(json.dumps({**report, "model": "another <b>model</b>"}))
        panel.get_by_role("button", name="How good it is").click()
        visitor.open_panel("report")  # which reads it anew
        expect(panel).to_contain_text("with the model another <b>model</b> and the reader")
        expect(
            panel.get_by_text("This is not what answers here: that is the model all-MiniLM")
        ).to_be_visible()
        visitor.leave()


def test_sources_are_added_rebuilt_and_removed_where_that_is_allowed(
    browser: Browser, settings: Settings, real_encoder: OnnxEncoder, tmp_path: Path
) -> None:
    (settings.sources / "b.txt").write_text("The museum opened in 1998.")
    build_index(settings, real_encoder)
    live = LiveBot(settings.index)
    added = tmp_path / "harbour <b>.txt"
    added.write_text("The harbour was built by Ann Smith in 1905.")
    with (
        serving(live.now, editor=Editor(live.now, settings.index)) as port,
        browser.new_context() as context,
    ):
        visitor = Visitor(context, f"http://127.0.0.1:{port}")
        page = visitor.page
        page.get_by_role("button", name="Sources").click()
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Add files").click()
        chooser.value.set_files(added)
        expect(page.locator("#progress")).to_contain_text("Indexed 2 documents, 2 passages")
        expect(page.locator("#documents")).to_contain_text("harbour")
        expect(visitor.ask("When was the harbour built?")).to_contain_text("1905")
        page.get_by_label("Add a web page").fill("http://127.0.0.1:1/")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator("#progress")).to_contain_text("is not on the open internet")
        page.remove_listener("dialog", visitor.dialogs)
        page.on("dialog", lambda dialog: dialog.accept())
        page.locator("[data-remove^='harbour']").click()
        expect(page.locator("#progress")).to_contain_text("Removed harbour")
        assert [path.name for path in settings.sources.iterdir()] == ["b.txt"]
        page.locator("#rebuild").click()
        expect(page.locator("#progress")).to_contain_text("Indexed 1 document, 1 passage")
        expect(page.locator("#documents")).not_to_contain_text("harbour")
        visitor.leave()


def test_an_answer_is_judged_and_corrected(browser: Browser, article_bot: QABot, tmp_path: Path) -> None:
    with serving(article_bot, feedback=tmp_path) as port, browser.new_context() as context:
        visitor = Visitor(context, f"http://127.0.0.1:{port}")
        visitor.ask(FIRST_LIGHT)
        visitor.page.get_by_role("button", name="Like", exact=True).click()
        visitor.page.get_by_role("button", name="Dislike", exact=True).click()
        visitor.page.get_by_label("What would be right?").fill("76")
        visitor.page.get_by_label("What would be right?").press("Enter")
        expect(visitor.page.get_by_label("What would be right?")).to_have_value("")
        (draft,) = drafts(tmp_path)
        assert draft["question"] == FIRST_LIGHT and draft["answers"] == ["76"] and not draft["right"]
        visitor.leave()


# What is typed.


def test_blank_question_is_told_so_and_the_page_goes_on(visitor: Visitor) -> None:
    for blank in ("", "  \t "):
        expect(visitor.ask(blank)).to_have_text("The question is blank. Type a question.")
    expect(visitor.ask(FIRST_LIGHT)).to_contain_text("76 countries")


def test_shift_enter_breaks_the_line_and_enter_asks(visitor: Visitor) -> None:
    visitor.box.fill("How many countries took part")
    visitor.box.press("Shift+Enter")
    visitor.page.keyboard.type("in First Light 2022?")
    expect(visitor.box).to_have_value("How many countries took part\nin First Light 2022?")
    expect(visitor.questions).to_have_count(0)
    visitor.box.press("Enter")
    expect(visitor.answers).to_contain_text(["76 countries"])


def test_question_is_shown_as_it_was_typed(visitor: Visitor) -> None:
    questions = [
        "<script>alert(1)</script><img src=x onerror=alert(2)> **First** _Light_ ${7*7} {{7*7}} $$x$$?",
        "[First Light](javascript:alert(3)) # `2022` https://example.com &lt;b&gt; \\* | a | 1. b?",
        "    <b>First Light</b> after four spaces, where Markdown begins a block of code?",
        "# First Light\n- in\n\n> many\n\n    lines?",
    ]
    for number, question in enumerate(questions):
        visitor.ask(question)
        shown = visitor.questions.nth(number)
        assert shown.inner_text().split() == question.split()
        obeyed = shown.locator("script, img, a, b, strong, em, h1, code, pre, li, blockquote, .katex")
        expect(obeyed).to_have_count(0)


@pytest.mark.parametrize("why", ["too often", "full queue"])
def test_a_question_that_is_put_off_says_so_and_leaves_the_page_as_it_was(
    browser: Browser, article_bot: QABot, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    often = why == "too often"
    with (
        serving(article_bot, Guard(per_minute=4 if often else 0)) as port,
        browser.new_context() as context,
    ):
        visitor = Visitor(context, f"http://127.0.0.1:{port}")
        visitor.ask(FIRST_LIGHT)
        visitor.page.wait_for_timeout(500)  # the panels follow
        if not often:
            monkeypatch.setattr(Queue, "__len__", lambda self: app.MAX_WAITING)
        why = "Too many requests from your address" if often else "Too many questions are waiting"
        message = visitor.page.get_by_role("status").get_by_text(why).first
        for _ in range(4):  # of these the last at least is put off
            visitor.box.fill(WHITE_PAPER)
            visitor.box.press("Enter")
            visitor.page.wait_for_timeout(500)
        expect(message).to_contain_text(re.compile(r"Try again in \d+ s\."))
        expect(visitor.box).to_have_value(WHITE_PAPER)
        expect(visitor.page.locator("#busy [role=status]")).to_have_text("")
        expect(visitor.answers.nth(0)).to_contain_text("76 countries")
        said = visitor.answers.last.locator(".said")
        said.scroll_into_view_if_needed()
        assert said.evaluate(IS_ON_TOP)
        assert all("429" in fault for fault in visitor.faults)


def test_that_an_answer_takes_long_is_said_until_it_is_there_and_of_a_fast_one_nothing(
    browser: Browser, article_bot: QABot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(article_bot) as port, browser.new_context() as context:
        visitor = Visitor(context, f"http://127.0.0.1:{port}")
        line = visitor.page.locator("#busy [role=status]")
        expect(line).to_have_attribute("data-searching", "Searching …")
        visitor.page.evaluate(
            """const line = document.querySelector('#busy');
            window.said = [];
            const heard = new MutationObserver(() => said.push(line.innerText));
            heard.observe(line, {childList: true, subtree: true})"""
        )
        visitor.ask(FIRST_LIGHT)
        assert "Searching …" not in visitor.page.evaluate("said")
        answered = held(article_bot, monkeypatch)
        visitor.box.fill(WHITE_PAPER)
        visitor.box.press("Enter")
        expect(line).to_have_text("Searching …")
        answered.set()
        expect(visitor.answers).to_have_count(2)
        expect(line).to_have_text("")
        visitor.leave()


@pytest.mark.parametrize("meanwhile", ["a link", "a question"])
def test_what_is_asked_for_while_an_answer_is_made_follows_once_it_is_there(
    visitor: Visitor, article_bot: QABot, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    visitor.ask(FIRST_LIGHT)
    visitor.ask(CONFERENCE)
    answered = held(article_bot, monkeypatch)
    visitor.answers.nth(1).get_by_text("Ask again").click()
    if meanwhile == "a link":
        visitor.answers.nth(0).get_by_text("Edit").click()
        answered.set()
        expect(visitor.questions).to_have_count(0)
        expect(visitor.box).to_have_value(FIRST_LIGHT)
    else:
        visitor.box.fill(WHITE_PAPER)
        visitor.box.press("Enter")
        visitor.links(0).first.click()  # the source is no part of the chat, and waits for nothing
        expect(visitor.mark).to_contain_text("one of 76 countries")
        answered.set()
        expect(visitor.questions).to_have_text([FIRST_LIGHT, CONFERENCE, WHITE_PAPER])
        expect(visitor.answers.nth(2)).to_contain_text("March 16")
        expect(visitor.box).to_have_value("")


def test_a_question_can_be_typed_while_another_is_answered_and_clearing_ends_what_is_under_way(
    visitor: Visitor, article_bot: QABot, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = held(article_bot, monkeypatch)
    visitor.box.fill(FIRST_LIGHT)
    visitor.box.press("Enter")
    expect(visitor.box).to_have_value("")
    visitor.box.fill(WHITE_PAPER)
    answered.set()
    expect(visitor.answers).to_contain_text(["76 countries"])
    expect(visitor.box).to_have_value(WHITE_PAPER)
    answered.clear()
    visitor.answers.nth(0).get_by_text("Ask again").click()
    visitor.page.get_by_label("Clear").click()
    answered.set()
    visitor.page.wait_for_timeout(500)
    expect(visitor.answers).to_have_count(0)
    visitor.box.press("Enter")
    expect(visitor.answers).to_contain_text(["March 16"])


# Visitors, and documents that are not to be trusted.


def test_each_part_of_a_question_has_its_answer_and_its_citation(visitor: Visitor) -> None:
    answer = visitor.ask("Who issued the white paper, when, and how many pages does it have?")
    expect(answer.locator(".said")).to_have_text(["State Council Information Office", "March 16"])
    expect(answer).to_contain_text("The sources don't say: How many pages does the white paper have?")
    expect(visitor.mark).to_contain_text("the white paper was issued")
    answer.get_by_role("link", name="2 · ").click()
    expect(visitor.mark).to_contain_text("March 16")
    expect(visitor.ask("Did Cao Shumin introduce a white paper?").locator(".said")).to_have_text("Yes")


def test_follow_up_leans_on_the_chat_of_its_visitor_and_on_no_other(
    browser: Browser, url: str, visitor: Visitor
) -> None:
    visitor.ask(FIRST_LIGHT)
    with browser.new_context() as context:
        other = Visitor(context, url)
        expect(other.answers).to_have_count(0)
        expect(other.mark).to_have_count(0)
        alone = other.ask(FOLLOW_UP)  # which leans on nothing here
        expect(alone).not_to_contain_text("Understood as")
        expect(alone).not_to_contain_text("Interpol")
        expect(visitor.ask(FOLLOW_UP)).to_contain_text("Interpol")
        expect(visitor.mark).to_contain_text("Interpol")
        expect(visitor.answers).to_have_count(2)
        other.leave()


def test_answer_and_its_source_are_in_reach_on_a_phone(browser: Browser, url: str) -> None:
    with browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    ) as context:
        phone = Visitor(context, url)
        answer = phone.ask(FIRST_LIGHT)
        expect(phone.mark).to_be_attached()
        phone.page.wait_for_timeout(1000)  # the page may scroll by itself
        expect(answer).to_be_in_viewport()
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
        phone.links(0).tap()
        expect(phone.mark).to_be_in_viewport()
        phone.leave()


HOSTILE = (
    "The kettle of the laboratory <script>alert(1)</script> was bought <img src=x onerror=alert(2)> in "
    "**1999** for ${7*7} and {{7*7}} $$x^2$$ pounds, [says](javascript:alert(3)) the `ledger` &lt;b&gt;."
)


@pytest.fixture
def hostile_bot(tmp_path: Path, real_encoder: OnnxEncoder) -> QABot:
    """A bot over one document that is full of markup."""
    (tmp_path / "sources").mkdir()
    front_matter = (
        '---\ntitle: "<img src=x onerror=alert(4)> ${7*7} {{7*7}}"\nurl: "javascript:alert(5)"\n---\n'
    )
    page = (
        f"{front_matter}\n# <script>alert(6)</script>\n\nIt was quiet.\n\n{HOSTILE}\n\nThe spoon was lent.\n"
    )
    (tmp_path / "sources" / "kettle.md").write_text(page)
    settings = Settings(sources=tmp_path / "sources", index=tmp_path / "index")
    build_index(settings, real_encoder)
    return QABot.open(tmp_path / "index", encoder=real_encoder)


def test_markup_in_a_document_is_shown_and_never_obeyed(desktop: BrowserContext, hostile_bot: QABot) -> None:
    with serving(hostile_bot) as port:
        visitor = Visitor(desktop, f"http://127.0.0.1:{port}")
        answer = visitor.ask("When was the kettle of the laboratory bought?")
        expect(answer).to_contain_text(HOSTILE)
        visitor.expect_highlight(HOSTILE)
        source = visitor.page.locator("#source")
        expect(source.locator("h2")).to_have_text("<img src=x onerror=alert(4)> ${7*7} {{7*7}}")
        abstention = visitor.ask("Who won the marathon of Boston?")
        expect(abstention).to_contain_text("The sources don't say")
        expect(abstention).to_contain_text("<script>alert(1)</script>")
        obeyed = "script, img, b, code, .katex, a[href^='javascript'], a[href^='http']"
        expect(source.locator(obeyed)).to_have_count(0)
        expect(visitor.answers.locator(obeyed)).to_have_count(0)
        visitor.leave()
