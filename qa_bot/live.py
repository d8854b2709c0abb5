"""The bot of the build that answers now, for programs that outlive a build; and `answer`."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from qa_bot.bot import QABot, default_index
from qa_bot.config import Settings
from qa_bot.errors import QABotError
from qa_bot.manifest import current_build
from qa_bot.types import Answer, Turn

BotNow = Callable[[], QABot]  # the bot to ask the next question

MAX_OPEN = 4  # indexes that `answer` keeps open, the last opened


class LiveBot:
    """The bot of the build that answers now: a rebuild is taken up between two questions.

    A question is answered by one build from beginning to end, whatever happens meanwhile. Where a new
    build cannot be opened, the one before answers on.
    """

    def __init__(self, index: Path, settings: Settings | None = None) -> None:
        """Raises what `QABot.open` raises."""
        self._folder = index
        self._settings = settings
        self._lock = threading.Lock()
        self._build = current_build(index)
        self._bot = QABot.open(index, settings=settings)

    def now(self) -> QABot:
        """The bot to ask the next question."""
        try:
            build = current_build(self._folder)
        except QABotError:
            return self._bot
        if build != self._build:
            with self._lock:
                if build != self._build:
                    self._take_up(build)
        return self._bot

    def _take_up(self, build: str) -> None:
        # Tried once a build: what cannot be opened now will not be at the next question.
        self._build = build
        try:
            self._bot = self._bot.reopened(self._folder)
        except QABotError:
            return


def answer(question: str, *, history: Sequence[Turn] = (), index: str | Path | None = None) -> Answer:
    """Ask the index in `index` (default: QA_BOT_INDEX, else ./index); see QABot.ask.

    The index is opened once and again when it was rebuilt.
    """
    folder = Path(index or default_index()).resolve()
    current_build(folder)  # what is gone does not answer
    with _opening:
        if folder not in _live:
            while len(_live) >= MAX_OPEN:
                del _live[next(iter(_live))]
            _live[folder] = LiveBot(folder)
        live = _live[folder]
    return live.now().ask(question, history)


_live: dict[Path, LiveBot] = {}
_opening = threading.Lock()
