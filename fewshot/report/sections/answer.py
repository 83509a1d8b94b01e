"""The answer: how well the final model does, compared with the others."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fewshot.config.names import CONTROL, FINAL
from fewshot.metrics.bootstrap import MeanInterval
from fewshot.metrics.slice_metrics import METRICS, Measure
from fewshot.report.findings import findings, rule_in_words
from fewshot.report.html import Section
from fewshot.report.results import RunResults
from fewshot.report.wording import (
    METRIC_WORDS,
    Card,
    Cell,
    difference_cell,
    interval_note,
    span,
    value_cell,
)
from fewshot.run.scores import MASK_AP, ModelScores, columns

_TEMPLATE = """
{{ answer_cards(cards) }}
{% if scores.part == "validation" %}
<p class="warning">{% if has_test %}There are no labels for the test slices.{% else %}
There is no test set: the submission is of the validation slices.{% endif %}
These scores are from the {{ scores.answer.images }} validation slices, on which the merge rule
was also chosen: expect somewhat lower scores on new slices.</p>
{% else %}
<p>Means over {{ scores.answer.images }} {{ scores.part }} slices, which took no part in training
or tuning. By the metric of the submission, the adjusted Rand index (ARI) over
{{ metric_words[scores.metric] }}:</p>
{% endif %}
<ul class="findings">
{% for finding in findings %}
  <li class="{{ finding.mark }}">{{ finding.text }}</li>
{% endfor %}
</ul>
{% macro models(part) %}
{% call table("Scores on " ~ part ~ " slices", ["Model"] + headings, captions[part], "scores") %}
{% for name, cells in tables[part].items() %}{{ model_row(name, cells) }}{% endfor %}
{% endcall %}
{% endmacro %}
{{ models(scores.part) }}
<details>
<summary>Other measures</summary>
{% call table("Other measures", ["Measure"] + names, "Mean over the same slices, under the merge \
rule of the submission, with 95 % intervals.") %}
{% for one, cells in others %}{{ cells_row(one.heading, one.meaning, cells) }}{% endfor %}
{% endcall %}
</details>
{% if differences %}
{% call table("Differences", ["Final minus"] + measured, "Final model minus each other one, mean \
over " ~ first.extent ~ ", with its 95 % bootstrap interval (" ~ ("slices" if first.groups is none \
else "whole patients") ~ " drawn, slice by slice compared). If the interval contains 0, the \
difference may be chance; otherwise it is bold.") %}
{% for name, cells in differences.items() %}{{ model_row(name, cells) }}{% endfor %}
{% endcall %}
{% endif %}
<p class="note">Each ARI column uses the merge rule that was tuned for it on validation slices, for
every model alike; the other columns use the rule tuned for {{ metric_words[scores.metric] }}, as
the submission does, and mask AP is that of the masks before merging. The watershed has nothing to
tune. Foreground leaves out the pixels whose true label is 0. Dice is the mean over the best
one-to-one matching of regions, where a region without a partner counts as 0; a structure is missed,
or extra, if its partner overlaps it by an IoU below 0.50. This is one run with one seed: small
differences may be chance{% if scores.answer.images > 2 %}, and slices of one patient are not
independent\
{% endif %}.</p>
<p><strong>Merge rule of the submission.</strong> {{ rule_text }}</p>
{% for part in tables if part != scores.part %}
<h3>On the {{ part }} slices</h3>
{% if part == "validation" %}
<p>The rules were chosen on these slices, so their scores are optimistic.</p>
{% endif %}
{{ models(part) }}
{% endfor %}
"""


def _build(results: RunResults) -> Mapping[str, Any]:
    scores, audit = results.scores, results.audit
    index = f"ari_{scores.metric}"
    models = {
        name: {metric: one.tuned_for[metric].mean(f"ari_{metric}") for metric in METRIC_WORDS}
        for name, one in scores.models.items()
    }
    differences = results.differences
    measured = [name for name in METRICS if any(name in one for one in differences.values())]
    first = next((one for by_name in differences.values() for one in by_name.values()), None)
    return {
        "scores": scores,
        "has_test": results.layout.has_test,
        "cards": _cards(results),
        "findings": findings(
            models,
            scores.metric,
            None if audit is None else audit.masks,
            differences.get(CONTROL, {}).get(index),
        ),
        "headings": [one.heading for one in columns()],
        "captions": {part: _caption(results, part) for part in scores.parts},
        "tables": {part: _table(one, results) for part, one in scores.parts.items()},
        "names": list(scores.models),
        "others": _other_measures(results),
        "first": first,
        "measured": [METRICS[name].heading for name in measured],
        "differences": {
            name: [difference_cell(METRICS[one], by_name.get(one)) for one in measured]
            for name, by_name in differences.items()
        },
        "rule_text": rule_in_words(scores.rule),
    }


def _cards(results: RunResults) -> list[Card]:
    """Return the main scores, the submission's index first."""
    scores = results.scores
    answer, own = scores.answer, scores.models[FINAL]
    cards = []
    for variant in sorted(METRIC_WORDS, key=lambda one: one != scores.metric):
        metric = METRICS[f"ari_{variant}"]
        tuned = own.tuned_for[variant].mean(metric.name)
        note = (
            "what the submission is tuned for"
            if variant == scores.metric
            else f"the same submission; {metric.text(tuned)} when tuned for it"
        )
        cards.append(
            _card(f"ARI, {METRIC_WORDS[variant]}", metric, answer.means[metric.name], note)
        )
    for name, title, note in (
        ("dice", "Dice of matched regions", "the same submission"),
        ("missed", "Missed structures", "a slice, on average"),
        ("extra", "Extra structures", "a slice, on average"),
    ):
        if name in answer.means:
            cards.append(_card(title, METRICS[name], answer.means[name], note))
    if own.average_precision is not None:
        found = own.average_precision
        note = f"over IoU 0.50 to 0.95, before merging; {MASK_AP.text(found.ap50)} at 0.50"
        cards.append(_card("Mask AP", MASK_AP, MeanInterval(found.ap, None), note))
    return cards


def _card(title: str, measure: Measure, value: MeanInterval, note: str) -> Card:
    interval = span(value.interval, measure.digits)
    return Card(title, measure.text(value.mean), (note, *interval_note(interval)))


def _caption(results: RunResults, part: str) -> str:
    answer = results.scores.answer
    below = ""
    if any(one.interval for one in answer.means.values()):
        drawn = "patients" if answer.by_patient else "slices"
        below = f"; below a score, its 95 % bootstrap interval over {drawn}"
    return (
        f"Mean over the {part} slices; adjusted Rand index (ARI) up to 1, Dice and mask AP 0 to 1, "
        f"missed and extra structures a slice. The best of each column is bold{below}."
    )


def _table(models: Mapping[str, ModelScores], results: RunResults) -> dict[str, list[Cell]]:
    """Return the cells of each model, one for each measure with a column."""
    shown = columns()
    values = {
        name: [one.value(measure, results.metric) for measure in shown]
        for name, one in models.items()
    }
    best = [
        _best(shown[place], [row[place] for row in values.values()]) for place in range(len(shown))
    ]
    return {
        name: [value_cell(*one) for one in zip(shown, row, best, strict=True)]
        for name, row in values.items()
    }


def _best(measure: Measure, values: Sequence[MeanInterval | None]) -> str:
    """Return the best value of a column, as text."""
    known = [one.mean for one in values if one is not None and not math.isnan(one.mean)]
    if not known or measure.higher_is_better is None:
        return ""
    return measure.text(max(known) if measure.higher_is_better else min(known))


def _other_measures(results: RunResults) -> list[tuple[Measure, list[Cell]]]:
    """Return the metrics without a column, and the cell of each model."""
    models = results.scores.models.values()
    return [
        (metric, [value_cell(metric, one.value(metric, results.metric)) for one in models])
        for metric in METRICS.values()
        if not metric.has_column and metric.name in results.scores.answer.means
    ]


ANSWER = Section("answer", "Answer", "How well does the final model do?", _TEMPLATE, _build)
