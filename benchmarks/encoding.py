"""Ways to run the encoder on a CPU, and what each gives.

    python benchmarks/encoding.py SQUAD.json.xz

The chosen one is what qa_bot.export writes and qa_bot.encoder runs. OpenVINO is measured where it is
installed (pip install openvino).
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import quantize_dynamic
from results import save
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from qa_bot import export, onnx_export
from qa_bot.encoder import Vectors
from qa_bot.evaluation import load
from qa_bot.onnx_files import TOKENIZER, cores
from qa_bot.sentence_transformer import SentenceTransformerEncoder

TURNS = 3
FUSION = ["SkipLayerNormFusion"]


def quantized(source: Path, target: Path, **changes: bool) -> Path:
    quantize_dynamic(source, target, **(onnx_export.QUANTIZATION | changes))
    return target


def runner(model: Path, tokenizer: Tokenizer, *, threads: int, at_once: int, disabled: Sequence[str] = FUSION
           ) -> Callable[[Sequence[str]], Vectors]:  # fmt: skip
    """One text a run, `at_once` of them side by side, `threads` for each."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(disabled)
    )

    def one(text: str) -> Vectors:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        return session.run(None, {"input_ids": ids})[0][0]

    def run(texts: Sequence[str]) -> Vectors:
        with ThreadPoolExecutor(at_once) as pool:
            return np.stack(list(pool.map(one, texts)))

    return run


def openvino(model: Path, tokenizer: Tokenizer) -> Callable[[Sequence[str]], Vectors] | None:
    try:
        import openvino as library
    except ImportError:
        return None
    compiled = library.Core().compile_model(str(model), "CPU", {"PERFORMANCE_HINT": "LATENCY"})

    def run(texts: Sequence[str]) -> Vectors:
        ids = (np.array([tokenizer.encode(text).ids], dtype=np.int64) for text in texts)
        return np.stack([compiled([row])[0][0] for row in ids])

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("squad", type=Path)
    texts = list(load(parser.parse_args().squad).paragraphs.values())[::4]
    torch.set_num_threads(cores())  # FAISS, beside it, was told to use one, of the OpenMP that they share
    model = SentenceTransformer(str(SentenceTransformerEncoder().path), device="cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx_export.write_tokenizer(model.tokenizer, folder)
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        tokenizer.no_padding()
        tokenizer.enable_truncation(256)
        exact, older = folder / "exact.onnx", folder / "older.onnx"
        export.trace(model, exact)
        with patch.object(onnx_export, "OPSET", 20):
            export.trace(model, older)
        int8 = quantized(exact, folder / "int8.onnx")
        n = cores()
        ways: dict[str, Callable[[Sequence[str]], Vectors] | None] = {
            "sentence-transformers, torch float32, batches of 32": lambda t: model.encode(
                list(t), normalize_embeddings=True
            ),
            f"float32, {n} texts at once": runner(exact, tokenizer, threads=1, at_once=n),
            f"int8, attention as single operators (opset 20), {n} at once": runner(
                quantized(older, folder / "older8.onnx"), tokenizer, threads=1, at_once=n
            ),
            f"int8, SkipLayerNormFusion left on, {n} at once": runner(
                int8, tokenizer, threads=1, at_once=n, disabled=[]
            ),
            f"int8, a scale a tensor, {n} at once": runner(
                quantized(exact, folder / "tensor.onnx", per_channel=False), tokenizer, threads=1, at_once=n
            ),
            f"int8, all 8 bits, {n} at once": runner(
                quantized(exact, folder / "full.onnx", reduce_range=False), tokenizer, threads=1, at_once=n
            ),
            f"int8, one text at a time on {n} threads": runner(int8, tokenizer, threads=n, at_once=1),
            f"int8, {2 * n} texts at once": runner(int8, tokenizer, threads=1, at_once=2 * n),
            "OpenVINO, float32 model": openvino(exact, tokenizer),
            f"**int8, a scale a channel, {n} texts at once** (chosen)": runner(
                int8, tokenizer, threads=1, at_once=n
            ),
        }
        expected = model.encode(texts, normalize_embeddings=True, batch_size=1)
        rates: dict[str, list[float]] = {}
        cosines = {}
        for _ in range(TURNS):
            for way, encode in ways.items():
                if encode:
                    encode(texts[:8])
                    began = time.perf_counter()
                    vectors = encode(texts)
                    rates.setdefault(way, []).append(len(texts) / (time.perf_counter() - began))
                    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
                    cosines[way] = (unit * expected).sum(axis=1)
    result = {
        way: {"rate": median(r), "least": float(cosines[way].min()), "mean": float(cosines[way].mean())}
        for way, r in rates.items()
    }
    save("variants", result)


if __name__ == "__main__":
    main()
