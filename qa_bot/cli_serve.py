"""qa-bot serve: the app, and what stands before it."""

import ipaddress
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qa_bot.cli_index import print_report
from qa_bot.cli_llm import llm_options, open_writer
from qa_bot.cli_options import fail, index_option, settings, threshold_option, top_k_option
from qa_bot.config import PER_MINUTE
from qa_bot.errors import QABotError

if TYPE_CHECKING:
    from qa_bot.live import LiveBot


def _prepare_mcp() -> None:
    if not find_spec("mcp"):
        fail("--mcp needs a package that is not installed. Install it: pip install 'qa-bot[mcp]'")
    # It warns of what callers got wrong, in their own words.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)


def _an_address(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no IP address; name the proxy's, as 127.0.0.1.") from None


@click.command()
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
@click.option(
    "--proxy", envvar="QA_BOT_PROXY", show_envvar=True, metavar="ADDRESS", callback=_an_address,
    help="The proxy in front: who asks is whom its X-Forwarded-For names.",
)  # fmt: skip
@click.option(
    "--rate-limit", type=click.IntRange(0), envvar="QA_BOT_RATE_LIMIT", default=PER_MINUTE, show_default=True,
    show_envvar=True, help="Requests a minute from one address, two a question; 0: any number.",
)  # fmt: skip
@click.option(
    "--eval-report", type=click.Path(path_type=Path), envvar="QA_BOT_EVAL_REPORT", show_envvar=True,
    metavar="DIR", help="Show the report that qa-bot eval --report DIR wrote.",
)  # fmt: skip
@click.option("--mcp", is_flag=True, help="Let programs ask by the Model Context Protocol too.")
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
    proxy: str | None,
    rate_limit: int,
    eval_report: Path | None,
    mcp: bool,
) -> None:
    """Open the app, to ask in a browser. It takes up a rebuilt index by itself."""
    guard_options = _guard_options(host, auth, no_auth, names)
    writer = open_writer(llm, llm_url)
    if mcp:
        _prepare_mcp()
    _check_port(host, port)
    from qa_bot.live import LiveBot

    live = LiveBot(index, settings(index, top_k, threshold))
    click.echo("Loading the model ...", err=True)
    live.now().warm_up()
    from qa_bot.editing import Editor
    from qa_bot.server import Guard, Server, build_server

    editor = Editor(live.now, index) if allow_uploads else None
    guard = Guard(**guard_options, per_minute=rate_limit)
    app = build_server(live.now, guard, root_path, editor, index, eval_report, mcp, writer)
    server = Server(app, host, port, proxy)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}{root_path}"
    click.echo(f"Ask at {address} (stop with Ctrl+C)")
    if mcp:
        click.echo(f"MCP at {address}/gradio_api/mcp/")
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
