"""qa-bot: a thin skin over the package, for people at a terminal and for scripts.

Flags come first, then QA_BOT_* variables, then defaults. Results go to standard output, messages
to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 indexed but files were skipped.
"""

import dataclasses
import io
import os
import sys
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from qa_bot.cli_evaluation import calibrate, evaluate
from qa_bot.cli_index import add, index, purge, status
from qa_bot.cli_llm import llm_options, open_writer, print_sentences
from qa_bot.cli_options import (
    count,
    fail,
    index_option,
    json_option,
    print_json,
    printable,
    settings,
    sources_option,
    threshold_option,
    top_k_option,
)
from qa_bot.cli_serve import serve
from qa_bot.errors import QABotError

if TYPE_CHECKING:
    from qa_bot.bot import QABot
    from qa_bot.prose import Writer
    from qa_bot.types import Answer, Citation, Turn


def main() -> None:
    """Run the command line; turns every error into one message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows "?"
    try:
        cli()
    except QABotError as error:
        fail(str(error))
    except Exception as error:
        if os.environ.get("QA_BOT_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        fail(f"{what}. This is a defect; QA_BOT_DEBUG=1 shows where.")


def _day(_: click.Context, parameter: click.Parameter, written: str | None) -> date | None:
    if written is None:
        return None
    from qa_bot.narrowing import day

    try:
        return day(f"--{parameter.name}", written)
    except QABotError as error:
        raise click.UsageError(str(error)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="qa-bot")
def cli() -> None:
    """Ask your documents.

    Every answer is words of a source that you can check, or an honest "the sources don't say".

    \b
      qa-bot index                 read sources/ and build index/
      qa-bot ask "Who started it?" answer in the terminal
      qa-bot serve                 answer in the browser
    """


@cli.command(short_help="Answer a question, with its citation.")
@click.argument("question", required=False)
@index_option
@top_k_option
@threshold_option
@click.option(
    "--source", "sources", multiple=True, metavar="PATTERN",
    help="Look only in documents of this name, or of such as reports/*; may be repeated.",
)  # fmt: skip
@click.option("--since", callback=_day, metavar="DATE", help="Look only in documents of this day or later.")
@click.option("--until", callback=_day, metavar="DATE", help="Look only in documents of this day or earlier.")
@llm_options
@json_option
def ask(
    question: str | None,
    index: Path,
    top_k: int | None,
    threshold: float | None,
    sources: tuple[str, ...],
    since: date | None,
    until: date | None,
    llm: str | None,
    llm_url: str | None,
    as_json: bool,
) -> None:
    """Answer QUESTION from the index, with its citation.

    Without QUESTION: a chat, or, where standard input is no terminal, the question read from it.
    """
    writer = open_writer(llm, llm_url)
    bot = _open_bot(index, top_k, threshold)
    asking = partial(bot.ask, sources=sources or None, since=since, until=until)
    if question is None and sys.stdin.isatty():
        bot.warm_up()
        _chat(bot, asking, writer)
        return
    if question is None:
        question = sys.stdin.buffer.read().decode(errors="replace")
    answer = asking(question)
    if as_json:
        print_json(dataclasses.asdict(writer.write(bot, answer) if writer else answer))
    else:
        _show(bot, answer, writer)


@cli.command(short_help="Check the quotes of a conversation again.")
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"))
@sources_option
@json_option
def verify(file: TextIO, sources: Path, as_json: bool) -> None:
    """Say which quotes of FILE the sources still hold; the exit code is 1 where one does not stand.

    FILE is an export of the app, Markdown or JSON, or what qa-bot ask --json printed; - is standard input.
    """
    from qa_bot.transcript import check, citations_of

    results = list(check(citations_of(file.read()), sources))
    if as_json:
        print_json([dataclasses.asdict(result) for result in results])
    for result in () if as_json else results:
        mark = "ok  " if result.stands else "LOST"
        place = f"{result.citation.source}, {result.citation.start} to {result.citation.end}"
        click.echo(f"{mark} {printable(result.question)} [{printable(place)}]: {result.said}")
    lost = sum(not result.stands for result in results)
    if lost:
        fail(f"{count(lost, 'quote')} of {len(results)} no longer stands in {sources}.")


for command in (serve, index, add, status, purge, evaluate, calibrate):
    cli.add_command(command)


def _open_bot(index: Path, top_k: int | None, threshold: float | None) -> "QABot":
    from qa_bot.bot import QABot

    return QABot.open(index, settings=settings(index, top_k, threshold))


def _show(bot: "QABot", answer: "Answer", writer: "Writer | None") -> None:
    """Print an answer and, with a writer, the sentences that it is put into."""
    if writer:
        print_sentences(writer.answers(bot, answer), _print_answer)
    else:
        _print_answer(answer)


def _chat(bot: "QABot", ask: "Callable[[str, list[Turn]], Answer]", writer: "Writer | None") -> None:
    from qa_bot.types import Turn

    click.echo("Ask a question; an empty line ends.", err=True)
    history: list[Turn] = []
    while question := _prompt():
        try:
            answer = ask(question, history)
        except QABotError as error:
            click.echo(f"Error: {error}", err=True)
            continue
        _show(bot, answer, writer)
        history.append(Turn(question=question, answer=answer.text))


def _prompt() -> str:
    """The next question; empty where the input ends."""
    try:
        typed: str = click.prompt("\n?", default="", show_default=False, prompt_suffix=" ", err=True)
    except click.Abort:
        return ""
    return typed


def _print_answer(answer: "Answer") -> None:
    if answer.understood != answer.question:
        click.secho(f"Understood as: {printable(answer.understood)}\n", dim=True)
    if answer.text is None:
        click.echo(f"The sources don't say. {printable(answer.reason or '')}\nNearest to the question:")
        for scored in answer.nearest[:3]:
            passage = scored.passage
            click.echo(f"\n  {printable(passage.text[:300])}{'…' if len(passage.text) > 300 else ''}")
            click.secho(f"  {printable(passage.title or passage.source)}", dim=True)
    number = 0
    for part in answer.parts or ((answer,) if answer.text else ()):
        said = part.verdict.capitalize() if part.verdict else part.text or ""
        click.secho(f"{printable(said)}\n", bold=True)
        for citation in part.citations:
            number += 1
            _print_citation(citation, number, part.score)
    for note in answer.notes:
        click.secho(f"\n{printable(note)}", dim=True)


def _print_citation(citation: "Citation", number: int, score: float) -> None:
    quote, first, last = citation.quote, citation.answer_start, citation.answer_end
    bold = click.style(printable(quote[first:last]), bold=True)
    click.echo(f"{printable(quote[:first])}{bold}{printable(quote[last:])}")
    for words, meaning in citation.resolved:
        click.secho(f"  “{printable(words)}” here means {meaning}", dim=True)
    click.secho(f"  [{number}] {printable(_place(citation))} (score {score:.2f})", dim=True)


def _place(citation: "Citation") -> str:
    page = f"page {citation.page}" if citation.page else None
    named = [citation.title, citation.section, page, citation.date, citation.url]
    place = ", ".join(part for part in named if part)
    also = "".join(f" = {name}" for name in citation.also)
    characters = f"{citation.source}{also}, characters {citation.start} to {citation.end}"
    changed = "; changed since it was indexed" if citation.changed else ""
    return f"{place} ({characters}{changed})" if place else f"{characters}{changed}"
