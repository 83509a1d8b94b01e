"""The baseline after TV or a bilateral filter: fewshot against the plain scikit-image loop.

Both segment the same phantom slices, in the same process, in turn. After total variation the label
maps must be the same pixel for pixel. The bilateral filter is OpenCV's here and scikit-image's
there, which are not the same numbers: their scores are shown side by side, on a few slices only,
as scikit-image takes ten seconds for one. Fewshot uses all processors, the loop one, as it does.
Files are read and nothing is written by either; the memory of fewshot's side is shown for half of
the slices and for all.

Usage: python scripts/bench/classical.py [--slices 200] [--bilateral 4] [--size 512] [--rounds 1]
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from measure import (  # type: ignore[import-not-found]
    Comparison,
    environment,
    print_result,
    timed,
)
from numpy.typing import NDArray
from scipy import ndimage
from skimage import filters, morphology, restoration, segmentation, util

from fewshot.classical.baseline import Baseline, label_maps
from fewshot.config.preprocessing import BilateralStep, ClaheStep, TotalVariationStep
from fewshot.metrics.rand import score_slice
from fewshot.parallel import processors
from fewshot.progress import progress
from fewshot.slices.images import read_image, write_image
from fewshot.slices.phantom import phantom_slice

LabelMap = NDArray[Any]
# scikit-image's functions are not annotated.
sobel: Any = filters.sobel
rank: Any = filters.rank
disk: Any = morphology.disk
watershed: Any = segmentation.watershed
tv_chambolle: Any = restoration.denoise_tv_chambolle
denoise_bilateral: Any = restoration.denoise_bilateral
img_as_ubyte: Any = util.img_as_ubyte

OURS = {
    "baseline": Baseline(),
    "baseline + TV": Baseline(sequences=((ClaheStep(), TotalVariationStep()),)),
    "baseline + bilateral": Baseline(sequences=((ClaheStep(), BilateralStep()),)),
}
THEIRS: dict[str, Callable[[Any], Any]] = {
    "baseline": lambda image: image,
    "baseline + TV": lambda image: img_as_ubyte(tv_chambolle(_clahe(image), weight=0.08)),
    "baseline + bilateral": lambda image: img_as_ubyte(
        denoise_bilateral(_clahe(image), sigma_spatial=15)
    ),
}


def main() -> None:
    """Print one table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--bilateral", type=int, default=4, help="slices for the bilateral filter")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        **environment("scikit-image", "scipy", "opencv-python-headless"),
        "size": arguments.size,
        "slices": arguments.slices,
        "slices_bilateral": arguments.bilateral,
    }
    comparisons = {}
    with tempfile.TemporaryDirectory() as folder:
        truths = _write_phantoms(Path(folder), arguments.slices, arguments.size)
        paths = sorted(truths)
        _ours("baseline + bilateral", paths[:1], Scores(truths))  # imports and caches
        for name in OURS:
            few = paths[: arguments.bilateral] if "bilateral" in name else paths
            comparisons[name], scores = _compare(name, few, truths, arguments.rounds)
            result[name] = scores
        result["memory_mb"] = _memory(paths)
    print_result("scikit-image", comparisons, result)


class Scores:
    """Adds up the scores of label maps, and keeps a few bytes of each to compare them by."""

    def __init__(self, truths: dict[Path, LabelMap]) -> None:
        self._truths = truths
        self.all_pixels: list[float] = []
        self.foreground: list[float] = []
        self.digests: list[int] = []

    def add(self, path: Path, label_map: LabelMap) -> None:
        """Score one slice."""
        score = score_slice(self._truths[path], label_map)
        self.all_pixels.append(score.all_pixels)
        self.foreground.append(score.foreground)
        self.digests.append(hash(np.ascontiguousarray(label_map, dtype=np.int32).tobytes()))


def _compare(
    name: str, paths: list[Path], truths: dict[Path, LabelMap], rounds: int
) -> tuple[Comparison, dict[str, Any]]:
    pairs = []
    for _ in range(rounds):
        theirs, ours = Scores(truths), Scores(truths)
        pairs.append(
            (
                timed(lambda scores=theirs: _theirs(name, paths, scores)),
                timed(lambda scores=ours: _ours(name, paths, scores)),
            )
        )
    same = sum(one == other for one, other in zip(theirs.digests, ours.digests, strict=True))
    if "bilateral" not in name and same < len(paths):
        sys.exit(f"{name}: {len(paths) - same} label maps differ from scikit-image's")
    shown = {
        f"{side} {key}": round(float(np.mean(getattr(scores, key))), 4)
        for side, scores in (("scikit-image", theirs), ("fewshot", ours))
        for key in ("all_pixels", "foreground")
    }
    return Comparison(pairs), {"identical": same, "of": len(paths), **shown}


def _theirs(name: str, paths: list[Path], scores: Scores) -> None:
    with progress(f"scikit-image, {name}", len(paths)) as advance:
        for done, path in enumerate(paths, start=1):
            image = THEIRS[name](read_image(path))
            edges = sobel(image)
            denoised = rank.median(image, disk(2))
            markers = ndimage.label(rank.gradient(denoised, disk(5)) < 20)[0]
            scores.add(path, watershed(edges, markers=markers, compactness=0.0001))
            advance(done, "")


def _ours(name: str, paths: list[Path], scores: Scores) -> None:
    with progress(f"fewshot, {name}", len(paths)) as advance:
        found: Iterator[LabelMap] = label_maps(OURS[name], paths, processors())
        for done, (path, label_map) in enumerate(zip(paths, found, strict=True), start=1):
            scores.add(path, label_map)
            advance(done, "")


def _memory(paths: list[Path]) -> dict[str, int]:
    """Return the most memory beyond the start that half of the slices, and all, took, in MB."""
    process = psutil.Process()
    taken = {}
    for count in (len(paths) // 2, len(paths)):
        start = process.memory_info().rss
        most = start
        for _ in label_maps(OURS["baseline + TV"], paths[:count], processors()):
            most = max(most, process.memory_info().rss)
        taken[f"{count} slices"] = (most - start) >> 20
    return taken


def _write_phantoms(folder: Path, count: int, size: int) -> dict[Path, LabelMap]:
    truths = {}
    for index in range(count):
        image, truth = phantom_slice(np.random.default_rng(index), size)
        path = folder / f"{index:04d}.png"
        write_image(path, image)
        truths[path] = truth
    return truths


def _clahe(image: Any) -> Any:
    return cv2.createCLAHE(2.0, (8, 8)).apply(image)


if __name__ == "__main__":
    main()
