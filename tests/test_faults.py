"""Nothing is ever lost: power cuts, full disks, builds in use, going back, purging, many at once."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import FakeEncoder
from strategies import snapshot, write

from qa_bot import IndexUnusable, QABot, Settings, build_index
from qa_bot.live import LiveBot
from qa_bot.manifest import current_build, pinned, read_manifest, verify
from qa_bot.publishing import purge, roll_back

FILES = {"a.md": "# Foxes\n\nThe fox lives by the river.\n", "b.txt": "The museum opened in 1998."}
QUESTION, SAID = "When did the museum open?", "1998"


def _said(index: Path, question: str = QUESTION) -> str | None:
    return QABot.open(index, encoder=FakeEncoder()).ask(question).text


def _builds(index: Path) -> list[str]:
    return sorted(path.name for path in (index / "builds").iterdir())


@pytest.fixture
def built(settings: Settings) -> Settings:
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    return settings


# --- power cuts -------------------------------------------------------------------------------


@dataclass
class _Disk:
    """What of a folder has reached the disk: contents that were synced, names in folders that were."""

    root: Path
    contents: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, dict[str, int]] = field(default_factory=dict)

    def settle(self) -> None:
        """Everything has: the state at the beginning."""
        for path in [self.root, *self.root.rglob("*")]:
            self.sync(path)

    def sync(self, path: Path) -> None:
        number = path.stat().st_ino
        if path.is_dir():
            self.names[number] = {child.name: child.stat().st_ino for child in path.iterdir()}
        else:
            self.contents[number] = path.read_bytes()

    def recorded(self, genuine: Callable[..., Any], cut: Callable[[], None]) -> Callable[..., Any]:
        """A call of os that has `cut` called before it, if it is about this folder."""

        def called(what: Any, *more: Any) -> Any:
            path = Path(os.readlink(f"/proc/self/fd/{what}") if isinstance(what, int) else what)
            ours = path.is_relative_to(self.root)
            if ours:
                cut()
            result = genuine(what, *more)
            if ours and isinstance(what, int):
                self.sync(path)
            return result

        return called

    def least(self, into: Path) -> None:
        """After a power cut: only what was synced, under the names that were."""

        def restore(number: int, to: Path) -> None:
            if number in self.names:
                to.mkdir()
                for name, inner in self.names[number].items():
                    restore(inner, to / name)
            else:
                to.write_bytes(self.contents.get(number, b""))

        restore(self.root.stat().st_ino, into)

    def names_first(self, into: Path) -> None:
        """After a power cut: every name, but no content that was not synced."""
        shutil.copytree(self.root, into)
        for copy in into.rglob("*"):
            genuine = self.root / copy.relative_to(into)
            if copy.is_file() and self.contents.get(genuine.stat().st_ino) != genuine.read_bytes():
                copy.write_bytes(b"")


@pytest.mark.skipif(sys.platform != "linux", reason="names open files by /proc")
@pytest.mark.parametrize("before", [{}, FILES], ids=["first", "next"])
def test_after_a_power_cut_at_any_step_a_whole_build_answers_and_the_next_one_succeeds(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, str]
) -> None:
    if before:
        write(settings.sources, before)
        build_index(settings, FakeEncoder())
    settings.index.mkdir(exist_ok=True)
    write(settings.sources, FILES | {"new.txt": "Two rivers meet."})
    disk = _Disk(settings.index)
    disk.settle()
    cuts: list[Path] = []

    def cut() -> None:
        for crash in (disk.least, disk.names_first):
            cuts.append(tmp_path / f"cut{len(cuts)}")
            crash(cuts[-1])

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "mkdir", "fsync"):
            patch.setattr(os, name, disk.recorded(getattr(os, name), cut))
        build_index(settings, FakeEncoder())
    cut()
    assert len(cuts) > 30
    states = set()
    for index in cuts:
        try:
            manifest = read_manifest(index)
        except IndexUnusable as error:
            assert not before and "There is no index" in str(error)
        else:
            assert verify(index) == [] and _said(index) == SAID
            states.add("new.txt" in manifest.sources)
        build_index(Settings(sources=settings.sources, index=index, passage_tokens=40), FakeEncoder())
        assert verify(index) == [] and _said(index, "Do two rivers meet?") == "Two rivers meet"
        assert not [name for name in _builds(index) if name.startswith(".")]
    assert states == ({False, True} if before else {True})


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on a file's size")
def test_a_disk_that_is_full_stops_a_build_and_nothing_else(built: Settings) -> None:
    write(built.sources, FILES | {"big.txt": "A river is long. " * 20_000})
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from conftest import FakeEncoder\n"
        "from qa_bot import QABotError, Settings, build_index\n"
        "sources, index = map(Path, sys.argv[1:])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    build_index(Settings(sources=sources, index=index, passage_tokens=40), FakeEncoder())\n"
        "except QABotError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, built.sources, built.index],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "cannot be written: " in done.stdout and "run: qa-bot index" in done.stdout
    assert len(_builds(built.index)) == 1 and verify(built.index) == [] and _said(built.index) == SAID
    build_index(built, FakeEncoder())
    assert verify(built.index) == []


READ_ONLY = """
import ctypes, sys
from pathlib import Path
from conftest import FakeEncoder
from qa_bot import IndexUnusable, QABot, Settings, build_index
from qa_bot.manifest import verify
from qa_bot.publishing import purge, roll_back

# Root writes where nobody may, unless it gives up the capability to.
header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
ctypes.CDLL(None).capset(header, data)
sources, index = map(Path, sys.argv[1:])
settings = Settings(sources=sources, index=index, passage_tokens=40)
print(QABot.open(index, encoder=FakeEncoder()).ask("When did the museum open?").text, verify(index))
for write in (lambda: build_index(settings, FakeEncoder()), lambda: roll_back(index), lambda: purge(index)):
    try:
        write()
    except IndexUnusable as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="gives up a capability of Linux")
def test_an_index_that_may_only_be_read_answers_and_says_that_it_cannot_be_written(built: Settings) -> None:
    write(built.sources, FILES | {"new.txt": "Two rivers meet."})
    before = snapshot(built.index)
    (built.index / "build.lock").unlink()
    folders = [path for path in (built.index, *built.index.rglob("*")) if path.is_dir()]
    for folder in folders:
        folder.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, built.sources, built.index],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for folder in folders:
        folder.chmod(0o755)
    first, *refusals = done.stdout.splitlines()
    assert first == f"{SAID} []" and len(refusals) == 3
    assert all("cannot be written: Permission denied" in refusal for refusal in refusals)
    lock = built.index / "build.lock"
    assert snapshot(built.index) == {path: state for path, state in before.items() if path != lock}


# --- builds in use, going back, purging -------------------------------------------------------


def test_a_build_in_use_is_not_removed_until_it_no_longer_is(built: Settings) -> None:
    bot = QABot.open(built.index, encoder=FakeEncoder())
    first = current_build(built.index)
    for n in range(3):
        write(built.sources, FILES | {"new.txt": f"River number {n} is long."})
        build_index(built, FakeEncoder())
    assert first in _builds(built.index) and len(_builds(built.index)) == 3
    assert bot.ask(QUESTION).text == SAID
    assert purge(built.index) == [first]
    del bot
    assert purge(built.index) == [] and _builds(built.index) == [current_build(built.index)]


def test_a_rollback_is_in_force_until_the_next_build(built: Settings) -> None:
    with pytest.raises(IndexUnusable, match="no whole build before"):
        roll_back(built.index)
    first = current_build(built.index)
    write(built.sources, FILES | {"b.txt": "The museum opened in 2005."})
    build_index(built, FakeEncoder())
    assert _said(built.index) == "2005" and not pinned(built.index)
    assert roll_back(built.index).sources == read_manifest(built.index).sources
    assert current_build(built.index) == first and pinned(built.index) and _said(built.index) == SAID
    assert verify(built.index) == []
    with pytest.raises(IndexUnusable, match="no whole build before"):
        roll_back(built.index)
    build_index(built, FakeEncoder())
    assert not pinned(built.index) and _said(built.index) == "2005"
    roll_back(built.index)
    write(built.sources, FILES)
    assert build_index(built, FakeEncoder()).unchanged  # it answers from just this
    assert not pinned(built.index) and _said(built.index) == SAID


def test_a_rollback_passes_over_a_build_that_is_damaged(built: Settings) -> None:
    for n in range(2):
        write(built.sources, FILES | {"new.txt": f"River number {n} is long."})
        build_index(built, FakeEncoder())
    before, current = _builds(built.index)
    path = built.index / "builds" / before / "contents.db"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(IndexUnusable, match="no whole build before"):
        roll_back(built.index)
    assert current_build(built.index) == current and not pinned(built.index)


def test_purge_leaves_no_trace_of_a_deleted_document(built: Settings) -> None:
    write(built.sources, FILES | {"secret.txt": "The xylophone is in the cellar."})
    build_index(built, FakeEncoder())
    write(built.sources, FILES)
    build_index(built, FakeEncoder())

    def traces() -> list[Path]:
        return [path for path, (_, content) in snapshot(built.index).items() if b"xyloph" in (content or b"")]

    assert traces()  # the build before is kept, to go back to
    purge(built.index)
    assert not traces() and _said(built.index) == SAID


# --- files that are the same, files that change -----------------------------------------------


def test_a_file_under_two_names_is_indexed_once_and_cited_with_both(settings: Settings) -> None:
    write(settings.sources, FILES | {"copies/b (1).txt": FILES["b.txt"], "b.md": FILES["b.txt"]})
    encoder = FakeEncoder()
    manifest = build_index(settings, encoder).manifest
    assert (manifest.documents, len(encoder.embedded)) == (3, 2)  # as Markdown it may read otherwise
    bot = QABot.open(settings.index, encoder=encoder)
    answer = bot.ask(QUESTION, sources={"copies/b (1).txt"})
    (citation,) = answer.citations
    assert (citation.source, citation.also) == ("b.txt", ("copies/b (1).txt",))
    assert bot.document("copies/b (1).txt") == bot.document("b.txt")
    assert [s.passage.source for s in bot.retrieve("museum", 5)].count("b.txt") == 1
    (settings.sources / "b.txt").unlink()
    encoder = FakeEncoder()
    assert build_index(settings, encoder).embedded == 0
    assert QABot.open(settings.index, encoder=encoder).document("copies/b (1).txt").also == ()


def test_a_citation_says_whether_its_file_is_still_what_was_indexed(built: Settings) -> None:
    bot = QABot.open(built.index, encoder=FakeEncoder())

    def changed() -> bool | None:
        return bot.ask(QUESTION).citations[0].changed

    path = built.sources / "b.txt"
    assert changed() is False
    path.write_text("The museum opened in 2005.")
    assert changed() is True
    path.write_text(FILES["b.txt"])
    assert changed() is False
    path.unlink()
    assert changed() is True
    shutil.rmtree(built.sources)
    assert changed() is None


def test_a_citation_of_an_index_that_names_files_outside_reads_none_of_them(built: Settings) -> None:
    (built.sources.parent / "b.txt").write_text(FILES["b.txt"])
    (built.sources / "b.txt").unlink()
    (built.sources / "b.txt").symlink_to("../b.txt")
    bot = QABot.open(built.index, encoder=FakeEncoder())
    assert bot.ask(QUESTION).citations[0].changed is True


# --- incremental ------------------------------------------------------------------------------


def test_only_what_changed_is_read_again(built: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from qa_bot.parsing import ParserProcess

    parsed: list[str] = []
    genuine = ParserProcess.read

    def read(self: ParserProcess, file: Any, on_part: Any) -> Any:
        parsed.append(file.source)
        return genuine(self, file, on_part)

    monkeypatch.setattr(ParserProcess, "read", read)
    bad = {"broken.pdf": "no PDF"}
    write(built.sources, FILES | bad)
    assert [s.reason for s in build_index(built, FakeEncoder()).manifest.skipped] == ["broken, or no PDF"]
    write(built.sources, {"moved.md": FILES["a.md"], "b.txt": FILES["b.txt"], "c.txt": "New."} | bad)
    manifest = build_index(built, FakeEncoder()).manifest
    assert parsed == ["broken.pdf", "c.txt"]
    assert [s.source for s in manifest.skipped] == ["broken.pdf"] and verify(built.index) == []
    bot = QABot.open(built.index, encoder=FakeEncoder())
    assert bot.ask("Where does the fox live?").citations[0].source == "moved.md"
    assert bot.document("moved.md").title == "Foxes"


# --- many at once -----------------------------------------------------------------------------


def _numbered(n: int) -> dict[str, str]:
    """Sources that say the same number everywhere: an answer of two builds would not."""
    return {f"{name}.txt": f"The {name} has the number {n}." for name in ("museum", "river", "fox")}


def _rebuild_until(stop: threading.Event, settings: Settings) -> int:
    n = 0
    while not stop.is_set():
        n += 1
        write(settings.sources, _numbered(n))
        build_index(settings, FakeEncoder())
    return n


def _asks(now: Callable[[], QABot], until: float) -> int:
    """Ask until then; every answer is whole: of one build, and its quote is its document's."""
    asked = 0
    while time.monotonic() < until:
        bot = now()
        for name in ("museum", "river", "fox"):
            answer = bot.ask(f"What number has the {name}?")
            assert answer.citations, answer.reason
            citation = answer.citations[0]
            assert bot.document(citation.source).text[citation.start : citation.end] == citation.quote
            numbers = {found.passage.text.split()[-1] for found in answer.nearest}
            assert len(numbers) == 1, numbers
            asked += 1
    return asked


def _megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


@pytest.fixture(params=[4, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(180)])])
def seconds(request: pytest.FixtureRequest) -> Iterator[float]:
    yield request.param


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_threads_ask_while_the_index_is_rebuilt_and_none_fails(
    settings: Settings, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa_bot.bot.encoder_of_index", lambda *_: FakeEncoder())
    write(settings.sources, _numbered(0))
    build_index(settings, FakeEncoder())
    live = LiveBot(settings.index)
    live.now().warm_up()
    stop = threading.Event()
    with ThreadPoolExecutor(33) as pool:
        builder = pool.submit(_rebuild_until, stop, settings)
        began = time.monotonic()
        asking = [pool.submit(_asks, live.now, began + seconds) for _ in range(32)]
        time.sleep(seconds / 2)
        half = _megabytes()
        asked = [future.result() for future in asking]
        stop.set()
        builds = builder.result()
    assert min(asked) > 0 and builds > 2
    assert _megabytes() - half < 100
    assert len(_builds(settings.index)) <= 4


ASKER = """
import sys, time
from pathlib import Path
import qa_bot.bot, qa_bot.live
from conftest import FakeEncoder
from test_faults import _asks
qa_bot.bot.encoder_of_index = lambda *_: FakeEncoder()
live = qa_bot.live.LiveBot(Path(sys.argv[1]))
print(_asks(live.now, time.monotonic() + float(sys.argv[2])))
"""


def test_many_processes_ask_while_the_index_is_rebuilt_and_none_fails(settings: Settings) -> None:
    write(settings.sources, _numbered(0))
    build_index(settings, FakeEncoder())
    asking = [
        subprocess.Popen(
            [sys.executable, "-c", ASKER, settings.index, "3"],
            cwd=Path(__file__).parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        builder = pool.submit(_rebuild_until, stop, settings)
        said = [process.communicate(timeout=100) for process in asking]
        stop.set()
        assert builder.result() > 2
    assert all(int(out) > 0 for out, _ in said), [error for _, error in said]


def test_a_live_bot_answers_on_where_the_next_build_cannot_be_opened(
    built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa_bot.bot.encoder_of_index", lambda *_: FakeEncoder())
    live = LiveBot(built.index)
    write(built.sources, FILES | {"b.txt": "The museum opened in 2005."})
    build_index(built, FakeEncoder())
    path = built.index / "builds" / current_build(built.index) / "contents.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert live.now().ask(QUESTION).text == SAID
    (built.index / "CURRENT").write_bytes(b"\0")
    assert live.now().ask(QUESTION).text == SAID
    build_index(built, FakeEncoder())
    assert live.now().ask(QUESTION).text == "2005"
