"""Take docs/screenshot.png of the app over the repository's own sources: make screenshot."""

import shutil
import socket
from pathlib import Path

from playwright.sync_api import sync_playwright

from qa_bot.bot import LiveBot
from qa_bot.server import Guard, Server, build_server

QUESTIONS = ("How many countries took part in First Light 2022?", "And who started it?")


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(build_server(LiveBot(Path("index")).now, Guard()), "127.0.0.1", port)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 820})
        page.goto(f"http://127.0.0.1:{port}")
        for count, question in enumerate(QUESTIONS, start=1):
            page.fill("#question textarea", question)
            page.press("#question textarea", "Enter")
            page.wait_for_function(f"document.querySelectorAll('.bot.message').length == {count}")
            page.wait_for_timeout(1000)
        page.screenshot(path=Path(__file__).with_suffix(".png"))
        browser.close()
    server.close()


if __name__ == "__main__":
    main()
