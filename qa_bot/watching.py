"""Rebuild when the sources change."""

import threading
from collections.abc import Callable
from pathlib import Path

from watchfiles import DefaultFilter, watch

from qa_bot.build import BuildReport
from qa_bot.errors import IndexBusy, QABotError
from qa_bot.manifest import pinned

# A file that is being written changes many times: wait for quiet, but not for ever.
QUIET_MS = 400
LONGEST_MS = 5_000
BUSY_S = 2.0  # between two tries where another process builds


class _Visible(DefaultFilter):
    """What `sources.scan` sees: hidden files matter to nobody, but for the origins of fetched ones."""

    ignore_dirs = ()
    ignore_entity_patterns = ("~$", r"\.sw.$", r"\.tmp$", r"\.part$", r"^\.(?!origins\.json$)")


def watch_sources(
    sources: Path,
    index: Path,
    build: Callable[[], BuildReport],
    on_result: Callable[[BuildReport | QABotError], None],
    stop: threading.Event,
) -> None:
    """Call `build` once for each spell of changes below `sources`, until `stop` is set.

    A report of a build that changed something, and every error but IndexBusy, goes to `on_result`;
    after either, watching goes on. Nothing is built while a rollback is in force. Raises
    FileNotFoundError where there is no such folder.
    """
    first = True
    for changes in watch(
        sources,
        watch_filter=_Visible(),
        debounce=LONGEST_MS,
        step=QUIET_MS,
        stop_event=stop,
        rust_timeout=1_000,
        yield_on_timeout=True,
        ignore_permission_denied=True,
        raise_interrupt=False,
    ):
        # Once without a change, too: for what changed before anyone watched.
        if changes or first:
            _build_once(build, index, on_result, stop)
        first = False


def _build_once(
    build: Callable[[], BuildReport],
    index: Path,
    on_result: Callable[[BuildReport | QABotError], None],
    stop: threading.Event,
) -> None:
    """Build, unless a rollback is in force; where another process does, once that is done."""
    while not stop.is_set() and not pinned(index):
        try:
            report = build()
        except IndexBusy:
            stop.wait(BUSY_S)
            continue
        except QABotError as error:
            on_result(error)
            return
        except Exception as error:  # the next change may build
            on_result(QABotError(f"The build failed ({type(error).__name__}: {error})."))
            return
        if not report.unchanged:
            on_result(report)
        return
