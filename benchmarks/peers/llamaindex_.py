"""LlamaIndex with FAISS, as its documentation shows."""

from pathlib import Path

from common import TOP_K, Search, main, model


def embeddings():
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    return HuggingFaceEmbedding(model_name=model(), device="cpu")


def build(paragraphs: list[str], folder: Path) -> None:
    import faiss
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.schema import TextNode
    from llama_index.vector_stores.faiss import FaissVectorStore

    nodes = [TextNode(text=text, id_=str(number)) for number, text in enumerate(paragraphs)]
    store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(384))
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=embeddings())
    index.storage_context.persist(str(folder))


def open_(folder: Path) -> Search:
    from llama_index.core import StorageContext, load_index_from_storage
    from llama_index.vector_stores.faiss import FaissVectorStore

    store = FaissVectorStore.from_persist_dir(str(folder))
    context = StorageContext.from_defaults(vector_store=store, persist_dir=str(folder))
    index = load_index_from_storage(context, embed_model=embeddings())
    retriever = index.as_retriever(similarity_top_k=TOP_K)
    return lambda question: [int(found.node.node_id) for found in retriever.retrieve(question)]


if __name__ == "__main__":
    main(build, open_)
