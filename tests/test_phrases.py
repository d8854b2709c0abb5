"""What the page says in two languages: nothing lacks, and nothing is lost in between."""

import ast
import copy
import json
import string
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qa_bot
from qa_bot import QABot, QABotError
from qa_bot.chinese import CHINESE
from qa_bot.phrases import ENGLISH, SIMPLIFIED_CHINESE, Phrase, language_of
from qa_bot.rendering import confidence

PACKAGE = Path(qa_bot.__file__).parent
COUNTED = ("document", "passage")


def phrases_of(text: str) -> set[str]:
    """The phrases that a module says: literals given to `say`, `label` and `Phrase`."""
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and node.args)
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in ("say", "label", "Phrase")
        if isinstance(call.args[0], ast.Constant)
    }


def test_every_phrase_of_the_program_is_in_the_catalog_and_none_besides() -> None:
    said = {phrase for path in PACKAGE.glob("*.py") for phrase in phrases_of(path.read_text())}
    said |= {confidence(score / 100) for score in range(101)}
    said |= {f"{{number:,}} {noun}{plural}" for noun in COUNTED for plural in ("", "s")}
    from qa_bot.server import QUEUE_FULL, TOO_OFTEN

    assert said | {QUEUE_FULL, TOO_OFTEN, " or "} == set(CHINESE)


@pytest.mark.parametrize("english", CHINESE)
def test_a_translation_is_chinese_and_has_the_same_places_to_fill_in(english: str) -> None:
    def places(text: str) -> list[tuple[str | None, str | None, str | None]]:
        return sorted(p[1:] for p in string.Formatter().parse(text) if p[1] is not None)

    assert places(CHINESE[english]) == places(english)
    words = "".join(part[0] for part in string.Formatter().parse(english) if part[0].strip(",: "))
    assert any("\u4e00" <= c <= "\u9fff" for c in CHINESE[english]) or words.strip() in ("", "of")


@given(st.text(), st.lists(st.text(), min_size=1, max_size=3))
def test_words_in_a_phrase_are_the_same_in_every_language_whatever_they_hold(
    word: str, words: list[str]
) -> None:
    understood = Phrase("Understood as: {question}", question=word)
    assert understood == f"Understood as: {word}" == ENGLISH.of(understood)
    assert SIMPLIFIED_CHINESE.of(understood) == f"理解为：{word}"
    mentioned = Phrase("The sources nowhere mention {words}.", words=tuple(words))
    assert mentioned == f"The sources nowhere mention {' or '.join(words)}."
    assert SIMPLIFIED_CHINESE.of(mentioned) == f"来源中没有提到{'或'.join(words)}。"
    assert SIMPLIFIED_CHINESE.of(word) == word


def test_a_phrase_is_a_string_to_whoever_does_not_ask(article_bot: QABot) -> None:
    answer = article_bot.ask("What is the capital of France?")
    assert answer.reason and type(json.loads(json.dumps(asdict(answer)))["reason"]) is str
    kept = copy.deepcopy(answer.reason)
    assert SIMPLIFIED_CHINESE.of(kept) == SIMPLIFIED_CHINESE.of(answer.reason) != kept == answer.reason
    with pytest.raises(QABotError) as error:
        article_bot.ask(" ")
    assert str(error.value) == "The question is blank. Type a question."
    assert SIMPLIFIED_CHINESE.of(error.value) == "问题为空，请输入问题。"


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"), ("zh-CN", "zh-CN"), ("en-US,zh-CN;q=0.9", "en"), ("fr", "en"),
     ("zh-TW,zh;q=0.9", "en"), ("", "en"), (None, "en"), (",;q=\x00", "en")],
)  # fmt: skip
def test_the_browsers_first_language_is_spoken_else_english(accepted: str | None, tag: str) -> None:
    assert language_of(accepted).tag == tag
