"""Where the models succeed and fail: the scores of single slices, and a gallery."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fewshot.config.base import Metric
from fewshot.config.names import FINAL
from fewshot.drawing.figures import Picture, draw
from fewshot.drawing.palette import BLUE, INK
from fewshot.metrics.slice_metrics import decimals
from fewshot.report.html import Section
from fewshot.report.results import RunResults
from fewshot.report.wording import METRIC_WORDS
from fewshot.run.layout import RunLayout

_TEMPLATE = """
{% if gallery %}
<div class="figures">
  {% if drawn %}{{ picture(drawn) }}{% endif %}

  <div>
    <p>Below, every {{ scores.part }} slice with the true regions, the masks of each model above the
    score threshold that was chosen for it, and the merged answer. A mask that overlaps a true
    region by more than half (IoU above 0.5) has that region's colour; a white outline has no such
    partner.</p>
    {% if scores.rule.background == "nearest" %}
    <p>The submission then gives every remaining pixel to the nearest region; its score includes
    that, the outlines here do not show it.</p>
    {% endif %}
    {% if scores.metric == "foreground" %}
    <p>Pixels outside the true regions do not count for the score.</p>
    {% endif %}
    <p>The ARI under a radiologist is that of its own merged answer.</p>
  </div>
</div>
{{ slices(gallery, "Slices with the answers of all models") }}
{% else %}
<p>There are no labelled slices with predictions to show.</p>
{% endif %}
"""


def _reads(layout: RunLayout) -> list[Path]:
    truth = layout.labelled_parts[-1]
    models = [*layout.radiologists, FINAL]
    rules = [layout.rule(name) for name in layout.radiologists]
    return [*[layout.answers(name) / truth.name for name in models], *rules]


def _build(results: RunResults) -> Mapping[str, Any]:
    scores = results.scores
    by_image = scores.answer.of_images(f"ari_{scores.metric}")
    values = list(by_image.values())
    drawn = slice_score_figure(values, scores.metric, scores.part) if values else None
    return {"scores": scores, "gallery": results.gallery, "drawn": drawn}


def slice_score_figure(scores: Sequence[float], metric: Metric, part: str) -> Picture:
    """Return the histogram of the final model's scores of slices, with their mean."""
    values = np.asarray(scores, dtype=np.float64)
    low = min(0.0, np.floor(values.min() * 10) / 10)
    mean, middle = float(values.mean()), float(np.median(values))
    bins = np.linspace(low, 1, round((1 - low) * 20) + 1)

    def plot(axes: Axes) -> None:
        axes.hist(np.clip(values, low, 1), bins=bins.tolist(), rwidth=0.92, color=BLUE)
        axes.axvline(mean, color=INK, lw=1.4, ls="--")
        axes.annotate(
            f"mean {decimals(mean)}",
            (mean, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
        axes.set(xlabel=f"adjusted Rand index, {METRIC_WORDS[metric]}", ylabel=f"{part} slices")
        axes.set_xlim(low, 1)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))

    return draw(
        plot,
        "Scores of single slices under the merge rule of the submission.",
        f"Spread of the adjusted Rand index over {len(values)} {part} slices: lowest "
        f"{values.min():.3f}, median {middle:.3f}, mean {mean:.3f}, highest {values.max():.3f}.",
    )


SLICES = Section(
    "slices", "Slices", "Where the models succeed and fail", _TEMPLATE, _build, reads=_reads
)
