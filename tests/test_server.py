"""The guard before every route, by HTTP as it is; health; a proxy in front."""

import base64
import http.client
import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving import free_port, serving

from qa_bot import QABot, app
from qa_bot.rate_limit import RateLimit
from qa_bot.server import MAX_BODY_BYTES, Guard

FIRST_LIGHT = "How many countries took part in First Light 2022?"
LOGIN = ("ann", "s:ecret")


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _get(
    port: int, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in named)
    for name, value in named.items():
        connection.putheader(name, value)
    if body is not None and "Content-Length" not in named:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode() if body else None)
    response = connection.getresponse()
    content = response.read() if "event-stream" not in response.getheader("Content-Type", "") else b""
    connection.close()
    return response.status, content


@pytest.fixture(scope="module")
def port(article_bot: QABot) -> Iterator[int]:
    with serving(article_bot) as port:
        yield port


@pytest.fixture(scope="module")
def locked(article_bot: QABot) -> Iterator[int]:
    """A server that asks for a password."""
    with serving(article_bot, Guard(login=LOGIN)) as port:
        yield port


def test_health_says_that_it_lives_and_readiness_what_it_holds(port: int, article_bot: QABot) -> None:
    assert _get(port, "/healthz") == (200, b'{"status":"ok"}')
    status, body = _get(port, "/readyz")
    assert status == 200 and json.loads(body)["documents"] == article_bot.manifest.documents


@pytest.mark.parametrize("path", ["/", "/config", "/readyz", "/gradio_api/info", "/nothing"])
def test_a_name_that_is_not_the_servers_is_refused(port: int, path: str) -> None:
    status, body = _get(port, path, Host="evil.example")
    assert status == 421 and "--host-name" in json.loads(body)["error"]
    assert _get(port, "/", Host="localhost:1234")[0] == 200
    for odd in ("", "[::1", "127.0.0.1.evil.example", "a@b"):
        assert _get(port, path, Host=odd)[0] == 421


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "x"]
)
def test_a_request_of_another_page_is_refused(port: int, origin: str) -> None:
    body = json.dumps({"data": [FIRST_LIGHT]})
    asked = {"Content_Type": "application/json", "Host": f"127.0.0.1:{port}"}
    call = "/gradio_api/call/ask"
    assert _get(port, call, "POST", body, Origin=origin, **asked)[0] == 403
    assert _get(port, call, "POST", body, Origin=f"http://127.0.0.1:{port}", **asked)[0] == 200
    assert _get(port, call, "POST", body, **asked)[0] == 200  # no page at all


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/readyz", "/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/queue/data",
     "/assets/x.js", "/gradio_api/call/ask/1", "/nothing"],
)  # fmt: skip
def test_every_route_but_health_asks_for_the_password(locked: int, path: str) -> None:
    assert _get(locked, "/healthz")[0] == 200
    wrong = (
        "",
        "Basic",
        "Basic !",
        "Bearer x",
        _basic("ann", "secret"),
        _basic("bob", "s:ecret"),
        _basic("", ""),
    )
    for header in wrong:
        assert _get(locked, path, Authorization=header)[0] == 401
    assert _get(locked, path, "POST", "{}")[0] == 401
    assert _get(locked, path, "HEAD")[0] == 401
    assert _get(locked, "/readyz", Authorization=_basic(*LOGIN))[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/file/etc/passwd",
     "/gradio_api/proxy=http://a/", "/gradio_api/stream/x", "/gradio_api/deep_link?id=1",
     "/gradio_api/monitoring", "/docs"],
)  # fmt: skip
def test_routes_that_nobody_needs_are_closed(port: int, path: str) -> None:
    assert _get(port, path)[0] in (404, 405)
    assert _get(port, path, "POST", "x")[0] in (404, 405)


def test_a_request_that_is_too_long_is_refused_also_where_it_lies_about_it(port: int) -> None:
    call = "/gradio_api/call/ask"
    assert _get(port, call, "POST", Content_Length=str(MAX_BODY_BYTES + 1))[0] == 413
    assert _get(port, call, "POST", Content_Length="many")[0] in (400, 413)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    chunks = (b" " * (1 << 20) for _ in range(64))
    with pytest.raises(OSError):  # it hangs up
        connection.request("POST", call, chunks, {"Content-Type": "application/json"}, encode_chunked=True)
        assert connection.getresponse().status >= 400
        raise ConnectionError
    connection.close()
    assert _get(port, "/healthz")[0] == 200


def test_a_browser_is_told_to_fetch_nothing_elsewhere(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    response = connection.getresponse()
    page = response.read().decode()
    connection.close()
    assert "default-src 'self'" in response.getheader("Content-Security-Policy", "")
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert FIRST_LIGHT not in page


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        location /qa/ {{
            proxy_pass http://127.0.0.1:{server}/;
            proxy_set_header Host $host:$server_port;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""


@pytest.fixture
def proxied(article_bot: QABot, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx that shows the app below /qa, and five requests a minute to each address."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if not nginx:
        if os.environ.get("CI"):
            pytest.fail("there is no nginx")
        pytest.skip("there is no nginx")
    port = free_port()
    guard = Guard(per_minute=5)
    with serving(article_bot, guard, root_path="/qa", proxy="127.0.0.1") as server:
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(NGINX.format(folder=tmp_path, port=port, server=server))
        with subprocess.Popen([nginx, "-c", configuration, "-e", tmp_path / "error.log"]) as process:
            for _ in range(100):
                try:
                    assert _get(port, "/qa/healthz")[0] == 200
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
            process.terminate()


def test_behind_nginx_on_a_subpath_page_and_api_work(proxied: int, article_bot: QABot) -> None:
    status, page = _get(proxied, "/qa/")
    assert status == 200 and b"/qa" in page
    config: dict[str, Any] = json.loads(_get(proxied, "/qa/config")[1])
    assert config["root"].endswith("/qa")
    from gradio_client import Client

    client = Client(f"http://127.0.0.1:{proxied}/qa/", verbose=False)
    assert client.predict(FIRST_LIGHT, api_name="/ask")["text"] == article_bot.ask(FIRST_LIGHT).text
    assert len(client.predict("First Light", 2, api_name="/retrieve")) == 2


def test_behind_nginx_the_limit_is_of_the_address_that_asks_and_of_none_that_it_makes_up(
    proxied: int,
) -> None:
    call = "/qa/gradio_api/call/ask"
    said = [_get(proxied, call, "POST", "{}", X_Forwarded_For=f"192.0.2.{i}")[0] for i in range(6)]
    assert 429 not in said[:5] and said[5] == 429
    # Another address, which reaches nginx by itself.
    connection = http.client.HTTPConnection("127.0.0.1", proxied, source_address=("127.0.0.2", 0))
    connection.request("POST", call, "{}", {"Content-Type": "application/json"})
    assert connection.getresponse().status != 429
    connection.close()


# How often.


def test_who_asks_too_often_is_put_off_until_the_minute_is_over(article_bot: QABot) -> None:
    call, asked = "/gradio_api/call/ask", json.dumps({"data": [FIRST_LIGHT]})
    with serving(article_bot, Guard(per_minute=3)) as port:
        for forged in range(3):  # nobody is believed to be somebody else
            given = {"Content_Type": "application/json", "X_Forwarded_For": f"192.0.2.{forged}"}
            assert _get(port, call, "POST", asked, **given)[0] == 200
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for path in (call, "/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/mcp/"):
            connection.request("POST", path, asked, {"Content-Type": "application/json"})
            response = connection.getresponse()
            said = json.loads(response.read())["error"]
            if path.endswith("upload"):
                assert response.status == 404  # closed, and costs nothing
                continue
            wait = int(response.getheader("Retry-After", ""))
            assert response.status == 429 and 0 < wait <= 60
            assert said == f"Too many requests from your address. Try again in {wait} s."
        connection.request("POST", call, asked, {"Accept-Language": "zh-CN,zh;q=0.9"})
        assert "过于频繁" in json.loads(connection.getresponse().read())["error"]
        connection.close()
        for free in ("/healthz", "/readyz", "/"):
            assert _get(port, free)[0] == 200


@given(st.lists(st.sampled_from([f"192.0.2.{i}" for i in range(9)] + ["2001:db8::1"]), max_size=60))
def test_each_address_has_a_limit_of_its_own(addresses: list[str]) -> None:
    limit, seen = RateLimit(4), Counter[str]()
    for address in addresses:
        seen[address] += 1
        assert bool(limit.seconds_to_wait(address)) == (seen[address] > 4)


def test_addresses_of_one_ipv6_network_are_one_and_none_is_too_odd() -> None:
    limit = RateLimit(1)
    assert not limit.seconds_to_wait("2001:db8::1") and limit.seconds_to_wait("2001:db8::2")
    assert not limit.seconds_to_wait("2001:db8:0:1::1")
    assert not limit.seconds_to_wait("") and limit.seconds_to_wait("")


def test_a_full_queue_is_told_in_a_sentence(article_bot: QABot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_WAITING", 0)
    with serving(article_bot) as port:
        status, said = _get(
            port,
            "/gradio_api/call/ask",
            "POST",
            json.dumps({"data": ["Why?"]}),
            Content_Type="application/json",
        )
    assert status == 429
    assert json.loads(said) == {"error": "Too many questions are waiting. Try again in 5 s."}
