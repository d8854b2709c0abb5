"""Haystack with its in-memory store and embedding retriever, as its documentation shows."""

from pathlib import Path

from common import TOP_K, Search, main, model


def build(paragraphs: list[str], folder: Path) -> None:
    from haystack import Document
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersDocumentEmbedder,
    )

    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    embedder = SentenceTransformersDocumentEmbedder(
        model=model(), device=ComponentDevice.from_str("cpu"), progress_bar=False
    )
    embedder.warm_up()
    documents = [Document(content=text, id=str(number)) for number, text in enumerate(paragraphs)]
    store.write_documents(embedder.run(documents=documents)["documents"])
    folder.mkdir(parents=True, exist_ok=True)
    store.save_to_disk(str(folder / "store.json"))


def open_(folder: Path) -> Search:
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersTextEmbedder,
    )

    store = InMemoryDocumentStore.load_from_disk(str(folder / "store.json"))
    embedder = SentenceTransformersTextEmbedder(
        model=model(), device=ComponentDevice.from_str("cpu"), progress_bar=False
    )
    embedder.warm_up()
    retriever = InMemoryEmbeddingRetriever(store, top_k=TOP_K)

    def search(question: str) -> list[int]:
        vector = embedder.run(text=question)["embedding"]
        return [int(document.id) for document in retriever.run(query_embedding=vector)["documents"]]

    return search


if __name__ == "__main__":
    main(build, open_)
