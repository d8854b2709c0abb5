"""The page in a browser that prefers Simplified Chinese: all of it is, but for the words of sources."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ARTICLE
from playwright.sync_api import Browser, BrowserContext, Page, expect
from serving import serving
from test_browser import CONFERENCE, FIRST_LIGHT, REPORT, UNSAID, Visitor

from qa_bot import QABot
from qa_bot.editing import Editor

pytestmark = pytest.mark.browser

# What a visitor reads of the page itself: texts, placeholders and titles, but for what sources and
# visitors said and the names in a report.
LABELS = """() => {
    const foreign = '#source .document, #source h2, #source .where, blockquote, .user, .said, td, code,'
        + 'a[href^="#cite"], a[href^="#ask"], .near, .meant, .examples, [data-document], #evaluation p,'
        + 'script, style';
    const shown = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const parent = walk.currentNode.parentElement;
        if (parent && !parent.closest(foreign) && parent.checkVisibility()) shown.push(walk.currentNode.data);
    }
    for (const element of document.querySelectorAll('[placeholder], [title]'))
        if (element.checkVisibility()) shown.push(element.placeholder || '', element.title);
    return [document.title, ...shown].map((text) => text.trim()).filter(Boolean);
}"""

PARTS = ("When was the white paper issued?", "How old is Cao Shumin?")
# "Disliked" is Gradio's own, which has it in English alone.
NAMES = re.compile(
    r"Disliked|Markdown|JSON|BM25|API|UTC|all-MiniLM-L6-v2|France|"
    + "|".join(map(re.escape, (FIRST_LIGHT, UNSAID, *PARTS)))
)


def english_labels(page: Page) -> list[str]:
    return [text for text in page.evaluate(LABELS) if re.search("[A-Za-z]{2}", NAMES.sub("", text))]


@pytest.fixture(scope="module")
def url(article_bot: QABot, article_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with all that the page can have."""
    editor = Editor(lambda: article_bot, article_index)
    with serving(
        article_bot, editor=editor, feedback=tmp_path_factory.mktemp("feedback"), report=REPORT
    ) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def chinese(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 860}) as context:
        yield context


def test_no_label_stays_english_and_axe_finds_no_serious_barrier(chinese: BrowserContext, url: str) -> None:
    visitor = Visitor(chinese, url)
    page = visitor.page
    expect(page.locator("h1")).to_have_text("向您的文档提问")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(visitor.box).to_have_attribute("placeholder", "输入问题…")
    expect(page.locator("#source")).to_contain_text("请先提问")
    expect(page.locator("#chat")).to_contain_text("请就文档内容提问。")
    assert english_labels(page) == []
    visitor.ask(FIRST_LIGHT)
    answer = visitor.ask(UNSAID)
    expect(answer).to_contain_text("来源中没有答案。 来源中没有提到“France”。")
    expect(visitor.ask("Did Cao Shumin introduce a white paper?").locator(".said")).to_have_text("是")
    partly = visitor.ask(" And ".join(PARTS))
    expect(partly).to_contain_text("来源中没有答案：How old is Cao Shumin?")
    for panel in ("only", "sources", "inspect", "report"):
        visitor.open_panel(panel)
    page.get_by_role("button", name="踩").last.click()
    expect(page.get_by_label("正确答案是什么？（选填）")).to_be_visible()
    expect(page.get_by_role("button", name="重建索引")).to_be_visible()
    assert english_labels(page) == []
    assert visitor.barriers() == []
    visitor.leave()


def test_what_goes_wrong_is_told_in_chinese_and_quotes_stay_as_they_are(
    chinese: BrowserContext, url: str, article_bot: QABot
) -> None:
    visitor = Visitor(chinese, url)
    expect(visitor.ask(" ")).to_have_text("问题为空，请输入问题。")
    visitor.ask(FIRST_LIGHT)
    visitor.expect_highlight(article_bot.ask(FIRST_LIGHT).citations[0].quote)
    visitor.open_panel("sources")
    visitor.page.get_by_label("按网址添加网页").fill("ftp://example.org")
    visitor.page.get_by_role("button", name="添加", exact=True).click()
    expect(visitor.page.locator("#progress")).to_contain_text("网址须以 http:// 或 https:// 开头")
    visitor.page.get_by_label("按标题或文件名搜索文档").fill("no such")
    expect(visitor.page.locator("#documents")).to_contain_text("没有该名称的文档。")
    visitor.page.get_by_label("按标题或文件名搜索文档").fill("")
    asked: list[str] = []
    visitor.page.remove_listener("dialog", visitor.dialogs)
    visitor.page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    visitor.page.get_by_role("button", name="移除").click()
    assert asked == [f"要从来源文件夹中移除 {ARTICLE} 吗？"]
    visitor.leave()


def test_two_visitors_are_each_answered_in_their_own_language(
    chinese: BrowserContext, browser: Browser, url: str
) -> None:
    with browser.new_context(locale="de") as german:
        one, other = Visitor(chinese, url), Visitor(german, url)
        expect(one.ask(CONFERENCE)).to_contain_text("正确")
        expect(other.ask(CONFERENCE)).to_contain_text("right")
        expect(other.page.locator("h1")).to_have_text("Ask your documents")
        expect(other.box).to_have_attribute("placeholder", "Ask a question …")
        one.leave()
        other.leave()


def test_panels_are_opened_and_used_with_the_keyboard_alone(browser: Browser, url: str) -> None:
    with browser.new_context() as context:
        visitor = Visitor(context, url)
        visitor.ask(FIRST_LIGHT)
        visitor.box.focus()
        opened = []
        for _ in range(60):
            visitor.page.keyboard.press("Tab")
            name = visitor.page.evaluate("document.activeElement.innerText || document.activeElement.id")
            heading = name.split("\n")[0].strip()
            if heading in ("Sources", "How it was found", "How good it is") and heading not in opened:
                opened.append(heading)
                visitor.page.keyboard.press("Enter")
        assert opened == ["Sources", "How it was found", "How good it is"]
        for shown in ("#documents ul", "#inspection table", "#evaluation svg"):
            expect(visitor.page.locator(shown).first).to_be_visible()
        visitor.page.locator("#documents button[data-document]").focus()
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.locator("#source .document")).to_contain_text("Interpol")
        expect(visitor.mark).to_have_count(0)
        visitor.page.locator("#evaluation summary").focus()
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.locator("#evaluation details table").first).to_be_visible()
        visitor.leave()
