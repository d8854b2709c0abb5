"""A sentence-transformers model -> files that onnxruntime and tokenizers run without torch.

    python -m qa_bot.export MODEL_DIRECTORY EMPTY_DIRECTORY

What is written agrees with the model itself on SAMPLES, or it says why not (onnx_export).
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_bot import onnx_export
from qa_bot.encoder import CONFIG, OnnxEncoder
from qa_bot.onnx_export import NotExportable
from qa_bot.onnx_files import MODEL
from qa_bot.sentence_transformer import windows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SAMPLES = (
    "Yes.",
    "who wrote it",
    "WHAT HAPPENED IN 1998?",
    "The museum, which opened in 1998, stands by the river; its tower is 76 metres high.",
    "  Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\n",
    "Interest rates rose by 0.25 percentage points, to 4.5%, the central bank said on Thursday.",
    "国务院新闻办公室发表白皮书。",
    "A treaty was signed in Paris (see annex B) by Ann O'Neill & 12 others: email x@y.org. " * 8,
)
EXACT = 0.9995  # the least cosine of a float32 export with the model: it is the same arithmetic
CLOSE = 0.97  # the least of an int8 one, whose weights are rounded


def export(source: Path, folder: Path) -> None:
    """Write MODEL, TOKENIZER and CONFIG into `folder`; raises NotExportable, and what libraries raise.

    Weights are int8, a scale a channel, where that keeps the vectors CLOSE, else float32.
    """
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    model.eval()
    onnx_export.write_tokenizer(model.tokenizer, folder)
    _write_config(model, folder)
    expected = np.concatenate(
        [
            encode(list(SAMPLES), batch_size=1, normalize_embeddings=True, show_progress_bar=False)
            for encode in (model.encode_query, model.encode_document)
        ]
    )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        exact, rounded = Path(scratch, "exact.onnx"), Path(scratch, "rounded.onnx")
        trace(model, exact)
        onnx_export.fuse(exact, folder / MODEL)
        agreement = _agreement(folder, expected)
        if agreement < EXACT:
            raise NotExportable(f"the exported model disagrees with it (cosine {agreement:.4f})")
        onnx_export.round_weights(exact, rounded)
        onnx_export.fuse(rounded, folder / MODEL)
        if _agreement(folder, expected) < CLOSE:
            onnx_export.fuse(exact, folder / MODEL)


def trace(model: "SentenceTransformer", path: Path) -> None:
    """The model's own modules, from the tokens of one text to its vector, as an ONNX graph."""
    import torch

    takes = set(model.tokenizer.model_input_names)

    class OneText(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.modules_in_order = torch.nn.ModuleList(model.children())

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            features = {"input_ids": input_ids}
            if "token_type_ids" in takes:
                features["token_type_ids"] = torch.zeros_like(input_ids)
            for module in self.modules_in_order:
                features = module(features)
                # Nothing is padded: the transformer needs no mask, pooling asks for one.
                features["attention_mask"] = torch.ones_like(input_ids)
            return features["sentence_embedding"]

    ids = model.tokenizer(SAMPLES[3])["input_ids"]
    onnx_export.trace(OneText(), {"input_ids": ids}, ["sentence_vector"], path)


def _write_config(model: "SentenceTransformer", folder: Path) -> None:
    # As encode_query and encode_document choose them.
    query = model.prompts.get("query") or ""
    document = next((model.prompts[k] for k in ("document", "passage", "corpus") if model.prompts.get(k)), "")
    window, max_tokens = windows(model)
    config: dict[str, Any] = {
        "dimension": model.get_embedding_dimension(),
        "window": window,
        "max_tokens": max_tokens,
        "query_prompt": query,
        "document_prompt": document,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def _agreement(folder: Path, expected: "np.typing.NDArray[np.float32]") -> float:
    """The least cosine of the exported model's vectors of SAMPLES, asked and read, with the model's."""
    encoder = OnnxEncoder("", folder)
    vectors = [*(encoder.encode_query(text) for text in SAMPLES), *encoder.encode_documents(SAMPLES)]
    return float((np.stack(vectors) * expected).sum(axis=1).min())


if __name__ == "__main__":
    sys.exit(onnx_export.run(export))
