"""What a trained reader is worth on the right paragraph, and what rounding it to int8 costs.

    python training/evaluate.py DATA RUN [--role report]

Reads the paragraphs of SQuAD 2.0's articles of that role, and of SQuADShifts' new Wikipedia set, with
the model of RUN exported as float32 and as the product ships it.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from shutil import copytree

import numpy as np
from examples import roles
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from qa_bot import onnx_export
from qa_bot.evaluation import Case, load
from qa_bot.export_reader import SAMPLES, export, trace
from qa_bot.metrics import auroc, exact_match, f1
from qa_bot.onnx_files import MODEL
from qa_bot.span_model import SpanModel


def both(source: Path, folder: Path) -> dict[str, SpanModel]:
    """The model in float32 and in int8."""
    exact, rounded = folder / "float32", folder / "int8"
    rounded.mkdir()
    export(source, rounded)
    copytree(rounded, exact)
    model, tokenizer = (of.from_pretrained(source) for of in (AutoModelForQuestionAnswering, AutoTokenizer))
    inputs = {name: tokenizer(*SAMPLES[0])[name] for name in ("input_ids", "token_type_ids")}
    trace(model.eval(), inputs, folder / MODEL)
    onnx_export.fuse(folder / MODEL, exact / MODEL)
    return {"float32": SpanModel("float32", exact), "int8": SpanModel("int8", rounded)}


def figures(model: SpanModel, cases: Sequence[Case], paragraphs: dict[str, str]) -> str:
    texts, scores = [], []
    for case in cases:
        text = paragraphs[case.paragraph or ""]
        (span,) = model.read(case.question, [text])
        texts.append(text[span.start : span.end] if span else "")
        scores.append(span.found if span else -np.inf)
    can = np.array([bool(case.answers) for case in cases])
    score = np.array(scores)
    overlap = np.array([f1(text, case.answers) for text, case in zip(texts, cases, strict=True)])
    exact = np.array([exact_match(text, case.answers) for text, case in zip(texts, cases, strict=True)])
    said = f"{len(cases):,} questions: "
    said += f"of the answerable F1 {overlap[can].mean():.4f}, EM {exact[can].mean():.4f}"
    if not can.all():
        best = max((float(np.where(can, overlap * (score >= t), score < t).mean()), t) for t in score)
        said += f"; AUROC {auroc(score, can):.4f}; F1 over all at the best threshold {best[0]:.4f}"
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--role", choices=["report", "calibrate"], default="report")
    args = parser.parse_args()
    squad = load(args.data / "squad2_dev_half.json.xz")
    role = roles(sorted({case.split for case in squad.cases}))
    cases = [case for case in squad.cases if role[case.split] == args.role]
    shifts = load(args.data / "squadshifts_new_wiki.json.xz")
    with tempfile.TemporaryDirectory() as folder:
        for name, model in both(args.run / "reader", Path(folder)).items():
            print(f"{name}, SQuAD 2.0, {args.role}: {figures(model, cases, squad.paragraphs)}")
            if args.role == "report":
                sample = shifts.cases[::4]
                print(f"{name}, SQuADShifts new Wikipedia: {figures(model, sample, shifts.paragraphs)}")


if __name__ == "__main__":
    main()
