"""Outcomes of an evaluation as Markdown, JSON and plots."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qa_bot.calibration import Calibration
from qa_bot.evaluation import Outcome, arrays
from qa_bot.figures import Figure, figures
from qa_bot.metrics import f1, reliability, risk_coverage


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of a question set: how it was made, its figures, what became of each question."""

    title: str
    command: str
    machine: str
    model: str
    calibration: Calibration
    figures: tuple[Figure, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def threshold(self) -> float:
        return self.calibration.threshold


def make(
    title: str, command: str, model: str, calibration: Calibration, outcomes: Sequence[Outcome]
) -> Report:
    """Count the outcomes of one run."""
    return Report(
        title=title,
        command=command,
        machine=machine(),
        model=model,
        calibration=calibration,
        figures=tuple(figures(outcomes, calibration.threshold)),
        outcomes=tuple(outcomes),
    )


def machine() -> str:
    """The processor, cores and Python of this machine, in a line."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = (
            line.split(":", 1)[1]
            for line in cpuinfo.read_text().splitlines()
            if line.startswith("model name")
        )
        name = next(names, name).strip()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs: every figure, and a row a question, with the texts left out."""
    return {
        "title": report.title,
        "command": report.command,
        "machine": report.machine,
        "model": report.model,
        "calibration": asdict(report.calibration),
        "figures": [asdict(figure) for figure in report.figures],
        "outcomes": [
            {
                "id": o.case.id,
                "kind": o.case.kind,
                "answerable": bool(o.case.answers),
                "rank": o.rank,
                "score": round(o.answer.score, 6),
                "right": o.right,
                "f1": round(f1(o.text, o.case.answers), 4),
                "cites_evidence": o.cites_evidence,
            }
            for o in report.outcomes
        ],
    }


def as_markdown(report: Report, plots: Sequence[str] = ()) -> str:
    """The report for people: the table over all, then by kind, the plots."""
    overall = [figure for figure in report.figures if figure.group == "all"]
    groups = list(dict.fromkeys(figure.group for figure in report.figures if figure.group != "all"))
    lines = [
        f"# {report.title}",
        "",
        f"`{report.command}`",
        "",
        f"Machine: {report.machine}. Model: {report.model}. "
        f"Threshold: {report.threshold:.2f} (calibrated on {report.calibration.fitted_to}). "
        "In brackets: bootstrap 95% intervals.",
        "",
        "| figure | value | 95% | questions |",
        "|---|---:|---|---:|",
        *(f"| {f.name} | {_number(f)} | {_interval(f)} | {f.count} |" for f in overall),
        "",
    ]
    if groups:
        lines += ["## By kind", "", f"| figure | {' | '.join(groups)} |", "|---|" + "---:|" * len(groups)]
        cells = {(f.name, f.group): f"{_number(f)} ({f.count})" for f in report.figures}
        lines += [
            f"| {f.name} | " + " | ".join(cells.get((f.name, group), "") for group in groups) + " |"
            for f in overall
        ]
        lines.append("")
    lines += [f"![{Path(plot).stem}]({plot})\n" for plot in plots]
    return "\n".join(lines).rstrip("\n") + "\n"


def misses(report: Report) -> str:
    """What went wrong, question by question, as Markdown."""
    wrong = {
        "Answerable, and the words given or withheld do not hold the answer": [
            o for o in report.outcomes if o.case.answers and not o.right
        ],
        "Answerable, right, but withheld": [
            o for o in report.outcomes if o.right and o.answer.score < report.threshold
        ],
        "Unanswerable, and yet answered": [
            o for o in report.outcomes if not o.case.answers and o.answer.score >= report.threshold
        ],
    }
    lines = [f"# {report.title}: misses", "", "In brackets the score, and last the best candidate.", ""]
    for what, outcomes in wrong.items():
        lines += [f"## {what} ({len(outcomes)})", ""]
        for o in outcomes:
            expected = f" → {_cell(o.case.answers[0])}" if o.case.answers else ""
            lines.append(
                f"- {o.case.id} ({o.answer.score:.2f}) {_cell(o.case.question)}{expected} — {_cell(o.text)}"
            )
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.md, misses.md, report.json and, where matplotlib is installed, curves.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = _plot(report, folder)
    texts = {
        folder / "report.md": as_markdown(report, [plot.name for plot in plots]),
        folder / "misses.md": misses(report),
        folder / "report.json": _a_line_a_row(as_json(report)),
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return [*texts, *plots]


def _a_line_a_row(values: dict[str, Any]) -> str:
    """JSON with a line for each figure and outcome, so that a diff shows what changed."""
    fields = []
    for key, value in values.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list):
            rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in value)
            text = f"[\n{rows}\n]"
        fields.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _plot(report: Report, folder: Path) -> list[Path]:
    """Risk against coverage, and reliability."""
    try:
        from matplotlib.figure import Figure as Plot
    except ImportError:
        return []
    scores, right = arrays(report.outcomes)
    plot = Plot(figsize=(9, 4), layout="constrained")
    left, center = plot.subplots(1, 2)
    coverage, risk = risk_coverage(scores, right)
    left.plot(coverage, risk)
    answered = float((scores >= report.threshold).mean())
    left.axvline(answered, linestyle=":", color="gray", label=f"threshold {report.threshold:.2f}")
    left.set(xlabel="share of questions answered", ylabel="share of answers that are wrong", ylim=(0, 1))
    left.legend(frameon=False)
    groups = reliability(scores, right)
    center.plot([0, 1], [0, 1], linestyle=":", color="gray")
    center.plot([g[0] for g in groups], [g[1] for g in groups], marker="o")
    center.set(xlabel="score", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    path = folder / "curves.svg"
    # No date and a fixed salt: the same outcomes draw the same bytes.
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "qa-bot", "svg.fonttype": "none"}):
        plot.savefig(path, metadata={"Date": None})
    return [path]


def _number(figure: Figure) -> str:
    return f"{figure.value:.0f}" if figure.name.endswith("ms") else f"{figure.value:.3f}"


def _interval(figure: Figure) -> str:
    if figure.name.endswith("ms"):
        return f"[{figure.low:.0f}, {figure.high:.0f}]"
    return f"[{figure.low:.3f}, {figure.high:.3f}]"


def _cell(text: str) -> str:
    """Text of a question or document inside Markdown: one line, nothing of it markup."""
    escaped = "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+|!~$" else c for c in " ".join(text.split()))
    return escaped if len(escaped) <= 300 else escaped[:300] + "…"
