"""LangChain with FAISS, as its documentation shows."""

from pathlib import Path

from common import TOP_K, Search, main, model


def embeddings():
    from langchain_huggingface import HuggingFaceEmbeddings

    return HuggingFaceEmbeddings(model_name=model(), model_kwargs={"device": "cpu"})


def build(paragraphs: list[str], folder: Path) -> None:
    from langchain_community.vectorstores import FAISS

    numbers = [{"paragraph": number} for number in range(len(paragraphs))]
    FAISS.from_texts(paragraphs, embeddings(), metadatas=numbers).save_local(str(folder))


def open_(folder: Path) -> Search:
    from langchain_community.vectorstores import FAISS

    store = FAISS.load_local(str(folder), embeddings(), allow_dangerous_deserialization=True)
    return lambda question: [d.metadata["paragraph"] for d in store.similarity_search(question, k=TOP_K)]


if __name__ == "__main__":
    main(build, open_)
