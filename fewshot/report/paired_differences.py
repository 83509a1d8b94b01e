"""How sure the differences between the final model and the others are, slice by slice."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewshot.config.base import Metric
from fewshot.config.names import FINAL, WATERSHED
from fewshot.errors import InputError
from fewshot.metrics.bootstrap import bootstrap_means

_FEWEST = 3  # slices, or patients, below which an interval says nothing

Scores = dict[str, dict[Metric, dict[str, float]]]


@dataclass(frozen=True)
class Interval:
    """A mean paired difference with its 95 % bootstrap interval, and over how many slices.

    `groups` is the number of patients that were drawn as wholes; None where slices were drawn.
    """

    mean: float
    low: float
    high: float
    slices: int
    groups: int | None = None

    @property
    def holds_zero(self) -> bool:
        """Whether no difference at all is among the plausible ones."""
        return self.low <= 0 <= self.high

    @property
    def extent(self) -> str:
        """What it was taken over, in words."""
        patients = "" if self.groups is None else f" of {self.groups} patients"
        return f"{self.slices} slices{patients}"


def read_scores(path: Path, part: str) -> Scores:
    """Return contender → variant → image → score, each contender as tuned for the variant.

    Empty without a file. The watershed, which has nothing to tune, is the same for both variants.

    Args:
        path: columns part, model, tuned_for, image, ari_foreground and ari_all (CSV).
        part: which slices.
    """
    scores: Scores = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["part"] != part:
                    continue
                for metric in ("all", "foreground"):
                    if row["tuned_for"] == metric or row["model"] == WATERSHED:
                        of_model = scores.setdefault(row["model"], {})
                        value = float(row[f"ari_{metric}"])
                        of_model.setdefault(metric, {})[row["image"]] = value
    except FileNotFoundError:
        return {}
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path}: is no table of scores by image; score again") from error
    return scores


def differences_to_final(
    scores: Scores, groups: Mapping[str, str] | None = None
) -> dict[str, dict[Metric, Interval]]:
    """Return contender → variant → interval of final minus contender, where there is one.

    `groups` names the patient of each image; with it whole patients are drawn.
    """
    final = scores.get(FINAL, {})
    found: dict[str, dict[Metric, Interval]] = {}
    for name, of_model in scores.items():
        if name == FINAL:
            continue
        for metric in of_model.keys() & final.keys():
            interval = paired_interval(final[metric], of_model[metric], groups)
            if interval is not None:
                found.setdefault(name, {})[metric] = interval
    return found


def paired_interval(
    ours: Mapping[str, float], theirs: Mapping[str, float], groups: Mapping[str, str] | None = None
) -> Interval | None:
    """Return the interval of the mean of ours minus theirs, over the images that both have.

    None for fewer than three slices, or fewer than three patients where `groups` names those of
    all images. Without groups the slices are drawn one by one, and as slices of one patient
    resemble each other the true interval is then rather wider.
    """
    common = [name for name in ours if name in theirs]
    patients = _groups_of(common, groups)
    count = len(common) if patients is None else len(set(patients))
    if count < _FEWEST:
        return None
    differences = np.array([[ours[name] - theirs[name]] for name in common])
    (found,) = bootstrap_means(differences, patients)
    if found.interval is None:
        return None
    low, high = found.interval
    return Interval(found.mean, low, high, len(common), None if patients is None else count)


def _groups_of(names: Sequence[str], groups: Mapping[str, str] | None) -> list[str] | None:
    if groups is None or not all(name in groups for name in names):
        return None
    return [groups[name] for name in names]
