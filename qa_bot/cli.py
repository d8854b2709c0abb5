"""qa-bot: a thin skin over the package, for people at a terminal and for scripts.

Flags come first, then QA_BOT_* variables, then defaults. Results go to standard output, messages
to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 indexed but files were skipped.
"""

import dataclasses
import io
import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qa_bot.cli_evaluation import calibrate, evaluate
from qa_bot.cli_options import index_option, json_option, print_json, progress_bar, sources_option
from qa_bot.errors import QABotError

if TYPE_CHECKING:
    from qa_bot.bot import QABot
    from qa_bot.types import Answer, Citation

SKIPPED = 3

top_k_option = click.option(
    "--top-k", type=int, envvar="QA_BOT_TOP_K", show_envvar=True, help="Passages to read.  [default: 5]"
)
threshold_option = click.option(
    "--threshold", type=click.FloatRange(0, 1), envvar="QA_BOT_THRESHOLD", show_envvar=True,
    help="Withhold answers that score lower.  [default: as calibrated]",
)  # fmt: skip


def main() -> None:
    """Run the command line; turns every error into one message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter shows "?"
    try:
        cli()
    except QABotError as error:
        _fail(str(error))
    except Exception as error:
        if os.environ.get("QA_BOT_DEBUG"):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(f"{what}. This is a defect; QA_BOT_DEBUG=1 shows where.")


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


@cli.command(short_help="Build the index; do nothing where nothing changed.")
@sources_option
@index_option
@click.option(
    "--model", envvar="QA_BOT_MODEL", show_envvar=True,
    help="A sentence-transformers model: a directory, or a name on the hub, which is downloaded."
    "  [default: all-MiniLM-L6-v2, which is installed]",
)  # fmt: skip
@click.option(
    "--reader", envvar="QA_BOT_READER", show_envvar=True,
    help="An extractive question-answering model of transformers, likewise."
    "  [default: the one that is installed]",
)  # fmt: skip
@json_option
def index(sources: Path, index: Path, model: str | None, reader: str | None, as_json: bool) -> None:
    """Build the index from the sources; do nothing where nothing changed.

    Files that cannot be read are named and skipped; the exit code is then 3.
    """
    from qa_bot.build import build_index
    from qa_bot.config import Settings
    from qa_bot.models import encoder_for_build, reader_for_build

    settings = Settings(sources=sources, index=index)
    # Naming a model is how a user asks for a download.
    notify = partial(click.echo, err=True)
    encoder = encoder_for_build(model, download=model is not None, notify=notify)
    span_model = reader_for_build(reader, download=reader is not None, notify=notify)
    with progress_bar() as progress:
        report = build_index(settings, encoder, progress, span_model)
    manifest = report.manifest
    if as_json:
        skipped = [dataclasses.asdict(skip) for skip in manifest.skipped]
        print_json(
            {
                "unchanged": report.unchanged,
                "documents": manifest.documents,
                "passages": manifest.passages,
                "embedded": report.embedded,
                "seconds": round(report.seconds, 3),
                "skipped": skipped,
            }
        )
    else:
        held = f"{_count(manifest.documents, 'document')}, {_count(manifest.passages, 'passage')}"
        if report.unchanged:
            click.echo(f"Nothing changed: {held}, as built at {manifest.built_at}.")
        else:
            click.echo(f"Indexed {held} ({report.embedded} embedded) in {report.seconds:.1f} s.")
        for skip in manifest.skipped:
            click.echo(f"Skipped {_printable(skip.source)}: {skip.reason}", err=True)
    if manifest.skipped:
        sys.exit(SKIPPED)


@cli.command(short_help="Answer a question, with its citation.")
@click.argument("question", required=False)
@index_option
@top_k_option
@threshold_option
@json_option
def ask(question: str | None, index: Path, top_k: int | None, threshold: float | None, as_json: bool) -> None:
    """Answer QUESTION from the index, with its citation.

    Without QUESTION: a chat, or, where standard input is no terminal, the question read from it.
    """
    bot = _open_bot(index, top_k, threshold)
    if question is None and sys.stdin.isatty():
        _chat(bot)
        return
    if question is None:
        question = sys.stdin.buffer.read().decode(errors="replace")
    answer = bot.ask(question)
    if as_json:
        print_json(dataclasses.asdict(answer))
    else:
        _print_answer(answer)


@cli.command()
@index_option
@top_k_option
@threshold_option
@click.option("--host", envvar="QA_BOT_HOST", default="127.0.0.1", show_default=True, show_envvar=True)
@click.option(
    "--port", type=click.IntRange(1, 65535), envvar="QA_BOT_PORT", default=7860, show_default=True,
    show_envvar=True,
)  # fmt: skip
def serve(index: Path, top_k: int | None, threshold: float | None, host: str, port: int) -> None:
    """Open the app, to ask in a browser."""
    _check_port(host, port)
    bot = _open_bot(index, top_k, threshold)
    click.echo("Loading the model ...", err=True)
    bot.warm_up()
    from qa_bot import app

    click.echo(f"Ask at http://{host}:{port} (stop with Ctrl+C)")
    app.serve(bot, host, port)


@cli.command(short_help="Say what is indexed and what changed since.")
@index_option
@sources_option
@click.option("--verify", is_flag=True, help="Check the digest of every file of the index.")
@json_option
def status(index: Path, sources: Path, verify: bool, as_json: bool) -> None:
    """Say what is indexed, when, with which model, and what has changed since."""
    from qa_bot.manifest import changed_sources, read_manifest
    from qa_bot.manifest import verify as verify_index

    manifest = read_manifest(index)
    changed = changed_sources(index, sources)
    faults = verify_index(index) if verify else []
    if as_json:
        print_json(
            {
                "built_at": manifest.built_at,
                "model": manifest.model,
                "reader": manifest.reader and manifest.reader[0],
                "documents": manifest.documents,
                "passages": manifest.passages,
                "skipped": [dataclasses.asdict(skip) for skip in manifest.skipped],
                "changed": changed,
                "faults": faults,
            }
        )
    else:
        held = f"{_count(manifest.documents, 'document')}, {_count(manifest.passages, 'passage')}"
        click.echo(f"{index}: {held}\nbuilt     {manifest.built_at}\nmodel     {manifest.model}")
        for skip in manifest.skipped:
            click.echo(f"skipped   {_printable(skip.source)}: {skip.reason}")
        for source in changed:
            click.echo(f"changed   {_printable(source)}")
        if changed:
            click.echo(
                f"The index is stale. Refresh it with: qa-bot index --sources {sources} --index {index}"
            )
        for fault in faults:
            click.echo(f"damaged   {fault}")
        if verify and not faults:
            click.echo("verified  every file is as it was written")
    if faults:
        _fail(f"The index is damaged. Delete {index} and run: qa-bot index --index {index}")


cli.add_command(evaluate)
cli.add_command(calibrate)


def _open_bot(index: Path, top_k: int | None, threshold: float | None) -> "QABot":
    from qa_bot.bot import QABot
    from qa_bot.config import Settings

    settings = Settings(
        index=index,
        model=os.environ.get("QA_BOT_MODEL") or None,
        reader=os.environ.get("QA_BOT_READER") or None,
    )
    if top_k is not None:
        settings = dataclasses.replace(settings, top_k=top_k)
    if threshold is not None:
        settings = dataclasses.replace(settings, threshold=threshold)
    return QABot.open(index, settings=settings)


def _check_port(host: str, port: int) -> None:
    """Fail before the slow part of a start where the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        _fail(
            f"Cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what uses it, or choose another port: qa-bot serve --port 7861 (make run PORT=7861)"
        )


def _chat(bot: "QABot") -> None:
    from qa_bot.types import Turn

    bot.warm_up()
    click.echo("Ask a question; an empty line ends.", err=True)
    history: list[Turn] = []
    while question := _prompt():
        try:
            answer = bot.ask(question, history)
        except QABotError as error:
            click.echo(f"Error: {error}", err=True)
            continue
        _print_answer(answer)
        history.append(Turn(question=question, answer=answer.text))


def _prompt() -> str:
    """The next question; empty where the input ends."""
    try:
        typed: str = click.prompt("\n?", default="", show_default=False, prompt_suffix=" ", err=True)
    except click.Abort:
        return ""
    return typed


def _print_answer(answer: "Answer") -> None:
    if answer.text is None:
        click.echo(f"The sources don't say. {_printable(answer.reason or '')}\nNearest to the question:")
        for scored in answer.nearest[:3]:
            passage = scored.passage
            click.echo(f"\n  {_printable(passage.text[:300])}{'…' if len(passage.text) > 300 else ''}")
            click.secho(f"  {_printable(passage.title or passage.source)}", dim=True)
        return
    click.secho(f"{_printable(answer.text)}\n", bold=True)
    for number, citation in enumerate(answer.citations, start=1):
        quote, first, last = citation.quote, citation.answer_start, citation.answer_end
        bold = click.style(_printable(quote[first:last]), bold=True)
        click.echo(f"{_printable(quote[:first])}{bold}{_printable(quote[last:])}")
        click.secho(f"  [{number}] {_printable(_place(citation))} (score {answer.score:.2f})", dim=True)


def _place(citation: "Citation") -> str:
    named = [citation.title, citation.section, citation.date]
    place = ", ".join(part for part in named if part)
    characters = f"{citation.source}, characters {citation.start} to {citation.end}"
    return f"{place} ({characters})" if place else characters


def _printable(text: str) -> str:
    """Text of a document as a terminal may show it: escape sequences are shown, not obeyed."""
    return "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else "\ufffd" for c in text)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _fail(message: str) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(1)
