"""Models come in by name, by directory or from a hub, and nothing is fetched that was not asked for."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from conftest import PROMPTS

from qa_bot import ModelError
from qa_bot.sentence_transformer import SentenceTransformerEncoder

REVISION = hashlib.sha1(b"tiny").hexdigest()


def test_the_packaged_model_gives_unit_vectors_that_know_what_is_alike(
    real_encoder: SentenceTransformerEncoder,
) -> None:
    near, far = real_encoder.encode_documents(["A big dog slept.", "Interest rates rose."])
    question = real_encoder.encode_query("Which animal was asleep?")
    assert np.allclose([np.linalg.norm(vector) for vector in (near, far, question)], 1, atol=1e-5)
    assert near @ question > far @ question + 0.2
    assert real_encoder.max_tokens == 254 and real_encoder.count_tokens("unbelievable") == 1


def test_queries_and_documents_get_the_prompts_of_the_model(tiny_model: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformerEncoder(str(tiny_model))
    reference = SentenceTransformer(str(tiny_model), device="cpu", local_files_only=True)
    text = "the lamp is green"
    query, document = (
        reference.encode(prompt + text, prompt="", normalize_embeddings=True) for prompt in PROMPTS.values()
    )
    assert np.allclose(encoder.encode_query(text), query, atol=1e-6)
    assert np.allclose(encoder.encode_documents([text])[0], document, atol=1e-6)
    assert not np.allclose(query, document, atol=1e-3)


def test_the_digest_changes_with_any_file_of_the_model(tiny_model: Path, tmp_path: Path) -> None:
    before = SentenceTransformerEncoder(str(tiny_model)).digest
    assert before == SentenceTransformerEncoder(str(tiny_model)).digest
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(tiny_model), str(copy)], check=True)
    assert SentenceTransformerEncoder(str(copy)).digest == before
    config = copy / "config_sentence_transformers.json"
    config.write_text(config.read_text().replace("query: ", "question: "))
    assert SentenceTransformerEncoder(str(copy)).digest != before


def test_a_directory_that_holds_no_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    encoder = SentenceTransformerEncoder(str(tmp_path))
    with pytest.raises(ModelError, match=r"cannot be loaded: .* Name another with --model\.") as caught:
        encoder.encode_query("x")
    assert "\n" not in str(caught.value)


@pytest.fixture
def hub(tiny_model: Path) -> Iterator[str]:
    """A server on loopback with the tiny model as lab/tiny, as a model hub serves it."""
    files = sorted(p.relative_to(tiny_model).as_posix() for p in tiny_model.rglob("*") if p.is_file())

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/models/lab/tiny"):
                siblings = [{"rfilename": name} for name in files]
                listing = [
                    {"type": "file", "path": n, "size": (tiny_model / n).stat().st_size, "oid": "0" * 40}
                    for n in files
                ]
                body = {"id": "lab/tiny", "modelId": "lab/tiny", "sha": REVISION, "siblings": siblings}
                self._send(
                    json.dumps(listing if "/tree/" in self.path else body).encode(), "application/json"
                )
            elif self.path.startswith(f"/lab/tiny/resolve/{REVISION}/"):
                content = (tiny_model / self.path.split(f"{REVISION}/")[1].split("?")[0]).read_bytes()
                self._send(content, "application/octet-stream")
            else:
                self.send_error(404)

        do_HEAD = do_GET

        def _send(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", REVISION)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def encode_from_hub(endpoint: str, cache: Path, *, download: bool) -> subprocess.CompletedProcess[str]:
    """What a process of its own makes of the hub's model: the hub is found by variables read at import."""
    code = (
        "from qa_bot.sentence_transformer import SentenceTransformerEncoder as E\n"
        f"print(E('lab/tiny', download={download}).encode_query('the lamp').tolist())"
    )
    environment = {
        "HF_ENDPOINT": endpoint,
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "PATH": "/usr/bin:/bin",
    }
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_hub_model_is_downloaded_when_asked_for_and_then_needs_no_hub(
    hub: str, tiny_model: Path, tmp_path: Path
) -> None:
    refused = encode_from_hub(hub, tmp_path, download=False)
    assert refused.returncode and "is not in the local cache" in refused.stderr
    assert "qa-bot index --model lab/tiny" in refused.stderr

    fetched = encode_from_hub(hub, tmp_path, download=True)
    assert fetched.returncode == 0, fetched.stderr
    expected = SentenceTransformerEncoder(str(tiny_model)).encode_query("the lamp")
    assert np.allclose(json.loads(fetched.stdout), expected, atol=1e-6)

    offline = encode_from_hub("http://127.0.0.1:9", tmp_path, download=False)
    assert offline.stdout == fetched.stdout, offline.stderr


def test_a_name_that_is_nothing_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="neither a directory nor the name of a hub model"):
        SentenceTransformerEncoder("no such/model/at all")
    with pytest.raises(ModelError, match=r"'nobody/nothing' is no directory and is not in the local cache"):
        SentenceTransformerEncoder("nobody/nothing")


def test_naming_an_encoder_loads_no_torch() -> None:
    code = (
        "import sys; from qa_bot.sentence_transformer import SentenceTransformerEncoder as E; E().digest\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
