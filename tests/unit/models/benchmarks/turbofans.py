"""Small files in the shape of C-MAPSS: engines that wear, flown in one or more ways."""

import gzip
from pathlib import Path

import numpy as np


def write_set(folder: Path, name: str, *, units: int = 24, regimes: int = 1, truth: bool = True, seed: int = 0) -> None:
    """Write train, test and, when wanted, truth of a set."""
    random = np.random.default_rng(seed)
    left = random.integers(5, 60, units)
    write(folder / f"train_{name}.txt.gz", _cycles(random, [0] * units, regimes))
    write(folder / f"test_{name}.txt.gz", _cycles(random, left.tolist(), regimes))
    if truth:
        write(folder / f"RUL_{name}.txt.gz", [[one] for one in left.tolist()])


def write(file: Path, rows) -> None:
    with gzip.open(file, "wt") as stream:
        # Lines of the original end with two blanks.
        stream.writelines(" ".join(f"{value:g}" for value in row) + "  \n" for row in rows)


def _cycles(random, left, regimes):
    rows = []
    for unit, missing in enumerate(left, start=1):
        life = int(random.integers(90, 140))
        for cycle in range(1, life - missing + 1):
            regime = int(random.integers(regimes))
            worn = np.exp(-(life - cycle) / 30)
            sensors = np.full(21, 100.0)
            for at, size in ((1, 10), (2, -5), (6, 20)):
                sensors[at] = 500 * (regime + 1) + size * worn + random.normal(0, 0.5)
            rows.append([unit, cycle, 10.0 * regime + random.normal(0, 0.001), 0.25 * regime, 100, *sensors])
    return rows
