"""Weights of the radiologists, and the assignment of unlabelled slices to them.

Source: the reference report, section 2.6: a radiologist labels a share of the unlabelled slices in
proportion to its validation average precision.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.progress import say, warn


def weights_from_precision(precisions: Mapping[str, float]) -> dict[str, float]:
    """Return weights that sum to 1, in proportion to each radiologist's average precision.

    If all precisions are zero, weights are equal, with a warning.

    Raises:
        ValueError: no radiologists, or a precision that is negative or not finite.

    >>> weights_from_precision({"rough": 0.1, "steady": 0.15, "fine": 0.25})
    {'rough': 0.2, 'steady': 0.3, 'fine': 0.5}
    """
    values = np.array(list(precisions.values()), dtype=np.float64)
    if not len(values) or not np.all(np.isfinite(values)) or np.any(values < 0):
        raise ValueError(f"average precisions must be finite and not negative: {dict(precisions)}")
    if not values.any():
        warn("every radiologist has average precision 0; their weights are equal")
        values = np.ones_like(values)
    return dict(zip(precisions, (values / values.sum()).tolist(), strict=True))


def assign_slices(
    image_ids: Sequence[int], weights: Mapping[str, float], seed: int
) -> dict[str, list[int]]:
    """Assign slices to radiologists at random, in proportion to their weights.

    Shares are rounded by the largest remainder; ties favour the earlier radiologist.

    Args:
        image_ids: the slices to assign, each exactly once.
        weights: radiologist's name → weight; they sum to 1.
        seed: of the shuffle.

    Returns:
        Radiologist's name → its image ids, ascending.

    >>> dealt = assign_slices(range(10), {"rough": 0.2, "fine": 0.8}, seed=0)
    >>> {name: len(slices) for name, slices in dealt.items()}
    {'rough': 2, 'fine': 8}
    """
    shares = np.array(list(weights.values())) * len(image_ids)
    counts = np.floor(shares).astype(int)
    left = len(image_ids) - int(counts.sum())
    # Rounded, so that rounding errors in the last digit do not decide ties.
    order = np.argsort(-np.round(shares - counts, 9), kind="stable")
    counts[order[:left]] += 1
    shuffled = np.random.default_rng(seed).permutation(np.sort(np.asarray(image_ids, dtype=int)))
    parts = np.split(shuffled, np.cumsum(counts)[:-1])
    return {name: sorted(part.tolist()) for name, part in zip(weights, parts, strict=True)}


def weigh(models: Mapping[str, Path], target: Path) -> None:
    """Write each radiologist's average precision and weight."""
    from fewshot.training.model_folder import describe_model

    precisions = {name: describe_model(models[name]).validation["ap"] for name in models}
    weights = weights_from_precision(precisions)
    write_json(target, {"average_precision": precisions, "weights": weights})
    say("weights: " + ", ".join(f"{name} {weight:.3f}" for name, weight in weights.items()))


def read_weights(path: Path) -> dict[str, float]:
    """Return radiologist → weight from what `weigh` wrote."""
    content = read_json(path)
    weights = content.get("weights") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(
        isinstance(weight, int | float) and 0 <= weight <= 1 for weight in weights.values()
    ):
        raise InputError(f"{path}: contains no radiologists' weights; run train-radiologists again")
    return weights
