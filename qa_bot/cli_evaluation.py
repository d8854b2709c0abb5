"""qa-bot eval | calibrate: how good the answers are, and how sure to be of them."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qa_bot.cli_options import (
    count,
    index_option,
    json_option,
    print_json,
    printable,
    progress_bar,
    sources_option,
)

if TYPE_CHECKING:
    from qa_bot.bot import QABot
    from qa_bot.build import Progress
    from qa_bot.comparison import Change
    from qa_bot.evaluation import Case, EvalSet
    from qa_bot.report import Report

SAMPLE_SEED = 2023


@click.command(name="eval", short_help="Ask a set of questions and count what came of it.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@index_option
@sources_option
@click.option(
    "--drafts", is_flag=True,
    help="Instead of FILE: ask again what readers called right or wrong in the app.",
)  # fmt: skip
@click.option(
    "--split", "splits", multiple=True,
    help="Ask only the questions of this split (of SQuAD: of this article); may be repeated.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1), help="Ask a random sample of this many, always the same.")
@click.option(
    "--distractors", type=click.Path(path_type=Path),
    help="Put the sources among the paragraphs of this SQuAD file.",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path),
    help="Write report.md, misses.md, report.json and plots into this folder.",
)  # fmt: skip
@click.option(
    "--against", type=click.Path(path_type=Path),
    help="Compare with the report in this folder; exit with 1 where a figure fell by more than chance.",
)  # fmt: skip
@json_option
def evaluate(
    file: Path | None,
    index: Path,
    sources: Path,
    drafts: bool,
    splits: tuple[str, ...],
    limit: int | None,
    distractors: Path | None,
    report: Path | None,
    against: Path | None,
    as_json: bool,
) -> None:
    """Ask every question of FILE and count what came of it.

    FILE is JSON lines of this project (evals/README.md) or SQuAD 1.1/2.0 JSON, plain, .xz or .gz.
    Questions of the project's kind are asked of the index; a SQuAD file's of an index of its own
    paragraphs, made for the run: over all of them, and over the right one alone.

    --drafts shows what has become of the answers that readers judged; with --json, as lines for a FILE.
    """
    if drafts:
        _review(index, as_json)
        return
    if file is None:
        raise click.UsageError("Name a FILE of questions, or --drafts.")
    from qa_bot import report as reports
    from qa_bot.comparison import compare, read_report
    from qa_bot.evaluation import load, run

    evalset = load(file, splits)
    parts = ["", "gold"] if evalset.paragraphs else [""]
    earlier = [read_report(against / part) for part in parts] if against else []
    cases = _sample(evalset.cases, limit)
    command = f"qa-bot {' '.join(sys.argv[1:])}"
    made: list[Report] = []
    with progress_bar() as progress, _bot_for(evalset, index, sources, distractors, progress) as bot:
        runs = {"all paragraphs": False, "the right paragraph alone": True}
        for what, gold_only in runs.items() if evalset.paragraphs else [("", False)]:
            outcomes = run(bot, cases, gold_only=gold_only, on_progress=progress)
            among = f", among {distractors.name}" if distractors else ""
            title = f"{', '.join([evalset.name, *splits])}{among}{f': {what}' if what else ''}"
            made.append(reports.make(title, command, bot.manifest.model, bot.calibration, outcomes))
    if report:
        for part, each in zip(parts, made, strict=True):
            for path in reports.write(each, report / part):
                click.echo(f"Wrote {path}", err=True)
    _print_all(made, as_json)
    changes = [compare(old, reports.as_json(new)) for old, new in zip(earlier, made, strict=False)]
    for each, those in zip(made, changes, strict=False):
        _print_changes(each, those)
    if any(change.worse for those in changes for change in those):
        raise SystemExit(1)


def _print_all(made: "Sequence[Report]", as_json: bool) -> None:
    from qa_bot import report as reports

    if as_json:
        print_json([reports.as_json(each) for each in made])
        return
    for each in made:
        _print_table(each)


def _review(index: Path, as_json: bool) -> None:
    """What readers called right or wrong, what was said then, and what is said now."""
    from qa_bot.bot import QABot
    from qa_bot.feedback import drafts
    from qa_bot.metrics import contains
    from qa_bot.types import Turn

    kept = drafts(index)
    if as_json:
        for draft in kept:
            click.echo(json.dumps(draft, ensure_ascii=False))
        return
    bot = QABot.open(index)
    for draft in kept:
        history = [Turn(question=t["question"], answer=t["answer"]) for t in draft["history"]]
        now = bot.ask(draft["question"], history).text
        wanted = draft["answers"]
        met = now is None if wanted == [] else bool(wanted and now and contains(now, wanted))
        verdict = "ok  " if met else "look"
        judged = "right" if draft["right"] else "wrong"
        said = f"said {draft['said']!r}, called {judged}; wanted {wanted or 'nothing'}; now {now!r}"
        click.echo(f"{verdict} {printable(draft['question'])}: {printable(said)}")
    click.echo(
        f"{count(len(kept), 'draft')} in {index}; --json gives them as lines for a question set.", err=True
    )


@click.command(short_help="Fit score and threshold to a set of questions.")
@click.argument("file", type=click.Path(path_type=Path))
@index_option
@click.option(
    "--split", "splits", multiple=True, help="Fit to the questions of this split alone; may be repeated."
)
def calibrate(file: Path, index: Path, splits: tuple[str, ...]) -> None:
    """Fit score and threshold to the questions of FILE, and keep them with the index.

    The questions must be about the documents of the index, some of them without an answer there.
    Keep others to evaluate with: a fit looks better on what it was fitted to.
    """
    from qa_bot.bot import QABot
    from qa_bot.calibration import save
    from qa_bot.config import Settings
    from qa_bot.evaluation import calibrate as fit
    from qa_bot.evaluation import load

    evalset = load(file, splits)
    name = ", ".join([evalset.name, *splits])
    with progress_bar() as progress:
        calibration = fit(QABot.open(index, settings=Settings(threshold=0)), evalset.cases, name, progress)
    save(index, calibration)
    click.echo(
        f"Calibrated on {calibration.cases} questions of {name}: slope {calibration.slope:.3f}, "
        f"bias {calibration.bias:.3f}, threshold {calibration.threshold:.3f}. Kept with {index}."
    )


@contextmanager
def _bot_for(
    evalset: "EvalSet", index: Path, sources: Path, distractors: Path | None, progress: "Progress"
) -> "Iterator[QABot]":
    """A bot with a threshold of 0 over what the set is about."""
    import shutil
    import tempfile

    from qa_bot.bot import QABot
    from qa_bot.build import build_index
    from qa_bot.config import Settings
    from qa_bot.evaluation import load, write_paragraphs

    if not evalset.paragraphs and not distractors:
        yield QABot.open(index, settings=Settings(threshold=0))
        return
    with tempfile.TemporaryDirectory(prefix="qa-bot-eval-") as folder:
        settings = Settings(sources=Path(folder, "sources"), index=Path(folder, "index"), threshold=0)
        write_paragraphs(evalset.paragraphs, settings.sources)
        if distractors:
            shutil.copytree(sources, settings.sources, dirs_exist_ok=True)
            write_paragraphs(load(distractors).paragraphs, settings.sources)
        build_index(settings, on_progress=progress)
        yield QABot.open(settings.index, settings=settings)


def _sample(cases: "Sequence[Case]", limit: int | None) -> "Sequence[Case]":
    if limit is None or limit >= len(cases):
        return cases
    import random

    chosen = set(random.Random(SAMPLE_SEED).sample(range(len(cases)), limit))  # noqa: S311
    return [case for number, case in enumerate(cases) if number in chosen]


def _print_table(report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", "95%", "questions", title=report.title)
    for figure in report.figures:
        if figure.group == "all":
            digits = 0 if figure.name.endswith("ms") else 3
            interval = f"{figure.low:.{digits}f} to {figure.high:.{digits}f}"
            table.add_row(figure.name, f"{figure.value:.{digits}f}", interval, str(figure.count))
    Console().print(table)


def _print_changes(report: "Report", changes: "Sequence[Change]") -> None:
    """What moved since the earlier report, on stderr, the questions of what is worse by name."""
    question = {outcome.case.id: outcome.case.question for outcome in report.outcomes}
    click.echo(f"{report.title}, against the earlier report:", err=True)
    for change in changes:
        moved = f"{change.before:.3f} -> {change.after:.3f} (95%: {change.low:+.3f} to {change.high:+.3f})"
        moved += f", {len(change.lost)} lost, {len(change.gained)} gained"
        click.echo(f"  {'WORSE ' if change.worse else ''}{change.figure}: {moved}", err=True)
        for lost in change.lost if change.worse else ():
            click.echo(f"    lost: {lost} {question[lost]}", err=True)
