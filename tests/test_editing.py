"""Sources changed from the page."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from conftest import FakeEncoder
from strategies import write

from qa_bot import QABot, QABotError, Settings, build_index
from qa_bot.build import BuildReport
from qa_bot.editing import Cancelled, Editor, Step
from qa_bot.encoder import Vectors
from qa_bot.errors import AddError
from qa_bot.manifest import current_build, verify
from qa_bot.publishing import alone

FILES = {
    "b.txt": "The museum opened in 1998.",
    "c.txt": "The river is long.",
    "copy.txt": "The river is long.",
}


@pytest.fixture
def editor(settings: Settings) -> Editor:
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    return Editor(lambda: QABot.open(settings.index, encoder=FakeEncoder()), settings.index)


def test_a_file_is_added_removed_with_its_copies_and_the_build_tells_its_steps(
    editor: Editor, settings: Settings, tmp_path: Path
) -> None:
    uploaded = tmp_path / "new.txt"
    uploaded.write_text("A door is green.")
    assert editor.add(uploaded) == "new.txt" and not uploaded.exists()
    *steps, report = editor.rebuild()
    assert isinstance(report, BuildReport) and report.manifest.documents == 3
    assert steps and all(isinstance(step, Step) for step in steps)
    assert any("new.txt" in step.what for step in steps if isinstance(step, Step))
    editor.remove("copy.txt")
    assert sorted(path.name for path in settings.sources.iterdir()) == ["b.txt", "new.txt"]
    with pytest.raises(QABotError, match="no document"):
        editor.remove("../index/CURRENT")
    picture = tmp_path / "a.png"
    picture.write_text("x")
    with pytest.raises(AddError, match="not one of"):
        editor.add(picture)
    assert not picture.exists()


def test_a_link_out_of_the_folder_is_not_followed_to_be_removed(editor: Editor, settings: Settings) -> None:
    outside = settings.sources.parent / "outside.txt"
    outside.write_text("secret")
    (settings.sources / "b.txt").unlink()
    (settings.sources / "b.txt").symlink_to(outside)
    with pytest.raises(AddError, match="not in the sources folder"):
        editor.remove("b.txt")
    assert outside.exists()


class _Patient(FakeEncoder):
    """Embeds when it is told to go on."""

    go_on = threading.Event()

    def encode_documents(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        assert self.go_on.wait(30)
        return super().encode_documents(texts, on_done)


def test_a_build_that_is_stopped_leaves_the_index_as_it_was(editor: Editor, settings: Settings) -> None:
    before = current_build(settings.index)
    write(settings.sources, FILES | {f"{n}.txt": f"House {n} is red." for n in range(50)})
    patient = Editor(lambda: QABot.open(settings.index, encoder=_Patient()), settings.index)
    steps = patient.rebuild()
    assert isinstance(next(steps), Step)
    patient.cancel()
    _Patient.go_on.set()
    *_, last = steps
    assert isinstance(last, Cancelled) and current_build(settings.index) == before
    assert verify(settings.index) == []
    *_, report = editor.rebuild()
    assert isinstance(report, BuildReport) and report.manifest.documents == 52


def test_a_build_that_fails_in_a_way_that_nobody_foresaw_ends_with_a_message(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("qa_bot.editing.build_index", fail)
    *_, last = editor.rebuild()
    assert isinstance(last, QABotError) and "out of luck" in str(last)


def test_a_build_waits_for_another_and_can_be_stopped_while_it_does(
    editor: Editor, settings: Settings
) -> None:
    with alone(settings.index):
        threading.Timer(0.3, editor.cancel).start()
        *_, last = editor.rebuild()
    assert isinstance(last, Cancelled)
