"""How sure the difference between final model and control is, slice by slice."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from fewshot.config.base import Metric
from fewshot.errors import InputError
from fewshot.report.table import CONTROL, FINAL

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval of a mean paired difference, and over how many slices."""

    low: float
    high: float
    slices: int

    @property
    def holds_zero(self) -> bool:
        """Whether no difference at all is among the plausible ones."""
        return self.low <= 0 <= self.high


def control_interval(path: Path, part: str, metric: Metric) -> Interval | None:
    """Return the interval of final minus control, from the scores of single images (CSV).

    None when there is no such file, no control in it, or too few slices.

    Args:
        path: columns part, model, tuned_for, image, ari_foreground and ari_all.
        part: which slices to compare on.
        metric: both models are taken as tuned for it.
    """
    scores: dict[str, dict[str, float]] = {FINAL: {}, CONTROL: {}}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["part"] == part and row["tuned_for"] == metric and row["model"] in scores:
                    scores[row["model"]][row["image"]] = float(row[f"ari_{metric}"])
    except FileNotFoundError:
        return None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path}: is no table of scores by image; score again") from error
    final, control = scores[FINAL], scores[CONTROL]
    return paired_interval([final[name] - control[name] for name in final if name in control])


def paired_interval(differences: Sequence[float]) -> Interval | None:
    """Return Student's interval of the mean of paired differences; None for fewer than three.

    Slices of one patient resemble each other, so that the true interval is rather wider.
    """
    count = len(differences)
    if count < 3:
        return None
    error = float(np.std(differences, ddof=1)) / math.sqrt(count)
    half = float(stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1)) * error
    mean = math.fsum(differences) / count
    return Interval(mean - half, mean + half, count)
