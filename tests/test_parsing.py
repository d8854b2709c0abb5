"""Parsers in a process of their own: what hangs, crashes or eats memory costs one file."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import documents
import pytest
from conftest import FakeEncoder
from strategies import write

from qa_bot import Document, QABot, Settings, build_index
from qa_bot.parsing import ParserProcess
from qa_bot.sources import Skipped, SourceFile, scan

# A worker whose parser of .txt does what the file says.
OBEDIENT = """
import ctypes, os, sys, time
from qa_bot import parsing, sources

genuine = sources.PARSERS[".txt"]

def obey(source, data, on_part):
    match data.decode():
        case "hang":
            time.sleep(600)
        case "crash":
            ctypes.string_at(0)
        case "exit":
            os._exit(0)
        case "eat":
            return bytearray(8 << 30)
        case "print":
            print("not a reply", flush=True)
            os.write(1, b"nor this\\n")
        case "slow":
            for n in range(5):
                time.sleep(0.5)
                on_part(n + 1, 5)
    return genuine(source, data, on_part)

sources.PARSERS[".txt"] = obey
parsing.main()
"""


def _file(folder: Path, name: str, text: str) -> SourceFile:
    (folder / name).write_text(text)
    return SourceFile(source=name, path=folder / name, sha256="unknown")


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory")
def test_a_parser_that_hangs_crashes_or_eats_memory_costs_that_file_alone(tmp_path: Path) -> None:
    silence = "its parser gave no sign of life for 2 s"
    crashed = "broken: it crashed its parser, or took too much memory"
    expected = {
        "hang": silence, "crash": crashed, "exit": crashed, "eat": "takes too much memory to read",
    }  # fmt: skip
    with ParserProcess([sys.executable, "-c", OBEDIENT], silence_s=2) as parsers:
        for text, reason in expected.items():
            assert parsers.read(_file(tmp_path, f"{text}.txt", text), print) == Skipped(
                source=f"{text}.txt", reason=reason
            )
            sane = parsers.read(_file(tmp_path, "a.txt", "The fox."), print)
            assert isinstance(sane, Document) and sane.text == "The fox."
        printed = parsers.read(_file(tmp_path, "print.txt", "print"), print)
        assert isinstance(printed, Document) and printed.text == "print"
        parts: list[tuple[int, int]] = []
        slow = parsers.read(_file(tmp_path, "slow.txt", "slow"), lambda *part: parts.append(part))
        assert isinstance(slow, Document) and parts == [(n, 5) for n in range(1, 6)]


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_no_parser_outlives_the_build_also_where_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from qa_bot.parsing import ParserProcess\n"
        "from qa_bot.sources import SourceFile\n"
        "parsers = ParserProcess([sys.executable, '-c', sys.argv[2]])\n"
        "path = Path(sys.argv[1])\n"
        "parsers.read(SourceFile(source='a.txt', path=path, sha256=''), print)\n"
        "print(parsers._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    (tmp_path / "a.txt").write_text("The fox.")
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "a.txt", OBEDIENT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as build:  # fmt: skip
        assert build.stdout
        parser = int(build.stdout.readline())
        os.kill(parser, 0)
        build.kill()
    until = time.monotonic() + 10
    while _lives(parser):
        assert time.monotonic() < until
        time.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


READ = "read"

HOSTILE: dict[str, tuple[str, Callable[[], bytes], str | None]] = {
    "nested page": ("a.html", lambda: b"<div>" * 100_000 + b"deep words", None),
    "nested quotes": ("a.md", lambda: b">" * 20_000 + b" deep words", None),
    "open brackets": ("a.md", lambda: b"![" * 50_000, None),
    "one long line": ("a.md", lambda: b"# " + b"x" * 3_000_000, None),
    "one long word": ("a.txt", lambda: b"x" * 1_000_000, None),
    "entity bomb": (
        "a.epub",
        lambda: documents.epub(
            ["<p>x</p>"],
            **{
                "OEBPS/text/chapter 0.xhtml": '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa">'
                + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
                + "]><html xmlns='http://www.w3.org/1999/xhtml'><body><p>Words. &m;</p></body></html>"
            },
        ),
        None,
    ),
    "picture of a bomb": (
        "a.docx",
        lambda: documents.zipped({"word/document.xml": bytes(600 << 20)}),
        "unpacks",
    ),
    "5,000 pages": ("a.pdf", lambda: documents.pdf([["The fox lives by the river."]] * 5_000), READ),
    "too long": ("a.txt", lambda: b"x" * (257 << 20), "257 MB long; 256 MB are the most"),
    "too much text": ("a.txt", lambda: b"words and " * 6_000_000, "60,000,000 characters of text"),
}


@pytest.mark.parametrize(("name", "make", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_indexed_or_named_and_the_others_answer(
    settings: Settings, name: str, make: Callable[[], bytes], reason: str | None
) -> None:
    write(settings.sources, {"b.txt": "The museum opened in 1998."})
    (settings.sources / name).write_bytes(make())
    manifest = build_index(settings, FakeEncoder()).manifest
    said = {skip.source: skip.reason for skip in manifest.skipped}
    if reason == READ:
        assert name not in said and manifest.documents == 2
    elif reason:
        assert said[name].startswith(reason)
    else:  # either is well, but not what is lost without a word
        assert name in said or manifest.documents == 2
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    assert bot.ask("When did the museum open?").text == "1998"


def test_names_with_quotes_and_other_scripts_are_sources_like_any_other(settings: Settings) -> None:
    names = ['it\'s "quoted" & <b>.txt', "日本 🦊.txt", "a;b|c$(d)`e`.txt", "-rf.txt", "%2e%2e.txt"]
    write(settings.sources, {name: f"The lamp number{n} is green." for n, name in enumerate(names)})
    build_index(settings, FakeEncoder())
    bot = QABot.open(settings.index, encoder=FakeEncoder())
    for n, name in enumerate(names):
        assert bot.retrieve(f"lamp number{n}", 1)[0].passage.source == name


def test_a_file_that_changes_while_it_is_read_is_named_and_read_by_the_next_build(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings.sources, {"a.txt": "The fox lives by the river.", "b.txt": "The museum opened in 1998."})
    genuine = ParserProcess.read
    changes = {"content": lambda path: path.write_text("The fox lives in a den."), "gone": Path.unlink}
    for change in changes.values():

        def read(self: ParserProcess, file: SourceFile, on_part: object, change=change) -> object:  # type: ignore[no-untyped-def]
            if file.source == "a.txt":
                change(file.path)
            return genuine(self, file, on_part)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(ParserProcess, "read", read)
            build_index(settings, FakeEncoder())
        now = scan(settings.sources)[0]
        build_index(settings, FakeEncoder())
        bot = QABot.open(settings.index, encoder=FakeEncoder())
        for file in now:
            assert bot.document(file.source).sha256 == file.sha256
        (settings.sources / "a.txt").write_text("The fox lives by the sea.")


def test_a_read_that_catches_a_file_in_the_middle_of_a_change_is_passing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qa_bot.sources import read

    file = _file(tmp_path, "a.txt", "The fox.")
    genuine = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        data = genuine(path)
        path.write_bytes(data * 2)
        return data

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert read(file) == Skipped(
        source="a.txt", reason="unreadable: it changed while it was being read", passing=True
    )
