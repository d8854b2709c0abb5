"""The reader's training: what its examples say, who sees what, and a run that is cut off and goes on."""

import json
import lzma
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "training"))

import examples
import train
from examples import Asked, Pool, batches, padded, perturb, roles
from tokenizers import Tokenizer

CONTEXT = (
    "The museum, which opened in 1998, stands by the river. Ann Holm signed the treaty of Paris. "
    "It was first called the Blue Lamp. Bob Stone paid $50 million for it in 2001, and 76 people came."
)
QUESTIONS = {
    "When did the museum open?": "1998",
    "Who signed the treaty of Paris?": "Ann Holm",
    "What was the museum first called?": "the Blue Lamp",
    "How much did Bob Stone pay in 2001?": "$50 million",
    "Who paid for the lamp of Rome?": None,
}


def _row(context: str) -> dict[str, Any]:
    return {
        "context": context,
        "qas": [
            {"question": q, "answers": [{"text": a, "answer_start": context.index(a)}] if a else []}
            for q, a in QUESTIONS.items()
        ],
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two small sets in the forms of the real ones."""
    rows = [
        {"source": source, **_row(f"{CONTEXT} {n}.")} for source in ("squad_train", "qamr") for n in range(6)
    ]
    folder = tmp_path / "data"
    folder.mkdir()
    with lzma.open(folder / "reader_train.jsonl.xz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    articles = [{"title": f"Article {n}", "paragraphs": [_row(f"{n}. {CONTEXT}")]} for n in range(8)]
    with lzma.open(folder / "squad2_dev_half.json.xz", "wt") as file:
        json.dump({"data": articles}, file)
    return folder


@pytest.fixture
def tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(train.BASE / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def test_examples_point_at_the_answer_or_at_nothing(data: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "negatives.json").write_text(json.dumps({"0": [3]}))
    pool = Pool(data, tokenizer, tmp_path)
    made = [example for seed in range(5) for example in pool.epoch(seed)]
    answers = {tokenizer.decode(tokenizer.encode(a).ids) for a in QUESTIONS.values() if a}
    said = set()
    for example in made:
        assert len(example.ids) <= examples.QUESTION_TOKENS + examples.CONTEXT_TOKENS + 3
        if example.start or example.end:
            assert example.context_from <= example.start <= example.end < len(example.ids) - 1
            said.add(tokenizer.decode(example.ids[example.start : example.end + 1].tolist()))
    assert said == answers
    unanswered = sum(example.start == 0 for example in made) / len(made)
    assert 0.2 < unanswered < 0.7
    again = pool.epoch(0)
    assert all((a.ids == b.ids).all() for a, b in zip(again, pool.epoch(0), strict=True))
    for batch in batches(again, 1000, seed=1):
        assert len(batch) * max(map(padded, batch)) <= 1000
    assert sum(map(len, batches(again, 1000, seed=1))) == len(again)


def test_no_article_has_two_roles_and_none_that_reports_is_trained_on(data: Path) -> None:
    titles = [f"Article {n}" for n in range(8)]
    role = roles(titles)
    assert role == roles(titles[::-1])
    assert sorted(role.values()) == ["calibrate"] * 2 + ["report"] * 4 + ["train"] * 2
    contexts, _ = examples.read_training_sets(data)
    for number, title in enumerate(titles):
        assert (f"{number}. {CONTEXT}" in contexts) == (role[title] == "train")


def test_a_perturbed_question_differs_and_does_not_ask_for_the_answer() -> None:
    names = ["Marie Curie", "the Rhine"]
    for question, answer in QUESTIONS.items():
        if answer:
            start = CONTEXT.index(answer)
            asked = Asked("squad_train", question, 0, ((start, start + len(answer)),))
            for seed in range(20):
                other = perturb(asked, CONTEXT, names, random.Random(seed))
                assert other != question and (other is None or answer not in other)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of libraries, while they load and export
def test_a_run_that_was_cut_off_goes_on_to_the_same_reader(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import load_file

    monkeypatch.setattr(train, "CHECKPOINT_STEPS", 2)
    monkeypatch.setattr(train, "BATCH_TOKENS", 800)

    def run(folder: str, stop_after: int | None = None) -> Path:
        steps = train.steps

        def some(*arguments: Any) -> Any:
            for number, batch in enumerate(steps(*arguments)):
                if stop_after is not None and number >= stop_after:
                    raise KeyboardInterrupt
                yield batch

        with monkeypatch.context() as patch:
            patch.setattr(train, "steps", some)
            patch.setattr(sys, "argv", ["train.py", str(data), str(tmp_path / folder), "--steps", "6"])
            train.main()
        return tmp_path / folder

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("cut", stop_after=5)
    resumed = run("cut")
    one, other = (load_file(folder / "checkpoint.safetensors") for folder in (whole, resumed))
    assert int(one["step"]) == int(other["step"]) == 6
    assert (one["average"] - other["average"]).abs().max() < 1e-4
    assert (whole / "reader" / "model.safetensors").is_file()

    from qa_bot.models import reader_for_build

    (span,) = reader_for_build(str(whole / "reader")).read("When did the museum open?", [CONTEXT])
    assert span and CONTEXT[span.start : span.end]
