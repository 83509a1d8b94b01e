"""How the models learned: losses and validation average precision by iteration."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from fewshot.drawing.figures import Picture, draw, legend_above, model_lines
from fewshot.report.html import Section
from fewshot.report.learning_curves import Curve, loss_name, read_curve
from fewshot.report.results import RunResults

_TEMPLATE = """
{% if pictures %}
<div class="figures">
{% for drawn in pictures %}{{ picture(drawn) }}{% endfor %}
</div>
{% else %}
<p>There are no learning curves.</p>
{% endif %}
"""


def _build(results: RunResults) -> Mapping[str, Any]:
    layout = results.layout
    read = {name: read_curve(layout.curves(name)) for name in layout.models}
    curves = {name: curve for name, curve in read.items() if curve is not None}
    pictures = []
    if any(len(curve.losses) for curve in curves.values()):
        pictures.append(loss_figure(curves))
    if any(len(curve.precisions) for curve in curves.values()):
        pictures.append(precision_figure(curves))
    parts = dict.fromkeys(part for curve in curves.values() for part in curve.parts)
    return {"pictures": [*pictures, *[loss_figure(curves, part) for part in parts]]}


def loss_figure(curves: Mapping[str, Curve], part: str | None = None) -> Picture:
    """Return the smoothed total loss, or a part of it, of all models."""
    name = "total loss" if part is None else loss_name(part)
    shown = {
        model: curve.smoothed(part)
        for model, curve in curves.items()
        if (len(curve.losses) if part is None else part in curve.parts)
    }

    def plot(axes: Axes) -> None:
        for model, line in model_lines(curves).items():
            if model in shown:
                x, y = shown[model]
                axes.plot(x, y, color=line.color, ls=line.dash, lw=line.width, label=model)
        axes.set(xlabel="iterations", ylabel=f"{name}, running mean")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        legend_above(axes)

    ends = [f"{model} {losses[-1]:.2f}" for model, (_, losses) in shown.items()]
    return draw(
        plot,
        f"{name.capitalize()} while training: running mean over a twentieth of the training.",
        f"{name.capitalize()} against iterations. At the end: {', '.join(ends)}.",
    )


def precision_figure(curves: Mapping[str, Curve]) -> Picture:
    """Return the validation average precision of all models."""

    def plot(axes: Axes) -> None:
        for name, line in model_lines(curves).items():
            axes.plot(
                curves[name].evaluated,
                curves[name].precisions,
                color=line.color,
                ls=line.dash,
                lw=line.width,
                marker=line.marker,
                markersize=5,
                label=name,
                clip_on=False,
            )
        axes.set(xlabel="iterations", ylabel="validation mask AP (0 to 1)")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        legend_above(axes)

    ends = [
        f"{name} {curve.precisions[-1]:.3f}"
        for name, curve in curves.items()
        if len(curve.precisions)
    ]
    return draw(
        plot,
        "Mask average precision (IoU 0.50 to 0.95) on the validation slices while training.",
        f"Validation average precision against iterations. Last: {', '.join(ends)}.",
    )


TRAINING = Section(
    "training",
    "Training",
    "How the models learned",
    _TEMPLATE,
    _build,
    reads=lambda layout: [layout.curves(name) for name in layout.models],
)
