"""What the commands share that take a language model: its options, and its sentences in a terminal."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from qa_bot.cli_options import printable

if TYPE_CHECKING:
    from qa_bot.prose import Writer
    from qa_bot.types import Answer, Citation, Sentence


def llm_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--llm and --llm-url; the key is a variable alone, for others see the command line."""
    name = click.option(
        "--llm", metavar="MODEL", envvar="QA_BOT_LLM", show_envvar=True,
        help="A language model to put answers into sentences, each checked against what it cites: "
        "of the server at --llm-url, else one of transformers, a directory or a name.",
    )  # fmt: skip
    url = click.option(
        "--llm-url", metavar="URL", envvar="QA_BOT_LLM_URL", show_envvar=True,
        help="A server that speaks OpenAI's protocol, such as http://127.0.0.1:11434/v1; "
        "it is sent the question and the passages. Its key, if it asks for one: QA_BOT_LLM_KEY.",
    )  # fmt: skip
    return name(url(command))


def open_writer(llm: str | None, llm_url: str | None) -> "Writer | None":
    """What puts answers into sentences, if a model is named; raises LLMError."""
    if not llm and llm_url:
        raise click.UsageError("--llm-url needs the name of a model: --llm MODEL")
    if not llm:
        return None
    from qa_bot.llm import open_llm
    from qa_bot.prose import Writer

    return Writer(open_llm(llm, llm_url or None, os.environ.get("QA_BOT_LLM_KEY", "").strip() or None))


def print_sentences(answers: Iterator["Answer"], print_answer: Callable[["Answer"], None]) -> "Answer":
    """Print an answer as it grows: the first by `print_answer`, then each sentence; the last is returned."""
    answer = first = next(answers)
    print_answer(first)
    printed, cited = 0, len(first.citations)
    for answer in answers:
        for sentence in answer.sentences[printed:]:
            _print_sentence(sentence, answer.citations)
        for number, citation in enumerate(answer.citations[cited:], start=cited + 1):
            place = f"{citation.source}, characters {citation.start} to {citation.end}"
            click.echo(f"  {printable(citation.quote)}")
            click.secho(f"  [{number}] {printable(place)}", dim=True)
        printed, cited = len(answer.sentences), max(cited, len(answer.citations))
    for note in answer.notes[len(first.notes) :]:
        click.echo(f"\n{printable(note)}")
    return answer


def _print_sentence(sentence: "Sentence", citations: Sequence["Citation"]) -> None:
    marks = "".join(f" [{citations.index(c) + 1}]" for c in sentence.citations if c in citations)
    if sentence.why is None:
        click.echo(f"\n{printable(sentence.text)}{marks}")
        return
    click.secho(f"\n{printable(sentence.text)}", strikethrough=True)
    instead = f" Instead:{marks}" if marks else ""
    click.echo(f"  Struck out: {printable(sentence.why)}{instead}")
