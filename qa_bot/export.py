"""A sentence-transformers model -> files that onnxruntime and tokenizers run without torch.

    python -m qa_bot.export MODEL_DIRECTORY EMPTY_DIRECTORY

A process of its own, so that torch never enters the one that serves. What is written agrees with
the model itself on SAMPLES, or the reason is the last line of standard error and the exit code
NOT_EXPORTABLE. Other exit codes say nothing of the model.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qa_bot.encoder import CONFIG, MODEL, TOKENIZER, OnnxEncoder
from qa_bot.sentence_transformer import windows

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Part of what names an export in the cache: raise it with any change of what is written here.
RECIPE = 1

NOT_EXPORTABLE = 3

# Attention and Gelu are operators of their own from here on, which onnxruntime runs faster than
# what they are made of.
OPSET = 23

# Seven bits of the eight (reduce_range), for processors whose 16-bit sums would overflow.
QUANTIZATION: dict[str, Any] = {
    "op_types_to_quantize": ["MatMul", "Gemm", "Gather"],
    "per_channel": True,
    "reduce_range": True,
    "extra_options": {"MatMulConstBOnly": True},
}

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


class NotExportable(Exception):
    """The model does more than the exported files could; the message says what."""


def export(source: Path, folder: Path) -> None:
    """Write MODEL, TOKENIZER and CONFIG into `folder`; raises NotExportable, and what libraries raise.

    Weights are int8, a scale a channel, where that keeps the vectors CLOSE, else float32.
    """
    from onnxruntime.quantization import quantize_dynamic
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    model.eval()
    _write_tokenizer(model, folder)
    _write_config(model, folder)
    expected = np.concatenate(
        [
            encode(list(SAMPLES), batch_size=1, normalize_embeddings=True, show_progress_bar=False)
            for encode in (model.encode_query, model.encode_document)
        ]
    )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        exact, rounded = Path(scratch, "exact.onnx"), Path(scratch, "rounded.onnx")
        _trace(model, exact)
        _optimize(exact, folder / MODEL)
        agreement = _agreement(folder, expected)
        if agreement < EXACT:
            raise NotExportable(f"the exported model disagrees with it (cosine {agreement:.4f})")
        quantize_dynamic(exact, rounded, **QUANTIZATION)
        _optimize(rounded, folder / MODEL)
        if _agreement(folder, expected) < CLOSE:
            _optimize(exact, folder / MODEL)


def _optimize(path: Path, optimized: Path) -> None:
    """Fuse operators now rather than at each start."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(optimized)
    # This fusion is several times slower than the two operators that it replaces.
    onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )


def _trace(model: "SentenceTransformer", path: Path) -> None:
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

    ids = torch.tensor([model.tokenizer(SAMPLES[3])["input_ids"]])
    torch.onnx.export(
        OneText().eval(),
        (ids,),
        path,
        input_names=["input_ids"],
        output_names=["sentence_vector"],
        dynamo=True,
        dynamic_shapes=({1: torch.export.Dim.DYNAMIC},),
        external_data=False,
        opset_version=OPSET,
        verbose=False,
    )
    _strip(path)


def _strip(path: Path) -> None:
    """Remove notes on the export, which name paths of this machine: equal models, equal bytes."""
    import onnx

    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def _write_tokenizer(model: "SentenceTransformer", folder: Path) -> None:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise NotExportable("its tokenizer is not one of the tokenizers library")
    backend.save(str(folder / TOKENIZER))


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


def main() -> int:
    """Export as the command line says; the exit code."""
    source, folder = map(Path, sys.argv[1:])
    try:
        export(source, folder)
    except Exception as error:  # whatever a foreign model makes the libraries raise
        reason = str(error).strip().splitlines() or [""]
        what = reason[0] if isinstance(error, NotExportable) else f"{type(error).__name__}: {reason[0]}"
        print(what, file=sys.stderr)  # noqa: T201
        # transformers, too, raises OSError where files say nothing to it, but without a number.
        no_room = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno)
        return 1 if no_room else NOT_EXPORTABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
