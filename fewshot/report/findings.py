"""The meaning of a run's scores in plain sentences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fewshot.config.base import Metric
from fewshot.config.names import CONTROL, FINAL, WATERSHED, is_radiologists_name
from fewshot.masks.merge import MergeRule
from fewshot.metrics.bootstrap import PairedDifference
from fewshot.metrics.slice_metrics import decimals
from fewshot.report.wording import METRIC_WORDS, joined

Mark = Literal["better", "worse", "even", "unknown"]

_ALONE = "the same training on the labelled slices alone"
Indices = Mapping[Metric, float]
"""Each variant of the adjusted Rand index, under the merge rule tuned for it."""


@dataclass(frozen=True)
class Finding:
    """A sentence or two about the final model, and whether they are in its favour."""

    mark: Mark
    text: str


def findings(
    models: Mapping[str, Indices],
    metric: Metric,
    soft_masks: int | None = None,
    interval: PairedDifference | None = None,
) -> list[Finding]:
    """Return how the final model compares with control, radiologists and watershed.

    Args:
        models: scores of each model; all but the final one may be absent.
        metric: the variant the submission is tuned for, which decides the marks.
        soft_masks: number of soft labels that the final model learned from, if known.
        interval: of the difference between final model and control, if known.
    """
    final, control, watershed = (models.get(name) for name in (FINAL, CONTROL, WATERSHED))
    if final is None:
        return [Finding("unknown", "The final model has no score.")]
    if soft_masks == 0:
        text = "No soft label was kept, so the final model learned from the labelled slices alone."
        found = [Finding("unknown", text)]
    elif control is None:
        text = (
            f"No control ({_ALONE}) was trained, so this run cannot tell whether the soft labels "
            "helped. Set control: true to find out."
        )
        found = [Finding("unknown", text)]
    else:
        found = [_against_control(final, control, metric, interval)]
    score = final[metric]
    radiologists = {name: one[metric] for name, one in models.items() if is_radiologists_name(name)}
    if radiologists:
        found.append(_against_radiologists(score, radiologists))
    if watershed is not None:
        found.append(_against_watershed(score, watershed[metric]))
    return found


def rule_in_words(rule: MergeRule) -> str:
    """Return a merge rule in a few sentences."""
    small = (
        f"Regions of fewer than {rule.min_area} pixels are dropped. " if rule.min_area > 1 else ""
    )
    rest = (
        "Every remaining pixel takes the nearest region, so that none is background."
        if rule.background == "nearest"
        else "The remaining pixels are background."
    )
    return (
        f"Masks with a score of at least {rule.score_threshold:g} are laid down from the highest "
        f"score to the lowest; each takes only pixels that are still free. {small}{rest}"
    )


def _against_control(
    final: Indices, control: Indices, metric: Metric, interval: PairedDifference | None
) -> Finding:
    mark, both = _compare(final[metric], control[metric])
    if mark == "even":
        text = f"It scores the same as its control, {_ALONE}: {both}."
        conclusion = "The soft labels made no difference in this run."
    elif mark == "worse":
        text = f"It does not beat its control, {_ALONE}: {both}."
        conclusion = "The soft labels did not pay in this run."
    else:
        text = f"It beats its control, {_ALONE}: {both}."
        conclusion = "The soft labels paid in this run."
    if interval is not None and mark != "even":
        span = (
            f"95 % interval of the difference over {interval.extent}: "
            f"{decimals(interval.low, signed=True)} to {decimals(interval.high, signed=True)}"
        )
        if mark == "better" and interval.contains_zero:
            mark = "even"
            text = f"It scores higher than its control, {_ALONE}: {both}."
            conclusion = f"But that may be chance ({span})."
        else:
            conclusion = f"{conclusion[:-1]} ({span})."
    return Finding(mark, " ".join([text, conclusion, *_other_variant(final, control, metric)]))


def _other_variant(final: Indices, control: Indices, metric: Metric) -> list[str]:
    """Say so if the other variant of the index reverses the order of the two."""
    other: Metric = "foreground" if metric == "all" else "all"
    mark, both = _compare(final[other], control[other])
    here, _ = _compare(final[metric], control[metric])
    if {mark, here} != {"better", "worse"}:
        return []
    return [f"By the other index, {METRIC_WORDS[other]}, it is the other way round: {both}."]


def _against_radiologists(final: float, radiologists: dict[str, float]) -> Finding:
    best = max(radiologists, key=lambda name: radiologists[name])
    not_beaten = {
        name: score for name, score in radiologists.items() if _compare(final, score)[0] != "better"
    }
    if not not_beaten:
        return Finding(
            "better",
            f"It beats every radiologist; the best of them, {best}, scores "
            f"{decimals(radiologists[best])}.",
        )
    names = joined([f"{name} ({decimals(score)})" for name, score in not_beaten.items()])
    which = "any radiologist" if len(not_beaten) == len(radiologists) else "every radiologist"
    mark = _compare(final, radiologists[best])[0]
    verb = "scores" if len(not_beaten) == 1 else "score"
    return Finding(mark, f"It does not beat {which}: {names} {verb} as much or more.")


def _against_watershed(final: float, watershed: float) -> Finding:
    mark, both = _compare(final, watershed)
    verb = {"better": "beats", "worse": "does not beat"}.get(mark, "only equals")
    return Finding(mark, f"It {verb} the watershed baseline, which learns nothing: {both}.")


def _compare(final: float, other: float) -> tuple[Mark, str]:
    """Compare to the three decimals shown: what looks the same is not called a difference."""
    difference = round(final, 3) - round(other, 3)
    mark: Mark = "better" if difference > 1e-9 else "worse" if difference < -1e-9 else "even"
    return mark, f"{decimals(final)} against {decimals(other)}"
