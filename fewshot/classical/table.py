"""Table 1 of the reference report, with more rows: filters before the baseline."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewshot.classical.baseline import Baseline
from fewshot.config.preprocessing import (
    BilateralStep,
    ClaheStep,
    MedianStep,
    Step,
    TotalVariationStep,
)
from fewshot.config.watershed import WatershedSettings
from fewshot.masks.coco import SliceRecord, SliceSet
from fewshot.metrics import scores
from fewshot.metrics.bootstrap import bootstrap_means
from fewshot.metrics.rand import RandScore, score_slice
from fewshot.progress import Advance, no_progress
from fewshot.slices.images import read_image

MODE_WEIGHTS = (0.04, 0.08, 0.12)  # of total variation: the report's, and 50 % less and more


@dataclass(frozen=True)
class TableRow:
    """A row of the table.

    Attributes:
        name, parameters: of the filters.
        scores: of each slice.
        groups: of the slices, if all are known; intervals resample them.
        wall, cpu: seconds a slice for filters and segmentation in one thread.
        regions: mean number a slice.
    """

    name: str
    parameters: str
    scores: tuple[RandScore, ...]
    groups: tuple[str, ...] | None
    wall: float
    cpu: float
    regions: float

    def as_json(self) -> dict[str, Any]:
        """Return the row as plain values, with 95 % intervals."""
        values = np.array([(score.foreground, score.all_pixels) for score in self.scores])
        foreground, everywhere = bootstrap_means(values, self.groups)
        return {
            "filter": self.name,
            "parameters": self.parameters,
            "ari_all": float(values[:, 1].mean()),
            "ari_all_interval": everywhere.interval,
            "ari_foreground": float(values[:, 0].mean()),
            "ari_foreground_interval": foreground.interval,
            "regions": self.regions,
            "seconds_a_slice": self.wall,
            "cpu_seconds_a_slice": self.cpu,
        }


def report_baselines(watershed: WatershedSettings) -> dict[tuple[str, str], Baseline]:
    """Return (filter, parameters) → baseline: the report's rows and more.

    As in the report (section 2.2), denoising follows CLAHE.
    """
    clahe = ClaheStep()
    equalised = f"clip limit {clahe.clip_limit:g}"
    bilateral, median, variation = BilateralStep(), MedianStep(), TotalVariationStep()
    weights = ", ".join(f"{weight:g}" for weight in MODE_WEIGHTS)
    modes = tuple((clahe, TotalVariationStep(weight=weight)) for weight in MODE_WEIGHTS)
    rows: dict[tuple[str, str], tuple[tuple[Step, ...], ...]] = {
        ("none", ""): ((),),
        ("CLAHE", equalised): ((clahe,),),
        ("CLAHE, bilateral", f"σ {bilateral.sigma_spatial:g}"): ((clahe, bilateral),),
        ("CLAHE, total variation", f"weight {variation.weight:g}"): ((clahe, variation),),
        ("CLAHE, median", f"radius {median.radius}"): ((clahe, median),),
        ("CLAHE, mode of total variations", f"weights {weights}"): modes,
    }
    return {key: Baseline(watershed, sequences) for key, sequences in rows.items()}


def measure_baselines(
    baselines: Mapping[tuple[str, str], Baseline], truth: SliceSet, advance: Advance = no_progress
) -> list[TableRow]:
    """Return the scores and times of baselines on labelled slices.

    The baselines take turns on each slice, so that a busy machine slows all of them. Scores are of
    the exact label maps, whatever their number of regions. Only one slice is in memory at a time;
    `advance` is called with the number of slices done.
    """
    found: dict[tuple[str, str], list[RandScore]] = {key: [] for key in baselines}
    spent = {key: np.zeros(3) for key in baselines}  # wall, CPU, regions
    for done, record in enumerate(truth.records, start=1):
        image = read_image(truth.path_of(record))
        labels = truth.masks_of(record.image_id).to_label_map()
        for key, baseline in baselines.items():
            wall, cpu = time.perf_counter(), time.process_time()
            regions = baseline.label_map(image)
            times = time.perf_counter() - wall, time.process_time() - cpu
            spent[key] += (*times, np.unique(regions[regions > 0]).size)
            found[key].append(score_slice(labels, regions))
        advance(done, "")
    groups = None if truth.groups is None else tuple(truth.groups.values())
    return [
        TableRow(*key, tuple(found[key]), groups, *(spent[key] / len(truth)).tolist())
        for key in baselines
    ]


def examples(rows: Sequence[TableRow], truth: SliceSet, count: int = 2) -> list[SliceRecord]:
    """Return slices spread over the ranking by mean score, so not the best ones."""
    means = np.mean([[score.all_pixels for score in row.scores] for row in rows], axis=0)
    ranked = np.argsort(means, kind="stable")
    places = np.linspace(0, len(ranked) - 1, count + 2).round().astype(int)[1:-1]
    return [truth.records[ranked[place]] for place in dict.fromkeys(places.tolist())]


def as_csv(rows: Sequence[TableRow]) -> str:
    """Return the table as CSV, one line a row; intervals are two columns each."""
    return scores.as_csv([_flat(row.as_json()) for row in rows])


def as_text(rows: Sequence[TableRow]) -> str:
    """Return the table as text for a terminal."""
    lines = [
        f"{'filter':33s}{'parameters':26s}{'ARI, all':>10s}{'foreground':>12s}{'s a slice':>11s}"
    ]
    lines += [
        f"{row.name:33s}{row.parameters:26s}"
        f"{np.mean([score.all_pixels for score in row.scores]):10.3f}"
        f"{np.mean([score.foreground for score in row.scores]):12.3f}{row.wall:11.3f}"
        for row in rows
    ]
    return "\n".join(lines)


def table_json(rows: Sequence[TableRow], truth: SliceSet, watershed: WatershedSettings) -> Any:
    """Return the table and what it was made from, as plain values."""
    return {
        "images": len(truth),
        "resampled_by": "image" if rows[0].groups is None else "group",
        "watershed": watershed.model_dump(),
        "rows": [row.as_json() for row in rows],
    }


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if key.endswith("_interval"):
            stem = key.removesuffix("_interval")
            flat[f"{stem}_low"], flat[f"{stem}_high"] = value or ("", "")
        else:
            flat[key] = value
    return flat
