"""Label CSVs written and read by fewshot against pandas, and the memory that each takes.

Both sides work on the same label maps and files in the same process, in turn; peak memory is that
of processes of their own, beyond their imports and, when writing, beyond the label maps. The files
are compared byte for byte, the tables read value for value.

Usage: python scripts/bench/label_csv.py [--images 60] [--size 512] [--rounds 5]
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from measure import (  # type: ignore[import-not-found]
    compare,
    environment,
    print_result,
)
from numpy.typing import NDArray

from fewshot.slices.label_csv import read_label_csv, write_label_csv
from fewshot.slices.phantom import phantom_slice

_DISTINCT = 12


def main() -> None:
    """Print one table and one JSON object; or, with `--only`, do one thing and print its memory."""
    arguments = _arguments()
    if arguments.only is not None:
        _only(arguments.only, arguments.images, arguments.size)
        return
    names, label_maps = _labels(arguments.images, arguments.size)
    with tempfile.TemporaryDirectory() as folder:
        theirs, ours = Path(folder) / "pandas.csv", Path(folder) / "fewshot.csv"
        frame = _frame(names, label_maps)
        comparisons = {
            "write": compare(
                lambda: frame.to_csv(theirs),
                lambda: write_label_csv(ours, names, label_maps),
                arguments.rounds,
            )
        }
        if theirs.read_bytes() != ours.read_bytes():
            sys.exit("fewshot and pandas wrote different files")
        comparisons["read"] = compare(
            lambda: pd.read_csv(ours, index_col=0), lambda: read_label_csv(ours), arguments.rounds
        )
        if not np.array_equal(pd.read_csv(ours, index_col=0).T, read_label_csv(ours).pixels):
            sys.exit("fewshot and pandas read different labels")
    memory = {
        work: {
            library: _peak(f"{library}-{work}", arguments.images, arguments.size)
            for library in ("pandas", "fewshot")
        }
        for work in ("write", "read")
    }
    result = {
        **environment("pandas"),
        "images": arguments.images,
        "pixels": arguments.size**2,
        "peak_mib": {work: {k: round(v) for k, v in peak.items()} for work, peak in memory.items()},
        "memory_ratio": {
            work: round(peak["pandas"] / max(peak["fewshot"], 1), 2)
            for work, peak in memory.items()
        },
    }
    print_result("pandas", comparisons, result)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    return parser.parse_args()


def _labels(images: int, size: int) -> tuple[list[str], list[NDArray[np.uint8]]]:
    """Return names and label maps; a few distinct phantoms, shifted so that no two are alike."""
    distinct = [phantom_slice(np.random.default_rng(i), size)[1] for i in range(_DISTINCT)]
    shifted = [
        np.ascontiguousarray(np.roll(distinct[index % _DISTINCT], 3 * index, axis=1))
        for index in range(images)
    ]
    return [f"{index}.png" for index in range(images)], shifted


def _frame(names: list[str], label_maps: list[NDArray[np.uint8]]) -> pd.DataFrame:
    columns = {name: ids.ravel() for name, ids in zip(names, label_maps, strict=True)}
    return pd.DataFrame(columns, index=[f"Pixel {i}" for i in range(label_maps[0].size)])


def _peak(only: str, images: int, size: int) -> float:
    """Return the MiB by which a process of its own grows when it does one thing."""
    command = [sys.executable, __file__, "--only", only]
    command += ["--images", str(images), "--size", str(size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _only(work: str, images: int, size: int) -> None:
    imports = _resident("VmRSS")
    names, label_maps = _labels(images, size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        if work.endswith("read"):
            write_label_csv(path, names, label_maps)
            del label_maps
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        if work == "pandas-write":
            _frame(names, label_maps).to_csv(path)
        elif work == "fewshot-write":
            write_label_csv(path, names, label_maps)
        elif work == "pandas-read":
            pd.read_csv(path, index_col=0)
        else:
            read_label_csv(path)
        labels = images * size**2 / 2**20 if work.endswith("write") else 0
        print((_resident("VmHWM") - imports) / 1024 - labels)


def _resident(key: str) -> int:
    """Return this process's resident memory in KiB, or its peak (`VmHWM`)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise RuntimeError("this measurement needs Linux")


if __name__ == "__main__":
    main()
