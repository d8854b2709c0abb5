"""Unit vectors in a FAISS index: the dense half of retrieval."""

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from qa_bot.encoder import Vectors

# FAISS and torch each bring an OpenMP; on macOS two thread pools in one process crash. One thread
# needs no pool, and one question on a flat index is no faster with more.
faiss.omp_set_num_threads(1)


class VectorIndex:
    """Rows of unit vectors, searched exactly by inner product, which is their cosine."""

    def __init__(self, flat: faiss.Index) -> None:
        self._flat = flat

    @classmethod
    def of(cls, rows: Vectors) -> "VectorIndex":
        """Index `rows`, shape (n, dimension)."""
        flat = faiss.IndexFlatIP(rows.shape[1])
        flat.add(np.ascontiguousarray(rows))
        return cls(flat)

    @classmethod
    def load(cls, path: Path) -> "VectorIndex":
        """Read what `save` wrote; raises RuntimeError where it is no such file."""
        # Bytes read by Python: FAISS's own file calls fail on non-ASCII paths on Windows.
        return cls(faiss.deserialize_index(np.fromfile(path, dtype=np.uint8)))

    def save(self, path: Path) -> None:
        faiss.serialize_index(self._flat).tofile(path)

    def __len__(self) -> int:
        return int(self._flat.ntotal)

    @property
    def dimension(self) -> int:
        return int(self._flat.d)

    @property
    def rows(self) -> Vectors:
        """All vectors, shape (n, dimension)."""
        rows: Vectors = self._flat.reconstruct_n(0, len(self))
        return rows

    def nearest(self, vector: Vectors, count: int) -> NDArray[np.int64]:
        """The `count` rows of highest cosine with `vector`, best first; `count` <= len(self)."""
        _, rows = self._flat.search(vector[None, :], count)
        nearest: NDArray[np.int64] = rows[0]
        return nearest

    def cosines(self, vector: Vectors, rows: NDArray[np.int64]) -> Vectors:
        """The cosine of `vector` with each of `rows`, in their order."""
        cosines: Vectors = self._flat.reconstruct_batch(rows) @ vector
        return cosines
