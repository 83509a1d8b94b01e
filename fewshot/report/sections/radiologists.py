"""The radiologists' weights, and the soft labels from their shares of the slices."""

from collections.abc import Mapping
from typing import Any

from fewshot.errors import InputError
from fewshot.files import read_json
from fewshot.metrics.slice_metrics import decimals
from fewshot.report.html import Section
from fewshot.report.results import RunResults

_TEMPLATE = """
{% if shares %}
<p>A radiologist's weight is its average precision on the validation slices, as a share of all.
{% if settings.soft_labels.assignment == "partition" %}The unlabelled slices are dealt at random in
these shares; each radiologist labels its own.{% else %}All radiologists read every unlabelled slice
and vote with these weights{% if vote %}: {{ vote.labelled }} of {{ vote.slices }} slices were
labelled, with {{ vote.masks }} masks{% endif %}.{% endif %}</p>
{% call table("Radiologists", ["Radiologist", "Validation AP", "Weight", "Slices dealt",
"Slices labelled", "Masks"]) %}
{% for name, cells in shares.items() %}{{ row(name, cells) }}{% endfor %}
{% endcall %}
{% else %}
<p>There are no weights.</p>
{% endif %}
"""


def _build(results: RunResults) -> Mapping[str, Any]:
    dealt: Mapping[str, Any] = results.audit.by_radiologist if results.audit else {}
    return {
        "settings": results.settings,
        "vote": dealt.get("vote"),
        "shares": _shares(results, dealt),
    }


def _shares(results: RunResults, dealt: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the cells of each radiologist; empty without a file of weights."""
    path = results.layout.weights
    content = read_json(path) if path.is_file() else {"average_precision": {}, "weights": {}}
    try:
        return {
            name: [
                decimals(content["average_precision"][name]),
                decimals(weight),
                *(
                    str(dealt.get(name, {}).get(key, "–"))
                    for key in ("slices", "labelled", "masks")
                ),
            ]
            for name, weight in content["weights"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: contains no radiologists' weights; train them again") from error


RADIOLOGISTS = Section(
    "radiologists",
    "Radiologists",
    "How far the radiologists are trusted",
    _TEMPLATE,
    _build,
    reads=lambda layout: [layout.weights],
)
