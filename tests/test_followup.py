"""What a question means after others: what leans is resolved, everything else stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import PROPERTY

from qa_bot.followup import understand
from qa_bot.references import leans_on_history
from qa_bot.types import Turn
from qa_bot.words import WordIndex

SOURCES = (
    "Ann Holm kept the lamp in the tower. She lit it on 3 May 1871. The lamp was made by Karl Berg, a smith "
    "from Bergen. He sold it to the Harbour Office for 40 crowns.",
    "The Harbour Office opened a museum in 1902. The museum, named Tower Hall, has 12 rooms, 300 visitors. "
    "Its director is Eva Lund, an historian. She wrote a book about the lamp.",
    "The regional rules cover ropes, nets and boats. In 1911 the rules were changed by the parliament.",
)

ANN = Turn(question="Who kept the lamp in the tower?", answer="Ann Holm")
KARL = Turn(question="Who made the lamp?", answer="Karl Berg, a smith from Bergen")
MUSEUM = Turn(question="What did the Harbour Office open in 1902?", answer="a museum")
HALL = Turn(question="What is the museum named?", answer="Tower Hall")
ROOMS = Turn(question="How many rooms does the museum have?", answer="12")
RULES = Turn(question="What do the regional rules cover?", answer="ropes, nets and boats")
BOTH = Turn(question="Who opened the museum, and when?", answer="the Harbour Office; 1902")
NOTHING = Turn(question="How deep is the river?", answer=None)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> WordIndex:
    folder = tmp_path_factory.mktemp("words") / "words"
    WordIndex.build(folder, SOURCES, k1=0.9, b=0.4)
    return WordIndex.load(folder)


def _understood(question: str, history: list[Turn], words: WordIndex) -> str:
    return understand(question, history, lambda _: SOURCES, words).understood


@pytest.mark.parametrize(
    ("history", "question", "understood"),
    [
        ([ANN], "When did she light it?", "When did Ann Holm light the lamp?"),
        ([KARL], "To whom did he sell it?", "To whom did Karl Berg sell the lamp?"),
        ([KARL], "Where is he from?", "Where is Karl Berg from?"),
        ([ANN, KARL], "What did she keep?", "What did Ann Holm keep?"),  # the sources call her she
        ([ANN, KARL], "Who is that smith?", "Who is Karl Berg?"),  # and him a smith
        ([KARL, HALL], "Who is its director?", "Who is the museum’s director?"),
        ([HALL], "How many rooms are in the museum?", "How many rooms are in the museum?"),
        ([KARL], "And when?", "When was the lamp made?"),
        ([ANN], "And when?", "When Ann Holm kept the lamp in the tower?"),
        ([MUSEUM], "And in 1903?", "What did the Harbour Office open in 1903?"),
        ([ROOMS], "And visitors?", "How many visitors does the museum have?"),
        ([ROOMS], "What about doors?", "How many doors does the museum have?"),
        (
            [Turn(question="Who was seen in Oslo?", answer="Karl Berg")],
            "When?",
            "When was Karl Berg seen in Oslo?",
        ),
        (
            [Turn(question="When was the lamp lit?", answer="1871")],
            "And by whom?",
            "By whom was the lamp lit?",
        ),
        ([Turn(question="When was rope made?", answer="1871")], "And nets?", "When was nets made?"),
        ([BOTH], "Where?", "Where was the museum opened?"),
        ([BOTH], "Who is its director?", "Who is the museum’s director?"),
        ([HALL], "Why is that?", "Why is the museum named?"),
        ([ROOMS], "In which year?", "In which year does the museum have 12 rooms?"),
        ([RULES], "Who said that?", "Who said the regional rules cover ropes, nets and boats?"),
        ([RULES], "To do what?", "To do what do the regional rules cover ropes, nets and boats?"),
        ([RULES], "Do these rules cover ropes?", "Do the regional rules cover ropes?"),
        ([RULES], "When were they changed?", "When were the regional rules changed?"),
        ([RULES, KARL], "Back to the rules: who changed them?", "Who changed the regional rules?"),
        ([RULES], "When were the rules changed?", "When were the regional rules changed?"),
        ([ANN, NOTHING], "Where did she live?", "Where did Ann Holm live?"),
        ([Turn(question="Who made it?", answer="Karl Berg")], "Is he a smith?", "Is Karl Berg a smith?"),
    ],
)
def test_what_a_question_leans_on_is_put_in_its_place(
    history: list[Turn], question: str, understood: str, words: WordIndex
) -> None:
    assert _understood(question, history, words) == understood


SELF_CONTAINED = (
    "Who made the lamp in the tower?",
    "What is radium?",
    "When did Ann Holm light the lamp, and where did she keep it?",
    "How long did it take Karl Berg to make the lamp?",
    "How many rooms are there in Tower Hall?",
    "Which author is known for his book about the tower?",
    "What did Eva Lund say that the visitors should do?",
    "Is it true that Karl Berg sold the lamp?",
    "Which rules that cover boats were changed in 1911?",
    "who is the president of france",
    "Why does Wang say that more participation is needed?",
    "And who is Karl Berg?",
    "What will China uphold while it increases international exchange?",
    "tower hall visitors",
    "What did the Harbour Office do with its money?",
)
TURN = st.sampled_from([ANN, KARL, MUSEUM, HALL, ROOMS, RULES, NOTHING])


@given(question=st.sampled_from(SELF_CONTAINED), history=st.lists(TURN, max_size=4))
@PROPERTY
def test_a_question_that_stands_alone_is_never_changed_by_what_was_said_before(
    question: str, history: list[Turn], words: WordIndex
) -> None:
    assert _understood(question, history, words) == question


_PIECES = "And|what|about|it|the|that|operation|of|when|she|Ann|2021|?|,|in|one|ones|there"
TEXT = st.text(max_size=60) | st.lists(st.sampled_from(_PIECES.split("|")), max_size=9).map(" ".join)


@given(question=TEXT, history=st.lists(st.builds(Turn, question=TEXT, answer=st.none() | TEXT), max_size=3))
@PROPERTY
def test_any_conversation_is_understood_somehow_and_without_one_nothing_changes(
    question: str, history: list[Turn], words: WordIndex
) -> None:
    asked = understand(question, history, lambda _: SOURCES, words)
    assert asked.text == question and asked == understand(question, history, lambda _: SOURCES, words)
    assert history or asked.understood == question
    assert leans_on_history(question) or asked.understood == question


def test_the_sources_are_asked_only_where_a_question_leans(words: WordIndex) -> None:
    def never(_: str) -> tuple[str, ...]:
        raise AssertionError("looked up")

    history = [Turn(question="Who is Karl Berg?", answer="a smith")]
    assert understand("How deep is Lake Nemi?", history, never, words).understood == "How deep is Lake Nemi?"
