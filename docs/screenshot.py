"""Take the pictures of the app for the README, over the repository's own sources: make screenshot.

The Chinese one needs a font with Chinese letters, as Debian's fonts-noto-cjk.
"""

import shutil
import socket
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from qa_bot.live import LiveBot
from qa_bot.server import Guard, Server, build_server

HERE = Path(__file__).parent
REPORT = HERE.parent / "evals" / "reports" / "article"
QUESTIONS = ("How many countries took part in First Light 2022?", "And who started it?")
UNSAID = "How many countries took part in First Light 2021?"

# A panel, and what it shows once it is open.
PANELS = {"sources": "#documents ul", "inspect": "#inspection table", "report": "#evaluation svg"}


def ask(browser: Browser, url: str, questions: tuple[str, ...], **context: object) -> Page:
    """The page after these questions, seen as `context` says."""
    page = browser.new_page(**context)  # type: ignore[arg-type]
    page.goto(url)
    for count, question in enumerate(questions, start=1):
        page.fill("#question textarea", question)
        page.press("#question textarea", "Enter")
        page.wait_for_function(f"document.querySelectorAll('.bot.message').length == {count}")
        page.wait_for_timeout(1000)
    return page


def take(page: Page, name: str, panel: str | None = None) -> None:
    """A picture of the page, or of one panel of it, in few colours: a fraction of the bytes."""
    path = HERE / f"{name}.png"
    if panel:
        page.click(f"#{panel} button >> nth=0")
        page.wait_for_selector(PANELS[panel])
        page.wait_for_timeout(500)
        page.locator(f"#{panel}").screenshot(path=path)
    else:
        page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = build_server(LiveBot(Path("index")).now, Guard(), report=REPORT)
    server = Server(app, "127.0.0.1", port)
    url = f"http://127.0.0.1:{port}"
    desktop = {"width": 1280, "height": 820}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = ask(browser, url, QUESTIONS, viewport=desktop)
        take(page, "screenshot")
        for panel in PANELS:
            take(page, f"screenshot-{panel}", panel)
        take(ask(browser, url, (UNSAID,), viewport=desktop, color_scheme="dark"), "screenshot-dark")
        phone = {"width": 360, "height": 780}
        small = ask(browser, url, QUESTIONS[:1], viewport=phone, is_mobile=True, has_touch=True)
        take(small, "screenshot-phone")
        take(ask(browser, url, (UNSAID,), viewport=desktop, locale="zh-CN"), "screenshot-chinese")
        browser.close()
    server.close()


if __name__ == "__main__":
    main()
