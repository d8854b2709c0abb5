"""qa-bot: a thin skin over the package, for people at a terminal and for scripts.

Flags come first, then QA_BOT_* variables, then defaults. Results go to standard output, messages
to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 indexed but files were skipped.
"""

import dataclasses
import io
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from qa_bot.cli_evaluation import calibrate, evaluate
from qa_bot.cli_index import add, index, print_report, purge, status
from qa_bot.cli_llm import llm_options, open_writer, print_sentences
from qa_bot.cli_options import (
    count,
    fail,
    index_option,
    json_option,
    print_json,
    printable,
    sources_option,
)
from qa_bot.errors import QABotError

if TYPE_CHECKING:
    from qa_bot.bot import QABot
    from qa_bot.config import Settings
    from qa_bot.live import LiveBot
    from qa_bot.prose import Writer
    from qa_bot.types import Answer, Citation, Turn

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


@cli.command()
@index_option
@top_k_option
@threshold_option
@llm_options
@click.option("--host", envvar="QA_BOT_HOST", default="127.0.0.1", show_default=True, show_envvar=True)
@click.option(
    "--port", type=click.IntRange(1, 65535), envvar="QA_BOT_PORT", default=7860, show_default=True,
    show_envvar=True,
)  # fmt: skip
@click.option(
    "--watch/--no-watch", default=True, show_default=True,
    help="Build the index again whenever the sources change.",
)  # fmt: skip
@click.option(
    "--auth", envvar="QA_BOT_AUTH", show_envvar=True, metavar="USER:PASSWORD",
    help="Who may ask. Others see the command line: better as a variable.",
)  # fmt: skip
@click.option(
    "--allow-uploads", is_flag=True, help="Let whoever is let in add and remove sources, and rebuild."
)
@click.option("--no-auth", is_flag=True, help="Let whoever reaches the address ask.")
@click.option(
    "--host-name", "names", multiple=True, metavar="NAME",
    help="A name that the server goes by, as behind a proxy; may be repeated.",
)  # fmt: skip
@click.option(
    "--root-path", envvar="QA_BOT_ROOT_PATH", show_envvar=True, default="", metavar="/PATH",
    help="Where a proxy shows it.",
)  # fmt: skip
def serve(
    index: Path,
    top_k: int | None,
    threshold: float | None,
    llm: str | None,
    llm_url: str | None,
    host: str,
    port: int,
    watch: bool,
    auth: str | None,
    no_auth: bool,
    allow_uploads: bool,
    names: tuple[str, ...],
    root_path: str,
) -> None:
    """Open the app, to ask in a browser. It takes up a rebuilt index by itself."""
    guard_options = _guard_options(host, auth, no_auth, names)
    writer = open_writer(llm, llm_url)
    _check_port(host, port)
    from qa_bot.live import LiveBot

    live = LiveBot(index, _settings(index, top_k, threshold))
    click.echo("Loading the model ...", err=True)
    live.now().warm_up()
    from qa_bot.editing import Editor
    from qa_bot.server import Guard, Server, build_server

    editor = Editor(live.now, index) if allow_uploads else None
    app = build_server(live.now, Guard(**guard_options), root_path, editor, index, writer)
    server = Server(app, host, port)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Ask at http://{shown}:{port}{root_path} (stop with Ctrl+C)")
    try:
        with _watching(index, live) if watch else nullcontext():
            server.wait()
    except KeyboardInterrupt:
        server.close()


_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _guard_options(host: str, auth: str | None, no_auth: bool, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields of a Guard; a wider address needs a password, or the word that none is wanted."""
    if auth is not None and not all(auth.partition(":")):
        raise click.UsageError("--auth takes USER:PASSWORD.")
    if host not in _LOOPBACK and auth is None and not no_auth:
        raise click.UsageError(
            f"At {host}, others can ask and read every document. "
            "Name who may: --auth USER:PASSWORD, or --no-auth for everybody."
        )
    user, _, password = (auth or "").partition(":")
    # At a loopback address only its own names are let in: any page could have a name that leads there.
    known = frozenset({*_LOOPBACK, *(name.lower() for name in names)})
    return {
        "hosts": known if host in _LOOPBACK or names else frozenset(),
        "login": (user, password) if auth else None,
    }


@contextmanager
def _watching(index: Path, live: "LiveBot") -> Iterator[None]:
    """Keep the index up to date with the folder that it was made from, where that is here."""
    from qa_bot.build import BuildReport, build_index
    from qa_bot.watching import watch_sources

    def build() -> BuildReport:
        bot = live.now()
        return build_index(bot.manifest.settings(index), bot.encoder, reader=bot.reader.model)

    def tell(result: BuildReport | QABotError) -> None:
        if isinstance(result, QABotError):
            click.echo(f"Error: {result}", err=True)
        else:
            live.now()
            print_report(result, as_json=False)

    sources = live.now().manifest.settings(index).sources
    if not sources.is_dir():
        click.echo(f"Not watching: there is no folder {sources}", err=True)
        yield
        return
    stop = threading.Event()
    watcher = threading.Thread(target=watch_sources, args=(sources, index, build, tell, stop), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join(timeout=30)


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


for command in (index, add, status, purge, evaluate, calibrate):
    cli.add_command(command)


def _open_bot(index: Path, top_k: int | None, threshold: float | None) -> "QABot":
    from qa_bot.bot import QABot

    return QABot.open(index, settings=_settings(index, top_k, threshold))


def _settings(index: Path, top_k: int | None, threshold: float | None) -> "Settings":
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
    return settings


def _check_port(host: str, port: int) -> None:
    """Fail before the slow part of a start where the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        fail(
            f"Cannot listen on {host}:{port}: {error.strerror}. "
            "Stop what uses it, or choose another port: qa-bot serve --port 7861 (make run PORT=7861)"
        )


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
