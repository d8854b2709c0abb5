"""Spans of a text that may answer a question, and models of other people's that find them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import without_torch
from hypothesis import given
from strategies import PROPERTY, PROSE, QUESTION, TEXT

from qa_bot import IndexUnusable, ModelError, QABot, Settings, build_index
from qa_bot.cli import cli
from qa_bot.manifest import read_manifest, verify
from qa_bot.models import reader_for_build
from qa_bot.onnx_files import MODEL, TOKENIZER
from qa_bot.span_model import CONFIG, SPAN_TOKENS, SpanModel


@given(PROSE | TEXT, QUESTION)
@PROPERTY
def test_a_span_is_of_its_text_and_depends_on_that_alone(text: str, question: str) -> None:
    first, _, third = PACKAGED.read(question, [text, "A fox.", text])
    assert first == third == PACKAGED.read(question, [text])[0]
    if first:
        assert 0 <= first.start < first.end <= len(text)


PACKAGED = SpanModel()


def test_a_long_text_is_read_to_its_end_and_scores_compare_between_its_parts() -> None:
    filler = "The river is long and the fox swims in it every day of the year. " * 120
    said = "The museum was opened by Ann Holm in 1998."
    for text in (filler + said, said + filler, filler + said + filler):
        (span,) = PACKAGED.read("Who opened the museum?", [text])
        assert span and text[span.start : span.end] == "Ann Holm"
    assert PACKAGED.read("Who opened the museum?", ["", " \n"]) == [None, None]
    assert PACKAGED.read("Who? " * 400, [said])[0]


def test_no_span_is_longer_than_an_answer() -> None:
    words = " ".join(f"w{i}" for i in range(200))
    (span,) = PACKAGED.read("Why?", [words])
    assert span and len(words[span.start : span.end].split()) <= SPAN_TOKENS


def test_the_packaged_model_is_small_and_finds_and_refuses() -> None:
    text = "From March to June, it was one of 76 countries to participate in an operation named First Light."
    (span,) = PACKAGED.read("How many countries took part in First Light?", [text])
    assert span and "76" in text[span.start : span.end]
    (other,) = PACKAGED.read("What does a transistor do?", [text])
    assert other and span.found > max(0, other.found)
    assert (PACKAGED.folder / MODEL).stat().st_size < 30e6


# Another reader, by name.


def _save_model(folder: Path, kind: str) -> Path:
    """An extractive model of two layers, 32 wide; its weights are seeded noise."""
    import torch
    import transformers

    torch.manual_seed(1)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    if kind == "bert":
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "lamp", "is", "green", "what", ".", "?"]
        (folder / "vocab.txt").write_text("\n".join(words))
        config = transformers.BertConfig(vocab_size=len(words), max_position_embeddings=64, **size)
        transformers.BertForQuestionAnswering(config).save_pretrained(folder)
        transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(
            folder
        )
    elif kind == "roberta":
        from tokenizers import ByteLevelBPETokenizer

        bpe = ByteLevelBPETokenizer()
        bpe.train_from_iterator(
            ["the lamp is green what colour"] * 9, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        )
        bpe.save_model(str(folder))
        tokenizer = transformers.RobertaTokenizerFast(
            vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=64
        )
        tokenizer.save_pretrained(folder)
        config = transformers.RobertaConfig(
            vocab_size=len(tokenizer), max_position_embeddings=66, type_vocab_size=1, **size
        )
        transformers.RobertaForQuestionAnswering(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_a_named_reader_is_exported_once_and_scores_as_the_model_does(tmp_path: Path, kind: str) -> None:
    import torch
    import transformers

    source = _save_model(tmp_path, kind)
    said: list[str] = []
    model = reader_for_build(str(source), notify=said.append)
    assert said == [f"Preparing the model {source} (once) ..."]
    assert reader_for_build(str(source), notify=said.append).digest == model.digest and len(said) == 1
    reference = transformers.AutoModelForQuestionAnswering.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    question, text = "what is green?", "the lamp is green. " * 3
    with torch.inference_mode():
        out = reference(**tokenizer(question, text, return_tensors="pt"))
    for got, expected in zip(model.logits(question, text), (out.start_logits, out.end_logits), strict=True):
        assert np.abs(got - expected[0].numpy()).max() < 0.25 * float(expected.std())
    (span,) = model.read(question, [text * 30])
    assert span and span.end <= len(text) * 30


def test_an_index_with_a_named_reader_answers_alone_and_keeps_calibrations_apart(tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.mkdir()
    _save_model(source, "bert")
    settings = Settings(sources=tmp_path / "sources", index=tmp_path / "index", reader=str(source))
    settings.sources.mkdir()
    (settings.sources / "a.txt").write_text("The lamp is green. What is the lamp?")
    assert build_index(settings).embedded == 1
    assert build_index(settings).unchanged
    shutil.rmtree(source)
    done = without_torch(
        tmp_path, "ask", "What is green?", "--json", "--threshold", "0", "--index", settings.index
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["text"] in "The lamp is green. What is the lamp?"
    bot = QABot.open(settings.index)
    kept = settings.index / "models" / bot.calibration.reader
    assert kept.is_dir() and not verify(settings.index)
    damaged = shutil.copytree(settings.index, tmp_path / "damaged")
    (damaged / "models" / kept.name / MODEL).write_bytes(b"x")
    assert verify(damaged) == [f"models/{kept.name}: not the model that was written"]
    with pytest.raises(IndexUnusable, match=r"with the reader '.*/model', not with 'other'\. Build it again"):
        QABot.open(settings.index, settings=Settings(reader="other"))
    # Back to the packaged one: nothing is embedded again.
    report = build_index(Settings(sources=settings.sources, index=settings.index))
    assert not report.unchanged and report.embedded == 0 and read_manifest(settings.index).reader is None


def test_what_cannot_be_a_reader_is_refused_in_one_sentence(tmp_path: Path) -> None:
    from click.testing import CliRunner

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be made a reader") as raised:
        reader_for_build(str(tmp_path / "a"))
    assert "\n" not in str(raised.value)
    with pytest.raises(ModelError, match="is no directory and is not in the local cache") as raised:
        reader_for_build("nobody/nothing")
    assert "qa-bot index --reader nobody/nothing" in str(raised.value)
    assert "--reader" in CliRunner().invoke(cli, ["index", "--help"]).output


@pytest.mark.parametrize("file", [MODEL, TOKENIZER, CONFIG])
def test_a_damaged_reader_is_one_sentence(tmp_path: Path, file: str) -> None:
    folder = shutil.copytree(PACKAGED.folder, tmp_path / "model")
    (folder / file).write_bytes((folder / file).read_bytes()[: (folder / file).stat().st_size // 2])
    with pytest.raises(ModelError, match="cannot be loaded") as raised:
        SpanModel("mine", folder).read("Who?", ["Ann."])
    assert "\n" not in str(raised.value)
