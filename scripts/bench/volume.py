"""Reconstruct a stack of 400 slices of 512 x 512: CPU time and memory of `fewshot volume`.

    .venv/bin/python scripts/bench/volume.py

The stack is a COCO file of six ellipsoids whose masks do not say which structure they are. The
command runs in a process of its own and does all of it: reads, links, measures, and writes tables,
a NIfTI grid, surfaces and the page.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import environment  # type: ignore[import-not-found]
from numpy.typing import NDArray

from fewshot.masks.coco import SliceRecord, SliceSet, write_coco
from fewshot.masks.predicted import SliceMasks
from fewshot.slices.sequence import sequence_volume

SLICES, SIDE = 400, 512
SPACING = (0.04718, 0.04718, 0.076)
# Centre and half axes in voxels: slice, row, column. The first fills most of the stack.
BODIES = (
    ((200, 256, 256), (190, 230, 240)),
    ((120, 190, 200), (80, 70, 60)),
    ((280, 300, 330), (90, 60, 80)),
    ((200, 380, 200), (60, 50, 50)),
    ((90, 330, 300), (40, 40, 60)),
    ((320, 160, 250), (50, 40, 45)),
)
MOST_MB, MOST_SECONDS = 2000, 90


def main() -> None:
    """Make the stack, run the command and print what it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stack(folder / "stack.json")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        command = ["volume", "--masks", "stack.json", "--out", "out", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "fewshot", *command],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
        )
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        page = (folder / "out" / "sequence.html").stat().st_size / 1e6
    rows = json.loads(done.stdout)["structures"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    result = {
        **environment("scipy", "scikit-image"),
        "slices": SLICES,
        "side": SIDE,
        "structures": len(rows),
        "largest_voxels": max(row["voxels"] for row in rows),
        "cpu_seconds": round(cpu, 1),
        "wall_seconds": round(wall, 1),
        "peak_mb": round(after.ru_maxrss / 1024),
        "page_mb": round(page, 1),
        "within": cpu <= MOST_SECONDS and after.ru_maxrss / 1024 <= MOST_MB,
    }
    print(", ".join(f"{key} {value}" for key, value in result.items()))
    print(json.dumps(result))


def write_stack(target: Path) -> None:
    """Write the bodies as COCO, each mask with an id of its slice alone."""
    volume = sequence_volume((SIDE, SIDE), SLICES, SPACING, "sequence")
    records = tuple(
        SliceRecord(one, f"{one}.png", SIDE, SIDE, volume="sequence", index=one)
        for one in range(SLICES)
    )
    masks = {}
    for index in range(SLICES):
        labels = section(index)
        if labels.any():
            masks[index] = SliceMasks.from_label_map(index, labels)
    slices = SliceSet(target.parent, records, masks, {"sequence": volume})
    write_coco(target, slices, "six ellipsoids")


def section(index: int) -> NDArray[np.uint8]:
    """Return the label map of a slice, in ids that change from slice to slice."""
    rows, columns = np.ogrid[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE), dtype=np.uint8)
    names = np.random.default_rng(index).permutation(len(BODIES)) + 1
    for name, (centre, axes) in zip(names, BODIES, strict=True):
        depth = ((index - centre[0]) / axes[0]) ** 2
        across = ((rows - centre[1]) / axes[1]) ** 2 + ((columns - centre[2]) / axes[2]) ** 2
        labels[depth + across <= 1] = name
    return labels


if __name__ == "__main__":
    main()
