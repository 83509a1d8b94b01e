"""The baseline on many slices: preprocess, segment, and write as CSV or COCO."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fewshot.classical.aggregation import mode_of_label_maps
from fewshot.classical.watershed import watershed_label_map
from fewshot.config.preprocessing import Step
from fewshot.config.watershed import WatershedSettings
from fewshot.errors import FewshotError, InputError
from fewshot.masks.coco import SliceSet
from fewshot.masks.coco_write import write_masks
from fewshot.masks.merge import fill_nearest
from fewshot.masks.predicted import SliceMasks
from fewshot.parallel import in_order
from fewshot.preprocess.compose import apply_steps
from fewshot.progress import Advance, no_progress, warn
from fewshot.slices.images import in_slice_order, read_image
from fewshot.slices.label_csv import write_label_csv
from fewshot.slices.label_rows import LabelForm

SOURCE = "watershed"
_MOST_REGIONS = 255  # ids of a label CSV are one byte


@dataclass(frozen=True)
class Baseline:
    """A way to segment slices without learning.

    Attributes:
        watershed: the constants.
        sequences: preprocessing steps; of several sequences, the mode of their label maps is taken.
    """

    watershed: WatershedSettings = field(default_factory=WatershedSettings)
    sequences: tuple[tuple[Step, ...], ...] = ((),)

    def label_map(self, image: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Return the label map of a uint8 (height, width) slice: ids from 1, 0 for no region."""
        maps = [
            watershed_label_map(apply_steps(image, steps), self.watershed)
            for steps in self.sequences
        ]
        return maps[0] if len(maps) == 1 else mode_of_label_maps(maps)


def label_maps(
    baseline: Baseline, paths: Sequence[Path], workers: int = 1
) -> Iterator[NDArray[np.int32]]:
    """Yield the label map of each image file, in order, with only a few in memory."""
    return in_order(lambda path: baseline.label_map(read_image(path)), paths, workers)


def write_baseline_coco(
    target: Path,
    baseline: Baseline,
    slices: SliceSet,
    workers: int = 1,
    advance: Advance = no_progress,
) -> None:
    """Segment slices and write them as COCO, one mask a region."""
    records = sorted(slices.records, key=lambda record: record.image_id)
    found = label_maps(baseline, [slices.path_of(record) for record in records], workers)

    def masks() -> Iterator[SliceMasks]:
        for done, (record, label_map) in enumerate(zip(records, found, strict=True), start=1):
            yield SliceMasks.from_label_map(record.image_id, label_map, SOURCE)
            advance(done, "")

    write_masks(target, slices, masks(), f"regions of the {SOURCE} baseline")


def write_baseline_csv(
    target: Path,
    baseline: Baseline,
    slices: SliceSet,
    form: LabelForm = "named",
    workers: int = 1,
    advance: Advance = no_progress,
) -> int:
    """Segment slices and write them as a label CSV; return the largest number of regions.

    The table has a column a slice and a row a pixel, so label maps wait on disk until all are
    known. Ids of a label CSV are one byte: of more than 255 regions the 255 largest are kept, and
    the pixels of the others join the nearest of these.

    Raises `InputError` before any work when slices differ in size.
    """
    paths = {record.file_name: slices.path_of(record) for record in slices.records}
    names = in_slice_order(paths)
    sizes = {(record.height, record.width) for record in slices.records}
    if len(sizes) != 1:
        raise InputError(
            f"{target}: the slices have {len(sizes)} sizes, a CSV only one; write .json instead"
        )
    most = 0
    found = label_maps(baseline, [paths[name] for name in names], workers)
    with _spool(target) as waiting:
        for done, label_map in enumerate(found, start=1):
            most = max(most, int(label_map.max(initial=0)))
            waiting.write(within_a_byte(label_map).tobytes())
            advance(done, "")
        waiting.flush()
        stored: Any = np.memmap(waiting, np.uint8, "r", shape=(len(names), *sizes.pop()))
        write_label_csv(target, names, list(stored), form)
    if most > _MOST_REGIONS:
        warn(f"{target}: slices have up to {most} regions; the {_MOST_REGIONS} largest are kept")
    return most


def within_a_byte(label_map: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return a label map with at most 255 regions: smaller ones join the nearest of the largest.

    Up to 255 regions keep their ids; more are numbered by size.
    """
    if int(label_map.max(initial=0)) <= _MOST_REGIONS:
        return label_map.astype(np.uint8)
    sizes = np.bincount(label_map.ravel())[1:]
    largest = np.argsort(-sizes, kind="stable")[:_MOST_REGIONS]
    ids = np.zeros(sizes.size + 1, dtype=np.uint8)
    ids[largest + 1] = np.arange(1, _MOST_REGIONS + 1)
    kept = ids[label_map]
    return np.where(label_map > 0, fill_nearest(kept), 0).astype(np.uint8)


@contextmanager
def _spool(target: Path) -> Iterator[IO[bytes]]:
    """Yield an anonymous file, on the disk that must have room for the target anyway."""
    folder = next(one for one in target.absolute().parents if one.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            yield file
    except OSError as error:
        raise FewshotError(f"{target}: cannot be written ({error.strerror or error})") from error
