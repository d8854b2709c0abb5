"""The command line as people and scripts meet it: its output, its messages, its exit codes."""

import dataclasses
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest.mock import patch

import pytest
from click.testing import CliRunner
from conftest import ARTICLE, ROOT, FakeEncoder

from qa_bot import QABot, Settings, build_index, cli, cli_serve
from qa_bot.encoder import OnnxEncoder
from qa_bot.feedback import keep
from qa_bot.manifest import FORMAT, Manifest
from qa_bot.sentence_transformer import DEFAULT_MODEL

FIRST_LIGHT = "How many countries took part in First Light 2022?"
OPERATION = "How many countries took part in First Light 2022?"  # in words that the fake model knows, too
COMMANDS = ("index", "add", "ask", "serve", "status", "purge", "verify", "eval", "calibrate")
CONTROL_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line's end


class FakeModel(FakeEncoder):
    """The fake encoder in the place of the real one: it, too, goes by the name of a model."""

    def __init__(self, model: str | None = None, **_: object) -> None:
        super().__init__(digest=f"digest of the files of {model or DEFAULT_MODEL}")
        self.name = model or DEFAULT_MODEL

    @classmethod
    def of_index(cls, _: Path, manifest: Manifest) -> "FakeModel":
        return cls(manifest.model)


def main_with_the_fake_model() -> None:
    """What `run_process` runs: the console script's function, in a second instead of ten."""
    with (
        patch("qa_bot.models.encoder_for_build", FakeModel),
        patch("qa_bot.bot.encoder_of_index", FakeModel.of_index),
        patch("qa_bot.index.encoder_of_index", FakeModel.of_index),
    ):
        cli.main()


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str


def run(*args: str, stdin: str = "", colour: bool = False) -> Run:
    """The whole program in this process, with the fake model."""
    # Colour: click drops escape sequences where there is no terminal; a test of them must see them.
    with CliRunner().isolation(stdin, color=colour) as (out, err, _), patch("sys.argv", ["qa-bot", *args]):
        try:
            main_with_the_fake_model()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        sys.stdout.flush()
        return Run(code, out.getvalue().decode(), err.getvalue().decode())


def fake_process(*args: str) -> list[str]:
    """The command line of a process of its own that runs the program with the fake model."""
    return [sys.executable, "-c", "import test_cli; test_cli.main_with_the_fake_model()", *args]


def process_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    env = {n: v for n, v in os.environ.items() if not n.startswith("QA_BOT_") or n == "QA_BOT_CACHE"}
    return env | {"PYTHONPATH": str(ROOT / "tests")} | dict(extra or {})


def console_script(*args: str, cwd: Path) -> Run:
    """The installed program with the real model, in a process of its own."""
    script = shutil.which("qa-bot", path=str(Path(sys.executable).parent))
    assert script, "qa-bot is not installed beside this Python"
    done = subprocess.run(
        [script, *args], cwd=cwd, env=process_env(), capture_output=True, encoding="utf-8", timeout=120
    )
    return Run(done.returncode, done.stdout, done.stderr)


def assert_one_message(run: Run, *said: str) -> None:
    """The run failed with one message on standard error, which says all of `said`."""
    assert run.code == 1
    assert run.out == ""
    assert run.err.startswith("Error: ")
    assert len(re.findall("^Error: ", run.err, re.MULTILINE)) == 1 and "Traceback" not in run.err
    for words in said:
        assert words in run.err


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no QA_BOT_* variable from outside."""
    for name in os.environ:
        if name.startswith("QA_BOT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sources(folder: Path) -> Path:
    """The folder `sources` with the article in it."""
    (folder / "sources").mkdir()
    shutil.copy(ROOT / "sources" / ARTICLE, folder / "sources")
    return folder / "sources"


@pytest.fixture
def index(folder: Path, sources: Path) -> Path:
    """The folder `index`, built from `sources`."""
    assert run("index").code == 0
    return folder / "index"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A folder in which the console script has indexed a copy of the shipped sources."""
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(ROOT / "sources", folder / "sources")
    return folder, console_script("index", cwd=folder)


# The real program.


def test_console_script_indexes_the_shipped_sources_and_says_so_in_one_line(real: tuple[Path, Run]) -> None:
    folder, built = real
    assert (built.code, built.err) == (0, "")
    assert re.fullmatch(r"Indexed 1 document, (\d+) passages \(\1 embedded\) in \d+\.\d s\.\n", built.out)
    assert {path.name for path in folder.iterdir()} == {"sources", "index"}


def test_json_of_the_console_script_is_the_answer_of_the_python_api(
    real: tuple[Path, Run], real_encoder: OnnxEncoder
) -> None:
    folder, _ = real
    asked = console_script("ask", FIRST_LIGHT, "--json", cwd=folder)
    assert (asked.code, asked.err) == (0, "")
    answer = QABot.open(folder / "index", encoder=real_encoder).ask(FIRST_LIGHT)
    assert "76" in str(answer.text)
    assert json.loads(asked.out) == json.loads(json.dumps(dataclasses.asdict(answer)))


def test_console_script_tells_the_status_of_an_index(real: tuple[Path, Run]) -> None:
    folder, _ = real
    status = console_script("status", "--verify", cwd=folder)
    assert (status.code, status.err) == (0, "")
    assert status.out.startswith("index: 1 document, ")
    assert "model     all-MiniLM-L6-v2\n" in status.out
    assert "verified  every file is as it was written\n" in status.out
    assert "changed" not in status.out


def test_help_and_status_load_neither_torch_nor_gradio(index: Path) -> None:
    code = """
import sys
from qa_bot.cli import main
for arguments in (["--help"], ["status"]):
    sys.argv = ["qa-bot", *arguments]
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
heavy = {"torch", "transformers", "sentence_transformers", "gradio", "trafilatura"} & sys.modules.keys()
print("heavy:", sorted(heavy))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=process_env(), capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("heavy: []\n")


# Help.


def test_help_lists_every_command_with_a_whole_sentence() -> None:
    helped = run("--help")
    assert (helped.code, helped.err) == (0, "")
    listed = helped.out.split("Commands:\n")[1]
    for command in COMMANDS:
        assert re.search(rf"^  {command} .*\.$", listed, re.MULTILINE), f"{command}: no whole sentence"
    assert "..." not in listed


@pytest.mark.parametrize(
    ("command", "mentioned"),
    [
        (
            "index",
            ["QA_BOT_SOURCES", "QA_BOT_INDEX", "QA_BOT_MODEL", "exit code is then 3", "default: index"],
        ),
        ("ask", ["QA_BOT_INDEX", "QA_BOT_TOP_K", "QA_BOT_THRESHOLD", "standard input", "--json"]),
        ("serve", ["QA_BOT_INDEX", "QA_BOT_HOST", "QA_BOT_PORT", "127.0.0.1", "7860"]),
        ("status", ["QA_BOT_INDEX", "QA_BOT_SOURCES", "--verify", "--json"]),
    ],
)
def test_help_of_a_command_names_its_variables_and_defaults(command: str, mentioned: list[str]) -> None:
    helped = run(command, "--help")
    assert (helped.code, helped.err) == (0, "")
    assert run(command, "-h").out == helped.out
    text = " ".join(helped.out.split())
    for words in mentioned:
        assert words in text
    assert max(map(len, helped.out.splitlines())) <= 100


# Building.


def test_rebuild_of_unchanged_sources_says_so_and_embeds_nothing(index: Path) -> None:
    again = run("index")
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith("Nothing changed: 1 document, ")
    as_json = json.loads(run("index", "--json").out)
    assert (as_json["unchanged"], as_json["embedded"], as_json["skipped"]) == (True, 0, [])


def test_skipped_file_is_named_with_exit_code_3_at_every_build_until_it_is_gone(sources: Path) -> None:
    (sources / "broken.txt").write_bytes(b"\xff\xfe half of UTF-16")
    for opening in ("Indexed 1 document", "Nothing changed: 1 document"):
        built = run("index")
        assert built.code == 3
        assert built.out.startswith(opening)
        assert re.fullmatch(r"Skipped broken\.txt: not the UTF-16 .*\n", built.err)
    as_json = run("index", "--json")
    assert (as_json.code, as_json.err) == (3, "")
    assert [skip["source"] for skip in json.loads(as_json.out)["skipped"]] == ["broken.txt"]
    (sources / "broken.txt").unlink()
    assert run("index").code == 0


def test_verify_checks_what_ask_printed(index: Path, sources: Path, tmp_path: Path) -> None:
    kept = tmp_path / "answer.json"
    kept.write_text(run("ask", OPERATION, "--json").out)
    checked = run("verify", str(kept))
    assert checked.code == 0 and re.match(r"ok   How many countries .*: stands\n", checked.out)
    (sources / ARTICLE).write_text("Nothing of it.")
    lost = run("verify", str(kept))
    assert lost.code == 1 and "LOST" in lost.out and "1 quote of 1 no longer stands" in lost.err
    assert json.loads(run("verify", str(kept), "--json").out)[0]["stands"] is False
    kept.write_text("words")
    assert "This is no transcript" in run("verify", str(kept)).err


def test_drafts_show_what_has_become_of_answers_that_were_judged(index: Path) -> None:
    bot = QABot.open(index, encoder=FakeModel())
    keep(index, bot.ask(OPERATION), [], right=True)
    keep(index, bot.ask("Who hosted the conference?"), [], right=False, correction="nobody at all")
    reviewed = run("eval", "--drafts")
    assert reviewed.code == 0 and "2 drafts" in reviewed.err
    assert f"ok   {OPERATION}: said" in reviewed.out and "look Who hosted" in reviewed.out
    lines = run("eval", "--drafts", "--json").out.splitlines()
    assert [json.loads(line)["right"] for line in lines] == [True, False]
    assert run("eval").code == 2


def test_a_wider_address_needs_a_password_or_the_word_that_none_is_wanted(index: Path) -> None:
    refused = run("serve", "--host", "0.0.0.0")
    assert refused.code == 2 and "--auth USER:PASSWORD, or --no-auth" in refused.err
    for odd in ("ann", "ann:", ":secret", ""):
        assert run("serve", "--auth", odd).code == 2
    guard = cli_serve._guard_options
    assert guard("127.0.0.1", None, False, ())["hosts"] == {"127.0.0.1", "localhost", "::1"}
    assert guard("127.0.0.1", None, False, ("QA.example",))["hosts"] >= {"qa.example", "localhost"}
    assert guard("0.0.0.0", "ann:a:b", False, ()) == {"hosts": frozenset(), "login": ("ann", "a:b")}
    assert guard("0.0.0.0", None, True, ())["login"] is None


def test_serving_by_mcp_without_its_package_names_the_package() -> None:
    with patch("qa_bot.cli_serve.find_spec", return_value=None):
        result = CliRunner().invoke(cli.cli, ["serve", "--mcp"])
    assert result.exit_code == 1 and "pip install 'qa-bot[mcp]'" in result.output


@pytest.mark.parametrize("proxy", ["", "nginx", "10.0.0.1/33"])
def test_a_proxy_is_named_by_its_address(proxy: str) -> None:
    result = CliRunner().invoke(cli.cli, ["serve", f"--proxy={proxy}"])
    assert result.exit_code == 2 and "no IP address" in result.output


def test_a_rollback_is_said_by_index_and_status_until_the_next_build(index: Path, sources: Path) -> None:
    assert "no whole build before" in run("index", "--rollback").err
    (sources / "new.txt").write_text("The lamp is green.")
    assert run("index").code == 0
    back = run("index", "--rollback")
    assert back.code == 0 and re.match(r"Back to 1 document, .* until: qa-bot index\n", back.out)
    status = run("status")
    assert "pinned    by qa-bot index --rollback" in status.out and "changed   new.txt" in status.out
    assert json.loads(run("status", "--json").out)["pinned"] is True
    assert run("index").out.startswith("Indexed 2 documents")
    assert "pinned" not in run("status").out


def test_purge_brings_the_index_up_to_date_and_leaves_no_trace(index: Path, sources: Path) -> None:
    (sources / "secret.txt").write_text("The xylophone is in the cellar.")
    assert run("index").code == 0
    (sources / "secret.txt").unlink()
    assert run("purge").out.startswith("Purged")
    assert not [p for p in index.rglob("*") if p.is_file() and b"xyloph" in p.read_bytes()]
    assert run("status", "--verify").code == 0
    (sources / ARTICLE).unlink()
    assert "qa-bot purge" in run("index").err
    assert run("purge").code == 0
    assert not [p for p in index.rglob("*") if p.is_file() and p.stat().st_size]
    assert "There is no index" in run("ask", "Who?").err


def test_add_copies_files_and_says_what_it_could_not(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "lamp.txt").write_text("The lamp is green.")
    added = run(
        "add", str(tmp_path / "lamp.txt"), str(tmp_path / "gone.txt"), "http://127.0.0.1/", "ftp://a/b"
    )
    assert added.code == 1 and added.out == "Added lamp.txt\n"
    first, second, third, last = added.err.splitlines()
    assert "no such file" in first and "--allow-private" in second and "no http://" in third
    assert last.startswith("Index what was added with: qa-bot index")
    assert run("index").out.startswith("Indexed 2 documents")


def test_status_without_the_sources_says_so(index: Path, tmp_path: Path) -> None:
    status = run("status", "--sources", str(tmp_path / "nothing"))
    assert status.code == 0 and "not here: there is no folder" in status.out


def test_file_of_another_kind_is_named_though_no_document_changed(index: Path, sources: Path) -> None:
    (sources / "slides.ppt").write_bytes(b"PK")
    built = run("index")
    assert built.code == 3
    assert built.err.startswith("Skipped slides.ppt: not one of .txt")
    (sources / "slides.ppt").unlink()
    assert run("index").code == 0


def test_sources_that_are_missing_or_empty_are_one_message_with_the_way_out(folder: Path) -> None:
    assert_one_message(run("index"), "no folder 'sources'", "qa-bot index --sources DIR")
    (folder / "sources").mkdir()
    assert_one_message(run("index"), "nothing to index in 'sources'", ".txt", "qa-bot index")


# Status.


def test_status_names_what_changed_since_the_build(index: Path, sources: Path) -> None:
    assert json.loads(run("status", "--json").out)["changed"] == []
    (sources / "new.txt").write_text("Something new.")
    (sources / ARTICLE).unlink()
    status = run("status")
    assert status.code == 0
    assert f"changed   {ARTICLE}\nchanged   new.txt\n" in status.out
    assert "qa-bot index --sources sources --index index" in status.out
    as_json = json.loads(run("status", "--json", "--verify").out)
    assert as_json["changed"] == [ARTICLE, "new.txt"]
    assert as_json["faults"] == []


def test_status_verify_finds_the_damaged_file_and_fails(index: Path) -> None:
    damaged = next(index.glob("builds/*/contents.db"))
    damaged.write_bytes(damaged.read_bytes().replace(b"Interpol", b"Imterpol"))
    assert run("status").code == 0
    status = run("status", "--verify")
    assert status.code == 1
    assert "damaged   contents.db: not the bytes that were written\n" in status.out
    assert status.err.startswith("Error: The index is damaged.") and "qa-bot index" in status.err


# Asking.


def test_answer_is_printed_with_its_place_and_abstention_with_the_nearest_passages(index: Path) -> None:
    said = run("ask", OPERATION)
    assert (said.code, said.err) == (0, "")
    citation = json.loads(run("ask", OPERATION, "--json").out)["citations"][0]
    text = (ROOT / "sources" / ARTICLE).read_text(encoding="utf-8")
    assert text[citation["start"] : citation["end"]] == citation["quote"]
    answer = citation["quote"][citation["answer_start"] : citation["answer_end"]]
    assert said.out.startswith(f"{answer}\n\n{citation['quote']}\n")
    assert f"({ARTICLE}, characters {citation['start']} to {citation['end']})" in said.out

    unsaid = run("ask", "Which wines go with grilled trout?")
    assert (unsaid.code, unsaid.err) == (0, "")
    assert unsaid.out.startswith(
        "The sources don't say. The sources nowhere mention “wines” or “go” or “grilled”.\n"
        "Nearest to the question:\n"
    )


def test_what_a_relative_date_means_is_printed_beside_the_quote_and_notes_below(index: Path) -> None:
    said = run("ask", OPERATION, "--source", "china-*", "--since", "2023-04-03")
    assert (said.code, said.err) == (0, "")
    quote, _, beside = said.out.partition("“March to June last year” here means March to June 2022\n")
    assert "From March to June last year, for example" in quote and "2022," not in quote
    assert beside.endswith("Looked only in 1 document, dated 3 April 2023 or later: china-*.\n")
    answer = json.loads(run("ask", OPERATION, "--json").out)
    assert answer["citations"][0]["resolved"] == [["March to June last year", "March to June 2022"]]
    assert answer["notes"] == []


def test_other_languages_than_the_models_are_said_of_documents_and_of_questions(
    index: Path, sources: Path
) -> None:
    german = "Der Turm ist 30 Meter hoch. Er wurde von der Stadt gebaut und ist nicht offen."
    (sources / "turm.txt").write_text(german, encoding="utf-8")
    built = run("index")
    note = "turm.txt seems to be in German; the model reads English, so answers may be missed."
    assert (built.code, built.err) == (0, f"Note: {note}\n")
    assert f"language  {note}\n" in run("status").out
    for command in ("index", "status"):
        assert json.loads(run(command, "--json").out)["languages"] == {"turm.txt": "German"}
    said = run("ask", "Wer hat den Turm gebaut und wie hoch ist er?")
    assert said.out.endswith(
        "\nThe question seems to be in German; the model reads English, so answers may be missed.\n"
    )


def test_question_is_read_from_standard_input_where_none_is_given(index: Path) -> None:
    assert run("ask", stdin=OPERATION + "\n") == run("ask", OPERATION)
    assert json.loads(run("ask", "--json", stdin=OPERATION + "\n").out)["question"] == OPERATION


@pytest.mark.parametrize("encoding", ["utf-8:strict", "cp1252:strict"])
def test_neither_bytes_nor_letters_that_the_terminal_does_not_know_are_a_defect(
    sources: Path, encoding: str
) -> None:
    (sources / "wide.txt").write_text("The 世界互联网大会 takes place in Wuzhen.", encoding="utf-8")
    assert run("index").code == 0
    done = subprocess.run(
        fake_process("ask"),
        input=b"Which \xff event takes place in Wuzhen?",
        env=process_env({"PYTHONIOENCODING": encoding}),
        capture_output=True,
        timeout=60,
    )
    assert b"defect" not in done.stderr and b"Traceback" not in done.stderr
    assert done.returncode == 0 and b"takes place in Wuzhen." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["ask", OPERATION, "--top-k", "0"], "", "top_k must be at least 1, but it is 0"),
        (["ask", OPERATION, "--top-k", "-3"], "", "top_k must be at least 1, but it is -3"),
        (["ask", " \t "], "", "The question is blank. Type a question."),
        (["ask"], "\n \n", "The question is blank. Type a question."),
        (["ask", "Why?", "--source", "lost/*"], "", "holds none of the documents asked for: ['lost/*']"),
        (["ask", "Why?", "--since", "2023-04-04"], "", "No document is dated 4 April 2023 or later."),
        (["ask"], "why " * 25_000, "100,000 characters; 2,000 are the most"),
    ],
)
def test_question_that_cannot_be_answered_is_one_message(
    index: Path, arguments: list[str], stdin: str, said: str
) -> None:
    refused = run(*arguments, stdin=stdin)
    assert_one_message(refused, said)
    assert len(refused.err) < 200


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "Why?", "--no-such-option"],
        ["ask", "two", "questions"],
        ["ask", "Why?", "--threshold", "2"],
        ["ask", "Why?", "--top-k", "many"],
        ["ask", "Why?", "--until", "soon"],
        ["serve", "--port", "99999"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_has_exit_code_2_and_shows_the_usage(arguments: list[str]) -> None:
    refused = run(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("Usage: qa-bot") and "\nError: " in refused.err


# Settings.


def test_flag_goes_before_variable_and_variable_before_default(
    folder: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, documents in (("index", 1), ("named by variable", 2), ("named by flag", 3)):
        sources = folder / f"sources of {name}"
        sources.mkdir()
        for i in range(documents):
            (sources / f"{i}.txt").write_text(f"Document {i} is about birds of kind {i}.")
        build_index(Settings(sources=sources, index=folder / name), FakeModel())
    anywhere = ["--sources", "sources of index", "--json"]

    def documents_indexed(*flags: str) -> int:
        return int(json.loads(run("status", *anywhere, *flags).out)["documents"])

    def passages_read(*flags: str) -> int:
        return len(
            json.loads(run("ask", "birds?", "--json", "--index", "named by flag", *flags).out)["nearest"]
        )

    assert documents_indexed() == 1
    assert passages_read() == 3
    monkeypatch.setenv("QA_BOT_INDEX", "named by variable")
    monkeypatch.setenv("QA_BOT_TOP_K", "2")
    assert documents_indexed() == 2
    assert passages_read() == 2
    assert documents_indexed("--index", "named by flag") == 3
    assert passages_read("--top-k", "1") == 1
    monkeypatch.setenv("QA_BOT_INDEX", "")
    assert documents_indexed() == 1


def test_threshold_comes_from_flag_then_variable(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def abstains(*flags: str) -> bool:
        return bool(json.loads(run("ask", OPERATION, "--json", *flags).out)["abstained"])

    assert not abstains()
    monkeypatch.setenv("QA_BOT_THRESHOLD", "1")
    assert abstains()
    assert not abstains("--threshold", "0")


# Failures.


@pytest.mark.parametrize("arguments", [["ask", "Why?"], ["serve"], ["status"]])
def test_missing_index_is_one_message_with_the_command_that_builds_it(arguments: list[str]) -> None:
    missing = run(*arguments, "--index", "nowhere")
    assert_one_message(missing, "no index in 'nowhere'", "qa-bot index --index nowhere")
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("arguments", [["ask", "Why?"], ["status"]])
def test_index_of_another_format_is_refused_and_mended_by_a_build(index: Path, arguments: list[str]) -> None:
    manifest = next(index.glob("builds/*/manifest.json"))
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": FORMAT + 1}))
    refused = run(*arguments)
    assert_one_message(refused, f"has format {FORMAT + 1}", f"reads format {FORMAT}")
    command = refused.err.split("with: qa-bot ")[1].split()
    assert run(*command).code == 0
    assert run(*arguments).code == 0


def test_another_model_than_the_one_that_built_the_index_is_refused(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_BOT_MODEL", "models/another")
    refused = run("ask", OPERATION)
    assert_one_message(refused, "'all-MiniLM-L6-v2'", "'models/another'")
    command = refused.err.split("with: qa-bot ")[1].split()
    assert command[-2:] == ["--model", "models/another"]
    assert run(*command).code == 0
    assert run("ask", OPERATION).code == 0


def test_unexpected_error_is_one_line_and_its_traceback_is_there_for_the_asking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("the disk\nis on fire")

    monkeypatch.setattr(QABot, "open", explode)
    failed = run("ask", "Why?")
    assert_one_message(failed, "RuntimeError: the disk", "is on fire", "defect", "QA_BOT_DEBUG=1")
    assert failed.err.count("\n") == 1
    monkeypatch.setenv("QA_BOT_DEBUG", "1")
    with pytest.raises(RuntimeError, match="is on fire"):  # so Python prints its traceback
        run("ask", "Why?")


def test_busy_port_is_one_message_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve", "--port", str(port))
    assert_one_message(refused, f"127.0.0.1:{port}", "in use", "another port", "qa-bot serve --port ")
    assert f"--port {port}" not in refused.err


def test_reader_that_goes_away_gets_no_traceback(index: Path) -> None:
    process = subprocess.Popen(
        fake_process("ask", OPERATION, "--json"),
        env=process_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stderr
    with process.stderr:
        process.stdout.close()  # as `| head -0` does, before anything is written
        assert process.stderr.read() == ""
    process.wait(timeout=30)


# What a document says is shown and never obeyed.

HOSTILE = (
    "The \x1b[31mred\x1b[0m kettle \x1b]0;owned\x07 weighs \x1b[2J\x1b[H nine \x9b2J \x08\x7f kilos, "
    "\u202egnirts\u202c <b>bold</b> [link](javascript:alert(1))."
)


@pytest.fixture
def hostile_index(folder: Path) -> None:
    (folder / "sources").mkdir()
    (folder / "sources" / "kettle.md").write_text(
        f'---\ntitle: "\\e[2J\\e]0;owned\\a a title"\n---\n\n# Heading \x1b[5m\n\n{HOSTILE}\n',
        encoding="utf-8",
    )
    (folder / "sources" / "bad\x1b[2Jname.txt").write_text("A file whose name is an escape sequence.")


@pytest.mark.usefixtures("hostile_index")
def test_terminal_obeys_no_escape_sequence_of_a_document_or_of_a_file_name() -> None:
    built = run("index", colour=True)
    assert built.code == 3
    commands = [
        ["ask", "What does the red kettle weigh?", "--threshold", "0"],
        ["ask", "What does the red kettle weigh?", "--threshold", "1"],
        ["status"],
    ]
    for shown in (built, *(run(*command, colour=True) for command in commands)):
        own = re.sub(r"\x1b\[[012]m", "", shown.out + shown.err)  # qa-bot's: plain, bold, dim
        assert not CONTROL_CHARACTERS.search(own)
        assert "\u202e" not in own
    assert "kettle" in run(*commands[0]).out
    assert "<b>bold</b> [link](javascript:alert(1))." in run(*commands[0]).out


@pytest.mark.usefixtures("hostile_index")
def test_json_has_control_characters_only_as_escapes() -> None:
    run("index")
    asked = run("ask", "What does the red kettle weigh?", "--json", "--threshold", "0", colour=True)
    assert not CONTROL_CHARACTERS.search(asked.out)
    assert json.loads(asked.out)["citations"][0]["quote"] == HOSTILE


# The chat, at a terminal.

needs_terminals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


class Terminal:
    """A process at a terminal of its own: type into it, wait for what it shows."""

    def __init__(self, *args: str) -> None:
        self._screen, process_side = os.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            fake_process(*args),
            env=process_env({"TERM": "xterm", "COLUMNS": "200"}),
            stdin=process_side,
            stdout=process_side,
            stderr=process_side,
            start_new_session=True,
        )
        os.close(process_side)

    def type(self, keys: str) -> None:
        self.shown = ""
        os.write(self._screen, keys.encode())

    def wait_for(self, pattern: str, seconds: float = 30) -> None:
        """Read until what was shown since the last keys matches `pattern`."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.shown, re.DOTALL):
            ready, _, _ = select.select([self._screen], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{pattern!r} was not shown in time, but: {self.shown!r}"
            if not self._read():
                raise AssertionError(f"{pattern!r} was not shown before the end, but: {self.shown!r}")

    def wait_for_end(self) -> int:
        """The exit code; reads the rest."""
        while select.select([self._screen], [], [], 30)[0] and self._read():
            pass
        return self.process.wait(timeout=30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

    def _read(self) -> bool:
        try:
            read = os.read(self._screen, 65536)
        except OSError:  # Linux says so where the other side is closed
            return False
        self.shown += read.decode(errors="replace")
        return bool(read)


@pytest.fixture
def chat(index: Path) -> Iterator[Terminal]:
    terminal = Terminal("ask")
    yield terminal
    terminal.close()


@needs_terminals
def test_chat_answers_follows_up_survives_a_bad_question_and_ends_with_an_empty_line(chat: Terminal) -> None:
    chat.wait_for(r"an empty line ends.*\? ")
    chat.type(OPERATION + "\n")
    chat.wait_for(r"76.* countries .*characters \d+ to \d+.*\? ")
    chat.type("And who initiated it?\n")  # which alone says too little
    chat.wait_for(r"Understood as: Who initiated First Light 2022\?.*Interpol.*characters \d+ to \d+.*\? ")
    chat.type("   \n")
    chat.wait_for(r"Error: The question is blank\. Type a question\..*\? ")
    chat.type("\n")
    assert chat.wait_for_end() == 0
    assert chat.shown.strip() == ""


@needs_terminals
def test_chat_ends_quietly_at_the_end_of_input(chat: Terminal) -> None:
    chat.wait_for(r"an empty line ends.*\? ")
    chat.type("\x04")  # Ctrl+D
    assert chat.wait_for_end() == 0
    assert "Aborted" not in chat.shown
