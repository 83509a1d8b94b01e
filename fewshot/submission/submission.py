"""Writing the challenge's submission, and matching its columns with images."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.slices.images import image_stem, in_slice_order
from fewshot.slices.label_csv import write_label_csv
from fewshot.slices.label_rows import LabelForm
from fewshot.slices.packed_maps import MapChecker, PackedMaps


def write_submission(
    path: Path,
    names: Sequence[str],
    label_maps: Iterable[NDArray[np.integer[Any]]],
    form: LabelForm = "named",
) -> None:
    """Write label maps as a submission: one column per image, in slice order (9 before 10).

    `label_maps` yields one (height, width) map with ids 0 to 255 for each name, in their order.
    They are packed as they come, to a few kilobytes each.
    Raises `InputError` like `write_label_csv`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "submission.csv")
    ...     write_submission(path, ["10.png", "9.png"], [np.array([[0, 1]]), np.array([[2, 0]])])
    ...     print(path.read_text().rstrip())
    ,9.png,10.png
    Pixel 0,2,0
    Pixel 1,0,1
    """
    if len(set(names)) != len(names):
        raise InputError(f"{path}: an image is given twice; keep one label map per image")
    check = MapChecker(str(path))
    left = iter(label_maps)
    flat = (check.flat(name, one) for name, one in zip(names, left, strict=False))
    maps = PackedMaps(flat, len(names))
    found = len(maps) + sum(1 for _ in left)
    if len(names) != found:
        raise InputError(
            f"{path}: {len(names)} names for {found} label maps; give one map per name"
        )
    place = {name: number for number, name in enumerate(names)}
    ordered = in_slice_order(names)
    maps.reorder([place[name] for name in ordered])
    write_label_csv(path, ordered, maps, form)


def unmatched(expected: Sequence[str], found: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the images missing from `found`, and those not `expected`; compared by stem."""
    expected_stems = {image_stem(name) for name in expected}
    found_stems = {image_stem(name) for name in found}
    return (
        [name for name in expected if image_stem(name) not in found_stems],
        [name for name in found if image_stem(name) not in expected_stems],
    )
