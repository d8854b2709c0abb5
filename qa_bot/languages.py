"""In which language a text seems to be: coarse, and silent where it is not sure that it is not English.

Other scripts than Latin are told by their letters; languages that Latin letters write, by their commonest
words, of which none is a word of English.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from qa_bot.phrases import Phrase

_SAMPLE = 20_000  # characters of a text that are looked at
_LEAST_LETTERS = 0.5  # share of the letters that must be of other scripts
_LEAST_WORDS = 2  # different function words of a language
_LEAST_SHARE = 0.15  # of all words; prose has 0.3 and more
_NAMED = 3  # documents that are named in a sentence

# In the order in which they decide: Japanese and Korean have Chinese characters, too.
_LETTERS = {
    language: re.compile(f"[{letters}]")
    for language, letters in {
        "Japanese": "\u3040-\u30ff\uff66-\uff9f",
        "Korean": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3",
        "Chinese": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
        "Russian or another language in Cyrillic": "\u0400-\u052f",
        "Greek": "\u0370-\u03ff\u1f00-\u1fff",
        "Arabic or another language in its script": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff",
        "Hebrew": "\u0590-\u05ff",
        "Hindi or another language in Devanagari": "\u0900-\u097f",
        "Thai": "\u0e00-\u0e7f",
    }.items()
}

_ENGLISH_WORDS = """
a an and are as at be been by did do does for from had has have how i in is it its of on or that the their
there these this those to was were what when where which who whom whose why will with would
"""
_WORDS = {
    "German": """
        der das dem den ein eine einen einem einer und ist nicht wer wie wo wann warum welche
        welcher welches viele wurde wird haben sich auf für mit von zu zur zum bei nach auch
        oder sind hat sie ich
    """,
    "French": """
        le la les un une des du et est dans que qui quoi quel quelle quels quelles où quand
        comment pourquoi combien ne pas pour par sur avec ce cette ces il elle ont été au aux
        sont
    """,
    "Spanish": """
        el la los las un una unos del y es en que qué quién quiénes cuál cuándo cuánto cuántos
        cuántas cómo dónde por para con se su sus fue lo al como más son está
    """,
    "Portuguese": """
        o os um uma dos das da e é em no na nos nas que quem qual quando quantos quantas onde
        como por para com não se foi são ao mais está
    """,
    "Italian": """
        il lo la gli le un una di del della dei delle e è che chi quale quando quanti quante
        dove come perché per con non si sono nel nella al alla ha stato
    """,
    "Dutch": """
        de het een en van niet dat die zijn wie wat waar wanneer waarom hoe hoeveel welke werd
        wordt heeft met voor op aan ook bij uit naar door er
    """,
    "Polish": """
        w z i na nie jest się że do kto co gdzie kiedy jak ile który która które czy był była
        przez od po
    """,
    "Turkish": """
        ve bir bu da de ne kim nerede nasıl hangi için ile olan olarak kaç mi mı çok daha değil
    """,
    "Swedish": """
        och att det en ett som är på av för inte med den vem vad var när hur vilken har till
    """,
}
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_FUNCTION_WORDS = {language: frozenset(words.split()) - _ENGLISH for language, words in _WORDS.items()}


def foreign_language(text: str) -> str | None:
    """The language that a text seems to be in; None where that is English, or not sure."""
    sample = text[:_SAMPLE]
    letters = sum(map(str.isalpha, sample))
    if not letters:
        return None
    if not sample.isascii():
        of_script = {name: len(pattern.findall(sample)) for name, pattern in _LETTERS.items()}
        if sum(of_script.values()) >= _LEAST_LETTERS * letters:
            return _script(of_script)
    return _latin_language(sample)


def _script(counts: dict[str, int]) -> str:
    # A tenth of kana makes Chinese characters Japanese; names of one script stand in texts of another.
    most = max(counts.values())
    return next(name for name, count in counts.items() if count * 10 >= most)


def _latin_language(text: str) -> str | None:
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    found = {language: known & words.keys() for language, known in _FUNCTION_WORDS.items()}
    counts = {language: sum(words[word] for word in known) for language, known in found.items()}
    language = max(counts, key=lambda name: counts[name])
    english = sum(words[word] for word in _ENGLISH)
    sure = (
        len(found[language]) >= _LEAST_WORDS
        and counts[language] >= _LEAST_SHARE * words.total()
        and counts[language] > 2 * english
    )
    return language if sure else None


def said_of(languages: Mapping[str, str]) -> list[str]:
    """What to tell of documents, by source, that seem to be in a language: a sentence for each of these."""
    by_language: dict[str, list[str]] = {}
    for source, language in languages.items():
        by_language.setdefault(language, []).append(source)
    return [_said_of(sources, language) for language, sources in sorted(by_language.items())]


def _said_of(sources: Sequence[str], language: str) -> Phrase:
    named = ", ".join(sources[:_NAMED])
    more = len(sources) - _NAMED
    if more > 0:
        return Phrase(
            "{named} and {more:,} more seem to be in {language}; the model reads English, so answers may be "
            "missed.",
            named=named,
            more=more,
            language=language,
        )
    if len(sources) > 1:
        return Phrase(
            "{named} seem to be in {language}; the model reads English, so answers may be missed.",
            named=named,
            language=language,
        )
    return Phrase(
        "{named} seems to be in {language}; the model reads English, so answers may be missed.",
        named=named,
        language=language,
    )
