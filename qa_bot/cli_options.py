"""What the commands of the command line share: options, and a progress bar."""

import dataclasses
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from qa_bot.build import Progress
    from qa_bot.config import Settings

index_option = click.option(
    "--index", type=click.Path(path_type=Path), envvar="QA_BOT_INDEX", default=Path("index"),
    show_default=True, show_envvar=True, help="The index directory.",
)  # fmt: skip
sources_option = click.option(
    "--sources", type=click.Path(path_type=Path), envvar="QA_BOT_SOURCES", default=Path("sources"),
    show_default=True, show_envvar=True, help="The folder of documents.",
)  # fmt: skip
top_k_option = click.option(
    "--top-k", type=int, envvar="QA_BOT_TOP_K", show_envvar=True, help="Passages to read.  [default: 5]"
)
threshold_option = click.option(
    "--threshold", type=click.FloatRange(0, 1), envvar="QA_BOT_THRESHOLD", show_envvar=True,
    help="Withhold answers that score lower.  [default: as calibrated]",
)  # fmt: skip
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def settings(index: Path, top_k: int | None, threshold: float | None) -> "Settings":
    """What flags and variables say, over the defaults."""
    from qa_bot.config import Settings

    chosen = Settings(
        index=index,
        model=os.environ.get("QA_BOT_MODEL") or None,
        reader=os.environ.get("QA_BOT_READER") or None,
    )
    if top_k is not None:
        chosen = dataclasses.replace(chosen, top_k=top_k)
    if threshold is not None:
        chosen = dataclasses.replace(chosen, threshold=threshold)
    return chosen


@contextmanager
def progress_bar() -> Iterator["Progress"]:
    """A bar on standard error where that is a terminal, with the time that is left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Starting", total=None)

        def advance(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield advance


def print_json(value: Any) -> None:
    """Print JSON in which a terminal finds nothing to obey: control characters are escaped, all."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    click.echo(re.sub(r"[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", text))


def printable(text: str) -> str:
    """Text of a document as a terminal may show it: escape sequences are shown, not obeyed."""
    return "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else "\ufffd" for c in text)


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def fail(message: str) -> NoReturn:
    """End with one message, on standard error, and exit code 1."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(1)
