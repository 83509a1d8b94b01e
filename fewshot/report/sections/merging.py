"""How masks become a label map: the chosen merge rules and their curves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from fewshot.config.base import Metric
from fewshot.config.names import FINAL
from fewshot.drawing.figures import Picture, draw, legend_above
from fewshot.drawing.palette import BLUE, INK, VERMILION
from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.metrics.calibration import Calibration
from fewshot.report.findings import rule_in_words
from fewshot.report.html import Section
from fewshot.report.results import RunResults
from fewshot.report.wording import METRIC_WORDS

_TEMPLATE = """
<p>The two variants of the index reward opposite rules, so each has a rule of its own, chosen for
the final model on the validation slices.</p>
{% if rules %}
{% call table("Merge rules", ["Chosen for", "Score threshold", "Smallest region (pixels)",
"Background", "Validation ARI, all pixels", "Validation ARI, foreground"], text=["Background"]) %}
{% for one in rules %}
<tr{% if one.metric == metric %} class="final"{% endif %}>
<th scope="row">{{ metric_words[one.metric] }}\
{% if one.metric == metric %}<small>used for the submission</small>{% endif %}</th>
<td>{{ "%g" | format(one.rule.score_threshold) }}</td><td>{{ one.rule.min_area }}</td>
<td class="text">{{ "kept" if one.rule.background == "keep" else "filled from the nearest region" }}
</td><td>{{ one.validation.all_pixels | score }}</td>
<td>{{ one.validation.foreground | score }}</td></tr>
{% endfor %}
{% endcall %}
{% else %}
<p>{{ rule_text }}</p>
{% endif %}
{% if drawn %}
<div class="figures">
  {{ picture(drawn) }}
  <div>
    <p>The foreground index never punishes a predicted pixel outside the true regions, so filling
    the background often raises it. Over all pixels the same filling costs.</p>
    <p>With few slices the peak of a flat curve is an accident, so the middle one is chosen of all
    thresholds that do about as well as the best: within one standard error of the difference.</p>
  </div>
</div>
{% endif %}
"""


def _build(results: RunResults) -> Mapping[str, Any]:
    rules = _read_rules(results.layout.rule(FINAL))
    # A fixed threshold has no curve.
    drawn = None
    if rules and all(len(one.curve) > 1 for one in rules):
        drawn = threshold_figure(
            {
                one.metric: [(at, score.of(one.metric)) for at, score in one.curve.items()]
                for one in rules
            },
            {
                one.metric: (one.rule.score_threshold, one.validation.of(one.metric))
                for one in rules
            },
            results.metric,
        )
    return {
        "rules": rules,
        "metric": results.metric,
        "rule_text": rule_in_words(results.scores.rule),
        "drawn": drawn,
    }


def _read_rules(path: Path) -> list[Calibration]:
    """Return the rules chosen for both variants; empty without a file."""
    if not path.is_file():
        return []
    content = read_json(path)
    try:
        return [Calibration.from_json(metric, content[metric]) for metric in METRIC_WORDS]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: holds no merge rules; calibrate again") from error


def threshold_figure(
    curves: Mapping[Metric, Sequence[tuple[float, float]]],
    chosen: Mapping[Metric, tuple[float, float]],
    metric: Metric,
) -> Picture:
    """Return the adjusted Rand index against the score threshold, with the chosen points.

    Args:
        curves: variant → (score threshold, mean index on validation slices) under its own rule.
        chosen: variant → the chosen threshold and its index.
        metric: the variant of the submission, which is drawn with a heavier line.
    """

    def plot(axes: Axes) -> None:
        styles: dict[Metric, tuple[str, str, str]] = {
            "all": (BLUE, "-", "o"),
            "foreground": (VERMILION, "--", "s"),
        }
        for variant, points in curves.items():
            color, dash, marker = styles[variant]
            width = 2.4 if variant == metric else 1.4
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=color, ls=dash, lw=width, label=METRIC_WORDS[variant])
            axes.plot(*chosen[variant], marker, color=color, markersize=9, mec=INK, mew=1.2)
        axes.set(xlabel="score threshold (0 to 1)", ylabel="adjusted Rand index, validation")
        axes.set_xlim(0, 1)
        axes.margins(y=0.12)
        legend_above(axes)

    texts = [
        f"{METRIC_WORDS[variant]}: chosen {at:g} with {value:.3f}"
        for variant, (at, value) in chosen.items()
    ]
    return draw(
        plot,
        "Mean ARI on the validation slices against the score threshold, the rest of each rule as "
        "chosen. Outlined points: what was chosen.",
        f"Adjusted Rand index against score threshold. {'; '.join(texts)}.",
    )


MERGING = Section(
    "merging",
    "Merging",
    "How masks become a label map",
    _TEMPLATE,
    _build,
    reads=lambda layout: [layout.rule(FINAL)],
)
