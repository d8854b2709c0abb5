"""Files and web pages into the sources folder.

A page is fetched without cookies, proxies or scripts, and never from this machine or a private network
unless that is allowed: addresses are checked when they are connected to, so for redirects, too.
"""

import json
import os
import re
import shutil
import socket
import tempfile
import threading
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from ipaddress import IPv6Address, IPv6Network, ip_address
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
)

from qa_bot.errors import AddError
from qa_bot.files import write_synced
from qa_bot.phrases import Phrase
from qa_bot.sources import MAX_FILE_BYTES, ORIGINS, PARSERS, UNPRINTABLE, Origin, read_origins

MAX_FETCHED_BYTES = 64 << 20
DEADLINE_S = 60.0  # for a whole fetch, redirects included
TIMEOUT_S = 20.0  # for each wait in it

_SUFFIX_OF_TYPE = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
}


def is_address(item: str) -> bool:
    return bool(re.match(r"[a-z][a-z0-9+.-]*://", item, re.IGNORECASE))


def add_file(path: Path, sources: Path) -> str:
    """Copy a file into the sources; the name it has there. Raises AddError."""
    name = path.name
    if any(unicodedata.category(c) in UNPRINTABLE for c in name):
        raise AddError(f"Cannot add {str(path)!a}: its name is not printable. Rename it.")
    if path.suffix.lower() not in PARSERS:
        raise AddError(
            Phrase("Cannot add {path!r}: it is not one of {kinds}.", path=str(path), kinds=", ".join(PARSERS))
        )
    if name.startswith("."):
        raise AddError(
            Phrase("Cannot add {path!r}: hidden files are passed over. Rename it.", path=str(path))
        )
    try:
        if not path.is_file():
            raise AddError(f"Cannot add {str(path)!r}: there is no such file.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise AddError(
                Phrase(
                    "Cannot add {path!r}: {most} MB are the most. Split it.",
                    path=str(path),
                    most=MAX_FILE_BYTES >> 20,
                )
            )
        there = sources / name
        if there.exists() and not there.samefile(path):
            if there.is_file() and there.read_bytes() == path.read_bytes():
                return name
            raise AddError(
                Phrase(
                    "Cannot add {path!r}: {there!r} is another file. Rename one, or delete that.",
                    path=str(path),
                    there=str(there),
                )
            )
        if not there.exists():
            with path.open("rb") as stream:
                _place(there, lambda fresh: shutil.copyfileobj(stream, fresh))
    except OSError as error:
        raise AddError(f"Cannot add {str(path)!r}: {error.strerror}.") from error
    return name


def add_url(url: str, sources: Path, today: str, allow_private: bool = False) -> str:
    """Fetch a page or document into the sources; the name it has there. Raises AddError.

    An address that was fetched before replaces what it gave then. `today` is noted as its date.
    """
    final, kind, data = _fetch(url.partition("#")[0], allow_private)
    origins = read_origins(sources)
    name = _name_of(final, kind, {s for s, origin in origins.items() if origin.url == final}, sources)
    try:
        _place(sources / name, lambda fresh: fresh.write(data))
        _write_origins(sources, origins | {name: Origin(url=final, date=today)})
    except OSError as error:
        raise AddError(f"Cannot write {str(sources / name)!r}: {error.strerror}.") from error
    return name


def forget_origins(sources: Path) -> None:
    """Drop what is noted of fetched files that are gone."""
    origins = read_origins(sources)
    kept = {source: origin for source, origin in origins.items() if (sources / source).is_file()}
    if kept != origins:
        _write_origins(sources, kept)


def _write_origins(sources: Path, origins: dict[str, Origin]) -> None:
    noted = {source: asdict(origin) for source, origin in sorted(origins.items())}
    fresh = sources / f"{ORIGINS}.new"
    write_synced(fresh, json.dumps(noted, ensure_ascii=False, indent=2) + "\n")
    os.replace(fresh, sources / ORIGINS)


def _place(path: Path, write: Callable[[Any], object]) -> None:
    """Have a file whole in its place, or not at all; no watcher sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=".adding-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            write(stream)
        os.chmod(fresh, 0o644)
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise


def _name_of(url: str, kind: str, before: set[str], sources: Path) -> str:
    """A name for what was fetched: by its address, with the suffix of its kind."""
    parts = urlsplit(url)
    path = PurePosixPath(unquote(parts.path))
    suffix = _SUFFIX_OF_TYPE.get(kind, "")
    if path.suffix.lower() in PARSERS and suffix in ("", ".txt"):  # servers call much text/plain
        suffix = path.suffix.lower()
    if not suffix:
        raise AddError(
            f"Cannot add {url}: it is {kind or 'of a kind not named'}, not one of {', '.join(PARSERS)}."
        )
    place = path.with_suffix("") if path.name else ""
    words = re.findall(r"\w+", f"{parts.hostname} {place} {parts.query}", re.ASCII)
    stem = "-".join(words)[:80].strip("-") or "page"
    number = 1
    while True:
        name = f"{stem}{'' if number == 1 else f'-{number}'}{suffix}"
        if name in before or not (sources / name).exists():
            return name
        number += 1


# --- fetching ---------------------------------------------------------------------------------


class _Refused(OSError):
    """An address that is not of the open internet."""


def _fetch(url: str, allow_private: bool) -> tuple[str, str, bytes]:
    """(address in the end, media type, content) of an address; raises AddError."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise AddError(Phrase("Cannot fetch {url!a}: it is no address.", url=url)) from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise AddError(Phrase("Cannot fetch {url}: it is no http:// or https:// address.", url=url))
    if parts.username or parts.password:
        raise AddError(
            Phrase("Cannot fetch the address: it holds a password, which would be kept. Leave it out.")
        )
    sockets: list[socket.socket] = []
    opener = _opener(partial(_connect, allow_private=allow_private, opened=sockets))
    over = threading.Timer(DEADLINE_S, _shut, (sockets,))
    over.daemon = True
    over.start()
    began = time.monotonic()
    try:
        request = Request(url, headers={"User-Agent": "qa-bot", "Accept-Encoding": "identity"})  # noqa: S310
        with opener.open(request, timeout=TIMEOUT_S) as response:
            content = response.read(MAX_FETCHED_BYTES + 1)
            headers: HTTPMessage = response.headers
            final = response.url
        if time.monotonic() - began >= DEADLINE_S:
            raise TimeoutError(f"it took longer than {DEADLINE_S:.0f} s")
    except (OSError, HTTPException, ValueError) as error:
        raise AddError(
            Phrase("Cannot fetch {url}: {reason}.", url=url, reason=_reason(error, time.monotonic() - began))
        ) from error
    finally:
        over.cancel()
        over.join()
    if len(content) > MAX_FETCHED_BYTES:
        raise AddError(
            Phrase("Cannot fetch {url}: {most} MB are the most.", url=url, most=MAX_FETCHED_BYTES >> 20)
        )
    return final, headers.get_content_type() if "Content-Type" in headers else "", content


def _reason(error: Exception, seconds: float) -> str:
    if seconds >= DEADLINE_S:
        return Phrase("it took longer than {seconds:.0f} s", seconds=DEADLINE_S)
    if isinstance(error, HTTPError):
        with suppress(OSError):
            error.close()
        if error.code in (301, 302, 303, 307, 308):
            return Phrase("it redirects in circles, or to no page of the web")
        message = " ".join(str(error.msg).split())
        return Phrase("the server says {code} {message}", code=error.code, message=message)
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, _Refused):
        return Phrase(
            "{address} is not on the open internet; --allow-private fetches it all the same", address=cause
        )
    if isinstance(cause, socket.gaierror):
        return Phrase("its host is not known")
    return " ".join(str(cause).split()) or type(cause).__name__


def _shut(sockets: list[socket.socket]) -> None:
    for opened in sockets:
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)


def _connect(
    address: tuple[str, int],
    timeout: float,
    source_address: Any = None,
    *,
    allow_private: bool,
    opened: list[socket.socket],
) -> socket.socket:
    """A connection to an address that was checked: the very one, so no other answer of a DNS helps."""
    failure: OSError = OSError("its host has no address")
    for family, kind, protocol, _, at in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        if not allow_private and not is_public(str(at[0])):
            raise _Refused(f"{address[0]} ({at[0]})")
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(at)
            opened.append(connection)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is of the open internet; one that holds an IPv4 address counts as that."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ip_address(int(ip) & 0xFFFFFFFF)  # type: ignore[assignment]
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _opener(connect: Callable[..., socket.socket]) -> OpenerDirector:
    """HTTP and HTTPS by `connect`, and nothing else: no files, no FTP, no proxy."""

    def over(connection: type[HTTPConnection]) -> Callable[..., HTTPConnection]:
        def make(host: str, **named: Any) -> HTTPConnection:
            made = connection(host, **named)
            made._create_connection = connect  # type: ignore[attr-defined]
            return made

        return make

    class Http(HTTPHandler):
        def http_open(self, request: Request) -> Any:
            return self.do_open(over(HTTPConnection), request)

    class Https(HTTPSHandler):
        def https_open(self, request: Request) -> Any:
            return self.do_open(over(HTTPSConnection), request)

    opener = OpenerDirector()
    for handler in (Http(), Https(), HTTPRedirectHandler(), HTTPErrorProcessor(), HTTPDefaultErrorHandler()):
        opener.add_handler(handler)
    return opener
