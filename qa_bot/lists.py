"""Questions for several things, and enumerations in the words of a text."""

import re

from qa_bot.mentions import AUXILIARY, FUNCTION, PAST, PLURAL, PREPOSITIONS, phrases

MOST = 8  # items of a list
LONGEST = 8  # words of an item that is not the last

_ASKS = re.compile(
    rf"\W*(?:(?:{'|'.join(PREPOSITIONS)}) )?(?:(?:which|what|who) (?:are|were) |(?:which|what) )"
    rf"(?!(?:{'|'.join(AUXILIARY)}|means|kind|kinds|sort)\b)|\W*(?:list|name) (?=all |some |the )",
    re.IGNORECASE,
)
_MARK = re.compile(r"[.;:!?()\[\]“”\"\n]")
_LINK = re.compile(r",? (?:and|or|as well as) |, ")
_LAST = re.compile(r",? (?:and|or|as well as) ")
_IN_AN_ITEM = frozenset({"of", "by", "for", "the", "a", "an"})


def asks_for_list(question: str) -> bool:
    """Whether a question asks for several things: "Which countries ...?", "What are the rules?"."""
    asks = _ASKS.match(question)
    if not asks:
        return False
    asked = re.sub(r"^(?:the|all|some|of|these|those|\s)+\b", "", question[asks.end() :])
    named = next(iter(phrases(asked)), "")
    if not named or not asked.startswith(named):
        return False
    words = named.split()
    following = re.match(r"\W*([\w’']*)", asked[len(named) :])[1].lower()  # type: ignore[index]
    before = asks[0].lower().split()
    if following in AUXILIARY or PAST.match(following) or not AUXILIARY.isdisjoint(before):
        return bool(PLURAL.search(words[-1]))
    if "what" in before:  # "What causes rain?"
        return False
    # "Which organizations attend the conference?"
    verb = len(words) == 1 or (len(words) == 2 and not words[1].endswith("s"))
    return verb and bool(PLURAL.search(words[0]))


def enumeration(text: str, start: int, end: int) -> tuple[int, int]:
    """text[start:end] with the rest of the enumeration that it is a part of: "safe", of "fair and safe".

    Items are parted by commas and, before the last, by "and" or "or". Where there is no such end, or the
    words are more than items, text[start:end] as it is.
    """
    if _MARK.search(text, start, end) or len(text[start:end].split()) > 2 * LONGEST:
        return start, end
    left = max((mark.end() for mark in _MARK.finditer(text, 0, start)), default=0)
    right = min((mark.start() for mark in _MARK.finditer(text, end)), default=len(text))
    begins, before = _items_before(text, left, start)
    ends, after = _items_after(text, end, right)
    closed = bool(_LAST.search(text, start, end))
    # Beside "A and B", one more item may be anything: "he saw X, A and B". "A, and B" are two things.
    least = 2 if closed else 1
    oxford = not before and after == 1 and text[end] == ","
    ends = ends if after >= least and not oxford else end
    begins = begins if before >= least and (closed or ends > end) else start
    return begins, ends


def _items_after(text: str, end: int, right: int) -> tuple[int, int]:
    """Where the items after an item end, the last after an "and", and how many; 0 where no "and" comes."""
    count = 0
    while link := _LINK.match(text, end, right):
        following = _LINK.search(text, link.end(), right)
        words = text[link.end() : following.start() if following else right]
        item = _until_function_word(words)
        if not item or any(PAST.match(word) for word in item.split()):
            break
        end, count = link.end() + len(item), count + 1
        if _LAST.fullmatch(link[0]):
            return end, count
        if item != words or len(item.split()) > LONGEST:
            break
    return end, 0


def _items_before(text: str, left: int, start: int) -> tuple[int, int]:
    """Where the items before an item begin, the first of them after the last function word, and how many."""
    count = 0
    while True:
        link = next((link for link in _LINK.finditer(text, left, start) if link.end() == start), None)
        if not link:
            return start, count
        earlier = max((other.end() for other in _LINK.finditer(text, left, link.start())), default=left)
        words = text[earlier : link.start()]
        item = _since_function_word(words)
        if not item or any(PAST.match(word) for word in item.split()):
            return start, count
        start, count = link.start() - len(item), count + 1
        if item != words:
            return start, count


def _until_function_word(words: str) -> str:
    for at, word in enumerate(re.finditer(r"\S+", words)):
        if word[0].lower() in FUNCTION - _IN_AN_ITEM or (at == 0 and word[0].lower() in ("of", "by", "for")):
            return words[: word.start()].rstrip()
    return words.rstrip()


def _since_function_word(words: str) -> str:
    found = [word for word in re.finditer(r"\S+", words) if word[0].lower() in FUNCTION]
    return words[found[-1].end() :].lstrip() if found else words


def alike(item: str, first: str) -> bool:
    """Whether an item may stand in one list with the first: names with names, and no clause among words."""
    words = item.split()
    clause = any(word.lower() in AUXILIARY or PAST.match(word) for word in words)
    return (
        not clause and words[0].lower() not in FUNCTION - _IN_AN_ITEM and _is_named(item) == _is_named(first)
    )


def _is_named(text: str) -> bool:
    return any(word[0].isupper() for word in text.split())
