"""Servers that speak OpenAI's protocol: one that says and does what a test wants, and a real one.

    python tests/llm_servers.py MODEL PORT

serves a model of transformers.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-secret-0123456789"


def events(text: str, finish: str | None = "stop") -> Iterator[bytes]:
    """A streamed answer, a word at a time."""
    words = text.split(" ")
    for number, word in enumerate(words):
        piece = word if number == len(words) - 1 else f"{word} "
        yield event({"delta": {"content": piece}, "finish_reason": None})
    if finish:
        yield event({"delta": {}, "finish_reason": finish})
        yield b"data: [DONE]\n\n"


def event(choice: dict[str, Any]) -> bytes:
    about = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    chunk = about | {"choices": [{"index": 0, **choice}]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


class Scripted(ThreadingHTTPServer):
    """Says `says` to a model's name: words to stream, a status to fail with, or bytes and pauses to send."""

    daemon_threads = True

    def __init__(self, **says: Any) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says = says
        self.asked: list[tuple[Message, dict[str, Any]]] = []  # headers and body

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.headers, body))
        says = self.server.says.get(body["model"], 404)
        if callable(says):
            says = says(body)
        if isinstance(says, int):
            self._fail(says)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for part in events(says) if isinstance(says, str) else says:
                if isinstance(part, float):
                    time.sleep(part)
                else:
                    self.wfile.write(part)
                    self.wfile.flush()
        except OSError:
            pass  # whoever asked has gone

    def _fail(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After", "50")
        if status == 307:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        said = f"failed with {self.headers.get('Authorization')}"  # as some do
        self.wfile.write(json.dumps({"error": {"message": said}}).encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def scripted(**says: Any) -> Iterator[Scripted]:
    server = Scripted(**says)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serve_model(folder: str, port: int) -> None:
    """Serve a model of transformers, streaming, until killed."""
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    app = FastAPI()

    @app.post("/v1/chat/completions")
    def complete(body: dict[str, Any]) -> StreamingResponse:
        prompt = tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        arguments = {"input_ids": ids, "max_new_tokens": body["max_tokens"], "streamer": streamer}
        threading.Thread(target=model.generate, kwargs=arguments | {"do_sample": False}).start()

        def stream() -> Iterator[bytes]:
            for piece in streamer:
                yield event({"delta": {"content": piece}, "finish_reason": None})
            yield event({"delta": {}, "finish_reason": "stop"})
            yield b"data: [DONE]\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    import sys

    serve_model(sys.argv[1], int(sys.argv[2]))
