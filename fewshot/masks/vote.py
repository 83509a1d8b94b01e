"""Voting: the masks of several radiologists of one slice become one set of masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import InputError
from fewshot.masks import rle as rle_codec
from fewshot.masks.predicted import SliceMasks

_OVERLAP = 0.5  # intersection over union from which two masks are the same structure


@dataclass(frozen=True)
class Vote:
    """One radiologist's masks of a slice, and the weight of its vote (above 0)."""

    masks: SliceMasks
    weight: float = 1.0


def vote(ballots: Sequence[Vote], source: str) -> SliceMasks:
    """Return the masks that radiologists agree on, the best supported first.

    Overlapping masks of different radiologists count as one structure: each mask, the most certain
    first, joins the structure whose most certain mask it overlaps most, or starts a new one; a
    radiologist has at most one mask in a structure. A structure's score is the weighted mean of the
    scores, with 0 for radiologists without a mask, so that it is high only where certain
    radiologists agree. Its shape is the pixels inside for at least half of those who have a mask,
    by weight times score.

    The result does not depend on the order of radiologists or masks.

    Args:
        ballots: one per radiologist, all of the same slice; at least one.
        source: of the resulting masks.

    Raises:
        InputError: the ballots are of different slices.
        ValueError: no ballots, or a weight that is not above 0.

    Source: weighted box fusion (R. Solovyev, W. Wang and T. Gabruseva, Image and Vision Computing
    107, 2021), with masks in place of boxes.
    """
    if not ballots or not all(ballot.weight > 0 for ballot in ballots):
        raise ValueError("a vote needs ballots, each of a weight above 0")
    first = ballots[0].masks
    for ballot in ballots:
        one = ballot.masks
        if (one.image_id, one.height, one.width) != (first.image_id, first.height, first.width):
            raise InputError(f"images {first.image_id} and {one.image_id}: votes on another slice")
    papers = _Papers(ballots)
    total = sum(ballot.weight for ballot in ballots)
    structures = _structures(papers)
    shapes, scores = [], []
    for members in structures:
        shape = _majority(papers.rles_at(members), papers.support[members])
        if shape.any():
            shapes.append(shape)
            scores.append(papers.support[members].sum() / total)
    order = np.argsort(-np.array(scores, dtype=np.float64), kind="stable")
    rles = tuple(rle_codec.encode(shapes[place]) for place in order)
    return SliceMasks(
        first.image_id,
        first.height,
        first.width,
        np.clip(np.array([scores[place] for place in order], dtype=np.float32), 0, 1),
        rle_codec.boxes(rles),
        rles,
        (source,) * len(rles),
    )


class _Papers:
    """All masks, the most certain first, in an order that only depends on the masks.

    `support` is the weight times the score of each mask, `voter` the index of its ballot.
    """

    def __init__(self, ballots: Sequence[Vote]) -> None:
        rows = [
            (ballot.weight * float(score), voter, mask)
            for voter, ballot in enumerate(ballots)
            for score, mask in zip(ballot.masks.scores, ballot.masks.rles, strict=True)
        ]
        rows.sort(key=lambda row: (-row[0], row[2]["counts"]))
        self.support = np.array([row[0] for row in rows], dtype=np.float64)
        self.voter = [row[1] for row in rows]
        self.rles = [row[2] for row in rows]

    def rles_at(self, places: Sequence[int]) -> list[rle_codec.Rle]:
        return [self.rles[place] for place in places]


def _structures(papers: _Papers) -> list[list[int]]:
    """Return the places of the masks of each structure, the most certain mask first."""
    between = rle_codec.iou(papers.rles, papers.rles)
    structures: list[list[int]] = []
    seen_by: list[set[int]] = []
    for place, voter in enumerate(papers.voter):
        free = [one for one, voters in enumerate(seen_by) if voter not in voters]
        best = max(free, key=lambda one: between[place, structures[one][0]], default=None)
        if best is None or between[place, structures[best][0]] < _OVERLAP:
            structures.append([place])
            seen_by.append({voter})
        else:
            structures[best].append(place)
            seen_by[best].add(voter)
    return structures


def _majority(masks: Sequence[rle_codec.Rle], support: NDArray[np.float64]) -> NDArray[np.bool_]:
    if len(masks) == 1:
        return rle_codec.decode(masks[0])
    height, width = masks[0]["size"]
    inside = rle_codec.decode_stack(masks, height, width)
    share: NDArray[np.float64] = np.tensordot(support, inside, axes=1)
    # Exactly half of the support, as with two equal votes, counts; rounding must not decide.
    shape: NDArray[np.bool_] = share >= support.sum() / 2 - 1e-9
    return shape
