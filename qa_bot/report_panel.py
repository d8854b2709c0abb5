"""How good the bot is: a report that qa-bot eval wrote, as pictures and figures in the page."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from qa_bot.bot import QABot
from qa_bot.charts import Point, bar, curve, table
from qa_bot.errors import QABotError
from qa_bot.evaluation import EvalSetError
from qa_bot.labels import QUIET, label, tongue
from qa_bot.live import BotNow
from qa_bot.metrics import reliability, risk_coverage
from qa_bot.phrases import Language, Phrase
from qa_bot.rendering import as_text

MAX_POINTS = 100  # of a curve; more are not seen
_SHARES = (0.25, 0.5, 0.75, 1.0)  # of the questions answered, in the table


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one kind of question fared: the share right, or, of those without an answer, withheld."""

    name: str
    answerable: bool
    share: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReport:
    """What the panel shows of a report."""

    title: str
    command: str
    machine: str
    model: str
    reader: str
    threshold: float
    answered: float  # the share of the questions that score the threshold or more
    kinds: tuple[Kind, ...]
    risk: tuple[Point, ...]  # coverage, share of wrong answers
    groups: tuple[tuple[float, float, int], ...]  # mean score, share right, count


def read_report(folder: Path) -> ShownReport:
    """The report.json that `qa-bot eval --report` wrote into a folder; raises EvalSetError."""
    try:
        return _shown(json.loads((folder / "report.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise EvalSetError(
            Phrase(
                "{path} is missing or damaged. Make it with: qa-bot eval FILE --report {folder}",
                path=folder / "report.json",
                folder=folder,
            )
        ) from error


def _shown(report: Any) -> ShownReport:
    outcomes = report["outcomes"]
    if not outcomes:
        raise ValueError("no questions")
    threshold = _share(report["calibration"]["threshold"])
    scores = np.array([_share(row["score"]) for row in outcomes])
    right = np.array([bool(row["right"]) for row in outcomes])
    answerable = np.array([bool(row["answerable"]) for row in outcomes])
    names = np.array([str(row["kind"]) for row in outcomes])
    well = np.where(answerable, right, scores < threshold)
    kinds = []
    for name in dict.fromkeys(names.tolist()):
        for has_answer in (True, False):
            rows = (names == name) & (answerable == has_answer)
            if rows.any():
                share, count = float(well[rows].mean()), int(rows.sum())
                kinds.append(Kind(name=name, answerable=has_answer, share=share, count=count))
    coverage, risk = risk_coverage(scores, right)
    kept = np.unique(np.linspace(0, len(scores) - 1, MAX_POINTS).astype(int))
    return ShownReport(
        title=str(report["title"]),
        command=str(report["command"]),
        machine=str(report["machine"]),
        model=str(report["model"]),
        reader=str(report["calibration"]["reader"]),
        threshold=threshold,
        answered=float((scores >= threshold).mean()),
        kinds=tuple(sorted(kinds, key=lambda kind: (not kind.answerable, -kind.share))),
        risk=tuple((float(coverage[i]), float(risk[i])) for i in kept),
        groups=tuple(reliability(scores, right)),
    )


def _share(value: object) -> float:
    share = float(value)  # type: ignore[arg-type]
    if not 0 <= share <= 1:  # nan is neither
        raise ValueError(f"{share} is not in [0, 1]")
    return share


def add_report_panel(bot_now: BotNow, folder: Path) -> None:
    """Give the page under construction the report in `folder`, read anew whenever the panel is opened."""

    def show(request: gr.Request) -> str:
        say = tongue(request)
        try:
            return report_html(read_report(folder), bot_now(), say)
        except QABotError as error:
            return f"<p role='status'>{as_text(say.of(error))}</p>"

    with gr.Accordion(label("How good it is"), open=False, elem_id="report") as panel:
        shown = gr.HTML(elem_id="evaluation")
    panel.expand(show, None, shown, **QUIET)


def report_html(report: ShownReport, bot: QABot, say: Language) -> str:
    """A report: whose it is, how each kind of question fares, what the score is worth."""
    return "".join(
        (_about(report, bot, say), _kinds(report, say), _curves(report, say), _figures(report, say))
    )


def _about(report: ShownReport, bot: QABot, say: Language) -> str:
    made = say(
        "{title}: {count:,} questions, with the model {model} and the reader {reader}, on {machine}.",
        title=report.title,
        count=sum(kind.count for kind in report.kinds),
        model=report.model,
        reader=report.reader,
        machine=report.machine,
    )
    here = (bot.manifest.model, bot.calibration.reader)
    other = ""
    if here != (report.model, report.reader):
        told = say(
            "This is not what answers here: that is the model {model} and the reader {reader}.",
            model=here[0],
            reader=here[1],
        )
        other = f"<p class='other'><strong>{as_text(told)}</strong></p>"
    return f"<p>{as_text(made)}</p>{other}<p><code>{as_text(report.command)}</code></p>"


def _kinds(report: ShownReport, say: Language) -> str:
    rows = [
        f"<tr><td>{as_text(kind.name)}</td>{bar(kind.share)}<td>{kind.count:,}</td>"
        f"<td>{as_text(say('right answer found') if kind.answerable else say('rightly withheld'))}</td></tr>"
        for kind in report.kinds
    ]
    return table((say("kind"), say("share"), say("questions"), say("what counts")), rows)


def _curves(report: ShownReport, say: Language) -> str:
    risk = curve(
        say("Risk against coverage"),
        say(
            "Of the surest half of the questions {half:.0%} are answered wrong, of all {all:.0%}.",
            half=_risk_at(report, 0.5)[1],
            all=_risk_at(report, 1.0)[1],
        ),
        (say("share of the questions that are answered"), say("share of wrong answers")),
        report.risk,
        ((report.answered, 0.0), (report.answered, 1.0)),
    )
    lowest, highest = report.groups[0], report.groups[-1]
    calibration = curve(
        say("Calibration"),
        say(
            "Answers that score {low:.2f} are right in {low_right:.0%} of all cases, those that score "
            "{high:.2f} in {high_right:.0%}.",
            low=lowest[0],
            low_right=lowest[1],
            high=highest[0],
            high_right=highest[1],
        ),
        (say("score"), say("share right")),
        [(score, right) for score, right, _ in report.groups],
        ((0.0, 0.0), (1.0, 1.0)),
    )
    reading = say(
        "Dotted: the share that is answered at the threshold of {threshold:.2f}; the score as it should be.",
        threshold=report.threshold,
    )
    return f"{risk}{calibration}<p><small>{as_text(reading)}</small></p>"


def _risk_at(report: ShownReport, coverage: float) -> Point:
    return min(report.risk, key=lambda point: abs(point[0] - coverage))


def _figures(report: ShownReport, say: Language) -> str:
    """The curves as numbers."""
    near = [_risk_at(report, share) for share in _SHARES]
    risks = [f"<tr><td>{coverage:.2f}</td><td>{risk:.2f}</td></tr>" for coverage, risk in near]
    groups = [
        f"<tr><td>{score:.2f}</td><td>{right:.2f}</td><td>{count:,}</td></tr>"
        for score, right, count in report.groups
    ]
    return (
        f"<details><summary>{as_text(say('The curves in figures'))}</summary>"
        + table((say("share of the questions that are answered"), say("share of wrong answers")), risks)
        + table((say("score"), say("share right"), say("questions")), groups)
        + "</details>"
    )
