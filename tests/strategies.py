"""What the property tests draw their texts from, and what they all assert of a folder."""

from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

PROPERTY = settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
SLOW_PROPERTY = settings(PROPERTY, max_examples=15)

WORDS = (
    "fox",
    "river",
    "Paris",
    "treaty",
    "signed",
    "1998",
    "museum",
    "opened",
    "green",
    "door",
    "Ann",
    "the",
)

# What splitters stumble over: odd white space, abbreviations, quotes, scripts without spaces.
_PIECES = (
    *WORDS,
    *("Dr. ", "e.g. ", "U.S. ", "3.14", "... ", ". ", "! ", "? ", '"', "(", ")", "'s", "—", "Mr.", "No. 5 "),
    *(" ", "  ", "\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\t", "\x0b", "\x0c", "\x1c", "\x85", "\xa0"),
    *("\u2003", "\u2028", "\u2029", "\u200b", "\u200d", "\u202e", "\ufeff"),
    *("日本語。", "中文！", "שלום", "مرحبا؟ ", "🦊", "👩‍👩‍👧", "e\u0301", "ﬁ", "İ", "x" * 60),
    *("\n# ", "\n## ", "\n- ", "\n1. ", "\n> ", "\n```\n", "\n---\n", "\n===\n", "    code\n", "| a | b |\n"),
)
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.sampled_from(_PIECES), max_size=60).map("".join),
)

# Prose with a search engine's kind of words in it, of sentences that end and pronouns that refer.
SENTENCE = st.builds(
    lambda words, end: f"{words[0][:1].upper()}{' '.join(words)[1:]}{end}",
    st.lists(st.sampled_from((*WORDS, "it", "he")), min_size=2, max_size=8),
    st.sampled_from((".", "?", "!", ' 🦊."')),
)
PROSE = st.lists(st.lists(SENTENCE, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=4).map(
    "\n\n".join
)
QUESTION = st.lists(
    st.sampled_from((*WORDS, "who", "when", "it", "unheard", "zebra")), min_size=1, max_size=6
).map(lambda words: " ".join(words) + "?")


def write(folder: Path, files: dict[str, str]) -> None:
    """Make `folder` hold these files, to the character, and no other."""
    for old in [path for path in folder.rglob("*") if path.is_file()]:
        if old.relative_to(folder).as_posix() not in files:
            old.unlink()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())


def snapshot(folder: Path) -> dict[Path, tuple[int, bytes | None]]:
    """Every file and folder below `folder`: when it last changed, and its bytes."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }
