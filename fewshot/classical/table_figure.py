"""The figure of the baseline's table: filtered slices above their segmentations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage import segmentation

from fewshot.classical.baseline import Baseline
from fewshot.drawing.palette import DARK_INK, DARK_MUTED, DARK_PAGE
from fewshot.files import atomic_path
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.metrics.rand import score_slice
from fewshot.preprocess.compose import apply_steps
from fewshot.slices.arrays import LabelMap
from fewshot.slices.images import read_image
from fewshot.text import counted

Grey = NDArray[np.uint8]

_SIDE = 2.1  # inches, of one slice
_TITLE = 0.55  # inches, above each row of slices


def write_baseline_figure(
    target: Path,
    baselines: Mapping[tuple[str, str], Baseline],
    truth: SliceSet,
    records: Sequence[SliceRecord],
) -> None:
    """Draw labelled slices as PNG in two rows each: filtered, and segmented with scores.

    The first column shows the true labels, the others the baselines, by (filter, parameters). Of
    several sequences of steps the middle one is shown as filtered.
    """
    columns, rows = len(baselines) + 1, 2 * len(records)
    size = (_SIDE * columns, (_SIDE + _TITLE) * rows)
    figure = Figure(figsize=size, facecolor=DARK_PAGE)
    axes = figure.subplots(rows, columns, squeeze=False)
    for number, record in enumerate(records):
        image = read_image(truth.path_of(record))
        labels = truth.masks_of(record.image_id).to_label_map()
        above, below = axes[2 * number], axes[2 * number + 1]
        _show(above[0], _rgb(image), record.file_name, "the slice")
        _show(below[0], _coloured(image, labels), "true labels", _count(labels))
        for column, ((name, parameters), baseline) in enumerate(baselines.items(), start=1):
            steps = baseline.sequences[len(baseline.sequences) // 2]
            filtered, found = apply_steps(image, steps), baseline.label_map(image)
            score = score_slice(labels, found)
            _show(above[column], _rgb(filtered), name, parameters)
            words = f"ARI {score.all_pixels:.2f}, foreground {score.foreground:.2f}"
            _show(below[column], _coloured(filtered, found), words, _count(found))
    vertical = _TITLE / size[1]
    figure.subplots_adjust(0.004, 0.004, 0.996, 1 - vertical, 0.02, _TITLE / _SIDE)
    with atomic_path(target) as temporary:
        figure.savefig(temporary, format="png", dpi=100, facecolor=DARK_PAGE)


def _show(axes: Any, picture: NDArray[np.float64], title: str, note: str) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.axis("off")
    axes.text(0, 1.11, title, color=DARK_INK, fontsize=8.5, transform=axes.transAxes)
    axes.text(0, 1.02, note, color=DARK_MUTED, fontsize=8, transform=axes.transAxes)


def _rgb(image: Grey) -> NDArray[np.float64]:
    return np.repeat(image[:, :, np.newaxis] / 255, 3, axis=2)


def _coloured(image: Grey, label_map: LabelMap) -> NDArray[np.float64]:
    """Return the slice under translucent regions with borders, neighbours in different colours."""
    vivid = np.delete(mpl.colormaps["tab20"](np.arange(20))[:, :3], [14, 15], axis=0)  # no greys
    colours = vivid[np.asarray(label_map, dtype=np.int64) * 7 % len(vivid)]
    boundaries: Any = segmentation.find_boundaries
    strength = np.where(boundaries(label_map, mode="inner"), 0.85, 0.4)[:, :, np.newaxis]
    blended = (1 - strength) * _rgb(image) + strength * colours
    shown: NDArray[np.float64] = np.where(label_map[:, :, np.newaxis] > 0, blended, _rgb(image))
    return shown


def _count(label_map: LabelMap) -> str:
    return counted(np.unique(label_map[label_map > 0]).size, "region")
