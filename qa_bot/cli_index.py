"""The commands that make and keep an index: index, add, status, purge."""

import dataclasses
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qa_bot.cli_options import (
    count,
    fail,
    index_option,
    json_option,
    print_json,
    printable,
    progress_bar,
    sources_option,
)
from qa_bot.errors import QABotError, SourcesError

if TYPE_CHECKING:
    from qa_bot.build import BuildReport
    from qa_bot.config import Settings
    from qa_bot.manifest import Manifest

SKIPPED = 3

model_option = click.option(
    "--model", envvar="QA_BOT_MODEL", show_envvar=True,
    help="A sentence-transformers model: a directory, or a name on the hub, which is downloaded."
    "  [default: all-MiniLM-L6-v2, which is installed]",
)  # fmt: skip
reader_option = click.option(
    "--reader", envvar="QA_BOT_READER", show_envvar=True,
    help="An extractive question-answering model of transformers, likewise."
    "  [default: the one that is installed]",
)  # fmt: skip


@click.command(short_help="Build the index; do nothing where nothing changed.")
@sources_option
@index_option
@model_option
@reader_option
@click.option("--watch", is_flag=True, help="Then stay, and build again whenever the sources change.")
@click.option(
    "--rollback", is_flag=True,
    help="Go back to the build before, until qa-bot index is called without this.",
)  # fmt: skip
@json_option
def index(
    sources: Path,
    index: Path,
    model: str | None,
    reader: str | None,
    watch: bool,
    rollback: bool,
    as_json: bool,
) -> None:
    """Build the index from the sources; do nothing where nothing changed.

    Files that cannot be read are named and skipped; the exit code is then 3.
    """
    from qa_bot.config import Settings

    if rollback:
        from qa_bot.publishing import roll_back

        manifest = roll_back(index)
        click.echo(f"Back to {_held(manifest)}, as built at {manifest.built_at}, until: qa-bot index")
        return
    build = _builder(Settings(sources=sources, index=index), model, reader)
    report = build()
    print_report(report, as_json)
    if watch:
        _watch(sources, index, build, as_json)
    if report.manifest.skipped:
        sys.exit(SKIPPED)


def _builder(settings: "Settings", model: str | None, reader: str | None) -> Callable[[], "BuildReport"]:
    """Builds with a progress bar; the models are found once."""
    from qa_bot.build import build_index
    from qa_bot.models import encoder_for_build, reader_for_build

    # Naming a model is how a user asks for a download.
    notify = partial(click.echo, err=True)
    encoder = encoder_for_build(model, download=model is not None, notify=notify)
    span_model = reader_for_build(reader, download=reader is not None, notify=notify)

    def build() -> "BuildReport":
        with progress_bar() as progress:
            return build_index(settings, encoder, progress, span_model)

    return build


def print_report(report: "BuildReport", as_json: bool) -> None:
    manifest = report.manifest
    if as_json:
        print_json(
            {
                "unchanged": report.unchanged,
                "documents": manifest.documents,
                "passages": manifest.passages,
                "embedded": report.embedded,
                "seconds": round(report.seconds, 3),
                "skipped": [dataclasses.asdict(skip) for skip in manifest.skipped],
                "languages": manifest.languages,
            }
        )
        return
    if report.unchanged:
        click.echo(f"Nothing changed: {_held(manifest)}, as built at {manifest.built_at}.")
    else:
        click.echo(f"Indexed {_held(manifest)} ({report.embedded} embedded) in {report.seconds:.1f} s.")
    for skip in manifest.skipped:
        click.echo(f"Skipped {printable(skip.source)}: {skip.reason}", err=True)
    for said in _languages(manifest):
        click.echo(f"Note: {said}", err=True)


def _languages(manifest: "Manifest") -> list[str]:
    """What to tell of documents in other languages than the models know."""
    from qa_bot.languages import said_of

    return [printable(said) for said in said_of(manifest.languages)] if manifest.english_only else []


def _held(manifest: "Manifest") -> str:
    return f"{count(manifest.documents, 'document')}, {count(manifest.passages, 'passage')}"


def _watch(sources: Path, index: Path, build: Callable[[], "BuildReport"], as_json: bool) -> None:
    """Report each build, until the user stops it."""
    from qa_bot.watching import watch_sources

    def show(result: "BuildReport | QABotError") -> None:
        if isinstance(result, QABotError):
            click.echo(f"Error: {result}", err=True)
        else:
            print_report(result, as_json)

    click.echo(f"Watching {sources} (stop with Ctrl+C) ...", err=True)
    stop = threading.Event()
    try:
        watch_sources(sources, index, build, show, stop)
    except KeyboardInterrupt:
        stop.set()


@click.command(short_help="Copy files or fetch web pages into the sources.")
@click.argument("items", nargs=-1, required=True, metavar="FILE|URL...")
@sources_option
@click.option("--allow-private", is_flag=True, help="Also fetch from this machine and private networks.")
def add(items: tuple[str, ...], sources: Path, allow_private: bool) -> None:
    """Copy files, or fetch web pages and documents, into the sources; qa-bot index then reads them.

    A fetched file is cited with its address, and with the day where it gives no date itself. Nothing is
    overwritten: another file of the same name is an error.
    """
    from qa_bot.adding import add_file, add_url, is_address

    failed = 0
    for item in items:
        try:
            if is_address(item):
                added = add_url(item, sources, datetime.now(UTC).date().isoformat(), allow_private)
            else:
                added = add_file(Path(item), sources)
            click.echo(f"Added {printable(added)}")
        except QABotError as error:
            click.echo(f"Error: {error}", err=True)
            failed += 1
    if failed < len(items):
        click.echo(f"Index what was added with: qa-bot index --sources {sources}", err=True)
    if failed:
        sys.exit(1)


@click.command(short_help="Say what is indexed and what changed since.")
@index_option
@sources_option
@click.option("--verify", is_flag=True, help="Check the digest of every file of the index.")
@json_option
def status(index: Path, sources: Path, verify: bool, as_json: bool) -> None:
    """Say what is indexed, when, with which model, what was skipped, and what has changed since."""
    from qa_bot.manifest import changed_sources, pinned, read_manifest
    from qa_bot.manifest import verify as verify_index

    manifest = read_manifest(index)
    changed = changed_sources(index, sources) if sources.is_dir() else None
    faults = verify_index(index) if verify else []
    if as_json:
        print_json(
            {
                "built_at": manifest.built_at,
                "pinned": pinned(index),
                "model": manifest.model,
                "reader": manifest.reader and manifest.reader[0],
                "documents": manifest.documents,
                "passages": manifest.passages,
                "skipped": [dataclasses.asdict(skip) for skip in manifest.skipped],
                "languages": manifest.languages,
                "sources": sorted(manifest.sources),
                "changed": changed,
                "faults": faults,
            }
        )
    else:
        _print_status(index, sources, manifest, changed, faults)
        if verify and not faults:
            click.echo("verified  every file is as it was written")
    if faults:
        fail(f"The index is damaged. Build it again with: qa-bot index --index {index}")


def _print_status(
    index: Path, sources: Path, manifest: "Manifest", changed: list[str] | None, faults: list[str]
) -> None:
    from qa_bot.manifest import pinned

    click.echo(f"{index}: {_held(manifest)}\nbuilt     {manifest.built_at}\nmodel     {manifest.model}")
    if pinned(index):
        click.echo("pinned    by qa-bot index --rollback, until: qa-bot index")
    for skip in manifest.skipped:
        click.echo(f"skipped   {printable(skip.source)}: {skip.reason}")
    for said in _languages(manifest):
        click.echo(f"language  {said}")
    if changed is None:
        click.echo(f"sources   not here: there is no folder {sources}")
    for source in changed or ():
        click.echo(f"changed   {printable(source)}")
    if changed:
        click.echo(f"The index is stale. Refresh it with: qa-bot index --sources {sources} --index {index}")
    for fault in faults:
        click.echo(f"damaged   {fault}")


@click.command(short_help="Remove every trace of deleted documents.")
@sources_option
@index_option
def purge(sources: Path, index: Path) -> None:
    """Remove every trace of deleted documents: bring the index up to date, then remove older builds.

    Where no document is left, the index is emptied.
    """
    from qa_bot import feedback, publishing
    from qa_bot.adding import forget_origins
    from qa_bot.build import build_index
    from qa_bot.config import Settings
    from qa_bot.index import encoder_of_index, reader_of_index
    from qa_bot.manifest import changed_sources, read_manifest

    if (index / "CURRENT").is_file() and changed_sources(index, sources):
        manifest = read_manifest(index)
        encoder, reader = encoder_of_index(index, manifest), reader_of_index(index, manifest)
        try:
            with progress_bar() as progress:
                settings = Settings(sources=sources, index=index)
                build_index(settings, encoder, progress, reader)
        except SourcesError:
            publishing.forget(index)
    forget_origins(sources)
    if (index / "CURRENT").is_file():
        feedback.forget(index, read_manifest(index).sources)
    else:
        feedback.forget(index, ())
    in_use = publishing.purge(index)
    if in_use:
        fail(
            f"{count(len(in_use), 'build')} of {index} could not be removed: another program has it open. "
            f"Stop what uses it, then run: qa-bot purge --index {index}"
        )
    click.echo("Purged: no text of deleted documents is left in the index.")
