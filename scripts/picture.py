"""The README's picture: test slices of a demo run, their labels, and the final model's regions.

python scripts/picture.py runs/demo docs/images/demo.png
"""

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from skimage import segmentation

from fewshot.masks.coco import SliceRecord, SliceSet, read_coco
from fewshot.metrics.rand import score_slice
from fewshot.slices.images import read_image

COLUMNS = 4
TITLES = ("slice", "labels", "final model")


def main(run: Path, target: Path) -> None:
    """Write the picture of a run to a PNG file."""
    truth, merged = read_coco(run / "data" / "test.json"), read_coco(run / "merged" / "test.json")
    chosen = _spread_by_score(truth, merged)
    figure, axes = plt.subplots(3, COLUMNS, figsize=(2.2 * COLUMNS, 6.9), facecolor="black")
    for column, record in enumerate(chosen):
        image = read_image(truth.path_of(record))
        labels, regions = _label_map(truth, record), _label_map(merged, record)
        score = score_slice(labels, regions).all_pixels
        pictures = (_grey(image), _coloured(image, labels), _coloured(image, regions))
        for row, picture in enumerate(pictures):
            axes[row, column].imshow(picture, interpolation="nearest")
            axes[row, column].axis("off")
        axes[2, column].set_title(f"all-pixel ARI {score:.2f}", color="white", fontsize=9, y=-0.12)
    for row, title in enumerate(TITLES):
        axes[row, 0].text(2, 4, title, color="white", fontsize=10, va="top")
    figure.subplots_adjust(0.005, 0.04, 0.995, 0.995, 0.02, 0.02)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110, facecolor="black")


def _spread_by_score(truth: SliceSet, merged: SliceSet) -> list[SliceRecord]:
    """Slices at the 20th, 40th, 60th and 80th percentile of the score: no picking of cherries."""

    def score(record: SliceRecord) -> float:
        return score_slice(_label_map(truth, record), _label_map(merged, record)).all_pixels

    ranked = sorted(truth.records, key=score)
    places = np.linspace(0, len(ranked) - 1, COLUMNS + 2).round().astype(int)[1:-1]
    return [ranked[place] for place in places]


def _label_map(slices: SliceSet, record: SliceRecord) -> NDArray[np.uint8]:
    return slices.masks_of(record.image_id).to_label_map()


def _grey(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.repeat(image[:, :, None] / 255, 3, axis=2)


def _coloured(image: NDArray[np.uint8], label_map: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The slice with translucent regions, every region in a colour of its own."""
    vivid = np.delete(mpl.colormaps["tab20"](np.arange(20))[:, :3], [14, 15], axis=0)  # no greys
    colours = vivid[label_map * 7 % len(vivid)]
    strength = np.where(_edges(label_map), 0.9, 0.35)[:, :, None]
    blended = (1 - strength) * _grey(image) + strength * colours
    shown: NDArray[np.float64] = np.where(label_map[:, :, None] > 0, blended, _grey(image))
    return shown


def _edges(label_map: NDArray[np.uint8]) -> NDArray[np.bool_]:
    boundaries: Any = segmentation.find_boundaries
    edges: NDArray[np.bool_] = boundaries(label_map, mode="inner")
    return edges


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
