"""Relative dates are resolved against the document's date, where they can mean one thing only."""

from datetime import date

import pytest
from conftest import FakeEncoder
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY, TEXT, write

from qa_bot import QABot, Settings, build_index
from qa_bot.dates import parse_date, resolve

WRITTEN = "Apr 3, 2023"  # a Monday

RESOLVED = {
    "From March to June last year, for example": ("March to June last year", "March to June 2022"),
    "in May and June last year": ("May and June last year", "May and June 2022"),
    "in late June last year.": ("June last year", "June 2022"),
    "on March 16 this year": ("March 16 this year", "16 March 2023"),
    "on 16 Feb. of last year": ("16 Feb. of last year", "16 February 2022"),
    "sold last year's stock": ("last year", "2022"),
    "It opens next month.": ("next month", "May 2023"),
    "Last week it rained": ("Last week", "the week of 27 March 2023"),
    "Yesterday it rained": ("Yesterday", "2 April 2023"),
    "the day before yesterday": ("the day before yesterday", "1 April 2023"),
    "last night": ("last night", "the night of 2 April 2023"),
    "It was two weeks ago that": ("two weeks ago", "about 20 March 2023"),
    "5 days ago": ("5 days ago", "29 March 2023"),
    "four months ago": ("four months ago", "December 2022"),
    "a year ago": ("a year ago", "2022"),
    "in the past decade": ("the past decade", "2013 to 2023"),
    "over the last two years": ("the last two years", "2021 to 2023"),
    "in the next six months": ("the next six months", "April 2023 to October 2023"),
    "last June": ("last June", "June 2022"),
    "next Monday": ("next Monday", "10 April 2023"),
    "last Friday": ("last Friday", "31 March 2023"),
}
LEFT_ALONE = (
    "last March", "next May", "on Friday", "this Friday", "recently", "today's world", "some years ago",
    "almost two years ago", "two or three years ago", "1,500 years ago", "thirty years ago",
    "in his last year",
    "the last year of the war", "the next year", "nearly 30 years", "June 31 last year",
    "9 000 years ago",
)  # fmt: skip


@pytest.mark.parametrize(("quote", "expected"), RESOLVED.items())
def test_words_that_can_mean_one_thing_are_resolved(quote: str, expected: tuple[str, str]) -> None:
    assert resolve(quote, WRITTEN) == (expected,)


@pytest.mark.parametrize("quote", LEFT_ALONE)
def test_words_that_are_vague_or_can_mean_two_things_are_left_alone(quote: str) -> None:
    assert resolve(quote, WRITTEN) == ()


@pytest.mark.parametrize(
    "written",
    [
        "2023-04-03",
        "2023-04-03T09:00:00+08:00",
        "2023/04/03",
        "Apr 3, 2023",
        "Apr. 3rd, 2023",
        "3 April 2023",
    ],
)
def test_a_document_date_is_read_in_its_common_forms(written: str) -> None:
    assert parse_date(written) == date(2023, 4, 3)


@pytest.mark.parametrize(
    "written", [None, "", "2023", "April 2023", "03/04/2023", "31 April 2023", "soon", "9" * 99]
)
def test_a_date_that_names_no_day_resolves_nothing(written: str | None) -> None:
    assert parse_date(written) is None and resolve("last year", written) == ()


PIECES = st.lists(
    st.sampled_from([*RESOLVED, *LEFT_ALONE, "May", "12", "this", "year", "ago"]) | TEXT, max_size=6
)


@given(PIECES.map(" ".join), st.dates())
@PROPERTY
def test_whatever_is_resolved_is_words_of_the_quote(quote: str, day: date) -> None:
    found = resolve(quote, day.isoformat())
    assert all(words in quote and words.strip() == words and meaning for words, meaning in found)
    assert len(found) == len(set(found))


def test_a_page_that_gives_no_date_resolves_nothing_by_the_day_it_was_fetched_on(settings: Settings) -> None:
    page = "<title>Lamp</title><p>The lamp of the tower was lit last year.</p>"
    write(
        settings.sources,
        {
            "page.html": page,
            "note.md": "---\ndate: 2020-05-01\n---\nThe museum of the harbour opened last year.",
            ".origins.json": '{"page.html": {"url": "https://example.org/", "date": "2023-04-03"}}',
        },
    )
    build_index(settings, FakeEncoder())
    bot = QABot.open(settings.index, encoder=FakeEncoder(), settings=Settings(threshold=0))
    fetched = bot.ask("When was the lamp of the tower lit?").citations[0]
    assert fetched.date == "2023-04-03" and "last year" in fetched.quote and fetched.resolved == ()
    assert bot.ask("When did the museum open?").citations[0].resolved == (("last year", "2019"),)
