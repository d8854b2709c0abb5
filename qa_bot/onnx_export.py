"""What the exports of encoders and of readers share: tracing, rounding to int8, fusing.

Each is a process of its own, so that torch never enters the one that serves. The reason why a model
cannot be exported is the last line of standard error, with the exit code NOT_EXPORTABLE; other exit codes say
nothing of the model.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa_bot.onnx_files import TOKENIZER

if TYPE_CHECKING:
    import torch

# Part of what names an export in the cache: raise it with any change of what is written.
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


class NotExportable(Exception):
    """The model does more than the exported files could; the message says what."""


def trace(module: "torch.nn.Module", inputs: dict[str, list[int]], outputs: list[str], path: Path) -> None:
    """Write a module of one unpadded text's tokens as an ONNX graph; equal models, equal bytes."""
    import onnx
    import torch

    torch.onnx.export(
        module.eval(),
        tuple(torch.tensor([ids]) for ids in inputs.values()),
        path,
        input_names=list(inputs),
        output_names=outputs,
        dynamo=True,
        dynamic_shapes=tuple({1: torch.export.Dim.DYNAMIC} for _ in inputs),
        external_data=False,
        opset_version=OPSET,
        verbose=False,
    )
    # Notes on the export name paths of this machine.
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def round_weights(exact: Path, rounded: Path) -> None:
    """Write the graph with int8 weights, a scale a channel."""
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(exact, rounded, **QUANTIZATION)


def fuse(path: Path, fused: Path) -> None:
    """Fuse operators now rather than at each start."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(fused)
    # This fusion is several times slower than the two operators that it replaces.
    onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )


def write_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a transformers tokenizer as the tokenizers library reads it; raises NotExportable."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise NotExportable("its tokenizer is not one of the tokenizers library")
    backend.save(str(folder / TOKENIZER))


def run(export: Callable[[Path, Path], None]) -> int:
    """Export from the directory to the empty one that the command line names; the exit code."""
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
