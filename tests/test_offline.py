"""Nothing leaves the machine: ingest, ask and serve with every socket but the loopback's blocked.

An audit hook in each process refuses, and writes down, whatever would talk to another machine;
where the system allows it, there is no network either, but a loopback.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from serving import free_port

FIRST_LIGHT = "How many countries took part in First Light 2022?"

# Put where Python runs it in every process at its start.
SITECUSTOMIZE = """
import ipaddress, os, sys

def local(host):
    if isinstance(host, bytes):
        host = host.decode()
    try:
        return host in (None, "", "localhost") or ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False

def refuse(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # else a socket of the file system
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
    else:
        return
    if not local(host):
        with open(os.environ["BLOCKED_LOG"], "a") as log:
            log.write(f"{sys.argv[:2]} {event} {host}\\n")
        raise PermissionError(f"blocked: {event} {host}")

sys.addaudithook(refuse)
"""

# Runs in one process, so that a namespace without network holds all of it. Prints JSON.
SESSION = """
import http.client, json, signal, subprocess, sys, time, urllib.request

qa_bot, port, question = sys.argv[1:]

def run(*arguments):
    done = subprocess.run([qa_bot, *arguments], capture_output=True, text=True, timeout=120)
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}

def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as response:
        return response.read().decode()

results = {"index": run("index")}
command = [qa_bot, "serve", "--port", port]
server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
try:
    results["ask"] = run("ask", question, "--json")  # while the server starts
    deadline = time.monotonic() + 60
    while "page" not in results and server.poll() is None and time.monotonic() < deadline:
        try:
            results["page"] = call("/")
        except OSError:
            time.sleep(0.1)
    try:
        event = json.loads(call("/gradio_api/call/ask", {"data": [question, None]}))["event_id"]
        results["event"] = call(f"/gradio_api/call/ask/{event}")
    except (OSError, http.client.HTTPException) as error:
        results["event"] = repr(error)  # what the server says tells more
    began = time.monotonic()
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=60)
    seconds = time.monotonic() - began
    results["serve"] = {"code": server.returncode, "out": out, "err": err, "seconds": seconds}
finally:
    server.kill()
print(json.dumps(results))
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The environment of a new user behind a proxy: an empty home, and nothing said of any library."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    (tmp_path / "home").mkdir()
    kept = {
        name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ
    }
    proxy = "http://192.0.2.1:3128"
    proxies = {
        "HTTP_PROXY": proxy,
        "http_proxy": proxy,
        "HTTPS_PROXY": proxy,
        "ALL_PROXY": "socks5://192.0.2.1:1080",
    }
    return {
        **kept,
        **proxies,
        "no_proxy": "intranet.example",
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(tmp_path / "site"),
        "PYTHONUTF8": "1",
        "BLOCKED_LOG": str(tmp_path / "blocked.log"),
    }


def without_network() -> list[str]:
    """What to put before a command so that it has no network but a loopback; empty where that cannot be."""
    command = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return command


def test_the_check_can_fail(env: dict[str, str]) -> None:
    code = """
import socket
for attempt in (
    lambda: socket.socket().connect(("192.0.2.1", 80)),
    lambda: socket.getaddrinfo("huggingface.co", 443),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
):
    try:
        attempt()
    except PermissionError as error:
        print(error)
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
    print("loopback works")
"""
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.count("blocked: ") == 3 and done.stdout.endswith("loopback works\n")
    log = Path(env["BLOCKED_LOG"]).read_text().splitlines()
    assert [line.split("] ")[1] for line in log] == [
        "socket.connect 192.0.2.1",
        "socket.getaddrinfo huggingface.co",
        "socket.sendto 192.0.2.1",
    ]


def test_namespace_has_no_network(env: dict[str, str]) -> None:
    prefix = without_network()
    if not prefix:
        pytest.skip("this system lets no user make a network namespace (unshare --map-root-user --net)")
    code = "import socket; print([name for _, name in socket.if_nameindex()])"
    interfaces = subprocess.run(
        [*prefix, sys.executable, "-c", code], env=env, capture_output=True, text=True
    )
    assert interfaces.stdout == "['lo']\n"


def test_index_ask_and_serve_work_and_try_to_reach_no_other_machine(
    tmp_path: Path, env: dict[str, str]
) -> None:
    shutil.copytree(ROOT / "sources", tmp_path / "sources")
    script = shutil.which("qa-bot", path=str(Path(sys.executable).parent))
    assert script, "qa-bot is not installed beside this Python"
    session = subprocess.run(
        [*without_network(), sys.executable, "-c", SESSION, script, str(free_port()), FIRST_LIGHT],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert session.returncode == 0, session.stderr
    results: dict[str, Any] = json.loads(session.stdout)
    for step in ("index", "ask", "serve"):
        assert results[step]["code"] == 0, f"{step}: {results[step]['err']}"
        assert "Traceback" not in results[step]["err"]
    assert results["index"]["out"].startswith("Indexed 1 document, ")
    answer = json.loads(results["ask"]["out"])
    assert "76" in answer["text"]
    assert "Ask your documents" in results["page"]
    event, data = results["event"].strip().splitlines()
    assert event == "event: complete"
    assert json.loads(data.removeprefix("data: ")) == [answer]
    assert results["serve"]["seconds"] < 10
    log = Path(env["BLOCKED_LOG"])
    assert not log.exists(), log.read_text()
