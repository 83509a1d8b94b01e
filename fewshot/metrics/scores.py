"""The scores of a set of slices: every metric of each slice, and the means with intervals."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from fewshot.errors import InputError
from fewshot.metrics.bootstrap import MeanInterval, bootstrap_means
from fewshot.metrics.slice_metrics import METRICS, SliceScores

_INTERVAL = "_interval"


@dataclass(frozen=True)
class Scores:
    """Every metric on a set of slices.

    Attributes:
        means: metric → its mean over the slices, with its bootstrap interval.
        images: how many slices there are.
        by_patient: whether the intervals come from resampling patients rather than slices.
        per_image: image → metric → value; empty where only the means are known.
    """

    means: dict[str, MeanInterval]
    images: int
    by_patient: bool
    per_image: dict[str, SliceScores] = field(default_factory=dict)

    @classmethod
    def of(
        cls, per_image: Mapping[str, SliceScores], patients: Mapping[str, str] | None = None
    ) -> Self:
        """Average the scores of slices; `patients`, if known, is the patient of each image.

        Raises `InputError` when there is no slice.
        """
        if not per_image:
            raise InputError("scores: there is no slice to average; give at least one")
        values = np.array([[one[name] for name in METRICS] for one in per_image.values()], float)
        groups = None if patients is None else [patients[image] for image in per_image]
        means = dict(zip(METRICS, bootstrap_means(values, groups), strict=True))
        return cls(means, len(per_image), groups is not None, dict(per_image))

    def mean(self, name: str) -> float:
        """Return the mean of a metric."""
        return self.means[name].mean

    def of_images(self, name: str) -> dict[str, float]:
        """Return image → value of a metric, for the images that have one."""
        return {image: one[name] for image, one in self.per_image.items() if name in one}

    def as_json(self) -> dict[str, Any]:
        """Return the means and their intervals as plain values."""
        content: dict[str, Any] = {}
        for name, found in self.means.items():
            content |= {name: found.mean, f"{name}{_INTERVAL}": found.interval}
        resampled_by = "group" if self.by_patient else "image"
        return {**content, "resampled_by": resampled_by, "images": self.images}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the scores from `as_json`; metrics that are not in it are left out."""
        means = {
            name: MeanInterval(float(content[name]), _pair(content.get(f"{name}{_INTERVAL}")))
            for name in METRICS
            if name in content
        }
        return cls(means, int(content["images"]), content.get("resampled_by") == "group")


def as_csv(rows: Sequence[Mapping[str, Any]], empty: Sequence[str] = ()) -> str:
    """Return rows with the same keys as the text of a CSV file with a header.

    `empty` is the header if there is no row.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]) if rows else empty, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _pair(interval: Sequence[float] | None) -> tuple[float, float] | None:
    if interval is None:
        return None
    low, high = interval
    return float(low), float(high)
