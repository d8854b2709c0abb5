"""qa-bot, through its public surface."""

from pathlib import Path

from common import TOP_K, Search, main


def build(paragraphs: list[str], folder: Path) -> None:
    from qa_bot import Settings, build_index

    sources = folder / "sources"
    sources.mkdir(parents=True)
    for number, text in enumerate(paragraphs):
        (sources / f"{number:06}.txt").write_bytes(text.encode())
    build_index(Settings(sources=sources, index=folder / "index"))


def open_(folder: Path) -> Search:
    from qa_bot import QABot

    bot = QABot.open(folder / "index")
    return lambda question: [int(found.passage.source[:6]) for found in bot.retrieve(question, top_k=TOP_K)]


if __name__ == "__main__":
    main(build, open_)
