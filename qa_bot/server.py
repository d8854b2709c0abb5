"""The app as a server: a guard before every route, routes for health, and nothing that nobody needs.

The guard is middleware, so it stands before Gradio's own routes, the API and whatever else there is.
"""

import base64
import binascii
import json
import secrets
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing of Gradio before this: it says what Gradio reads when it is imported.
from qa_bot.app import build_app, mount
from qa_bot.editing import Editor
from qa_bot.live import BotNow
from qa_bot.phrases import language_of
from qa_bot.prose import Writer
from qa_bot.rate_limit import RateLimit
from qa_bot.sources import MAX_FILE_BYTES

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MAX_BODY_BYTES = 8 << 20  # of a request; a long conversation has some 100 KB

FULL_S = 5  # after which a place in the queue may be free
TOO_OFTEN = "Too many requests from your address. Try again in {seconds} s."
QUEUE_FULL = "Too many questions are waiting. Try again in {seconds} s."

_HEALTH = "/healthz"  # says no more than that it lives, to whoever asks

# Gradio's routes that take, give out or fetch files, or that run what the page does not need.
_CLOSED = ("upload", "file=", "file/", "proxy=", "stream/", "deep_link", "component_server", "monitoring")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    # Whatever a page or library would like to fetch elsewhere, the browser refuses.
    "Content-Security-Policy": (
        "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'self'"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Who may ask: by which names, from which pages, with which password, how often."""

    hosts: frozenset[str] = LOOPBACK  # names that the server goes by; none: any
    login: tuple[str, str] | None = None  # user and password; None: whoever reaches it
    per_minute: int = 0  # requests that cost work, from one address; 0: any number

    def refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Why a request is not let in, or None."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if self.hosts and _name(f"//{host}") not in self.hosts:
            return (
                HTTPStatus.MISDIRECTED_REQUEST,
                f"This server does not go by the name {host!r}. Name it: qa-bot serve --host-name NAME",
            )
        origin = headers.get("origin")
        if _writes(scope) and origin is not None and not _same_place(origin, host):
            return HTTPStatus.FORBIDDEN, f"This is a request of another page: {origin!r}, not {host!r}."
        given = headers.get("authorization", "")
        if self.login and scope["path"] != _HEALTH and not _knows(given, self.login):
            return HTTPStatus.UNAUTHORIZED, "This server asks for a user and a password."
        return None


def _writes(scope: Scope) -> bool:
    """Whether a request asks for more than to be shown something: every question and upload does."""
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _same_place(origin: str, host: str) -> bool:
    """Whether a page's origin is the host that it asks; a port that goes without saying is left out."""
    try:
        page, asked = urlsplit(origin), urlsplit(f"//{host}")
        usual = {"http": 80, "https": 443}.get(page.scheme)
        ports = (page.port or usual, asked.port or usual)
    except ValueError:
        return False
    return page.hostname == asked.hostname and ports[0] == ports[1]


def _knows(authorization: str, login: tuple[str, str]) -> bool:
    """Whether an Authorization header is of this user (RFC 7617)."""
    kind, _, encoded = authorization.partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = ":".join(login).encode()
    return kind.lower() == "basic" and secrets.compare_digest(given, expected)


class Guarded:
    """An application behind a Guard, with closed routes, bounded requests and headers that protect."""

    def __init__(self, app: ASGIApp, guard: Guard, uploads: bool) -> None:
        self._app = app
        self._guard = guard
        self._uploads = uploads
        self._rate = RateLimit(guard.per_minute) if guard.per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        _, _, route = scope["path"].partition("/gradio_api/")
        uploading = self._uploads and route.partition("/")[0] in ("upload", "upload_progress")
        most = MAX_FILE_BYTES if uploading else MAX_BODY_BYTES
        refusal = self._guard.refusal(scope) or _closed(scope, "" if uploading else route, most)
        if refusal:
            await _refuse(scope, send, *refusal)
            return
        seconds = self._seconds_to_wait(scope)
        if seconds:
            await _put_off(scope, send, TOO_OFTEN, seconds)
            return
        full = False

        async def guarded_send(message: Message) -> None:
            nonlocal full
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_raw(_HEADERS)]
                full = message["status"] == HTTPStatus.SERVICE_UNAVAILABLE
            if not full:
                await send(message)

        await self._app(scope, _bounded(receive, most), guarded_send)
        if full:  # Gradio's page shows the words of any refusal but those of this one
            await _put_off(scope, send, QUEUE_FULL, FULL_S)

    def _seconds_to_wait(self, scope: Scope) -> int:
        if not self._rate or not _writes(scope):
            return 0
        address, _ = scope.get("client") or ("", 0)
        return self._rate.seconds_to_wait(address)


def _closed(scope: Scope, route: str, most: int) -> tuple[HTTPStatus, str] | None:
    if route.startswith(_CLOSED):
        return HTTPStatus.NOT_FOUND, "There is no such page."
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not length.isdigit() or int(length) > most:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request may have {most:,} bytes."
    return None


def _bounded(receive: Receive, most: int) -> Receive:
    """What a client sends, cut off where it goes on for longer than it said or may."""
    taken = 0

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return {"type": "http.disconnect"} if taken > most else message

    return bounded


async def _put_off(scope: Scope, send: Send, why: str, seconds: int) -> None:
    """Refuse what may be asked again later, in the language of who asks."""
    accepted = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
    said = language_of(accepted)(why, seconds=seconds)
    await _refuse(scope, send, HTTPStatus.TOO_MANY_REQUESTS, said, {"Retry-After": str(seconds)})


async def _refuse(
    scope: Scope, send: Send, status: HTTPStatus, why: str, also: Mapping[str, str] | None = None
) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})
        return
    headers = {"Content-Type": "application/json", **_HEADERS, **(also or {})}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Basic realm="qa-bot", charset="UTF-8"'
    await send({"type": "http.response.start", "status": status.value, "headers": list(_raw(headers))})
    await send({"type": "http.response.body", "body": json.dumps({"error": why}).encode()})


def _raw(headers: dict[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return ((name.lower().encode(), value.encode()) for name, value in headers.items())


def build_server(
    bot_now: BotNow,
    guard: Guard,
    root_path: str = "",
    editor: Editor | None = None,
    feedback: Path | None = None,
    report: Path | None = None,
    mcp: bool = False,
    writer: Writer | None = None,
) -> ASGIApp:
    """The whole application; `root_path` is where a proxy shows it, as /qa.

    With an editor, whoever is let in may add and remove sources; with an index directory for feedback,
    judge answers; with the folder of an evaluation report, see it; with `mcp`, ask by the Model Context
    Protocol; with a writer, have answers put into sentences.
    """
    server = FastAPI(title="qa-bot", docs_url=None, redoc_url=None, openapi_url=None)

    @server.get(_HEALTH)
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @server.get("/readyz")
    def readyz() -> JSONResponse:
        manifest = bot_now().manifest
        said = {"status": "ready", "documents": manifest.documents, "built_at": manifest.built_at}
        return JSONResponse(said)

    mount(server, build_app(bot_now, editor, feedback, report, mcp, writer), root_path, mcp)
    return Guarded(server, guard, uploads=editor is not None)


class Server:
    """The application, served in a thread of its own until `close`."""

    def __init__(self, app: ASGIApp, host: str, port: int, proxy: str | None = None) -> None:
        """`proxy`: the address, or network, whose X-Forwarded-For is believed; None: nobody's."""
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,  # it would hold addresses; questions are in bodies, which nobody logs
            proxy_headers=proxy is not None,
            forwarded_allow_ips=proxy or "",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            self._thread.join(0.02)

    def wait(self) -> None:
        """Until it ends."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
