"""The results of a run, each read once, when a section of its report needs it."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from fewshot.config.base import Metric
from fewshot.config.load import load_settings
from fewshot.config.names import FINAL
from fewshot.config.tree import RunSettings
from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.masks.coco import read_coco
from fewshot.metrics.bootstrap import PairedDifference, paired_difference
from fewshot.metrics.merge_rules import read_rule
from fewshot.metrics.slice_metrics import METRICS
from fewshot.radiologists.audit import Audit
from fewshot.report.answer_gallery import ModelMasks, answer_gallery
from fewshot.report.gallery import Gallery
from fewshot.run.layout import RunLayout
from fewshot.run.names import RESOLVED
from fewshot.run.scores import ModelScores, RunScores, read_run_scores

Differences = Mapping[str, PairedDifference]
"""The name of a metric → the difference of two models."""


class RunResults:
    """The results of a run; only `metrics.json` must exist."""

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self.settings: RunSettings = layout.settings

    @cached_property
    def scores(self) -> RunScores:
        """The scores of all models; `InputError` without them."""
        return read_run_scores(self.layout.metrics, self.layout.per_image)

    @property
    def metric(self) -> Metric:
        """The variant of the Rand index that the submission is tuned for."""
        return self.scores.metric

    @property
    def truth(self) -> Path:
        """The labelled slices that the run is scored on (COCO)."""
        return self.layout.data / f"{self.scores.part}.json"

    @cached_property
    def patients(self) -> dict[str, str] | None:
        """The patient of each of these slices by file name; None unless all are known."""
        return read_coco(self.truth).groups if self.truth.is_file() else None

    @cached_property
    def differences(self) -> dict[str, Differences]:
        """The final model minus each other model, where there are enough slices."""
        models = self.scores.models
        found = {
            name: paired_differences(models[FINAL], one, self.metric, self.patients)
            for name, one in models.items()
            if name != FINAL
        }
        return {name: by_metric for name, by_metric in found.items() if by_metric}

    @cached_property
    def audit(self) -> Audit | None:
        """The audit of the soft labels; None when there is none or it is empty."""
        path = self.layout.audit
        content = read_json(path) if path.is_file() else None
        if not content:
            return None
        try:
            return Audit(**content)
        except TypeError as error:
            raise InputError(f"{path}: is no audit of soft labels; make them again") from error

    @cached_property
    def gallery(self) -> Gallery | None:
        """The scored slices, with the masks of every model."""
        layout, name = self.layout, self.truth.name
        models = {
            one: ModelMasks(layout.answers(one) / name, self._threshold(one))
            for one in layout.radiologists
        }
        models[FINAL] = ModelMasks(layout.answers(FINAL) / name, self.scores.rule.score_threshold)
        return answer_gallery(self.truth, models, self.scores)

    def predictions(self, data: Path) -> dict[str, Path]:
        """Return radiologist → its predictions of the slices in a COCO file."""
        return {name: self.layout.answers(name) / data.name for name in self.layout.radiologists}

    def _threshold(self, name: str) -> float | None:
        """Return the score threshold that was chosen for a model; None without a file."""
        path = self.layout.rule(name)
        return read_rule(path, self.metric).score_threshold if path.is_file() else None


def read_results(root: Path) -> RunResults:
    """Return the results of a run directory; `InputError` when there are no scores."""
    if not (root / RESOLVED).is_file():
        raise InputError(f"{root}: is not a run directory (no {RESOLVED})")
    try:
        settings = load_settings(root / RESOLVED)
    except InputError as error:
        first, *more = error.args
        also = f", and {len(more)} more" if more else ""
        raise InputError(
            f"{first}{also}; {root} is a run under other settings than this release knows; resume "
            "it with fewshot run --resume and settings under their present names"
        ) from error
    results = RunResults(RunLayout(settings, root))
    if not results.layout.metrics.is_file():
        raise InputError(
            f"{root}: the run has no scores yet (no {results.layout.metrics.name}); "
            "go on with fewshot run --resume"
        )
    return results


def paired_differences(
    ours: ModelScores, theirs: ModelScores, metric: Metric, patients: Mapping[str, str] | None
) -> Differences:
    """Return the differences of two models, slice by slice, in each metric with a column.

    Each variant of the Rand index is taken under the rules tuned for it, all else under those for
    `metric`. Metrics known for too few slices are left out.
    """
    found = {}
    for name, one in METRICS.items():
        if one.has_column:
            tuning = one.tuned_for or metric
            mine, other = (model.tuned_for[tuning].of_images(name) for model in (ours, theirs))
            found[name] = paired_difference(mine, other, patients)
    return {name: one for name, one in found.items() if one is not None}
