"""A person's decisions on single soft labels, kept in `review.json` and applied before training.

A decision is stored by the slice's file and the mask's pixels, so that it still applies when soft
labels are made again with the same mask.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from fewshot.errors import InputError
from fewshot.files import read_json, write_json
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.masks.predicted import SliceMasks
from fewshot.masks.rle import Rle
from fewshot.progress import say, warn

FORM = "fewshot review 1"

Verdict = Literal["accept", "reject", "delete"]
_SAID = {"accept": "accepted", "reject": "rejected", "delete": "deleted"}
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Decision:
    """A person's decision on one mask, with the mask's image and source for information.

    `accept`: it is correct, with score 1. `reject`: there is a structure, but with another contour;
    the mask's pixels are ignored in training. `delete`: there is no structure.
    """

    verdict: Verdict
    image: str
    source: str


@dataclass(frozen=True)
class Reviewed:
    """Soft labels after a review.

    Attributes:
        soft: the remaining masks; accepted ones have score 1.
        ignored: the rejected ones, on the same slices.
        counts: verdict → number of masks.
        unknown: number of decisions on masks that are not among the soft labels.
    """

    soft: SliceSet
    ignored: SliceSet
    counts: Mapping[Verdict, int]
    unknown: int

    def with_ignored(self, uncertain: SliceSet | None) -> SliceSet | None:
        """Return uncertain masks of the same slices together with the rejected ones, or None."""
        if not self.ignored.masks:
            return uncertain
        if uncertain is None:
            return self.ignored
        return uncertain.with_masks(
            uncertain.masks_of(record.image_id).joined(self.ignored.masks_of(record.image_id))
            for record in uncertain.records
        )


def mask_key(record: SliceRecord, rle: Rle) -> str:
    """Return the key of a mask's decision: 20 hexadecimal digits."""
    text = f"{record.file_name}\n{record.height} {record.width}\n{rle['counts']}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def read_review(path: Path) -> dict[str, Decision]:
    """Return mask key → decision from a `review.json`; `InputError` for any other file."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("form") != FORM:
        raise InputError(f"{path}: is not a review of soft labels; fewshot review writes one")
    masks = content.get("masks")
    if not isinstance(masks, dict):
        raise InputError(f"{path}: contains no decisions under 'masks'; review again")
    return {key: _decision(path, key, entry) for key, entry in masks.items()}


def write_review(path: Path, decisions: Mapping[str, Decision]) -> None:
    """Write decisions as `review.json`, atomically, in the order in which they were made."""
    masks = {
        key: {"decision": one.verdict, "image": one.image, "source": one.source}
        for key, one in decisions.items()
    }
    write_json(path, {"form": FORM, "masks": masks})


def apply_review(soft: SliceSet, decisions: Mapping[str, Decision]) -> Reviewed:
    """Return soft labels after a review; masks without a decision are unchanged.

    Slices with no mask left are kept.
    """
    kept: list[SliceMasks] = []
    ignored: list[SliceMasks] = []
    counts: dict[Verdict, int] = dict.fromkeys(VERDICTS, 0)
    found: set[str] = set()
    for record in soft.records:
        masks = soft.masks_of(record.image_id)
        keys = [mask_key(record, rle) for rle in masks.rles]
        verdicts = [decisions.get(key) for key in keys]
        said = np.array(["" if one is None else one.verdict for one in verdicts], dtype="U8")
        for verdict in VERDICTS:
            counts[verdict] += int((said == verdict).sum())
        found.update(keys)
        scores = np.where(said == "accept", np.float32(1), masks.scores)
        stays = replace(masks, scores=scores).select((said == "") | (said == "accept"))
        kept.append(stays)
        ignored.append(masks.select(said == "reject"))
    return Reviewed(
        soft=soft.with_masks(one for one in kept if len(one)),
        ignored=soft.with_masks(one for one in ignored if len(one)),
        counts=counts,
        unknown=len(decisions.keys() - found),
    )


def reviewed_soft_labels(soft: SliceSet, path: Path) -> Reviewed:
    """Return soft labels after applying a `review.json`, and print what changed.

    Raises `InputError` if none of its decisions is on a mask of these soft labels.
    """
    decisions = read_review(path)
    reviewed = apply_review(soft, decisions)
    if decisions and reviewed.unknown == len(decisions):
        raise InputError(
            f"{path}: none of its {len(decisions)} decisions is on a mask of these soft labels; "
            "it was made for others: move it away, or review these"
        )
    counts = ", ".join(f"{count} {_SAID[verdict]}" for verdict, count in reviewed.counts.items())
    say(f"review: {counts}")
    if reviewed.unknown:
        warn(f"{path}: {reviewed.unknown} decisions are on masks that no longer exist")
    return reviewed


def _decision(path: Path, key: str, entry: Any) -> Decision:
    verdict = entry.get("decision") if isinstance(entry, dict) else None
    if verdict not in VERDICTS:
        raise InputError(
            f"{path}: mask {key}: the decision is {verdict!r}; it must be accept, reject or delete"
        )
    return Decision(verdict, str(entry.get("image", "")), str(entry.get("source", "")))
