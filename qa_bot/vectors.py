"""Unit vectors, searched with FAISS: the dense half of retrieval.

The vectors themselves are kept in a file that is mapped, not read. Up to EXACT_ROWS every one of
them is compared with the question; beyond, an inverted file of rounded copies (FAISS's IVF, SQ8)
finds candidates, whose cosines are then computed from the vectors themselves.
"""

import os
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from qa_bot.encoder import Vectors
from qa_bot.onnx_files import cores

# FAISS and torch each bring an OpenMP; on macOS two thread pools in one process crash. One thread
# needs no pool, and one question is no faster with more.
faiss.omp_set_num_threads(1)

EXACT_ROWS = 30_000  # compared in about 5 ms
_BLOCK = 1 << 15  # rows added at a time
_RECALL = 0.99  # of the 10 nearest, that the inverted file is set to find
_PROBES = 256  # rows that it is tried on


class VectorIndex:
    """Rows of unit vectors, searched by inner product, which is their cosine."""

    def __init__(self, rows: Vectors, inverted: Any) -> None:
        self.rows = rows
        self._inverted = inverted

    @classmethod
    def build(cls, folder: Path) -> str:
        """Make the search structure of the rows in folder/rows.npy; what it is, in FAISS's terms."""
        rows = np.load(folder / "rows.npy", mmap_mode="r")
        if len(rows) <= EXACT_ROWS:
            return "Flat"
        faiss.omp_set_num_threads(cores())
        try:
            inverted, kind = _inverted_file(rows)
        finally:
            faiss.omp_set_num_threads(1)
        # Through Python's own file: FAISS's calls fail on non-ASCII paths on Windows.
        with (folder / "inverted.faiss").open("wb") as stream:
            faiss.write_index(inverted, faiss.PyCallbackIOWriter(stream.write))  # type: ignore[attr-defined]
        return kind

    @classmethod
    def load(cls, folder: Path) -> "VectorIndex":
        """Open what `build` was given and made; raises OSError, ValueError or RuntimeError."""
        rows = np.asarray(np.load(folder / "rows.npy", mmap_mode="r"))  # the class memmap is slower
        path = folder / "inverted.faiss"
        if not path.exists():
            return cls(rows, None)
        if os.name == "nt":
            with path.open("rb") as stream:
                return cls(rows, faiss.read_index(faiss.PyCallbackIOReader(stream.read)))  # type: ignore[attr-defined]
        return cls(rows, faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dimension(self) -> int:
        return int(self.rows.shape[1])

    def nearest(
        self, vector: Vectors, count: int, within: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """The `count` rows of highest cosine with `vector`, best first; of the rows `within`, where given.

        `count` <= how many there are. Beyond EXACT_ROWS they are almost the highest, and fewer where the
        lists looked at hold fewer.
        """
        if within is not None and (self._inverted is None or len(within) <= EXACT_ROWS):
            return within[np.argsort(-self.cosines(vector, within), kind="stable")[:count]]
        if self._inverted is None:
            _, rows = faiss.knn(vector[None, :], self.rows, count, metric=faiss.METRIC_INNER_PRODUCT)
        else:
            _, rows = self._inverted.search(vector[None, :], count, params=self._only(within))
        nearest: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return nearest

    def _only(self, within: NDArray[np.int64] | None) -> Any:
        """Search parameters that leave out all rows but those."""
        if within is None:
            return None
        bits = np.zeros(len(self), dtype=bool)
        bits[within] = True
        selector: Any = faiss.IDSelectorBitmap  # as faiss wraps it; its stubs know the C++ one
        parameters: Any = faiss.SearchParametersIVF
        wanted = selector(np.packbits(bits, bitorder="little"))
        return parameters(sel=wanted, nprobe=self._inverted.nprobe)

    def cosines(self, vector: Vectors, rows: NDArray[np.int64]) -> Vectors:
        """The cosine of `vector` with each of `rows`, in their order."""
        cosines: Vectors = self.rows[rows] @ vector
        return cosines


def create_rows(folder: Path, count: int, dimension: int) -> "np.memmap[Any, np.dtype[np.float32]]":
    """An array of `count` rows in a new folder's rows.npy, to be written block by block."""
    folder.mkdir()
    return open_memmap(folder / "rows.npy", mode="w+", dtype=np.float32, shape=(count, dimension))


def _inverted_file(rows: Vectors) -> tuple[Any, str]:
    """An inverted file of about 4 sqrt(n) lists that looks into as many as _RECALL takes."""
    random = np.random.default_rng(0)
    lists = 1 << round(np.log2(4 * np.sqrt(len(rows))))
    kind = f"IVF{lists},SQ8"
    index: Any = faiss.index_factory(rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    sample = np.sort(random.choice(len(rows), min(len(rows), 40 * lists), replace=False))
    index.train(rows[sample])
    for start in range(0, len(rows), _BLOCK):
        index.add(np.ascontiguousarray(rows[start : start + _BLOCK]))
    # Rows stand in for questions; a question is further from all of them, so each probe is moved
    # half-way to another row.
    here, there = rows[np.sort(random.choice(len(rows), (2, _PROBES)), axis=1)]
    probes = here + 0.5 * there
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    _, exact = faiss.knn(probes, rows, 10, metric=faiss.METRIC_INNER_PRODUCT)
    index.nprobe = 8
    while index.nprobe < lists:
        _, found = index.search(probes, 100)
        recall = np.mean([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)])
        if recall >= _RECALL:
            break
        index.nprobe *= 2
    return index, f"{kind},nprobe={index.nprobe}"
