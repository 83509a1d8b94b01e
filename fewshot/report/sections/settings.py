"""The hyperparameters of a run, and its settings that differ from the defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from fewshot.config.names import FINAL
from fewshot.config.tree import RunSettings
from fewshot.report.html import Section
from fewshot.report.results import RunResults

_NOTHING = "–"
_TEMPLATE = """
{% call table("Hyperparameters", ["Model", "Learning rate", "Iterations", "Score threshold"]) %}
{% for name, cells in schedules %}
{{ row(name, cells, "final" if name == "final" else "") }}
{% endfor %}
{% endcall %}
<p class="note">A radiologist's threshold is the score from which its masks become soft labels; the
final model's is the score from which its masks enter the submission\
{% if settings.final.score_threshold == "auto" %}, chosen on the validation slices (auto)\
{% endif %}.
{% if settings.control %}The control is trained with the final model's learning rate and
iterations.{% endif %} Batches of {{ settings.detector.batch_size }} slices\
{% if audit and audit.masks %}; while the final model trains,
{{ (100 * settings.soft_labels.labelled_share) | round | int }} % of them are labelled ones, the
others soft-labelled{% endif %}.</p>
{% if changed %}
<h3>Settings that differ from the built-in ones</h3>
{{ settings_table(changed, "Settings that differ from the built-in ones",
["Built in", "This run"]) }}
{% endif %}
"""


@dataclass(frozen=True)
class Difference:
    """A dotted key and its two values as text; a dash if a side has no such key."""

    key: str
    first: str
    second: str


def differing(first: BaseModel, second: BaseModel) -> list[Difference]:
    """Return the keys at which two trees of settings differ, in the order of the first tree."""
    one, two = (dict(_flat(tree.model_dump(mode="json"))) for tree in (first, second))
    keys = [*one, *[key for key in two if key not in one]]
    return [
        Difference(key, one.get(key, _NOTHING), two.get(key, _NOTHING))
        for key in keys
        if one.get(key, _NOTHING) != two.get(key, _NOTHING)
    ]


def _build(results: RunResults) -> Mapping[str, Any]:
    settings = results.settings
    rows = [
        (one.name, (f"{one.learning_rate:g}", one.iterations, f"{one.score_threshold:g}"))
        for one in settings.radiologists
    ]
    final, chosen = settings.final, f"{results.scores.rule.score_threshold:g}"
    threshold = f"{chosen} (auto)" if final.score_threshold == "auto" else chosen
    return {
        "settings": settings,
        "audit": results.audit,
        "schedules": [*rows, (FINAL, (f"{final.learning_rate:g}", final.iterations, threshold))],
        "changed": differing(RunSettings(data=settings.data), settings),
    }


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and value and all(_is_named(one) for one in value):
        for one in value:
            rest = {key: inner for key, inner in one.items() if key != "name"}
            yield from _flat(rest, f"{prefix}.{one['name']}")
    else:
        yield prefix, _text(value)


def _is_named(value: Any) -> bool:
    return isinstance(value, Mapping) and "name" in value


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


SETTINGS = Section("settings", "Hyperparameters", "Hyperparameters", _TEMPLATE, _build)
