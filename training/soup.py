"""The mean of several readers' weights, as a reader (Wortsman et al. 2022).

    python training/soup.py OUT READER READER ...

They must have begun from the same weights. OUT is a new folder.
"""

import sys
from pathlib import Path
from shutil import copytree

from safetensors.torch import load_file, save_file

WEIGHTS = "model.safetensors"


def main() -> None:
    out, *readers = map(Path, sys.argv[1:])
    weights = [load_file(reader / WEIGHTS) for reader in readers]
    copytree(readers[0], out)
    mean = {name: sum(each[name] for each in weights) / len(weights) for name in weights[0]}
    save_file(mean, out / WEIGHTS, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
