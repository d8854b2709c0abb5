"""Building, opening and mending an index directory; its two halves against what they compute."""

import errno
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FakeEncoder, vectors_of, words_of
from filelock import FileLock
from hypothesis import given
from hypothesis import settings as configured
from hypothesis import strategies as st
from strategies import PROPERTY, PROSE, SLOW_PROPERTY, WORDS, snapshot, write

import qa_bot.build
from qa_bot import IndexBusy, IndexUnusable, QABot, Settings, SourcesError, build_index
from qa_bot.encoder import OnnxEncoder
from qa_bot.index import open_index
from qa_bot.manifest import build_id, changed_sources, read_manifest, verify
from qa_bot.parsing import ParserProcess
from qa_bot.sources import Skipped
from qa_bot.vectors import VectorIndex, create_rows
from qa_bot.words import WordIndex, content_words

FILES = {
    "a.md": "# Foxes\n\nThe fox lives by the river.\n\n## Food\n\nIt eats fish and green apples.\n",
    "b.txt": "The museum opened in 1998. Ann signed the treaty in Paris.",
    "deep/c.txt": "A door of the museum is green.",
}


def _fails(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _builds(index: Path) -> list[str]:
    return sorted(path.name for path in (index / "builds").iterdir())


def _said(settings: Settings, question: str) -> str | None:
    return QABot.open(settings.index, encoder=FakeEncoder()).ask(question).text


def _content(settings: Settings) -> dict[str, bytes]:
    """The bytes of the files of the current build, but for its manifest."""
    path = open_index(settings.index).path
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name != "manifest.json"
    }


def _assert_whole(settings: Settings) -> None:
    """The index answers, and from the same bytes as one that was built from nothing."""
    assert verify(settings.index) == []
    fresh = replace(settings, index=settings.index.with_name("fresh"))
    shutil.rmtree(fresh.index, ignore_errors=True)
    build_index(fresh, FakeEncoder())
    assert _content(settings) == _content(fresh)


@pytest.fixture
def built(settings: Settings) -> Settings:
    """Settings of an index of FILES, built with the fake encoder."""
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    return settings


def test_a_build_of_unchanged_sources_changes_no_byte_and_embeds_nothing(built: Settings) -> None:
    before = snapshot(built.index)
    os.utime(built.sources / "b.txt", (0, 0))  # touched, not changed
    encoder = FakeEncoder()
    report = build_index(built, encoder)
    assert report.unchanged and report.embedded == 0 and encoder.embedded == []
    assert snapshot(built.index) == before
    assert report.manifest == read_manifest(built.index)


def test_only_new_passages_are_embedded_and_a_moved_document_embeds_nothing(built: Settings) -> None:
    def embedded_after(files: dict[str, str]) -> list[str]:
        write(built.sources, files)
        encoder = FakeEncoder()
        assert build_index(built, encoder).embedded == len(encoder.embedded)
        _assert_whole(built)
        return encoder.embedded

    added = {**FILES, "d.txt": "Two rivers meet."}
    assert embedded_after(added) == ["Two rivers meet."]
    changed = {**added, "a.md": FILES["a.md"].replace("fish", "mice")}
    assert embedded_after(changed) == ["Foxes. Food\nIt eats mice and green apples."]
    moved = {name.replace("b.txt", "z/b.txt"): text for name, text in changed.items()}
    assert embedded_after(moved) == []
    assert embedded_after({**moved, "copy.txt": "Two rivers meet."}) == []
    assert embedded_after(FILES) == ["Foxes. Food\nIt eats fish and green apples."]


def test_a_deleted_document_stops_answering_and_its_text_goes_with_the_last_build_that_holds_it(
    settings: Settings,
) -> None:
    secret = {"secret.md": "# Xylophone\n\nThe xylophone is in the cellar.\n"}
    write(settings.sources, FILES | secret)
    build_index(settings, FakeEncoder())
    assert _said(settings, "Where is the xylophone?") == "in the cellar"
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    assert not any("ylophon" in found.passage.embedded for found in bot.retrieve("xylophone", top_k=99))
    assert bot.ask("Where is the xylophone?").abstained
    assert not any(b"ylophon" in content for content in _content(settings).values())
    write(settings.sources, FILES | {"d.txt": "Two rivers meet."})
    build_index(settings, FakeEncoder())
    assert not any(b"ylophon" in (content or b"") for _, content in snapshot(settings.index).values())
    assert len(_builds(settings.index)) == 2


_STATE = st.dictionaries(st.sampled_from(["a.txt", "b.md", "c/d.md"]), PROSE, min_size=1)


@given(states=st.lists(_STATE, min_size=2, max_size=4))
@SLOW_PROPERTY
def test_an_index_after_any_edits_has_the_bytes_of_one_built_from_nothing(
    states: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("edits")
    settings = Settings(sources=folder / "sources", index=folder / "index", passage_tokens=12)
    settings.sources.mkdir()
    for state in states:
        write(settings.sources, state)
        build_index(settings, FakeEncoder())
        index = open_index(settings.index)
        assert index.documents.keys() == state.keys()
        assert len(index.passages) == len(index.vectors) == len(index.words) == index.manifest.passages
        expected = [FakeEncoder().encode_query(passage.embedded) for passage in index.passages]
        assert np.array_equal(index.vectors.rows, np.stack(expected))
        _assert_whole(settings)


def test_a_vector_of_the_real_model_depends_on_no_order_and_no_company(
    settings: Settings, real_encoder: OnnxEncoder
) -> None:
    def rows_of(index: Path) -> dict[str, bytes]:
        built = open_index(index)
        return {p.text: row.tobytes() for p, row in zip(built.passages, built.vectors.rows, strict=True)}

    texts = ["Foxes.", "The museum opened in 1998. " * 3, "Ann signed the treaty in Paris, by the river."]
    for count in (1, 3):
        write(settings.sources, {f"{n}.txt": texts[n] for n in range(count)})
        build_index(settings, real_encoder)
    write(settings.sources, {f"{9 - n}.txt": text for n, text in enumerate(texts)})
    fresh = replace(settings, index=settings.index.with_name("fresh"))
    build_index(fresh, real_encoder)
    assert rows_of(fresh.index) == rows_of(settings.index)


class _Killed(BaseException):
    """What no handler of errors catches, like a signal."""


def test_wherever_a_build_is_interrupted_a_whole_one_answers(
    built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = read_manifest(built.index)
    moments = 0
    while True:
        write(built.sources, FILES | {"new.txt": f"Change number {moments}."})
        left = moments

        def interrupt(genuine: Callable[..., Any]) -> Callable[..., Any]:
            def called(*arguments: Any, **named: Any) -> Any:
                nonlocal left
                if not left:
                    raise _Killed
                left -= 1
                return genuine(*arguments, **named)

            return called

        with monkeypatch.context() as patch:
            # The calls between two of which a kill can leave something else on the disk.
            for name in ("fsync", "replace", "mkdir"):
                patch.setattr(os, name, interrupt(getattr(os, name)))
            for name in ("_read", "_write_vectors", "_seal", "prune"):
                patch.setattr(qa_bot.build, name, interrupt(getattr(qa_bot.build, name)))
            try:
                build_index(built, FakeEncoder())
                break
            except _Killed:
                pass
        assert verify(built.index) == []
        manifest = read_manifest(built.index)
        assert manifest == old or "new.txt" in manifest.inputs["sources"]
        assert _said(built, "When did the museum open?") == "1998"
        moments += 1
    assert moments > 10
    assert len(_builds(built.index)) <= 2
    _assert_whole(built)


@pytest.mark.parametrize(
    "patched",
    [
        "build._read",
        "build.create_rows",
        "build.write_synced",
        "build._seal",
        "build.sync",
        "build.publish",
        "publishing.os.replace",
    ],
)
def test_a_build_that_cannot_write_says_so_and_leaves_the_old_one(
    built: Settings, monkeypatch: pytest.MonkeyPatch, patched: str
) -> None:
    old = (built.index / "CURRENT").read_bytes()
    write(built.sources, FILES | {"new.txt": "Two rivers meet."})
    with monkeypatch.context() as patch:
        patch.setattr(f"qa_bot.{patched}", _fails)
        with pytest.raises(IndexUnusable, match=r"cannot be written: No space left .* run: qa-bot index"):
            build_index(built, FakeEncoder())
    assert (built.index / "CURRENT").read_bytes() == old
    assert _said(built, "When did the museum open?") == "1998"
    assert build_index(built, FakeEncoder()).unchanged is False
    assert _said(built, "Do two rivers meet?") == "Two rivers meet"
    assert len(_builds(built.index)) == 2 and {p.name for p in built.index.iterdir()} == {
        "CURRENT",
        "build.lock",
        "builds",
    }


def test_what_a_failed_build_wrote_does_not_outlive_the_next(
    built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(built.sources, FILES | {"secret.txt": "The xylophone is in the cellar."})
    with monkeypatch.context() as patch, pytest.raises(IndexUnusable):
        patch.setattr("qa_bot.build.publish", _fails)
        build_index(built, FakeEncoder())
    write(built.sources, FILES)
    assert build_index(built, FakeEncoder()).unchanged
    assert not any(b"xylophon" in (content or b"") for _, content in snapshot(built.index).values())


def test_an_encoder_that_fails_leaves_the_old_build_answering(
    built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(built.index / "builds")
    write(built.sources, FILES | {"new.txt": "Two rivers meet."})
    encoder = FakeEncoder()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="out of memory"):
        patch.setattr(encoder, "encode_documents", _raise(RuntimeError("out of memory")))
        build_index(built, encoder)
    assert snapshot(built.index / "builds") == before and verify(built.index) == []
    assert build_index(built, FakeEncoder()).embedded == 1
    _assert_whole(built)


def _raise(error: Exception) -> Callable[..., Any]:
    def call(*_: object, **__: object) -> Any:
        raise error

    return call


def test_a_killed_process_leaves_the_old_build_and_no_lock(built: Settings) -> None:
    write(built.sources, FILES | {"new.txt": "Two rivers meet."})
    code = (
        "import os, signal, sys, qa_bot.build\n"
        "from pathlib import Path\n"
        "from conftest import FakeEncoder, vectors_of, words_of\n"
        "from qa_bot import Settings, build_index\n"
        "qa_bot.build.publish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sources, index = map(Path, sys.argv[1:])\n"
        "build_index(Settings(sources=sources, index=index, passage_tokens=40), FakeEncoder())\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, built.sources, built.index], cwd=Path(__file__).parent, check=False
    )
    assert killed.returncode == -9
    assert len(_builds(built.index)) == 2 and verify(built.index) == []
    assert _said(built, "Do two rivers meet?") != "Two rivers meet"
    build_index(built, FakeEncoder())
    _assert_whole(built)


def test_two_processes_do_not_build_one_index(built: Settings) -> None:
    code = "import sys, filelock\nwith filelock.FileLock(sys.argv[1]):\n print(flush=True); sys.stdin.read()"
    lock = built.index / "build.lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout and holder.stdout.readline()
        write(built.sources, FILES | {"new.txt": "Two rivers meet."})
        before = snapshot(built.index)
        with pytest.raises(IndexBusy, match=r"Another process .* Wait .* run: qa-bot index"):
            build_index(built, FakeEncoder())
        assert snapshot(built.index) == before
        assert _said(built, "When did the museum open?") == "1998"  # reading needs no lock
        holder.communicate()
    assert not build_index(built, FakeEncoder()).unchanged


def test_a_lock_is_given_back_also_where_a_build_fails(built: Settings) -> None:
    write(built.sources, {"a.png": "x"})
    with pytest.raises(SourcesError):
        build_index(built, FakeEncoder())
    with FileLock(built.index / "build.lock", timeout=0):
        pass


def test_nothing_to_index_is_an_error_that_names_each_file_and_keeps_the_old_build(built: Settings) -> None:
    before = snapshot(built.index / "builds")
    for files in ({}, {"left-out.md": "---\nindex: false\n---\nBody."}):
        write(built.sources, files)
        with pytest.raises(SourcesError, match=r"nothing to index in .* then run: qa-bot index"):
            build_index(built, FakeEncoder())
    write(built.sources, {"a.png": "PNG", "b.txt": " \n", "c.md": "\0"})
    with pytest.raises(SourcesError) as raised:
        build_index(built, FakeEncoder())
    for line in ("a.png: not one of .txt", "b.txt: empty", "c.md: binary, not text"):
        assert f"\n  {line}" in str(raised.value)
    assert snapshot(built.index / "builds") == before
    assert _said(built, "When did the museum open?") == "1998"


def test_a_build_names_what_it_skipped_also_where_nothing_else_changed(built: Settings) -> None:
    write(built.sources, FILES | {"empty.txt": "", "page.png": "PNG"})
    reasons = {s.source: s.reason for s in build_index(built, FakeEncoder()).manifest.skipped}
    assert reasons["empty.txt"] == "empty" and reasons["page.png"].startswith("not one of .txt")
    write(built.sources, FILES | {"empty.txt": "", "other.pdf": "%PDF"})
    again = build_index(built, FakeEncoder()).manifest.skipped
    assert {skip.source for skip in again} == {"empty.txt", "other.pdf"}


def test_a_file_that_was_unreadable_is_tried_again(built: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write(built.sources, FILES | {"new.txt": "Two rivers meet."})
    with monkeypatch.context() as patch:
        passing = Skipped(source="new.txt", reason="unreadable", passing=True)
        read = ParserProcess.read
        patch.setattr(
            ParserProcess, "read", lambda p, f, on: passing if f.source == "new.txt" else read(p, f, on)
        )
        assert build_index(built, FakeEncoder()).manifest.skipped == (passing,)
    assert build_index(built, FakeEncoder()).manifest.skipped == ()
    assert _said(built, "Do two rivers meet?") == "Two rivers meet"


def test_another_setting_encoder_or_library_makes_another_build(
    built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not build_index(replace(built, passage_tokens=7), FakeEncoder()).unchanged
    assert not build_index(replace(built, bm25_b=0.5), FakeEncoder()).unchanged
    other = FakeEncoder("fake-2")
    assert build_index(built, other).embedded == len(other.embedded) > 0
    with monkeypatch.context() as patch:
        patch.setattr("qa_bot.build.version", lambda library: f"{library} 99")
        assert build_index(built, FakeEncoder("fake-2")).embedded == len(other.embedded)
    # What only asking needs makes none.
    build_index(built, FakeEncoder())
    assert build_index(replace(built, top_k=1, dense_weight=0.9), FakeEncoder()).unchanged


def test_changed_sources_are_those_added_changed_and_removed(built: Settings) -> None:
    assert changed_sources(built.index, built.sources) == []
    write(built.sources, {"a.md": FILES["a.md"], "b.txt": "Other.", "new.txt": "New."})
    assert changed_sources(built.index, built.sources) == ["b.txt", "deep/c.txt", "new.txt"]


def test_an_index_with_any_name_is_built_and_opened(settings: Settings, tmp_path: Path) -> None:
    settings = replace(settings, index=tmp_path / "ünïcödé 日本 🦊 'quotes' $(x)" / "deeper")
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    _assert_whole(settings)
    moved = tmp_path / "copy"
    shutil.move(settings.index, moved)
    assert QABot.open(moved, encoder=FakeEncoder()).ask("When did the museum open?").text


# --- damage


def _file(index: Path, name: str) -> Path:
    """A file of the current build."""
    return index / "builds" / (index / "CURRENT").read_text().strip() / name


def _edit_manifest(index: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = _file(index, "manifest.json")
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    # Under the name that goes with it, so that what comes after the manifest is checked, too.
    name = f"{path.parent.name.rpartition('-')[0]}-{build_id(path.read_bytes())}"
    path.parent.rename(path.parent.with_name(name))
    (index / "CURRENT").write_text(f"{name}\n")


def _swap(index: Path, name: str, content: bytes) -> None:
    """Put `content` in place of a file of the build, and its size into the manifest."""
    _edit_manifest(index, lambda manifest: manifest["files"][name].update(bytes=len(content)))
    _file(index, name).write_bytes(content)


def _edit_contents(index: Path, statement: str) -> None:
    path = _file(index, "contents.db")
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()
    size = path.stat().st_size
    _edit_manifest(index, lambda m: m["files"]["contents.db"].update(bytes=size))


def _swap_vectors(index: Path, rows: Any) -> None:
    np.save(index / "other.npy", np.ascontiguousarray(rows))
    _swap(index, "vectors/rows.npy", (index / "other.npy").read_bytes())


def _swap_words(index: Path) -> None:
    WordIndex.build(index / "other", ["fox river", "museum"], 0.9, 0.4)
    for file in (index / "other").iterdir():
        _swap(index, f"words/{file.name}", file.read_bytes())


def _truncate(name: str) -> Callable[[Path], object]:
    return lambda index: os.truncate(_file(index, name), _file(index, name).stat().st_size // 2)


def _current(content: bytes) -> Callable[[Path], object]:
    return lambda index: (index / "CURRENT").write_bytes(content)


def _manifest(content: bytes) -> Callable[[Path], object]:
    return lambda index: _file(index, "manifest.json").write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing there": (shutil.rmtree, "There is no index in"),
    "no CURRENT": (lambda index: (index / "CURRENT").unlink(), "There is no index in"),
    "CURRENT a folder": (
        lambda i: [(i / "CURRENT").unlink(), (i / "CURRENT").mkdir()],
        "There is no index in",
    ),
    "CURRENT empty": (_current(b""), "CURRENT names no build"),
    "CURRENT out of the folder": (_current(b"../.."), "CURRENT names no build"),
    "CURRENT absolute": (_current(b"/etc"), "CURRENT names no build"),
    "CURRENT binary": (_current(b"\xff\0\n"), "CURRENT names no build"),
    "CURRENT of two lines": (_current(b"a\nb\n"), "CURRENT names no build"),
    "CURRENT of no build": (_current(b"20200101T000000-00000000\n"), "No such file"),
    "build gone": (lambda index: shutil.rmtree(_file(index, ".")), "No such file"),
    "manifest gone": (lambda index: _file(index, "manifest.json").unlink(), "No such file"),
    "manifest truncated": (_truncate("manifest.json"), "is damaged"),
    "manifest empty": (_manifest(b""), "is damaged"),
    "manifest not UTF-8": (_manifest(b"\xff"), "is damaged"),
    "manifest of another shape": (_manifest(b"[]"), "is damaged"),
    "manifest edited": (
        lambda i: _file(i, "manifest.json").write_bytes(_file(i, "manifest.json").read_bytes() + b" "),
        "manifest.json is not the one that was written",
    ),
    "manifest deeply nested": (_manifest(b"[" * 100_000), "is damaged"),
    "manifest with a field more": (lambda i: _edit_manifest(i, lambda m: m.update(x=1)), "is damaged"),
    "manifest of another format": (
        lambda index: _edit_manifest(index, lambda m: m.update(format=99)),
        "has format 99, but this qa-bot reads format 6",
    ),
    "manifest without files": (lambda i: _edit_manifest(i, lambda m: m.update(files=[])), "is damaged"),
    "manifest without encoder": (lambda i: _edit_manifest(i, lambda m: m.update(inputs={})), "is damaged"),
    "contents truncated": (_truncate("contents.db"), "contents.db has "),
    "contents garbled": (lambda i: _swap(i, "contents.db", b"garbage" * 900), "is damaged"),
    "vectors truncated": (_truncate("vectors/rows.npy"), "vectors/rows.npy has "),
    "vectors garbled": (lambda i: _swap(i, "vectors/rows.npy", b"garbage" * 9), "is damaged"),
    "words gone": (lambda i: _file(i, "words/words.json").unlink(), "No such file"),
    "words garbled": (lambda i: _swap(i, "words/starts.npy", b"garbage" * 9), "is damaged"),
    "a passage fewer": (
        lambda i: _edit_contents(i, "DELETE FROM passages WHERE row = 3"),
        "3 passages, but the manifest says 4",
    ),
    "a vector fewer": (lambda i: _swap_vectors(i, open_index(i).vectors.rows[1:]), "3 vectors, but the man"),
    "shorter vectors": (lambda i: _swap_vectors(i, open_index(i).vectors.rows[:, :8]), "is damaged"),
    "rows of words fewer": (_swap_words, "2 rows of words, but the manifest says 4"),
    "a document fewer": (
        lambda i: _edit_contents(i, "DELETE FROM documents WHERE id = 3"),
        "2 documents, but the manifest says 3",
    ),
}


@pytest.mark.parametrize(("damage", "fault"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_index_is_an_error_that_names_the_command_that_mends_it(
    built: Settings, damage: Callable[[Path], object], fault: str
) -> None:
    damage(built.index)
    with pytest.raises(IndexUnusable) as raised:
        QABot.open(built.index, encoder=FakeEncoder())
    message = str(raised.value)
    assert fault in message and repr(str(built.index)) in message
    assert f"qa-bot index --index {built.index}" in message and "\n" not in message
    if (built.index / "CURRENT").is_dir():
        return  # no build makes this good
    build_index(built, FakeEncoder())
    _assert_whole(built)


@given(at=st.integers(0, 1 << 20), bit=st.integers(0, 7), name=st.integers(0, 99))
@configured(SLOW_PROPERTY, max_examples=40)
def test_one_flipped_bit_of_any_file_is_found_and_mended_by_the_next_build(
    name: int, at: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    settings = Settings(sources=folder / "sources", index=folder / "index", passage_tokens=40)
    settings.sources.mkdir()
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    files = sorted(path for path in settings.index.rglob("*") if path.is_file() and path.stat().st_size)
    path = files[name % len(files)]
    _flip(path, at, bit)
    if path.name in ("manifest.json", "CURRENT"):
        with pytest.raises(IndexUnusable, match="qa-bot index --index"):
            QABot.open(settings.index, encoder=FakeEncoder())
        with pytest.raises(IndexUnusable, match=r"manifest|CURRENT|No such file|format"):
            verify(settings.index)
    else:
        named = path.relative_to(_file(settings.index, ".")).as_posix()
        assert verify(settings.index) == [f"{named}: not the bytes that were written"]
    build_index(settings, FakeEncoder())
    _assert_whole(settings)


def _flip(path: Path, at: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << bit
    path.write_bytes(content)


@pytest.mark.parametrize("files", [FILES, FILES | {"new.txt": "Two rivers meet."}], ids=["same", "changed"])
def test_a_build_takes_no_vector_from_a_file_with_a_flipped_bit(
    built: Settings, files: dict[str, str]
) -> None:
    path = _file(built.index, "vectors/rows.npy")
    _flip(path, len(path.read_bytes()) - 1, 6)
    write(built.sources, files)
    build_index(built, FakeEncoder())
    _assert_whole(built)


def test_an_index_made_with_another_model_is_an_error_with_both_and_the_command(built: Settings) -> None:
    other = FakeEncoder("another-digest")
    other.name = "another-model"
    with pytest.raises(IndexUnusable) as raised:
        QABot.open(built.index, encoder=other)
    message = str(raised.value)
    assert "'fake' (fake-1)" in message and "'another-model' (another-dige)" in message
    assert f"qa-bot index --index {built.index} --model another-model" in message


# --- the two halves


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 40),
    dimension=st.integers(1, 9),
    share=st.floats(0, 1),
)
@PROPERTY
def test_the_nearest_vectors_are_those_of_the_highest_product(
    seed: int, rows: int, dimension: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(rows, dimension)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    query = random.normal(size=dimension).astype(np.float32)
    query /= np.linalg.norm(query)
    count = max(1, round(share * rows))
    index = vectors_of(matrix)
    found = index.nearest(query, count)
    products = matrix @ query
    assert len(set(found.tolist())) == count and (len(index), index.dimension) == (rows, dimension)
    assert np.allclose(products[found], np.sort(products)[::-1][:count], atol=1e-6)
    assert np.allclose(index.cosines(query, found[::-1]), products[found[::-1]], atol=1e-6)
    assert np.array_equal(index.rows, matrix)


def test_many_vectors_are_searched_by_an_inverted_file_that_finds_almost_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("qa_bot.vectors.EXACT_ROWS", 500)
    random = np.random.default_rng(5)
    topics = random.normal(size=(40, 24))
    rows = topics[random.integers(40, size=3000)] + random.normal(size=(3000, 24))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    folder = tmp_path / "ünïcödé 日本"
    create_rows(folder, *rows.shape)[:] = rows
    assert VectorIndex.build(folder).startswith("IVF256,SQ8,nprobe=")
    index = VectorIndex.load(folder)
    assert np.array_equal(index.rows, rows) and len(index) == 3000
    recalls = []
    for query in topics[:20].astype(np.float32):
        query /= np.linalg.norm(query)
        best = np.argsort(-(rows @ query))[:10]
        found = index.nearest(query, 100)
        assert len(set(found.tolist())) == len(found) <= 100
        recalls.append(np.isin(best, found).mean())
    assert np.mean(recalls) >= 0.95


def test_an_index_of_many_passages_is_built_opened_asked_and_built_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa_bot.vectors.EXACT_ROWS", 100)
    monkeypatch.setattr("qa_bot.build._BLOCK", 64)
    monkeypatch.setattr("qa_bot.words._BLOCK", 128)
    colours = ("red", "green", "blue", "pale", "dark")
    houses = {f"{n}.txt": f"House {n} has a {colours[n % 5]} lamp number{n}." for n in range(300)}
    write(settings.sources, houses | {"same.md": houses["7.txt"]})
    report = build_index(settings, FakeEncoder())
    assert report.manifest.search.startswith("IVF") and report.embedded == 300
    _assert_whole(settings)
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    for n in (0, 150, 299):
        assert bot.retrieve(f"lamp number{n}", 1)[0].passage.source == f"{n}.txt"
    found = bot.retrieve("lamp number7", 2)
    assert [s.passage.source for s in found] == ["7.txt", "same.md"] and found[0].score == found[1].score
    assert bot.retrieve("lamp", 3, sources={"299.txt", "3.txt"})[0].passage.source in {"3.txt", "299.txt"}
    write(settings.sources, {**houses, "300.txt": "House 300 has no lamp."})
    assert build_index(settings, FakeEncoder()).embedded == 1
    _assert_whole(settings)


def _bm25_share(texts: Sequence[str], question: str, k1: float, b: float) -> list[float]:
    """Lucene's BM25 as its authors write it (Kamphuis et al. 2020), over the most it could be."""
    rows = [content_words(text) for text in texts]
    mean = sum(map(len, rows)) / len(rows)
    asked = content_words(question)

    def idf(word: str) -> float:
        df = sum(word in row for row in rows)
        return math.log(1 + (len(rows) - df + 0.5) / (df + 0.5))

    best = sum(map(idf, asked))
    return [
        sum(idf(w) * Counter(row)[w] / (Counter(row)[w] + k1 * (1 - b + b * len(row) / mean)) for w in asked)
        / best
        if best
        else 0.0
        for row in rows
    ]


_WORDS = st.lists(st.sampled_from((*WORDS, "rivers", "opening", "x")), max_size=12).map(" ".join)


@given(
    texts=st.lists(_WORDS.map(lambda text: f"{text} fox"), min_size=1, max_size=6),
    question=st.lists(st.sampled_from((*WORDS, "unheard", "of")), max_size=6).map(" ".join),
    k1=st.sampled_from([0.5, 0.9, 2.0]),
    b=st.sampled_from([0.0, 0.4, 1.0]),
)
@PROPERTY
def test_the_words_share_is_lucenes_bm25_over_the_most_that_the_question_could_score(
    texts: list[str], question: str, k1: float, b: float
) -> None:
    words = words_of(texts, k1, b)
    shares = words.scores(question)
    assert len(words) == len(texts) == len(shares)
    assert np.allclose(shares, _bm25_share(texts, question, k1, b), atol=1e-5)
    assert np.all((shares >= 0) & (shares <= 1))
    diluted = words.scores(f"{question} zebra")
    assert np.all(diluted <= shares) and (not shares.any() or diluted.max() < shares.max())


def test_question_words_and_inflections_count_for_nothing_and_for_the_same() -> None:
    words = words_of(["The museum opened in Paris.", "Foxes swim."])
    assert np.array_equal(words.scores("How many museums open?"), words.scores("museum opening"))
    assert not words.scores("Who is it? How? 🦊 a").any() and not words.scores("").any()


@pytest.mark.parametrize("text", ["🦊🦊", "the and of", "?!", "a b c"])
def test_a_document_without_a_word_to_look_for_is_indexed_and_found_by_its_likeness(
    settings: Settings, text: str
) -> None:
    write(settings.sources, {"odd.txt": text})
    build_index(settings, FakeEncoder())
    found = QABot.open(settings.index, encoder=FakeEncoder()).retrieve("the fox")
    assert [(f.passage.text, f.lexical) for f in found] == [(text, 0.0)]
