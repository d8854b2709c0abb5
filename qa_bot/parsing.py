"""Files parsed in a process of their own, so that one that hangs or crashes its parser costs itself alone.

    python -m qa_bot.parsing

reads requests and writes replies, a line of JSON each; nothing that a parser made is unpickled.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from qa_bot.formats import OnPart
from qa_bot.sources import Skipped, SourceFile, described, read
from qa_bot.types import Document, Section

SILENCE_S = 60.0  # without a sign of life (a page, a chapter), at most
MEMORY_BYTES = 3 << 30  # of address space; enforced where the system can (Linux)

_COMMAND = (sys.executable, "-P", "-m", "qa_bot.parsing")


class ParserProcess:
    """Reads files as `sources.read` does, one after the other, in a process that may be lost.

    It is started with the first file, and again after one that took it down.
    """

    def __init__(self, command: Sequence[str] = _COMMAND, silence_s: float = SILENCE_S) -> None:
        self._command = command
        self._silence_s = silence_s
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.Queue[str] = queue.Queue()
        self._listener: threading.Thread | None = None

    def __enter__(self) -> "ParserProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def read(self, file: SourceFile, on_part: OnPart) -> Document | Skipped | None:
        """Parse one file; None where it asks to be left out."""
        process = self._process = self._process or self._start()
        request = {"source": file.source, "path": str(file.path), "sha256": file.sha256}
        try:
            requests = cast(IO[str], process.stdin)
            requests.write(json.dumps(request) + "\n")
            requests.flush()
            while True:
                reply = json.loads(self._replies.get(timeout=self._silence_s) or "null")
                if reply is None:
                    return self._lost(file, "broken: it crashed its parser, or took too much memory")
                if "part" not in reply:
                    return _result(file, reply)
                on_part(*reply["part"])
        except queue.Empty:
            return self._lost(file, f"its parser gave no sign of life for {self._silence_s:.0f} s")
        except OSError:
            return self._lost(file, "broken: it crashed its parser, or took too much memory")

    def _lost(self, file: SourceFile, reason: str) -> Skipped:
        self._stop()
        return Skipped(source=file.source, reason=reason)

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603 (nothing of it is of a user)
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries warn there, with words of the documents
            text=True,
            encoding="utf-8",
        )
        replies = self._replies = queue.Queue()

        def listen() -> None:
            for line in cast(IO[str], process.stdout):
                replies.put(line)
            replies.put("")  # it ended

        self._listener = threading.Thread(target=listen, daemon=True)
        self._listener.start()
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            if self._listener:
                self._listener.join()
            for stream in (process.stdin, process.stdout):
                try:
                    if stream:
                        stream.close()
                except OSError:
                    pass


def _result(file: SourceFile, reply: dict[str, Any]) -> Document | Skipped | None:
    if "document" in reply:
        fields = reply["document"]
        sections = tuple(Section(**section) for section in fields.pop("sections"))
        return described(Document(**fields | {"sections": sections, "also": ()}), file)
    return Skipped(**reply["skipped"]) if "skipped" in reply else None


def main() -> None:
    """Answer requests until there are no more."""
    _limit_memory()
    # What a library prints must not be taken for a reply.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)

        def send(**reply: object) -> None:
            replies.write(json.dumps(reply, ensure_ascii=False) + "\n")
            replies.flush()

        for line in sys.stdin:
            request = json.loads(line)
            file = SourceFile(source=request["source"], path=Path(request["path"]), sha256=request["sha256"])
            match read(file, lambda done, total: send(part=(done, total))):
                case Document() as document:
                    send(document=asdict(document))
                case Skipped() as skipped:
                    send(skipped=asdict(skipped))
                case None:
                    send(left_out=True)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has none
        return
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except (ValueError, OSError):  # macOS refuses
        return


if __name__ == "__main__":
    main()
