"""An index is built whole or not at all, embeds only what is new, and says what is wrong with it."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeEncoder
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from qa_bot import IndexBusy, IndexUnusable, QABot, Settings, SourcesError, build, build_index
from qa_bot.encoder import SentenceTransformerEncoder, Vectors
from qa_bot.index import current_build, open_index, read_manifest, verify
from qa_bot.vectors import VectorIndex
from qa_bot.words import WordIndex, content_words

WORDS = ("lamp", "river", "stone", "garden", "winter", "letter", "music", "paper", "window", "island")
Files = dict[str, str]


def write(settings: Settings, files: Files) -> None:
    """Make the sources folder hold these files and no others."""
    for path in settings.sources.iterdir():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (settings.sources / name).write_text(text)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "build.lock"
    }


def rows_by_text(settings: Settings) -> dict[tuple[str, str], bytes]:
    index = open_index(settings.index)
    rows = index.vectors.rows
    return {(p.source, p.embedded): rows[i].tobytes() for i, p in enumerate(index.passages)}


sentence = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(
    lambda w: " ".join(w).capitalize() + "."
)
text = st.lists(sentence, min_size=1, max_size=8).map("\n\n".join)
files = st.dictionaries(st.sampled_from(["a.txt", "b.md", "c.txt", "d.md"]), text, min_size=1)


@hypothesis_settings(max_examples=25, deadline=None, derandomize=True)
@given(history=st.lists(files, min_size=1, max_size=4))
def test_however_the_sources_change_the_index_is_as_if_built_from_nothing(
    history: list[Files], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("index")
    kept = Settings(sources=folder / "sources", index=folder / "index", passage_tokens=16)
    kept.sources.mkdir()
    embedded: set[str] = set()
    for state in history:
        write(kept, state)
        encoder = FakeEncoder()
        report = build_index(kept, encoder)
        index = open_index(kept.index)
        # Nothing was embedded that the build before held, nor twice.
        assert not embedded & set(encoder.embedded)
        assert len(encoder.embedded) == len(set(encoder.embedded)) == report.embedded
        embedded = {passage.embedded for passage in index.passages}

        # Invariants 1 and 6: passages are their documents' words, and rows agree.
        assert set(index.documents) == set(state)
        assert all(index.documents[p.source].text[p.start : p.end] == p.text for p in index.passages)
        assert len(index.passages) == len(index.vectors) == len(index.words) == report.manifest.passages
        assert verify(kept.index) == []

        # Invariant 3: again is a no-op, and nothing differs from a build from nothing.
        before = snapshot(kept.index)
        again = build_index(kept, encoder)
        assert again.unchanged and again.embedded == 0 and snapshot(kept.index) == before
        fresh = dataclasses.replace(kept, index=folder / f"fresh-{len(list(folder.iterdir()))}")
        build_index(fresh, FakeEncoder())
        assert rows_by_text(fresh) == rows_by_text(kept)
        for question in WORDS[:3]:
            one, other = (QABot.open(i, encoder=FakeEncoder()) for i in (kept.index, fresh.index))
            assert one.retrieve(question, 50) == other.retrieve(question, 50)


def test_the_real_model_gives_a_text_the_same_vector_in_any_company(
    settings: Settings, real_encoder: SentenceTransformerEncoder
) -> None:
    texts = {
        "a.txt": "Short.",
        "b.txt": "A sentence of middling length, about a river.",
        "c.txt": "Words. " * 30,
    }
    write(settings, {"b.txt": texts["b.txt"]})
    build_index(settings, real_encoder)
    write(settings, texts)
    assert build_index(settings, real_encoder).embedded == len(open_index(settings.index).passages) - 1
    fresh = dataclasses.replace(settings, index=settings.index.with_name("fresh"))
    build_index(fresh, real_encoder)
    assert rows_by_text(fresh) == rows_by_text(settings)


def test_a_deleted_document_does_not_answer_and_its_text_goes_with_the_last_build_that_held_it(
    settings: Settings, encoder: FakeEncoder
) -> None:
    write(settings, {"a.txt": "The lamp is green.", "b.txt": "The zygomorphic river is long."})
    build_index(settings, encoder)
    write(settings, {"a.txt": "The lamp is green."})
    build_index(settings, encoder)
    assert [s.passage.source for s in QABot.open(settings.index, encoder=encoder).retrieve("river", 9)] == [
        "a.txt"
    ]
    write(settings, {"a.txt": "The lamp is red."})
    build_index(settings, encoder)
    assert not any(b"zygomorphic" in content for content, _ in snapshot(settings.index).values())


class BrokenEncoder(FakeEncoder):
    """Fails after the model was loaded, in the middle of its work."""

    def encode_documents(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        raise RuntimeError("the model broke")


@pytest.mark.parametrize("step", ["encoder", "_write_lines", "_seal", "_write_synced", "_publish"])
def test_a_build_that_fails_leaves_the_old_one_answering(
    settings: Settings, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write(settings, {"a.txt": "The lamp is green."})
    build_index(settings, encoder)
    before = QABot.open(settings.index, encoder=encoder).retrieve("lamp", 5)
    write(settings, {"a.txt": "The lamp is red."})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        if step != "encoder":
            broken.setattr(build, step, full)
        with pytest.raises((RuntimeError, IndexUnusable), match=r"broke|No space left on device"):
            build_index(settings, BrokenEncoder() if step == "encoder" else encoder)
    assert QABot.open(settings.index, encoder=encoder).retrieve("lamp", 5) == before
    assert verify(settings.index) == []

    assert not build_index(settings, encoder).unchanged
    assert (
        QABot.open(settings.index, encoder=encoder).retrieve("lamp", 5)[0].passage.text == "The lamp is red."
    )
    assert len(list((settings.index / "builds").iterdir())) == 2  # this one and the one before


def test_two_builds_at_once_are_one_build_and_one_message(settings: Settings, encoder: FakeEncoder) -> None:
    write(settings, {"a.txt": "The lamp is green."})
    settings.index.mkdir()
    hold = (
        "import sys; from filelock import FileLock\n"
        f"with FileLock({str(settings.index / 'build.lock')!r}): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdin and holder.stdout.readline() == "held\n"
        with pytest.raises(IndexBusy, match="Another process is building"):
            build_index(settings, encoder)
        holder.kill()  # a dead process holds no lock
    assert build_index(settings, encoder).embedded == 1


def test_nothing_to_index_names_what_was_skipped_and_keeps_the_old_index(
    settings: Settings, encoder: FakeEncoder
) -> None:
    with pytest.raises(SourcesError, match=r"nothing to index .* qa-bot index"):
        build_index(settings, encoder)
    write(settings, {"a.txt": "The lamp is green."})
    build_index(settings, encoder)
    write(settings, {"empty.txt": " \n", "image.png": "x"})
    with pytest.raises(SourcesError, match=r"(?s)image\.png: not one of \.txt.*empty\.txt: empty"):
        build_index(settings, encoder)
    assert QABot.open(settings.index, encoder=encoder).retrieve("lamp", 5)
    with pytest.raises(SourcesError, match="There is no folder"):
        build_index(dataclasses.replace(settings, sources=Path("nowhere")), encoder)


def test_a_missing_index_says_how_to_build_it(tmp_path: Path) -> None:
    for use in (open_index, read_manifest, current_build, verify):
        with pytest.raises(
            IndexUnusable, match=r"There is no index in .* Build it with: qa-bot index --index"
        ):
            use(tmp_path / "index")


def _edit_manifest(path: Path, **changes: object) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | changes))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another format": (
        lambda p: _edit_manifest(p, format=99),
        "has format 99, but this qa-bot reads format 1",
    ),
    "a manifest cut short": (lambda p: (p / "manifest.json").write_text('{"format": 1'), "damaged"),
    "a manifest of another shape": (lambda p: (p / "manifest.json").write_text("[]"), "damaged"),
    "no manifest": (lambda p: (p / "manifest.json").unlink(), "damaged"),
    "a file cut short": (
        lambda p: (p / "vectors.faiss").write_bytes(b""),
        r"vectors.faiss has 0 bytes instead",
    ),
    "a file missing": (lambda p: (p / "documents.jsonl").unlink(), "damaged"),
    "another count": (lambda p: _edit_manifest(p, passages=7), "1 passages, but the manifest says 7"),
    "a pointer out": (
        lambda p: (p.parent.parent / "CURRENT").write_text("../../x"),
        "CURRENT names no build",
    ),
    "a pointer to nothing": (lambda p: (p.parent.parent / "CURRENT").write_bytes(b"gone\n"), "damaged"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_index_is_one_sentence_with_the_command_that_mends_it(
    settings: Settings, encoder: FakeEncoder, what: str
) -> None:
    write(settings, {"a.txt": "The lamp is green."})
    build_index(settings, encoder)
    damage, message = DAMAGE[what]
    damage(settings.index / "builds" / current_build(settings.index))
    with pytest.raises(IndexUnusable, match=message) as caught:
        QABot.open(settings.index, encoder=encoder)
    assert "qa-bot index --index" in str(caught.value) and "\n" not in str(caught.value)
    build_index(settings, encoder)
    assert QABot.open(settings.index, encoder=encoder).retrieve("lamp", 1)


def test_an_index_of_another_model_is_refused_with_the_command_that_mends_it(
    settings: Settings, encoder: FakeEncoder
) -> None:
    write(settings, {"a.txt": "The lamp is green."})
    build_index(settings, encoder)
    other = FakeEncoder(digest="fake-2")
    with pytest.raises(
        IndexUnusable, match=r"built with the model 'fake' .* qa-bot index --index .* --model fake"
    ):
        QABot.open(settings.index, encoder=other)
    assert build_index(settings, other).embedded == 1  # rows of two models are never mixed
    assert QABot.open(settings.index, encoder=other).retrieve("lamp", 1)


def test_a_flipped_byte_is_found_and_named(settings: Settings, encoder: FakeEncoder) -> None:
    write(settings, {"a.txt": "The lamp is green.", "b.txt": "The river is long."})
    build_index(settings, encoder)
    path = settings.index / "builds" / current_build(settings.index)
    for name in read_manifest(settings.index).files:
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert verify(settings.index) == [f"{name}: not the bytes that were written"]
        (path / name).write_bytes(content)
    assert verify(settings.index) == []
    (path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not build_index(settings, encoder).unchanged  # a build that does not verify is made again
    assert verify(settings.index) == []


def test_vectors_are_found_as_by_brute_force_also_on_a_non_ascii_path(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    rows = random.standard_normal((200, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    path = tmp_path / "索引 é" / "vectors.faiss"
    path.parent.mkdir()
    VectorIndex.of(rows).save(path)
    index = VectorIndex.load(path)
    assert np.array_equal(index.rows, rows)
    for query in rows[:5] + 0.1:
        assert list(index.nearest(query, 10)) == list(np.argsort(-(rows @ query))[:10])
        assert np.allclose(index.cosines(query, np.array([3, 1])), rows[[3, 1]] @ query, atol=1e-6)


def test_word_scores_are_lucene_s_bm25_over_the_best_that_the_question_could_get(tmp_path: Path) -> None:
    texts = ["The lamp is green and the lamp is small.", "A river of stones.", "Lamps and rivers!", "…"]
    k1, b = 0.9, 0.4
    WordIndex.of(texts, k1, b).save(tmp_path / "bm25")
    index = WordIndex.load(tmp_path / "bm25")
    bags = [content_words(each) for each in texts]
    lengths = np.array([len(bag) for bag in bags])
    question = "Which lamps are near the river in Samarkand?"

    best, expected = 0.0, np.zeros(len(texts))
    for word in content_words(question):
        counts = np.array([bag.count(word) for bag in bags])
        df = (counts > 0).sum()
        idf = np.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
        best += idf
        expected += idf * counts / (counts + k1 * (1 - b + b * lengths / lengths.mean()))
    scores = index.scores(question)
    assert np.allclose(scores, expected / best, atol=1e-5)
    assert ((scores >= 0) & (scores < 1)).all()
    assert (index.scores("lamp")[:1] > index.scores("lamp Samarkand")[:1]).all()  # an unknown word counts
    assert not index.scores("Samarkand").any() and not index.scores("?").any()
