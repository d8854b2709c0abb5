"""Shared by all tests: a fake encoder whose rankings can be asserted, small indexes, the real bot."""

import hashlib
import ipaddress
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from qa_bot import QABot, Settings, build_index
from qa_bot.encoder import OnnxEncoder, Vectors
from qa_bot.models import encoder_for_build
from qa_bot.sentence_transformer import SentenceTransformerEncoder
from qa_bot.vectors import VectorIndex, create_rows
from qa_bot.words import WordIndex

ROOT = Path(__file__).parent.parent
ARTICLE = "china-cyberspace-governance.md"
PROMPTS = {"query": "query: ", "document": "passage: "}  # of the tiny model


def _refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: no test, and nothing that a test calls, talks to another machine."""
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
        if host is not None and not ipaddress.ip_address(host).is_loopback:
            raise PermissionError(f"a test tried to connect to {host}")
    here = (None, "localhost", "127.0.0.1", "::1", "0.0.0.0")
    if event == "socket.getaddrinfo" and arguments[0] not in here:
        raise PermissionError(f"a test tried to look up {arguments[0]!r}")


sys.addaudithook(_refuse_other_machines)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Models are exported afresh, once, for all tests and for the processes that they start."""
    os.environ["QA_BOT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


class FakeEncoder:
    """A hashed bag of words: texts that share words are near, and nothing is random."""

    name = "fake"
    runtime = "fake"
    max_tokens = 256
    dimension = 256

    def __init__(self, digest: str = "fake-1") -> None:
        self.digest = digest
        self.embedded: list[str] = []  # every text that encode_documents was given, in order

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def encode_query(self, question: str) -> Vectors:
        return self._vector(question)

    def encode_documents(self, texts: Sequence[str], on_done: Callable[[int], None] | None = None) -> Vectors:
        self.embedded += texts
        if on_done:
            on_done(len(texts))
        return np.stack([self._vector(text) for text in texts])

    def save(self, models: Path) -> None:
        pass

    def _vector(self, text: str) -> Vectors:
        vector = np.zeros(self.dimension, dtype=np.float32)
        for word in re.findall(r"\w+", text.lower()) or [""]:
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % self.dimension] += 1
        return vector / np.linalg.norm(vector)


WITHOUT_TORCH = """
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "sentence_transformers", "onnx"}:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Absent())
from qa_bot.cli import main
main()
"""


def without_torch(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run qa-bot as on a machine that has neither torch nor a cache."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
        check=False,
    )


def words_of(texts: Sequence[str], k1: float = 0.9, b: float = 0.4) -> WordIndex:
    """A word index of texts, in files that are gone with it."""
    with tempfile.TemporaryDirectory() as folder:
        WordIndex.build(Path(folder, "words"), texts, k1, b)
        return WordIndex.load(Path(folder, "words"))


def vectors_of(rows: Vectors) -> VectorIndex:
    """A vector index of rows, likewise."""
    with tempfile.TemporaryDirectory() as folder:
        create_rows(Path(folder, "vectors"), *rows.shape)[:] = rows
        VectorIndex.build(Path(folder, "vectors"))
        return VectorIndex.load(Path(folder, "vectors"))


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings for an index in an empty folder; `settings.sources` exists and is empty."""
    settings = Settings(sources=tmp_path / "sources", index=tmp_path / "index", passage_tokens=40)
    settings.sources.mkdir()
    return settings


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with squad2_dev_half.json.xz, which is not of this repository; for tests marked data."""
    folder = Path(os.environ.get("QA_BOT_DATA", ""))
    if not (folder / "squad2_dev_half.json.xz").is_file():
        missing = "QA_BOT_DATA does not name a folder with squad2_dev_half.json.xz"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return folder


@pytest.fixture(scope="session")
def real_encoder() -> OnnxEncoder:
    """The packaged all-MiniLM-L6-v2, as a user gets it: exported once."""
    encoder = encoder_for_build()
    assert isinstance(encoder, OnnxEncoder)
    return encoder


@pytest.fixture(scope="session")
def reference_encoder() -> SentenceTransformerEncoder:
    """The same by sentence-transformers; loaded once."""
    return SentenceTransformerEncoder()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers model of 1 layer, 32 wide, with prompts; its weights are seeded noise."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, "query", "passage", ":", "the", "lamp", "river", "is", "green", "long"]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=32)
    model = SentenceTransformer(modules=[transformer, Pooling(32)], prompts=PROMPTS, device="cpu")
    model.save(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="session")
def article_index(tmp_path_factory: pytest.TempPathFactory, real_encoder: OnnxEncoder) -> Path:
    """An index of the repository's own sources, made with the real model."""
    index = tmp_path_factory.mktemp("article") / "index"
    build_index(Settings(sources=ROOT / "sources", index=index), real_encoder)
    return index


@pytest.fixture(scope="session")
def article_bot(article_index: Path, real_encoder: OnnxEncoder) -> QABot:
    """The bot that a user gets, on the repository's own sources."""
    return QABot.open(article_index, encoder=real_encoder)


FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")  # while it is there, no test can run an event loop
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not chromium:
        missing = "there is no Chromium to test the page in; install it: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()
