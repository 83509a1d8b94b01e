"""Reading, checking and decoding a COCO file by fewshot against pycocotools.

pycocotools' `COCO` reads and `annToMask` decodes, unchecked; fewshot validates everything besides.
Both decode every mask of the same file, slice by slice, in the same process, in turn, and must give
the same masks.

Usage: python scripts/bench/coco.py [--slices 2000] [--masks 18] [--size 512] [--rounds 3]
"""

import argparse
import contextlib
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from measure import (  # type: ignore[import-not-found]
    compare,
    environment,
    print_result,
)
from numpy.typing import NDArray
from pycocotools.coco import COCO
from scipy import ndimage

from fewshot.masks.coco import SliceRecord, SliceSet, read_coco, write_coco
from fewshot.masks.predicted import SliceMasks

_DISTINCT = 16


def main() -> None:
    """Print one table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=2000)
    parser.add_argument("--masks", type=int, default=18)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slices.json"
        write_coco(path, _slices(arguments.slices, arguments.masks, arguments.size), "bench")
        _check(path)
        comparisons = {
            "read, check, decode": compare(
                lambda: _theirs(path), lambda: _ours(path), arguments.rounds
            ),
            "read, check": compare(lambda: _read(path), lambda: read_coco(path), arguments.rounds),
        }
        mib = round(path.stat().st_size / 2**20, 1)
    result = {**environment("pycocotools"), "slices": arguments.slices, "masks": arguments.masks}
    print_result("pycocotools", comparisons, {**result, "size": arguments.size, "file_mib": mib})


def _slices(count: int, masks: int, size: int) -> SliceSet:
    distinct = [_label_map(np.random.default_rng(seed), masks, size) for seed in range(_DISTINCT)]
    records = tuple(SliceRecord(index, f"{index}.png", size, size) for index in range(count))
    return SliceSet(
        Path("images"),
        records,
        {i: SliceMasks.from_label_map(i, distinct[i % _DISTINCT]) for i in range(count)},
    )


def _label_map(rng: np.random.Generator, regions: int, size: int) -> NDArray[np.uint8]:
    """Return regions with rough outlines: the points nearest to random seeds, in smooth noise."""
    seeds = np.ones((size, size), dtype=bool)
    places = rng.choice(size * size, regions, replace=False)
    seeds.ravel()[places] = False
    ids = np.zeros((size, size), dtype=np.uint8)
    ids.ravel()[places] = np.arange(1, regions + 1)
    distance, nearest = ndimage.distance_transform_edt(seeds, return_indices=True)
    noise = ndimage.gaussian_filter(rng.normal(size=(size, size)), 3) * 60
    inside = distance + noise < size / 9
    return np.where(inside | ~seeds, ids[nearest[0], nearest[1]], 0).astype(np.uint8)


def _read(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def _theirs(path: Path) -> int:
    coco, masks = _read(path), 0
    for image_id in coco.getImgIds():
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
        masks += len([coco.annToMask(annotation) for annotation in annotations])
    return masks


def _ours(path: Path) -> int:
    slices = read_coco(path)
    return sum(len(slices.masks_of(record.image_id).decode()) for record in slices.records)


def _check(path: Path) -> None:
    coco, slices = _read(path), read_coco(path)
    for record in slices.records[:_DISTINCT]:
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[record.image_id]))
        theirs = np.stack([coco.annToMask(annotation) for annotation in annotations])
        if not np.array_equal(theirs, slices.masks_of(record.image_id).decode()):
            sys.exit(f"fewshot and pycocotools decode image {record.image_id} differently")


if __name__ == "__main__":
    main()
