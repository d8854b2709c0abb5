"""txtai's hybrid search, as its documentation shows."""

from pathlib import Path

from common import TOP_K, Search, main, model


def build(paragraphs: list[str], folder: Path) -> None:
    from txtai import Embeddings

    embeddings = Embeddings(path=model(), hybrid=True, gpu=False)
    embeddings.index(paragraphs)
    embeddings.save(str(folder))


def open_(folder: Path) -> Search:
    from txtai import Embeddings

    embeddings = Embeddings(path=model(), hybrid=True, gpu=False)
    embeddings.load(str(folder))
    return lambda question: [int(number) for number, _ in embeddings.search(question, TOP_K)]


if __name__ == "__main__":
    main(build, open_)
