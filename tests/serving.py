"""Helpers for tests of the server: one in this process, on a free port."""

import gc
import socket
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from qa_bot import QABot
from qa_bot.editing import Editor
from qa_bot.live import BotNow
from qa_bot.prose import Writer
from qa_bot.server import Guard, Server, build_server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def serving(
    bot: QABot | BotNow,
    guard: Guard | None = None,
    root_path: str = "",
    editor: Editor | None = None,
    feedback: Path | None = None,
    proxy: str | None = None,
    report: Path | None = None,
    mcp: bool = False,
    writer: Writer | None = None,
) -> Iterator[int]:
    """A server of the app over `bot` while in the block; gives its port."""
    port = free_port()

    def start() -> Server:
        bot_now = (lambda: bot) if isinstance(bot, QABot) else bot
        server = build_server(bot_now, guard or Guard(), root_path, editor, feedback, report, mcp, writer)
        return Server(server, "127.0.0.1", port, proxy)

    with ThreadPoolExecutor(1) as thread, warnings.catch_warnings():
        # Gradio makes event loops that it never closes. In a thread of their own they are free
        # to be collected here, where they disturb no other test.
        warnings.simplefilter("ignore", ResourceWarning)
        server = thread.submit(start).result()
        gc.collect()
    yield port
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        server.close()
        del server
        gc.collect()
