"""A Hugging Face extractive question-answering model -> files that onnxruntime runs without torch.

    python -m qa_bot.export_reader MODEL_DIRECTORY EMPTY_DIRECTORY

What is written scores SAMPLES as the model itself does, or it says why not (onnx_export).
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_bot import onnx_export
from qa_bot.onnx_export import NotExportable
from qa_bot.onnx_files import MODEL
from qa_bot.sentence_transformer import UNLIMITED
from qa_bot.span_model import CONFIG, SpanModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SAMPLES = (
    (
        "When did the museum open?",
        "The museum, which opened in 1998, stands by the river; its tower is 76 metres high.",
    ),
    ("who signed", "A treaty was signed in Paris (see annex B) by Ann O'Neill & 12 others. " * 4),
    ("By how much did rates rise?", "Interest rates rose by 0.25 percentage points, to 4.5%, the bank said."),
    ("What is the capital of France?", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich."),
    ("Yes?", "No."),
)
EXACT = 1e-2  # the most that a score of a float32 export may differ: it is the same arithmetic
# Of an int8 one, whose weights and inputs are rounded: the root mean square of what its scores differ
# by, as a share of their spread.
CLOSE = 0.12
WINDOW = 384  # tokens of question and text: attention grows with the square


def export(source: Path, folder: Path) -> None:
    """Write MODEL, TOKENIZER and CONFIG into `folder`; raises NotExportable, and what libraries raise.

    Weights are int8, a scale a channel, where that keeps the scores CLOSE, else float32.
    """
    from transformers import AutoModelForQuestionAnswering, AutoTokenizer

    model = AutoModelForQuestionAnswering.from_pretrained(source, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    onnx_export.write_tokenizer(tokenizer, folder)
    if not tokenizer.cls_token or tokenizer("a", "b")["input_ids"][0] != tokenizer.cls_token_id:
        raise NotExportable('its inputs do not begin with a token for "no answer"')
    takes = [name for name in ("input_ids", "token_type_ids") if name in tokenizer.model_input_names]
    longest = min(
        getattr(model.config, "max_position_embeddings", None) or UNLIMITED, tokenizer.model_max_length
    )
    # RoBERTa's positions begin behind two that are reserved.
    config: dict[str, Any] = {"window": min(WINDOW, longest - 2), "inputs": takes}
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    expected = [_scores_of(model, tokenizer, config, *sample) for sample in SAMPLES]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        exact, rounded = Path(scratch, "exact.onnx"), Path(scratch, "rounded.onnx")
        trace(model, {name: tokenizer(*SAMPLES[0])[name] for name in takes}, exact)
        onnx_export.fuse(exact, folder / MODEL)
        apart = max(float(np.abs(a - b).max()) for a, b in zip(_scores(folder), expected, strict=True))
        if apart > EXACT:
            raise NotExportable(f"the exported model disagrees with it (by {apart:.3f})")
        onnx_export.round_weights(exact, rounded)
        onnx_export.fuse(rounded, folder / MODEL)
        got, wanted = np.concatenate(_scores(folder)), np.concatenate(expected)
        if np.sqrt(np.mean((got - wanted) ** 2)) > CLOSE * wanted.std():
            onnx_export.fuse(exact, folder / MODEL)


def trace(model: "PreTrainedModel", inputs: dict[str, list[int]], path: Path) -> None:
    """The model, from the tokens of one question and text to two logits a token, as an ONNX graph."""
    import torch

    class OnePair(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: torch.Tensor, token_type_ids: torch.Tensor | None = None
        ) -> tuple[torch.Tensor, torch.Tensor]:
            types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
            out = self.model(input_ids=input_ids, **types)
            return out.start_logits, out.end_logits

    onnx_export.trace(OnePair(), inputs, ["start_logits", "end_logits"], path)


def _scores_of(
    model: "PreTrainedModel", tokenizer: Any, config: dict[str, Any], question: str, text: str
) -> "np.typing.NDArray[np.float32]":
    """Start and end logits of every token, by the model itself."""
    import torch

    encoded = tokenizer(
        question, text, truncation="only_second", max_length=config["window"], return_tensors="pt"
    )
    with torch.inference_mode():
        out = model(**{name: encoded[name] for name in config["inputs"]})
    return np.concatenate([out.start_logits[0].numpy(), out.end_logits[0].numpy()])


def _scores(folder: Path) -> "list[np.typing.NDArray[np.float32]]":
    """The same by what was exported."""
    exported = SpanModel("", folder)
    return [np.concatenate(exported.logits(*sample)) for sample in SAMPLES]


if __name__ == "__main__":
    sys.exit(onnx_export.run(export))
