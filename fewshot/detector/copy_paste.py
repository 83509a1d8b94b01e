"""Copy-paste: structures of one slice are put into another.

Source: G. Ghiasi et al., Simple copy-paste is a strong data augmentation method for instance
segmentation, CVPR 2021.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

_LEAST_VISIBLE = 0.3  # a mask of which less stays visible is no longer a structure


@dataclass(frozen=True, eq=False)
class Truth:
    """The labels of a training slice.

    Attributes:
        masks: uint8 (masks, height, width), 0 or 1: the labels.
        weights: float32 (masks,), of the masks in the losses.
        uncertain: uint8 (n, height, width), 0 or 1: masks that may or may not be correct.
    """

    masks: NDArray[np.uint8]
    weights: NDArray[np.float32]
    uncertain: NDArray[np.uint8]


def paste(
    onto: tuple[Image, Truth], donor: tuple[Image, Truth], rng: np.random.Generator
) -> tuple[Image, Truth]:
    """Return a slice with a random choice of the donor's structures pasted in at their positions.

    Pasted structures cover existing masks, and a mask of which less than 30 % stays visible is
    dropped. Both slices must have the same size.
    """
    image, truth = onto
    from_image, from_truth = donor
    chosen = rng.random(len(from_truth.masks)) < 0.5
    if image.shape != from_image.shape or not chosen.any():
        return onto
    covered: NDArray[np.bool_] = np.any(from_truth.masks[chosen], axis=0)
    spread = covered.reshape(*covered.shape, *[1] * (image.ndim - 2))  # over channels, if any
    pasted = np.where(spread, from_image, image)
    masks, visible = _uncovered(truth.masks, covered)
    uncertain, still_uncertain = _uncovered(truth.uncertain, covered)
    return pasted, replace(
        truth,
        masks=np.concatenate([masks[visible], from_truth.masks[chosen]]),
        weights=np.concatenate([truth.weights[visible], from_truth.weights[chosen]]),
        uncertain=uncertain[still_uncertain],
    )


def _uncovered(
    masks: NDArray[np.uint8], covered: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the visible part of each mask, and whether it is large enough."""
    left = masks * ~covered
    before, after = masks.sum(axis=(1, 2)), left.sum(axis=(1, 2))
    return left, after >= _LEAST_VISIBLE * np.maximum(before, 1)
