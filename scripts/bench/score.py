"""Scoring pairs of label maps by fewshot against scikit-learn.

Both compute both variants of the adjusted Rand index, of the same pairs, in the same process, in
turn, and must agree to 1e-12. `one variant` times only the index over all pixels; `all scores` are
all metrics of fewshot (IoU, Dice, kappa and so on) against scikit-learn's two indices alone.

Usage: python scripts/bench/score.py [--size 512] [--pairs 8] [--rounds 7]
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import (  # type: ignore[import-not-found]
    compare,
    environment,
    print_result,
)
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from fewshot.metrics.rand import adjusted_rand, score_slice
from fewshot.metrics.slice_metrics import score_label_maps
from fewshot.slices.phantom import phantom_slice

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def main() -> None:
    """Print one table and one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    kinds = {
        "phantom": [_phantom(seed, arguments.size) for seed in range(arguments.pairs)],
        "noise, 18 ids": [_noise(seed, arguments.size, 18) for seed in range(arguments.pairs)],
        "noise, 255 ids": [_noise(seed, arguments.size, 255) for seed in range(arguments.pairs)],
    }
    comparisons = {}
    for kind, pairs in kinds.items():
        _check(pairs)

        def both(work: Callable[..., Any], pairs: list[Pair] = pairs) -> Callable[[], Any]:
            return lambda: [work(truth, prediction) for truth, prediction in pairs]

        comparisons[f"{kind}: both variants"] = compare(
            both(_scikit_learn), both(score_slice), arguments.rounds
        )
        comparisons[f"{kind}: one variant"] = compare(
            both(_everywhere), both(_our_everywhere), arguments.rounds
        )
        comparisons[f"{kind}: all scores"] = compare(
            both(_scikit_learn), both(score_label_maps), arguments.rounds
        )
    result = {**environment("scikit-learn", "scipy"), "size": arguments.size}
    print_result("scikit-learn", comparisons, {**result, "pairs": arguments.pairs})


def _phantom(seed: int, size: int) -> Pair:
    """Return a phantom's label map, and the same moved by a few pixels with a region missed."""
    label_map = phantom_slice(np.random.default_rng(seed), size)[1]
    moved = np.roll(label_map, size // 60, axis=(0, 1))
    return label_map, np.where(moved == moved.max(), 0, moved).astype(np.uint8)


def _noise(seed: int, size: int, ids: int) -> Pair:
    rng = np.random.default_rng(seed)
    truth, other = rng.integers(0, ids, (2, size, size), dtype=np.uint8)
    return truth, np.where(rng.random((size, size)) < 0.7, truth, other)


def _scikit_learn(truth: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> tuple[float, float]:
    labelled = truth != 0
    return (
        adjusted_rand_score(truth[labelled], prediction[labelled]),
        adjusted_rand_score(truth.ravel(), prediction.ravel()),
    )


def _everywhere(truth: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> float:
    return float(adjusted_rand_score(truth.ravel(), prediction.ravel()))


def _our_everywhere(truth: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> float:
    return adjusted_rand(truth, prediction, foreground=False)


def _check(pairs: list[Pair]) -> None:
    for truth, prediction in pairs:
        ours, theirs = score_slice(truth, prediction), _scikit_learn(truth, prediction)
        if max(abs(ours.foreground - theirs[0]), abs(ours.all_pixels - theirs[1])) > 1e-12:
            sys.exit(f"fewshot and scikit-learn disagree: {ours}, {theirs}")


if __name__ == "__main__":
    main()
