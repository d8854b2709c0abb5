"""Sources changed from the page: added, removed, and the index built again with its progress shown."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from qa_bot.adding import add_file, add_url
from qa_bot.build import BuildReport, Progress, build_index
from qa_bot.errors import AddError, IndexBusy, QABotError
from qa_bot.live import BotNow
from qa_bot.phrases import Phrase

STOPPED = Phrase("Stopped. The index is as it was.")
BUSY_S = 0.5  # between two tries where another process builds


class Cancelled(QABotError):
    """The visitor stopped a build; the old one answers on."""


@dataclass(frozen=True, slots=True)
class Step:
    """How far a build is: what it does, and how many of how many are done."""

    what: str
    done: int
    total: int


class Editor:
    """Changes the folder that an index was made from. One build at a time, whoever asks."""

    def __init__(self, bot_now: BotNow, index: Path) -> None:
        self._bot_now = bot_now
        self._index = index
        self._cancel = threading.Event()

    @property
    def sources(self) -> Path:
        return self._bot_now().manifest.settings(self._index).sources

    def add(self, uploaded: Path) -> str:
        """Take an uploaded file into the sources; its name there. Raises AddError."""
        try:
            return add_file(uploaded, self.sources)
        finally:
            uploaded.unlink(missing_ok=True)

    def fetch(self, url: str) -> str:
        """Fetch a page from the open internet into the sources; its name there. Raises AddError."""
        return add_url(url.strip(), self.sources, datetime.now(UTC).date().isoformat())

    def remove(self, source: str) -> None:
        """Delete a document's file and its copies of other names; raises AddError."""
        bot = self._bot_now()
        document = bot.document(source)
        for name in (document.source, *document.also):
            path = self.sources / name
            if not path.resolve().is_relative_to(self.sources.resolve()):
                raise AddError(Phrase("Cannot remove {name!r}: it is not in the sources folder.", name=name))
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise AddError(f"Cannot remove {name!r}: {error.strerror}.") from error

    def cancel(self) -> None:
        """Stop the build that is going on; the old one answers on."""
        self._cancel.set()

    def rebuild(self) -> Iterator[Step | BuildReport | QABotError]:
        """Build the index again: each step as it comes, and in the end what came of it."""
        self._cancel.clear()
        steps: queue.Queue[Step | BuildReport | QABotError] = queue.Queue()

        def on_progress(what: str, done: int, total: int) -> None:
            if self._cancel.is_set():
                raise Cancelled(STOPPED)
            steps.put(Step(what, done, total))

        threading.Thread(target=lambda: steps.put(self._outcome(on_progress)), daemon=True).start()
        while True:
            step = steps.get()
            yield step
            if not isinstance(step, Step):
                return

    def _outcome(self, on_progress: Progress) -> BuildReport | QABotError:
        """What came of a build, whatever it was: who waits for it must not wait for ever."""
        bot = self._bot_now()
        settings = bot.manifest.settings(self._index)
        while True:
            try:
                return build_index(settings, bot.encoder, on_progress, bot.reader.model)
            except IndexBusy:  # what watches the folder was first
                if self._cancel.wait(BUSY_S):
                    return Cancelled(STOPPED)
            except QABotError as error:
                return error
            except Exception as error:
                return QABotError(f"The build failed ({type(error).__name__}: {error}).")
