"""Take the pictures of the app for the README, over the repository's own sources: make screenshot."""

import shutil
import socket
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from qa_bot.live import LiveBot
from qa_bot.server import Guard, Server, build_server

HERE = Path(__file__).parent
QUESTIONS = ("How many countries took part in First Light 2022?", "And who started it?")
UNSAID = "How many countries took part in First Light 2021?"


def take(browser: Browser, url: str, name: str, questions: tuple[str, ...], **context: object) -> None:
    """The page after these questions, seen as `context` says."""
    page = browser.new_page(**context)  # type: ignore[arg-type]
    page.goto(url)
    for count, question in enumerate(questions, start=1):
        page.fill("#question textarea", question)
        page.press("#question textarea", "Enter")
        page.wait_for_function(f"document.querySelectorAll('.bot.message').length == {count}")
        page.wait_for_timeout(1000)
    page.screenshot(path=HERE / f"{name}.png")
    page.close()


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(build_server(LiveBot(Path("index")).now, Guard()), "127.0.0.1", port)
    url = f"http://127.0.0.1:{port}"
    desktop = {"width": 1280, "height": 820}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        take(browser, url, "screenshot", QUESTIONS, viewport=desktop)
        take(browser, url, "screenshot-dark", (UNSAID,), viewport=desktop, color_scheme="dark")
        phone = {"width": 360, "height": 780}
        take(browser, url, "screenshot-phone", QUESTIONS[:1], viewport=phone, is_mobile=True, has_touch=True)
        browser.close()
    server.close()


if __name__ == "__main__":
    main()
