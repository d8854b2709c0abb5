"""A question is looked up only in the documents that were asked for, by name, pattern or date."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from conftest import FakeEncoder
from strategies import write

from qa_bot import InvalidQuestion, QABot, Settings, build_index
from qa_bot.byline import BYLINE_SCORE
from qa_bot.narrowing import day
from qa_bot.vectors import VectorIndex, create_rows

OPENED = "The museum of the harbour opened in {}."
FILES = {
    "reports/2019.md": "---\nauthor: Bo Lind\ndate: 2019-05-01\n---\nBy Bo Lind\n\n" + OPENED.format(1990),
    "reports/2021.md": "---\ndate: 2 March 2021\n---\n" + OPENED.format(1991),
    "reports/[x].md": "---\ndate: 2023-01-31\n---\n" + OPENED.format(1992),
    "notes/2023.md": "---\nauthor: Ann Holm\ndate: 2023-02-01\n---\nBy Ann Holm\n\n" + OPENED.format(1993),
    "notes/undated.txt": OPENED.format(1994),
    "notes/year.md": "---\ndate: 2021\n---\n" + OPENED.format(1995),
}
QUESTION = "When did the museum of the harbour open?"


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> QABot:
    folder: Path = tmp_path_factory.mktemp("narrowing")
    settings = Settings(sources=folder / "sources", index=folder / "index", threshold=0)
    write(settings.sources, FILES)
    build_index(settings, FakeEncoder())
    return QABot.open(settings.index, encoder=FakeEncoder(), settings=settings)


def _found(bot: QABot, **only: object) -> set[str]:
    return {scored.passage.source for scored in bot.retrieve(QUESTION, 99, **only)}


def test_sources_are_names_or_patterns_and_a_name_goes_before_a_pattern(bot: QABot) -> None:
    assert _found(bot, sources=["reports/*"]) == {"reports/2019.md", "reports/2021.md", "reports/[x].md"}
    assert _found(bot, sources=["*2?23*", "reports/2021.md"]) == {"notes/2023.md", "reports/2021.md"}
    assert _found(bot, sources=["reports/[x].md"]) == {"reports/[x].md"}
    assert _found(bot, sources=["*.md", "no.txt"]) == {name for name in FILES if name.endswith(".md")}


def test_dates_are_those_of_documents_both_days_included_and_undated_ones_are_left_out(bot: QABot) -> None:
    since, until = date(2021, 3, 2), date(2023, 1, 31)
    assert _found(bot, since=since, until=until) == {"reports/2021.md", "reports/[x].md"}
    assert _found(bot, until=date(2021, 3, 1)) == {"reports/2019.md"}
    answer = bot.ask(QUESTION, since=date(2023, 2, 1))
    assert answer.text and "1993" in answer.text
    assert answer.notes == (
        "Looked only in 1 document, dated 1 February 2023 or later. "
        "2 documents without a date were left out.",
    )


def test_what_an_answer_was_narrowed_to_is_said_with_it_and_with_an_abstention(bot: QABot) -> None:
    notes = ("Looked only in 1 document: lost.md, reports/2019.md.", "No document is named lost.md.")
    assert bot.ask(QUESTION, sources=["reports/2019.md", "lost.md"]).notes == notes
    assert bot.ask(QUESTION).notes == ("The sources disagree; those without a date are last.",)


def test_inspecting_and_questions_about_a_document_itself_are_narrowed_too(bot: QABot) -> None:
    assert {c.source for c in bot.inspect(QUESTION, since=date(2023, 2, 1)).candidates} == {"notes/2023.md"}
    for only, author in (("reports/*", "Bo Lind"), ("notes/*", "Ann Holm")):
        answer = bot.ask("Who wrote this?", sources=[only])
        assert (answer.text, answer.score) == (author, BYLINE_SCORE)


@pytest.mark.parametrize(
    ("only", "said"),
    [
        ({"sources": ["lost/*"]}, r"holds none of the documents asked for: \['lost/\*'\]\. A source is"),
        (
            {"since": date(2024, 1, 1)},
            r"^No document is dated 1 January 2024 or later\. 2 documents without a",
        ),
        ({"until": date(1999, 1, 1)}, r"^No document is dated 1 January 1999 or earlier\."),
        ({"since": date(2022, 1, 1), "until": date(2021, 1, 1)}, r"^No day is from 1 January 2022 to 1 Janu"),
        (
            {"sources": ["reports/*"], "since": date(2020, 1, 1), "until": date(2020, 1, 2)},
            r"^No document is dated from 1 January 2020 to 2 January 2020\.$",
        ),
    ],
)
def test_where_nothing_is_left_one_sentence_says_so(bot: QABot, only: dict[str, object], said: str) -> None:
    for asking in (bot.ask, bot.retrieve, bot.inspect):
        with pytest.raises(InvalidQuestion, match=said):
            asking(QUESTION, **only)


def test_a_day_that_was_typed_is_read_or_refused() -> None:
    assert day("since", " 2023-01-31 ") == day("since", "31 January 2023") == date(2023, 1, 31)
    assert day("since", None) is day("since", " ") is None
    for written in ("soon", "2023-02-30", "2023", 5):
        with pytest.raises(InvalidQuestion, match=r"^until must be a day such as 2023-01-31, but it is "):
            day("until", written)


def test_an_inverted_file_looks_only_among_the_rows_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa_bot.vectors.EXACT_ROWS", 500)
    random = np.random.default_rng(1)
    rows = random.normal(size=(3000, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    create_rows(tmp_path / "vectors", *rows.shape)[:] = rows
    assert VectorIndex.build(tmp_path / "vectors").startswith("IVF")
    index = VectorIndex.load(tmp_path / "vectors")
    for size in (20, 1000):  # compared one by one; searched
        within = np.sort(random.choice(3000, size, replace=False))
        found = index.nearest(rows[5], 10, within)
        best = within[np.argsort(-(rows[within] @ rows[5]))][:10]
        assert set(found.tolist()) <= set(within.tolist()) and len(np.intersect1d(found, best)) >= 9
