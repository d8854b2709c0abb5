"""A model's sentences on the page: checked before they are shown, struck in sight, never markup."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from llm_servers import KEY, event, events, scripted
from playwright.sync_api import Browser, Page, expect
from serving import serving
from test_browser import FIRST_LIGHT, MARK_IS_IN_SIGHT

from qa_bot import QABot
from qa_bot.llm import Limits, open_llm
from qa_bot.prose import Writer
from qa_bot.transcript import check, citations_of

pytestmark = pytest.mark.browser

LED_TO = "The operation led to 2,000 arrests"


def said(n: int, gate: Path) -> Iterator[bytes | float]:
    """A true sentence, then, once the test has seen it, a wrong one, markup and a link."""
    yield from events(f"{LED_TO} [{n}]. Next ", finish=None)
    while not gate.exists():
        yield 0.05
    yield event(
        {"delta": {"content": f"comes this: 3,000 arrests were led to [{n}]. "}, "finish_reason": None}
    )
    yield from events(f"<img src=x onerror=alert(1)> [win](https://evil.example) [{n}].")


def ask(page: Page, question: str) -> None:
    page.locator("#question textarea").fill(question)
    page.keyboard.press("Enter")


def test_sentences_appear_once_they_are_checked_and_the_conversation_verifies(
    browser: Browser, article_bot: QABot, tmp_path: Path
) -> None:
    n = next(
        n
        for n, s in enumerate(article_bot.retrieve(FIRST_LIGHT), start=1)
        if "2,000 arrests" in s.passage.text
    )
    gate = tmp_path / "seen"
    with scripted(m=said(n, gate)) as server:
        writer = Writer(open_llm("m", server.url, KEY, Limits(retries=0)))
        with serving(article_bot, writer=writer) as port:
            page = browser.new_page()
            dialogs: list[str] = []
            page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
            page.goto(f"http://127.0.0.1:{port}")
            ask(page, FIRST_LIGHT)
            expect(page.locator("#chat .said")).to_have_text("one of 76")
            prose = page.locator("#chat .sentences")
            expect(prose).to_contain_text(LED_TO)
            expect(prose).not_to_contain_text("Next")
            gate.touch()
            struck = prose.locator("del")
            expect(struck).to_have_count(2)
            expect(struck.first).to_have_text("Next comes this: 3,000 arrests were led to.")
            expect(prose).to_contain_text("Struck out: The cited words do not have the number 3000.")
            expect(struck.last).to_contain_text("<img src=x onerror=alert(1)>")
            assert prose.locator("img, a[href^=http]").count() == 0 and dialogs == []
            expect(page.locator("#chat .note").last).to_contain_text("2 sentences were struck out")
            prose.locator("a").first.click()
            expect(page.locator("#source mark")).to_contain_text("2,000 arrests")
            time.sleep(0.3)
            assert page.evaluate(MARK_IS_IN_SIGHT)
            with page.expect_download() as download:
                page.locator("#save-Markdown").click()
            saved = Path(download.value.path()).read_text()
            assert KEY not in saved + page.content()
            page.close()
    shutil.copytree(ROOT / "sources", tmp_path / "sources")
    checked = list(check(citations_of(saved), tmp_path / "sources"))
    assert len(checked) == 2 and all(result.stands for result in checked)


def test_a_model_that_fails_leaves_the_answer_and_a_note(browser: Browser, article_bot: QABot) -> None:
    with scripted(m=500) as server:
        writer = Writer(open_llm("m", server.url, KEY, Limits(wait_s=0.01)))
        with serving(article_bot, writer=writer) as port:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}")
            ask(page, FIRST_LIGHT)
            expect(page.locator("#chat .said")).to_have_text("one of 76")
            expect(page.locator("#chat .note").last).to_contain_text(
                "failed with status 500. This is the answer in"
            )
            page.close()
